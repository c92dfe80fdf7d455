"""What stops in the middle, goes, or shrinks while it is read; clocks that are set."""

import io
import itertools
import os
import re
import tarfile
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

import hitpredict
from hitpredict.audio import remote
from hitpredict.audio.expand import Scratch, Stream, entries, expand, read_stream
from hitpredict.audio.read import open_audio
from hitpredict.cli.journal import Journal
from hitpredict.engines import local
from hitpredict.engines.limits import Limits, TimeUpError
from hitpredict.errors import InputError
from tests.helpers.processes import run
from tests.helpers.servers import Reply, serving
from tests.helpers.sounds import encoded, saved, tune
from tests.hostile.test_limits import dawdling, deaf

LONG = tune(14, channels=1)
GIVEN_UP = "given up after 60 s; a higher timeout allows more"


def tar_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(data := encoded(tune()))
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


class Stalling(io.BytesIO):
    """What waits for ever where its bytes end: the alarm of whoever waits goes off at once."""

    def read(self, size=-1):
        if not (data := super().read(size)):
            raise TimeUpError
        return data

    def read1(self, size=-1):
        return self.read(size)


def streamed(data: bytes, folder: Path, stored: bool = False):
    return list(
        read_stream(Stream("s", lambda: nullcontext(Stalling(data)), stored), Scratch(str(folder), seconds=60), [])
    )


def test_a_stream_that_stops_in_the_middle_is_given_up(tmp_path):
    (source,) = streamed(encoded(tune())[:5000], tmp_path)
    assert source.problem == GIVEN_UP
    data = tar_of("a.wav", "b.wav", "c.wav")
    first, rest = streamed(data[: len(data) // 2], tmp_path)
    assert (first.path, first.problem) == ("s/a.wav", None)
    assert (rest.path, rest.problem) == ("s", f"members from here on are lost: s/b.wav: {GIVEN_UP}")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_stops_between_members_is_given_up(tmp_path):
    data = tar_of("a.wav")
    end = len(data.rstrip(b"\0")) // 512 * 512 + 512
    _, rest = streamed(data[:end], tmp_path, stored=True)
    assert rest.problem == f"members from here on are lost: s: {GIVEN_UP}"
    (source,) = streamed(b"", tmp_path, stored=True)
    assert source.problem == GIVEN_UP


def test_a_store_that_does_not_say_what_there_is_is_given_up(monkeypatch):
    def waiting(url):
        raise TimeUpError

    monkeypatch.setattr(remote, "sounds_below", waiting)
    (source,) = entries(["s3://songs/folder"], [], seconds=60)
    assert (source.path, source.problem) == ("s3://songs/folder", GIVEN_UP)


def test_a_store_that_does_not_say_what_a_file_is_is_asked_for_it_anew(monkeypatch, tmp_path):
    def waiting(url):
        raise TimeUpError

    monkeypatch.setattr(remote, "version", waiting)
    with Journal(tmp_path / "out.csv", {}, None, False, print, 60) as journal:
        (source,) = journal.remaining(entries(["memory://a.wav"], []), list)
        assert source.url == "memory://a.wav"


def test_downloads_may_take_longer_than_five_minutes():
    pytest.importorskip("aiohttp")
    system, _ = remote._opened("http://127.0.0.1:9/songs.tar")
    assert system.client_kwargs["timeout"].total is None


@pytest.mark.slow
@pytest.mark.parametrize(("what", "jobs"), [("/half.wav", 2), ("/songs.tar", 1), ("/songs.tar", 2), ("/folder", 1)])
def test_a_server_that_stops_sending_costs_its_input_alone(tmp_path, what, jobs):
    pytest.importorskip("aiohttp")
    songs, done = [saved(tmp_path, f"{n}.wav") for n in range(2)], threading.Event()

    def stopping(body: bytes, part: int):
        yield f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() if part else b""
        yield body[:part]
        done.wait()

    sound, tar = encoded(tune()), tar_of("a.wav", "b.wav")
    with serving() as server:
        server.answers["/half.wav"] = lambda _: Reply(raw=stopping(sound, 3000))
        server.answers["/songs.tar"] = lambda _: Reply(raw=stopping(tar, len(tar) * 3 // 4))
        server.answers["/folder"] = lambda _: Reply(raw=stopping(sound, 0))
        outcome = run("score", "-j", jobs, "--timeout", 4, songs[0], f"{server.url}{what}", songs[1])
        done.set()
    assert outcome.code == 1
    (line,) = outcome.complaints
    assert line.startswith(f"hitpredict: {server.url}{what}: ")
    assert line.endswith("given up after 4 s; a higher timeout allows more")
    scored = [record["path"] for record in outcome.records]
    assert [path for path in scored if "://" not in path] == [str(song) for song in songs]
    assert len(scored) == (3 if "tar" in what else 2)


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_pipe_that_stops_costs_itself_alone(tmp_path, jobs):
    songs, pipe, done = [saved(tmp_path, f"{n}.wav") for n in range(2)], tmp_path / "pipe", threading.Event()
    os.mkfifo(pipe)

    def send() -> None:
        with pipe.open("wb", buffering=0) as file:
            file.write(encoded(tune())[:5000])
            done.wait()

    sender = threading.Thread(target=send)
    sender.start()
    outcome = run("score", "-j", jobs, "--timeout", 4, songs[0], pipe, songs[1])
    done.set()
    sender.join()
    assert outcome.complaints == [f"hitpredict: {pipe}: given up after 4 s; a higher timeout allows more"]
    assert (outcome.code, len(outcome.records)) == (1, 2)


@pytest.mark.parametrize("kind", ["file", "folder", "tar"])
def test_what_goes_between_listing_and_opening_is_one_failure(tmp_path, kind):
    music = tmp_path / "music"
    saved(music, "a.wav")
    saved(music, "b.wav")
    if kind == "tar":
        (music / "songs.tar").write_bytes(tar_of("a.wav", "b.wav"))
    given = {"file": [music / "a.wav", music / "b.wav"], "folder": [music], "tar": [music / "songs.tar"]}[kind]
    found = list(expand(map(str, given), Scratch(str(tmp_path))))
    for path in music.iterdir():
        path.unlink()
    for source in found:
        with pytest.raises(InputError, match=f"^{re.escape(source.path)}: no such file$"), open_audio(source):
            pass


def test_files_that_go_while_a_folder_is_listed_are_failures(tmp_path):
    music = tmp_path / "music"
    for name in ("a.wav", "b.wav", "sub/c.wav"):
        saved(music, name)
    found = expand([str(music)], Scratch(str(tmp_path)))
    first = next(found)
    (music / "b.wav").unlink()
    (music / "sub" / "c.wav").unlink()
    (music / "sub").rmdir()
    assert [(Path(source.path).name, bool(source.problem)) for source in (first, *found)] == [
        ("a.wav", False),
        ("b.wav", True),
        ("sub", True),
    ]


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "tar"])
def test_what_shrinks_while_it_is_read_is_truncated(tmp_path, kind):
    path = tmp_path / f"a.{kind.lower()}"
    data = encoded(LONG, kind if kind != "tar" else "WAV")
    path.write_bytes(data)
    if kind == "tar":
        with tarfile.open(path, "w") as tar:
            member = tarfile.TarInfo("a.wav")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (source,) = expand([str(path)], Scratch(str(tmp_path)))
    with open_audio(source) as reader:
        blocks = reader.blocks()
        next(blocks)
        os.truncate(path, path.stat().st_size // 2)
        for _ in blocks:
            pass
        assert reader.frames_read < LONG.frames
        assert "truncated" in " ".join(reader.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("step", [1e6, -1e6])
def test_the_time_of_day_decides_no_timeout(monkeypatch, step):
    monkeypatch.setattr(local, "_GRACE_SECONDS", 0.2)
    clock = itertools.count(time.time(), step)
    monkeypatch.setattr(time, "time", lambda: next(clock))
    if step > 0:
        results = list(local.run(dawdling, (), [0.2, 0.3], 2, limits=Limits(seconds=600)))
        assert [result for _, result in results] == [0.2, 0.3]
    else:
        (_, late), (_, result) = local.run(deaf, (), [600.0, 0.1], 2, limits=Limits(seconds=1))
        assert (str(late), result) == ("600.0: given up after 1 s; a higher timeout allows more", 0.1)


def test_the_clock_that_can_be_set_measures_the_age_of_kept_pages_alone():
    package, wall = Path(hitpredict.__file__).parent, re.compile(r"\btime\.time\b|from time import .*\btime\b")
    asked = {str(path.relative_to(package)) for path in package.rglob("*.py") if wall.search(path.read_text())}
    assert asked == {"datasets/web/site.py"}
