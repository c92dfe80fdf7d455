"""Servers that mean harm: whatever they send costs one line, within bounds, and nothing outside the folder."""

import gzip
import hashlib
import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import repeat
from pathlib import Path

import pytest

from hitpredict.datasets import weights
from hitpredict.datasets.deezer import Deezer, Query
from hitpredict.datasets.manifest import Draft, Track, now
from hitpredict.datasets.mendeley import Dataset, dataset_tables
from hitpredict.datasets.web import answers
from hitpredict.datasets.web.archives import unpack
from hitpredict.datasets.web.disk import plain
from hitpredict.datasets.web.download import GaveUp, Web
from hitpredict.datasets.web.hashes import check_fetched
from hitpredict.datasets.web.hub import snapshot
from hitpredict.errors import EnvironmentProblem, InputError
from tests.helpers.processes import environment, run
from tests.helpers.servers import Reply, Server, serving
from tests.helpers.sounds import encoded, tune

MP3 = encoded(tune(1.0), "MP3")
COMMIT = "a" * 40
HEAD = b"HTTP/1.1 200 OK\r\n"
REPOSITORY = "facebook/wav2vec2-base"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_DEEZER", running.url)
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def web():
    with Web(timeout=0.2, attempts=2, pause=0.01, longest_answer=2.0) as opened:
        yield opened


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def track(server: Server, **changes: object) -> dict:
    known = {"id": 1, "title": "One", "rank": 5, "preview": f"{server.url}/1.mp3", "artist": {"id": 2, "name": "A"}}
    return {**known, **changes}


def dripping(start: bytes, pieces: Iterable[bytes], pause: float = 0.05) -> Iterator[bytes]:
    yield start
    for piece in pieces:
        time.sleep(pause)
        yield piece


def listing(*siblings: object, sha: object = COMMIT) -> dict:
    return {"sha": sha, "siblings": [*siblings]}


def sibling(name: object, data: bytes = b"{}", **changes: object) -> dict:
    return {"rfilename": name, "blobId": "0" * 40, "size": len(data), **changes}


@pytest.mark.parametrize("name", ["../../VICTIM.json", "/VICTIM.json", "a/../../VICTIM.json", "..\\VICTIM.json", 5])
def test_a_hub_cannot_name_files_outside(tmp_path, server, web, name):
    (tmp_path / "VICTIM.json").write_text("mine")
    server.json(f"/api/models/{REPOSITORY}", listing(sibling(name)))
    server.file(f"/{REPOSITORY}", b"{}")
    with pytest.raises(InputError):
        snapshot(web, REPOSITORY, 10**6)
    assert files(tmp_path) == ["VICTIM.json"]


@pytest.mark.parametrize("tag", ['"../../../../VICTIM"', '"/VICTIM"', f'"{"0" * 64}"'])
def test_what_a_hub_says_in_headers_is_no_path(tmp_path, server, tag):
    victim = tmp_path / "VICTIM"
    victim.write_text("mine")
    server.json(f"/api/models/{REPOSITORY}", listing(sibling("model.safetensors")))
    told = {"X-Repo-Commit": "../../..", "ETag": tag, "X-Linked-Etag": tag, "Content-Disposition": "filename=../VICTIM"}
    server.answers[f"/{REPOSITORY}"] = lambda _: Reply(b"{}", 200, told)
    outcome = run("fetch", "weights", "wav2vec2", "-q")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert files(tmp_path) == ["VICTIM"]
    assert victim.read_text() == "mine"


def test_a_token_stays_with_the_hub(server, web, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    data = b"{}"
    digest = hashlib.sha256(data).hexdigest()
    listed = sibling("a.safetensors", data, lfs={"sha256": digest})
    with serving() as elsewhere:
        server.json(f"/api/models/{REPOSITORY}", listing(listed))
        server.json(f"/{REPOSITORY}", {}, status=302, headers={"Location": f"{elsewhere.url}/a"})
        elsewhere.file("/a", data)
        assert (snapshot(web, REPOSITORY, 10**6) / "a.safetensors").read_bytes() == data
        assert [request.headers.get("Authorization") for request in server.asked] == ["Bearer secret"] * 2
        assert [request.headers.get("Authorization") for request in elsewhere.asked] == [None]


@pytest.mark.parametrize(
    "answer",
    [
        listing(sibling("a.json"), sha="../../.."),
        listing(sibling("a.json", blobId="../../VICTIM")),
        listing(sibling("a.bin", lfs={"sha256": "../../../VICTIM"})),
        listing(sibling("a.json", size=-5)),
        listing(sibling("a.json", size=10**9)),
        listing(),
        {"sha": COMMIT, "siblings": "a.json"},
        [],
    ],
)
def test_listings_of_another_form_are_refused(tmp_path, server, web, answer):
    server.json(f"/api/models/{REPOSITORY}", answer)
    with pytest.raises(InputError):
        snapshot(web, REPOSITORY, 10**6)
    assert files(tmp_path) == []
    assert server.paths(f"/{REPOSITORY}") == []


@pytest.mark.parametrize("name", ["", ".", "..", "a/..", "/a", "a\0b", "a\nb", "\ud800", "x" * 300, "C:a", None, []])
def test_names_that_are_none(name):
    with pytest.raises(InputError):
        plain(name)


BODIES = {
    "gzip bomb": gzip.compress(bytes(2**26)),
    "gzip bomb of JSON": gzip.compress(b"[" + b"0," * 2**25),
    "damaged gzip": gzip.compress(b"{}")[:-6] + b"\xff" * 6,
    "half a gzip": gzip.compress(b"{}" * 100)[:20],
    "no gzip": b"{}",
}


@pytest.mark.parametrize("name", BODIES)
def test_packed_answers_have_bounds(server, web, name):
    server.answers["/x"] = lambda _: Reply(BODIES[name], 200, {"Content-Encoding": "gzip"})
    with pytest.raises(InputError, match=r"larger than|gzip"):
        web.json(f"{server.url}/x")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate"])
def test_answers_packed_in_other_ways_are_refused(server, web, encoding):
    server.answers["/x"] = lambda _: Reply(b"{}", 200, {"Content-Encoding": encoding})
    with pytest.raises(InputError, match="which was not asked for"):
        web.json(f"{server.url}/x")


def test_endless_json_is_refused(server, web):
    server.answers["/x"] = lambda _: Reply(raw=dripping(HEAD + b"\r\n[", repeat(b"0," * 2**15), 0))
    with pytest.raises(InputError, match="larger than"):
        web.json(f"{server.url}/x")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[" * 100 + b"]" * 100, b'{"a":' * 50 + b"1" + b"}" * 50, b"NaN", b"[Infinity]", b"1e999"]
)
def test_depth_and_numbers_without_value_are_refused(server, web, body):
    server.file("/x", body)
    with pytest.raises(InputError, match=r"nested too deep|is not JSON"):
        web.json(f"{server.url}/x")


DRIPS = {
    "headers": (HEAD, b"X-1: a\r\n"),
    "content": (HEAD + b"\r\n[", b" "),
    "size of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"),
}


@pytest.mark.parametrize("name", DRIPS)
@pytest.mark.parametrize("kind", ["json", "download"])
def test_a_byte_now_and_then_is_no_answer(tmp_path, server, web, name, kind):
    start_of, piece = DRIPS[name]
    server.answers["/x"] = lambda _: Reply(raw=dripping(start_of, repeat(piece, 400)))
    began = time.monotonic()
    with pytest.raises(GaveUp, match="hardly anything"):
        web.json(f"{server.url}/x") if kind == "json" else web.download(f"{server.url}/x", tmp_path / "x", "sha1:00")
    assert time.monotonic() - began < 5


def test_a_slow_answer_ends_in_time(server, web):
    server.answers["/x"] = lambda _: Reply(raw=dripping(HEAD + b"\r\n[", repeat(b" " * 4096, 400), 0.1))
    with pytest.raises(GaveUp, match="no end in 2 s"):
        web.json(f"{server.url}/x")


@pytest.mark.parametrize("length", [None, b"Content-Length: 9999999999999999\r\n"])
def test_an_endless_preview_does_not_fill_the_disk(tmp_path, server, web, length):
    head = HEAD + (length or b"Transfer-Encoding: chunked\r\n") + b"\r\n"
    piece = MP3[:4096] if length else b"1000\r\n" + bytes(4096) + b"\r\n"
    server.answers["/1.mp3"] = lambda _: Reply(raw=dripping(head, repeat(piece, 10**4), 0))
    with pytest.raises(InputError, match="refused"):
        Deezer(web).preview(track(server), tmp_path)
    assert files(tmp_path) == []


def test_a_preview_whose_end_cannot_be_told_is_refused(tmp_path, server, web):
    server.answers["/1.mp3"] = lambda _: Reply(raw=[HEAD + b"\r\n", MP3])
    with pytest.raises(InputError, match="does not tell its length"):
        Deezer(web).preview(track(server), tmp_path)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", MP3[: len(MP3) // 2], b"ID3" + bytes(3000), encoded(tune(95.0, 8000, 1), "MP3")]
)
def test_previews_that_are_none_are_removed(tmp_path, server, web, body):
    server.file("/1.mp3", body)
    with pytest.raises(InputError, match="the preview"):
        Deezer(web).preview(track(server), tmp_path)
    assert files(tmp_path) == []


def test_a_preview_that_cannot_be_had_costs_its_track_alone(tmp_path, server, capsys):
    server.json("/chart/0/tracks", {"data": [{"id": 1}, {"id": 2}]})
    server.json("/track/1", track(server, preview="http://nowhere.invalid/1.mp3"))
    server.json("/track/2", track(server, id=2))
    server.file("/1.mp3", MP3)
    outcome = run("fetch", "deezer", "--chart", "-o", tmp_path / "out", "-q")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert files(tmp_path / "out") == ["previews/2.mp3", "tracks.jsonl"]


@pytest.mark.parametrize(
    "following", ["/chart/0/tracks?limit=100", "@evil.invalid/x", ".evil.invalid/x", "http://evil.invalid/x", 5, "x"]
)
def test_pages_lead_on_at_the_same_service_or_end(server, web, following):
    server.json("/chart/0/tracks", {"data": [{"id": 1}], "next": following})
    with pytest.raises(InputError, match="leads nowhere new"):
        Deezer(web).keys(Query("chart"))
    assert len(server.asked) == 1


def test_pages_that_go_on_for_ever_are_left(server, monkeypatch, web):
    monkeypatch.setattr(answers, "MOST_PAGES", 20)
    number = iter(range(10**6))
    server.answers["/chart"] = lambda _: Reply(
        json.dumps({"data": [{"id": 1}], "next": f"{server.url}/chart/{next(number)}"}).encode()
    )
    with pytest.raises(InputError, match="the list does not end; refused after 21 pages"):
        Deezer(web).keys(Query("chart"))
    assert Deezer(web).keys(Query("chart"), 1) == ["1"]
    server.json("/chart/0/tracks", {"data": [{"id": 1}] * 100_001})
    with pytest.raises(InputError, match="100,001 entries"):
        Deezer(web).keys(Query("chart"))


ODD_TRACKS = [
    '{"id": 1, "title": "a", "rank": NaN}',
    '{"id": 1, "title": "a", "rank": 1e999}',
    '{"id": 1, "title": "a", "rank": 1%s, "artist": {"id": 1, "name": "a"}}' % ("0" * 400),
    '{"id": 1, "title": "\\ud800", "rank": 1, "artist": {"id": 1, "name": "a"}}',
    '{"id": 1, "title": {"a": 1}, "rank": 1, "artist": {"id": 1, "name": "a"}}',
    '{"id": 1, "title": "a", "rank": "much", "artist": {"id": 1, "name": "a"}}',
    '{"id": 1, "title": "a", "rank": true, "artist": {"id": 1, "name": "a"}}',
    '{"id": 1, "title": "a", "rank": 1, "artist": 7}',
    '{"id": 1, "title": "a", "rank": 1, "preview": 7, "artist": {"id": 1, "name": "a"}}',
    '{"id": 1, "title": "a", "rank": 1, "preview": "http://\\ud800/", "artist": {"id": 1, "name": "a"}}',
    '{"id": true, "title": "a", "rank": 1, "artist": {"id": 1, "name": "a"}}',
    '{"id": "../../x", "title": "a", "rank": 1, "artist": {"id": 1, "name": "a"}}',
    "[" * 100_000,
    '"%s"' % ("x" * 100_000),
    '{"error": "%s"}' % ("x" * 100_000),
    '{"error": {"code": [4], "message": {}}}',
]


def test_odd_tracks_cost_a_line_each(tmp_path, server):
    numbers = range(len(ODD_TRACKS) + 1)
    server.json("/chart/0/tracks", {"data": [{"id": number} for number in numbers]})
    for number, body in enumerate(ODD_TRACKS):
        server.file(f"/track/{number}", body.encode())
    server.json(f"/track/{len(ODD_TRACKS)}", track(server, preview=""))
    outcome = run("fetch", "deezer", "--chart", "-o", tmp_path / "out", "-q")
    assert (outcome.code, len(outcome.complaints)) == (1, len(ODD_TRACKS))
    assert "defect" not in outcome.err
    assert max(map(len, outcome.complaints)) < 700
    (row,) = [json.loads(line) for line in (tmp_path / "out" / "tracks.jsonl").read_text().splitlines()]
    assert (row["id"], row["rank"]) == ("1", 5)
    assert files(tmp_path) == ["out/tracks.jsonl"]


@pytest.mark.parametrize("entries", [[1], [None], ["id"], [{"id": None}], [{"id": [1]}], [{"id": "../1"}]])
def test_odd_lists_are_one_line(tmp_path, server, web, entries):
    server.json("/chart/0/tracks", {"data": entries})
    with pytest.raises(InputError, match="format has changed"):
        Deezer(web).keys(Query("chart"))


FAR = format_datetime(datetime(9999, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        *(
            (text, "HTTP 429")
            for text in ["\xb2", "-1", "nan", "1.5", "", "x" * 1000, "Wed, 21 Oct 2015 07:28:00 -0000"]
        ),
        *(
            (text, "HTTP 429")
            for text in ["Mon, 01 Jan 0000 00:00:00 GMT", "9" * 400, "Wed, 21 Oct 2015 7:28:0 +99999999"]
        ),
        *((text, "asks to wait") for text in ["9" * 12, FAR]),
    ],
)
def test_odd_waits_are_passed_over(server, web, asked, said):
    server.json("/x", {}, status=429, headers={"Retry-After": asked})
    with pytest.raises(GaveUp, match=said):
        web.json(f"{server.url}/x")


@pytest.mark.parametrize("status", [204, 206, 304, 416])
def test_odd_statuses_are_no_file(tmp_path, server, web, status):
    server.answers["/x"] = lambda _: Reply(b"", status, {"Content-Range": "bytes */0"})
    with pytest.raises(InputError):
        web.download(f"{server.url}/x", tmp_path / "x")
    assert files(tmp_path) == []


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
        "import sys; from pathlib import Path; from hitpredict.datasets.download import Web\n"
        "Web().download(sys.argv[1], Path(sys.argv[2]))"
    )
    first = start_python(code, f"{server.url}/slow", tmp_path / "x")
    while not (tmp_path / ".x.part").exists():
        time.sleep(0.02)
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


def test_the_whole_hash_holds_from_the_first_download_on(tmp_path, server):
    data = b"weights"
    digest = hashlib.sha256(data).hexdigest()
    entry = replace(weights.ALL["vggish-pca"], file="a/b.pth", sha256=digest[:8])
    server.file("/a/b.pth", data)
    with Web(pause=0.01) as web:
        path = weights.fetch(web, entry, server.url)
        assert path.with_name("b.pth.sha256").read_text() == f"{digest}  b.pth\n"
        check_fetched(path, "")
        # Another file whose hash begins alike.
        path.with_name("b.pth.sha256").write_text(f"{digest[:8]}{'0' * 56}  b.pth\n")
        with pytest.raises(EnvironmentProblem, match="is damaged or another file"):
            check_fetched(path, "")
        with pytest.raises(InputError, match="damaged or another one"):
            weights.fetch(web, entry, server.url)


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
    assert files(tmp_path) == ["a.zip"]


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
    assert files(tmp_path) == []
