"""Where downloads lie: the cache, offline, room on the disk, and folders in which nothing came."""

import errno

import pytest

from hitpredict.datasets.web import disk
from hitpredict.datasets.web.cache import cache_folder
from hitpredict.datasets.web.disk import made
from hitpredict.datasets.web.download import Web
from hitpredict.datasets.web.part import Part
from hitpredict.errors import EnvironmentProblem, InputError
from tests.helpers.folders import left
from tests.helpers.servers import BODY, SHA1, Reply


def test_a_folder_in_which_nothing_came_goes_again(tmp_path):
    (tmp_path / "there").mkdir()
    for name, brought in [("there", False), ("new/deep", False), ("kept/deep", True)]:
        folder = tmp_path / name
        with pytest.raises(InputError), made(folder):
            assert folder.is_dir()
            if brought:
                (folder / "a").write_text("a")
            raise InputError("no")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == [
        *("kept", "kept/deep", "kept/deep/a", "there"),
    ]
    with pytest.raises(EnvironmentProblem, match=r"kept/deep/a.*cannot be made"), made(tmp_path / "kept/deep/a/b"):
        pass


def test_offline_takes_what_is_there_and_asks_for_nothing(tmp_path, server):
    (tmp_path / "here").write_bytes(b"1")
    with Web(offline=True) as web:
        assert web.download(f"{server.url}/here", tmp_path / "here").exists()
        with pytest.raises(EnvironmentProblem, match="away is not in the cache and `offline`"):
            web.download(f"{server.url}/away", tmp_path / "away")
        with pytest.raises(EnvironmentProblem, match="cannot be asked"):
            web.json(f"{server.url}/x")
    assert not server.asked


def test_a_full_disk_is_one_clear_error_and_keeps_what_came(tmp_path, server, web, monkeypatch):
    server.answers["/a.zip"] = lambda _: Reply(BODY, delay=0.0001)
    written = Part.write

    def on_full_disk(part: Part, data: bytes) -> None:
        part.flush()
        if part.size > 30_000:
            raise OSError(errno.ENOSPC, "No space left on device")
        written(part, data)

    monkeypatch.setattr(Part, "write", on_full_disk)
    with pytest.raises(EnvironmentProblem, match="the disk is full; free some space and run") as full:
        web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1)
    assert full.value.exit_code == 3
    monkeypatch.undo()
    kept = (tmp_path / ".a.zip.part").read_bytes()
    assert kept
    assert BODY.startswith(kept)
    server.file("/a.zip", BODY)
    assert web.download(f"{server.url}/a.zip", tmp_path / "a.zip", SHA1).read_bytes() == BODY


def test_room_is_asked_for_first(tmp_path, server, web, monkeypatch):
    server.file("/a.zip", BODY)
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda _: disk.shutil._ntuple_diskusage(10, 10, 1000))
    with pytest.raises(EnvironmentProblem, match=r"a\.zip: needs 0 MB"):
        web.download(f"{server.url}/a.zip", tmp_path / "a.zip")


def test_the_cache_is_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "deep" / "cache"))
    assert cache_folder("fma") == tmp_path / "deep" / "cache" / "fma"
    assert left(tmp_path) == []


def test_the_cache_is_in_the_xdg_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("HITPREDICT_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder("fma") == tmp_path / "hitpredict" / "fma"


def test_a_cache_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "file"))
    with pytest.raises(EnvironmentProblem, match="set HITPREDICT_CACHE to a folder"):
        cache_folder("fma")
