"""Where downloads are written: never through links, never two at once, and nothing outside the folder."""

import json
import os
import subprocess
import sys
import zipfile

import pytest

from hitpredict.datasets.manifest import Draft, Track, now
from hitpredict.datasets.mendeley import Dataset, dataset_tables
from hitpredict.datasets.web.archives import unpack
from hitpredict.datasets.web.disk import plain
from hitpredict.datasets.web.download import Web
from hitpredict.errors import EnvironmentProblem, InputError
from tests.helpers.folders import names_in
from tests.helpers.processes import environment, until
from tests.helpers.servers import Reply


@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "/a", "a\0b", "a\nb", "\ud800", "x" * 300, "C:a", None, []])
def test_names_that_are_none(name):
    with pytest.raises(InputError):
        plain(name)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_part_is_never_written_through_a_link(tmp_path, server, web, link):
    victim = tmp_path / "VICTIM"
    victim.write_text("mine")
    out = tmp_path / "out"
    out.mkdir()
    link(victim, out / ".x.part")
    link(victim, out / ".tracks.jsonl.partial")
    server.file("/x", b"theirs")
    with pytest.raises(EnvironmentProblem, match="is a link"):
        web.download(f"{server.url}/x", out / "x")
    with pytest.raises(EnvironmentProblem, match="is a link"):
        Draft(out, {})
    (out / "y").symlink_to(tmp_path / "new")
    server.file("/y", b"theirs")
    web.download(f"{server.url}/y", out / "y")
    assert victim.read_text() == "mine"
    assert not (tmp_path / "new").exists()


def test_a_pipe_in_the_place_of_a_part_is_refused(tmp_path, server, web):
    os.mkfifo(tmp_path / ".x.part")
    server.file("/x", b"theirs")
    with pytest.raises(EnvironmentProblem, match="no regular file"):
        web.download(f"{server.url}/x", tmp_path / "x")


def test_two_fetches_at_once_say_who_has_the_file(tmp_path, server):
    server.answers["/slow"] = lambda _: Reply(bytes(200_000), delay=0.01)
    code = (
        "import sys; from pathlib import Path; from hitpredict.datasets.web.download import Web\n"
        "Web().download(sys.argv[1], Path(sys.argv[2]))"
    )
    first = start_python(code, f"{server.url}/slow", tmp_path / "x")
    until((tmp_path / ".x.part").exists, first)
    with Web() as web, pytest.raises(EnvironmentProblem, match=rf"being written by another run \(process {first.pid} "):
        web.download(f"{server.url}/slow", tmp_path / "x")
    first.terminate()
    first.wait()
    draft = Draft(tmp_path, {})
    with pytest.raises(EnvironmentProblem, match="being written by another run"):
        Draft(tmp_path, {})
    draft.add("1", Track("1", "test", now()))
    draft.close()
    again = Draft(tmp_path, {})
    assert [*again.rows] == ["1"]
    again.close()


def start_python(code: str, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], env=environment())


@pytest.mark.parametrize("damage", ["name", "method", "empty name"])
def test_odd_archives_are_one_error(tmp_path, damage):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA if damage == "method" else zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("aé.mp3" if damage == "name" else "a.mp3", b"x" * 100)
    data = path.read_bytes()
    if damage == "name":
        path.write_bytes(data.replace("é".encode(), b"\xff\xff"))
    if damage == "empty name":
        at = data.index(b"PK\1\2")
        entry = bytearray(data[at:].replace(b"a.mp3", b"", 1))
        entry[28:30] = b"\0\0"
        size = int.from_bytes(data[-10:-6], "little") - 5
        path.write_bytes(data[:at] + bytes(entry[:-10]) + size.to_bytes(4, "little") + bytes(entry[-6:]))
    with pytest.raises(InputError):
        [*unpack(path, tmp_path / "out", lambda name: name or "x")]
    assert names_in(tmp_path) == ["a.zip"]


def test_a_listing_that_led_to_nothing_is_not_kept(tmp_path, server, web):
    listed = {
        "filename": "../../x.zip",
        "content_details": {"download_url": f"{server.url}/x", "sha256_hash": "0" * 64},
    }
    server.answers["/public-api"] = lambda request: Reply(
        json.dumps([] if "/folders/" in request.path else [listed]).encode()
    )
    server.file("/x", b"PK")
    with pytest.raises(InputError, match="damaged or another one"):
        dataset_tables(web, Dataset("some", "abc", 1), ["a.csv"], server.url)
    assert names_in(tmp_path) == []
