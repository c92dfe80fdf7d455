"""Deezer: pages, error objects inside good answers, previews, the rate, and going on after a kill."""

import pytest

from hitpredict.cli.fetch import deezer as fetch_deezer
from hitpredict.datasets import deezer
from hitpredict.datasets.deezer import Deezer, Query
from hitpredict.datasets.web.download import GaveUp, Web
from hitpredict.errors import InputError, UsageError
from tests.helpers.manifests import manifest_rows
from tests.helpers.processes import run
from tests.helpers.servers import Server, serving
from tests.helpers.sounds import encoded, tune

MP3 = encoded(tune(1.0), "MP3")
QUOTA = {"error": {"type": "Exception", "message": "Quota limit exceeded", "code": 4}}
NO_DATA = {"error": {"type": "DataException", "message": "no data", "code": 800}}


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_DEEZER", running.url)
        yield running


def details(server: Server, number: int, **changes) -> dict:
    """A track as the API describes it."""
    return {
        "id": number,
        "readable": True,
        "title": f"Title {number}",
        "title_short": f"Title {number}",
        "isrc": f"GBDUW{number:07d}",
        "link": f"https://www.deezer.com/track/{number}",
        "duration": 224,
        "rank": 1000 * number,
        "release_date": "2001-03-07",
        "preview": f"{server.url}/stream/{number}.mp3?hdnea=exp=1~hmac=0",
        "bpm": 123.4,
        "contributors": [{"id": 27, "name": "Daft Punk", "role": "Main"}, {"id": 28, "name": "Friend"}],
        "artist": {"id": 27, "name": "Daft Punk"},
        "album": {"id": 302127, "title": "Discovery", "release_date": "2001-03-07"},
        "type": "track",
        **changes,
    }


def serve_tracks(server: Server, *numbers: int, **changes) -> None:
    for number in numbers:
        server.json(f"/track/{number}", details(server, number, **changes))
        server.file(f"/stream/{number}.mp3", MP3)


def page(*numbers: int, following: str | None = None) -> dict:
    return {"data": [{"id": number, "type": "track"} for number in numbers], "total": 5} | (
        {"next": following} if following else {}
    )


def test_a_playlist_over_two_pages(server, tmp_path, capsys):
    official = "https://api.deezer.com/playlist/77/tracks?limit=100&index=2"
    server.json("/playlist/77/tracks", page(1, 2, following=official), page(2, 3))
    serve_tracks(server, 1, 2, 3)
    assert fetch_deezer.deezer(tmp_path, playlist="77") == 0
    rows = manifest_rows(tmp_path)
    assert [row["id"] for row in rows] == ["1", "2", "3"]
    first = rows[0]
    assert (first["rank"], first["labels"], first["isrc"]) == (1000, ["rank"], "GBDUW0000001")
    assert (first["artist"], first["artist_ids"], first["album"]) == ("Daft Punk, Friend", ["27", "28"], "Discovery")
    assert (first["duration"], first["release_date"], first["source"]) == (224, "2001-03-07", "deezer")
    assert all((tmp_path / row["path"]).read_bytes() == MP3 for row in rows)
    assert capsys.readouterr().out == f"{tmp_path / 'tracks.jsonl'}\n"
    assert server.asked[1].query["index"] == "2"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == ["previews", "tracks.jsonl"]


@pytest.mark.parametrize(
    ("options", "path", "query"),
    [
        ({"chart": True}, "/chart/0/tracks", {"limit": "100"}),
        ({"search": "daft punk & co"}, "/search", {"limit": "100", "q": "daft punk & co"}),
        ({"artist": "27"}, "/artist/27/top", {"limit": "100"}),
    ],
)
def test_each_kind_of_list(server, tmp_path, options, path, query):
    server.json(path, page(5, 6, 7))
    serve_tracks(server, 5, 6, 7)
    assert fetch_deezer.deezer(tmp_path, limit=2, **options) == 0
    assert [row["id"] for row in manifest_rows(tmp_path)] == ["5", "6"]
    assert server.asked[0].query == query


def test_recordings_by_isrc(server, tmp_path, capsys):
    (tmp_path / "list").write_text("gb-duw-00-00009\n\nGBDUW0000009\nGBDUW0000010\nnonsense\n")
    server.json("/track/isrc:GBDUW0000009", details(server, 9))
    server.json("/track/isrc:GBDUW0000010", NO_DATA)
    server.file("/stream/9.mp3", MP3)
    assert fetch_deezer.deezer(tmp_path / "out", isrc=tmp_path / "list") == 1
    assert [row["id"] for row in manifest_rows(tmp_path / "out")] == ["9"]
    complaints = capsys.readouterr().err.splitlines()
    assert len(complaints) == 2
    assert "isrc:GBDUW0000010: Deezer knows no such thing" in complaints[0]
    assert "nonsense: is no ISRC" in complaints[1]


def test_a_quota_error_inside_a_good_answer_is_waited_out(server, tmp_path):
    server.json(
        "/track/1", QUOTA, {"error": {"type": "Exception", "message": "Service busy", "code": 700}}, details(server, 1)
    )
    slept = []
    with Web(sleep=slept.append) as web:
        assert Deezer(web, seconds=0.5).track("1")["rank"] == 1000
    assert slept[:2] == [0.5, 0.5]


def test_quota_errors_do_not_go_on_for_ever(server):
    server.json("/track/1", QUOTA)
    with Web(attempts=2, sleep=lambda _: None) as web, pytest.raises(GaveUp, match="Quota limit exceeded"):
        Deezer(web).track("1")


def test_an_unknown_list_is_one_error(server, tmp_path):
    server.json("/playlist/0/tracks", NO_DATA)
    outcome = run("fetch", "deezer", "--playlist", "0", "-o", tmp_path / "out")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert "/playlist/0/tracks?limit=100: Deezer knows no such thing" in outcome.err


@pytest.mark.parametrize("answer", [[], {"datum": []}, {"data": {}}])
def test_a_changed_list_is_said(server, tmp_path, answer):
    server.json("/chart/0/tracks", answer)
    with pytest.raises(InputError, match="holds no list `data`; the service's format has changed"):
        fetch_deezer.deezer(tmp_path, chart=True)


def test_changed_tracks_and_previews_are_failures_of_their_own(server, tmp_path, capsys):
    server.json("/chart/0/tracks", page(1, 2, 3, 4))
    serve_tracks(server, 1)
    server.json("/track/2", {"id": 2, "title": "no rank"})
    serve_tracks(server, 3)
    server.file("/stream/3.mp3", b"<html>not sound</html>")
    serve_tracks(server, 4, contributors=[{"nom": "x"}])
    assert fetch_deezer.deezer(tmp_path, chart=True) == 1
    assert [row["id"] for row in manifest_rows(tmp_path)] == ["1"]
    complaints = capsys.readouterr().err.splitlines()
    assert ["format has changed" in line for line in complaints] == [True, False, True]
    assert "the preview is not MP3" in complaints[1]
    assert not (tmp_path / "previews/3.mp3").exists()


def test_tracks_without_preview_stay_in_the_manifest(server, tmp_path, capsys):
    server.json("/chart/0/tracks", page(1, 2))
    serve_tracks(server, 1)
    serve_tracks(server, 2, preview="")
    assert fetch_deezer.deezer(tmp_path, chart=True) == 0
    assert [row["path"] for row in manifest_rows(tmp_path)] == ["previews/1.mp3", None]
    assert "1 of 2 tracks have no preview" in capsys.readouterr().err


def test_an_interrupted_run_goes_on_where_it_was(server, tmp_path):
    server.json("/chart/0/tracks", page(1, 2, 3))
    serve_tracks(server, 1, 2, 3)

    with Web() as web:
        tracks = deezer.collection(Deezer(web), Query("chart"), tmp_path)
        steps = tracks.run()
        next(steps), next(steps)
        steps.close()
    assert not (tmp_path / "tracks.jsonl").exists()
    server.asked.clear()
    assert fetch_deezer.deezer(tmp_path, chart=True) == 0
    assert server.paths("/track") == ["/track/3"]
    assert server.paths("/stream") == ["/stream/3.mp3"]
    assert len(manifest_rows(tmp_path)) == 3


def test_fifty_requests_in_a_window(server):
    serve_tracks(server, 1)
    slept = []
    with Web() as web:
        api = Deezer(web, seconds=1000)
        api._limiter._sleep = slept.append
        for _ in range(51):
            api.track("1")
    assert len(slept) == 1
    assert 990 < slept[0] <= 1000


def test_a_dead_network_stops_the_run_and_says_so_once(server, tmp_path):
    server.json("/chart/0/tracks", page(1, 2, 3))
    server.json("/track", {}, status=429, headers={"Retry-After": "7200"})
    outcome = run("fetch", "deezer", "--chart", "-o", tmp_path / "out")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert "asks to wait 7,200 s" in outcome.err
    assert not (tmp_path / "out" / "tracks.jsonl").exists()


@pytest.mark.parametrize("options", [{}, {"chart": True, "artist": "1"}])
def test_exactly_one_kind_of_list(tmp_path, options):
    with pytest.raises(UsageError, match="give one of --chart"):
        fetch_deezer.deezer(tmp_path, **options)


def test_offline_there_is_nothing_to_ask(server, tmp_path):
    outcome = run("fetch", "deezer", "--chart", "--offline", "-o", tmp_path / "out")
    assert (outcome.code, len(outcome.complaints)) == (3, 1)
    assert "--offline forbids the network" in outcome.err


def test_a_preview_must_decode_from_beginning_to_end(tmp_path):
    path = tmp_path / "a.mp3"
    for data, said in [
        (MP3, None),
        (b"RIFF" + MP3, "is not MP3"),
        (b"", "is not MP3"),
        (b"ID3" + bytes(2000), "cannot be decoded"),
        (MP3[: len(MP3) // 2], "truncated"),
    ]:
        path.write_bytes(data)
        assert (said or "None") in str(deezer.flaw(path))


def test_a_preview_that_is_there_is_looked_at_again(server, tmp_path):
    serve_tracks(server, 1)
    (tmp_path / "previews").mkdir()
    with Web() as web:
        api = Deezer(web)
        for there, asked in [(MP3, 0), (MP3[:2000], 1)]:
            (tmp_path / "previews/1.mp3").write_bytes(there)
            assert api.preview(details(server, 1), tmp_path) == "previews/1.mp3"
            assert (tmp_path / "previews/1.mp3").read_bytes() == MP3
            assert len(server.paths("/stream")) == asked
