"""Attacks on inputs behind URLs: files that change between runs, that are without end, and plain servers."""

import io
import os
import re
import signal
import tarfile
import time
from email.utils import formatdate
from itertools import repeat

import pytest

from tests.helpers.marks import few_by_default
from tests.helpers.processes import finished, run, start
from tests.helpers.servers import Reply, serving
from tests.helpers.sounds import encoded, tune

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")

COMMANDS = [("score",), ("featurize", "--kind", "mfcc_stats")]
OUTPUT, JOURNAL = "out.csv", ".out.csv.partial"
STEPS = {"ETag": ('"one"', '"two"'), "Last-Modified": (formatdate(1e9), formatdate(1.1e9)), None: (None, None)}


@pytest.fixture
def server():
    with serving() as server:
        yield server


def killed(folder, *asked) -> None:
    """A run that has one record, waits for a pipe and is killed."""
    os.mkfifo(folder / "pipe")
    process = start(*asked, "pipe", "-j", "1", "-o", OUTPUT, cwd=folder)
    while not (folder / JOURNAL).exists() or (folder / JOURNAL).read_bytes().count(b"\n") < 2:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    finished(process)


@pytest.mark.parametrize("header", few_by_default(STEPS), ids=str)
@pytest.mark.parametrize("changed", [True, False], ids=["changed", "same"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_remote_file_that_changes_is_done_again(tmp_path, server, command, changed, header):
    def serve(seed: int, value: str | None) -> None:
        body = encoded(tune(seed=seed))
        server.answers["/a.wav"] = lambda _: Reply(body, headers={header: value} if header else {})

    url = f"{server.url}/a.wav"
    serve(1, STEPS[header][0])
    killed(tmp_path, *command, url)
    if changed:
        serve(2, STEPS[header][1])
    outcome = run(*command, url, "-o", OUTPUT, cwd=tmp_path)
    assert outcome.code == 0
    assert ("0 records of the interrupted run are taken up, 1 dropped" in outcome.err) == (changed or not header)
    assert run(*command, url, "-o", "fresh.csv", cwd=tmp_path).code == 0
    assert (tmp_path / OUTPUT).read_bytes() == (tmp_path / "fresh.csv").read_bytes()


@pytest.mark.parametrize("command", [*COMMANDS, ("mutate", "--gain", "-1", "-o", "x.wav")], ids=lambda words: words[0])
def test_a_remote_file_without_end_costs_only_itself(tmp_path, server, command):
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    piece = b"10000\r\n" + bytes(2**16) + b"\r\n"
    server.answers["/endless.wav"] = lambda request: Reply(raw=_without_end(head, piece))
    outcome = run(*command, f"{server.url}/endless.wav", "--max-bytes", "5MB", cwd=tmp_path)
    assert (outcome.code, len(outcome.complaints)) == (1, 1), outcome.err
    assert outcome.err.endswith("/endless.wav: has more than 0.005 GB; --max-bytes allows more\n")


def _without_end(head: bytes, piece: bytes):
    yield head
    yield from repeat(piece, 10**4)


def test_the_bound_of_remote_files_is_there_unasked(tmp_path):
    """What is told is true: the default is the one that the help states."""
    from hitpredict.audio.expand import entries
    from hitpredict.audio.source import MAX_FETCHED

    (tmp_path / "a.wav").write_bytes(encoded(tune()))
    (source,) = entries([f"file://{tmp_path}/a.wav"], [])
    assert source.max_bytes == MAX_FETCHED == 2 * 10**9
    assert re.search("from a URL 2G", " ".join(run("score", "--help").out.decode().replace("│", "").split()))


@pytest.mark.parametrize("size", [2, 12], ids=["small", "many blocks"])
def test_servers_without_ranges_are_read_to_the_end(tmp_path, server, size):
    """Sounds and members of tars beyond the first 5 MB, which is a block of fsspec."""
    song = encoded(tune(size * 5))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(2):
            member = tarfile.TarInfo(f"{number}.wav")
            member.size = len(song)
            tar.addfile(member, io.BytesIO(song))
    server.answers["/a.wav"] = lambda _: Reply(song)
    server.answers["/songs.tar"] = lambda _: Reply(buffer.getvalue())
    outcome = run("score", f"{server.url}/a.wav", f"{server.url}/songs.tar", "-j", "1")
    assert outcome.code == 0, outcome.err
    assert len({record["score"] for record in outcome.records}) == 1
    assert len(outcome.records) == 3
