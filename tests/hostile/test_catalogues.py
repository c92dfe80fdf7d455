"""Catalogues that mean harm: lists without end, odd tracks, and previews that are none."""

import json
from itertools import repeat

import pytest

from hitpredict.datasets.deezer import Deezer, Query
from hitpredict.datasets.web import answers
from hitpredict.errors import InputError
from tests.helpers.folders import names_in
from tests.helpers.processes import run
from tests.helpers.servers import HEAD, Reply, Server, dripping
from tests.helpers.sounds import encoded, tune

MP3 = encoded(tune(1.0), "MP3")


def track(server: Server, **changes: object) -> dict:
    known = {"id": 1, "title": "One", "rank": 5, "preview": f"{server.url}/1.mp3", "artist": {"id": 2, "name": "A"}}
    return {**known, **changes}


@pytest.mark.parametrize("length", [None, b"Content-Length: 9999999999999999\r\n"])
def test_an_endless_preview_does_not_fill_the_disk(tmp_path, server, web, length):
    head = HEAD + (length or b"Transfer-Encoding: chunked\r\n") + b"\r\n"
    piece = MP3[:4096] if length else b"1000\r\n" + bytes(4096) + b"\r\n"
    server.answers["/1.mp3"] = lambda _: Reply(raw=dripping(head, repeat(piece, 10**4), 0))
    with pytest.raises(InputError, match="refused"):
        Deezer(web).preview(track(server), tmp_path)
    assert names_in(tmp_path) == []


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
    assert names_in(tmp_path) == []


def test_a_preview_that_cannot_be_had_costs_its_track_alone(tmp_path, server, capsys):
    server.json("/chart/0/tracks", {"data": [{"id": 1}, {"id": 2}]})
    server.json("/track/1", track(server, preview="http://nowhere.invalid/1.mp3"))
    server.json("/track/2", track(server, id=2))
    server.file("/1.mp3", MP3)
    outcome = run("fetch", "deezer", "--chart", "-o", tmp_path / "out", "-q")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert names_in(tmp_path / "out") == ["previews/2.mp3", "tracks.jsonl"]


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
    assert names_in(tmp_path) == ["out/tracks.jsonl"]


@pytest.mark.parametrize("entries", [[1], [None], ["id"], [{"id": None}], [{"id": [1]}], [{"id": "../1"}]])
def test_odd_lists_are_one_line(tmp_path, server, web, entries):
    server.json("/chart/0/tracks", {"data": entries})
    with pytest.raises(InputError, match="format has changed"):
        Deezer(web).keys(Query("chart"))
