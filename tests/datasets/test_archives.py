"""Zip archives: unpacked where they should be, refused where they would do harm."""

import stat
import zipfile
from pathlib import Path

import pytest

from hitpredict.datasets.web import archives, disk
from hitpredict.datasets.web.archives import opened_zip, unpack
from hitpredict.errors import EnvironmentProblem, InputError
from tests.helpers.folders import contents


def zipped(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def same(name: str) -> str | None:
    return name


def test_members_keep_their_folders(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"one/1.mp3": b"1", "one/two/2.mp3": b"22", "README": b"r"})
    paths = [*unpack(archive, tmp_path / "out", lambda name: name if name.endswith(".mp3") else None)]
    assert contents(tmp_path / "out") == {"one/1.mp3": b"1", "one/two/2.mp3": b"22"}
    assert paths == [tmp_path / "out" / "one/1.mp3", tmp_path / "out" / "one/two/2.mp3"]


def test_what_is_there_in_full_is_left(tmp_path):
    archive = zipped(tmp_path / "a.zip", {"1": b"new", "2": b"new", "3": b"new"})
    out = tmp_path / "out"
    out.mkdir()
    for name, data in {"1": b"new", "2": b"half an old one", "3": b"old"}.items():
        (out / name).write_bytes(data)
    before = (out / "1").stat().st_mtime_ns
    assert len([*unpack(archive, out, same)]) == 3
    assert contents(out) == {"1": b"new", "2": b"new", "3": b"new"}
    assert (out / "1").stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:/evil", "C:evil"])
def test_members_that_climb_out_are_refused(tmp_path, name):
    archive = zipped(tmp_path / "a.zip", {"fine": b"1", name: b"2"})
    with pytest.raises(InputError, match="would climb out of its folder; nothing was unpacked"):
        [*unpack(archive, tmp_path / "out", same)]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.zip"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(tmp_path, kind):
    info = zipfile.ZipInfo("link")
    info.external_attr = (kind | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match="is a link or no file"):
        [*unpack(tmp_path / "a.zip", tmp_path / "out", same)]


def test_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_SMALL", 10**6)
    archive = zipped(tmp_path / "bomb.zip", {f"{n}": bytes(10**6) for n in range(5)})
    with pytest.raises(InputError, match="claims to hold 5,000,000 bytes"):
        [*unpack(archive, tmp_path / "out", same)]


def test_more_than_was_declared_is_not_written(tmp_path):
    data = zipped(tmp_path / "a.zip", {"1": bytes(100_000)}).read_bytes()
    lying = data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lying != data
    (tmp_path / "a.zip").write_bytes(lying)
    with pytest.raises(InputError, match="not a whole zip archive"):
        [*unpack(tmp_path / "a.zip", tmp_path / "out", same)]
    assert not contents(tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"<html>not found</html>", b"PK\3\4" + bytes(100)])
def test_what_is_no_zip_is_said(tmp_path, data):
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(InputError, match=r"a\.zip: is not a whole zip archive"), opened_zip(tmp_path / "a.zip"):
        pass


def test_room_is_asked_for_before_unpacking(tmp_path, monkeypatch):
    archive = zipped(tmp_path / "a.zip", {"1": b"12345"})
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: disk.shutil._ntuple_diskusage(9, 9, 4))
    with pytest.raises(EnvironmentProblem, match=r"a\.zip: needs"):
        [*unpack(archive, tmp_path / "out", same)]
    assert not contents(tmp_path / "out")
