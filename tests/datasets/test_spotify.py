"""Spotify: old applications and new ones, credentials, and previews from elsewhere."""

import json
from urllib.parse import urlencode

import pytest

from hitpredict.cli.fetch import spotify as fetch_spotify
from hitpredict.datasets import spotify
from hitpredict.datasets.spotify import identifier_of
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from tests.helpers.manifests import manifest_rows
from tests.helpers.processes import run
from tests.helpers.servers import Reply, Request, Server, serving
from tests.helpers.sounds import encoded, tune

MP3 = encoded(tune(1.0), "MP3")
NAMES = [f"{number:022d}" for number in range(120)]


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SPOTIFY_CLIENT_ID", "me")
    monkeypatch.setenv("SPOTIFY_CLIENT_SECRET", "hush")
    with serving() as running:
        for source in ("SPOTIFY", "DEEZER"):
            monkeypatch.setenv(f"HITPREDICT_FETCH_BASE_{source}", running.url)
        running.json("/api/token", {"access_token": "t1", "token_type": "Bearer", "expires_in": 3600})
        yield running


def song(key: str, new: bool = False, **changes) -> dict:
    """A track as the API describes it, to an old application or a new one."""
    track = {
        "id": key,
        "type": "track",
        "name": f"Song {int(key)}",
        "duration_ms": 201_500,
        "external_ids": {"isrc": f"USRC1{int(key):07d}"},
        "artists": [{"id": "a1", "name": "One"}, {"id": "a2", "name": "Two"}],
        "album": {"id": "al", "name": "An Album", "release_date": "2019-02"},
        "preview_url": None,
    }
    return {**track, **({} if new else {"popularity": 50, "preview_url": "https://p.scdn.co/x"}), **changes}


def serve_batches(server: Server, missing: str = "") -> None:
    def answer(request: Request) -> Reply:
        found = [None if key == missing else song(key) for key in request.query["ids"].split(",")]
        return Reply(json.dumps({"tracks": found}).encode())

    server.answers["/v1/tracks"] = answer


def serve_singles(server: Server) -> None:
    """As applications in development mode see it since February 2026."""

    def answer(request: Request) -> Reply:
        key = request.path.rpartition("/")[2]
        if key == "tracks":
            return Reply(b'{"error": {"status": 403, "message": "Forbidden"}}', 403)
        return Reply(json.dumps(song(key, new=True)).encode())

    server.answers["/v1/tracks"] = answer


def test_tracks_in_batches_of_fifty(server, tmp_path):
    serve_batches(server, missing=NAMES[3])
    (tmp_path / "ids").write_text("\n".join(f"spotify:track:{name}" for name in NAMES[1:]))
    link = f"https://open.spotify.com/track/{NAMES[0]}?si=abc"
    assert fetch_spotify.spotify(tmp_path / "out", [link], ids=tmp_path / "ids") == 1
    batches = [request.query["ids"].count(",") + 1 for request in server.asked if request.path == "/v1/tracks"]
    assert batches[:2] == [50, 50]
    rows = manifest_rows(tmp_path / "out")
    assert [row["id"] for row in rows] == [name for name in NAMES if name != NAMES[3]]
    first = rows[0]
    assert (first["popularity"], first["labels"], first["isrc"]) == (50, ["popularity", "deezer_rank"], "USRC10000000")
    assert (first["artist"], first["release_date"], first["duration"]) == ("One, Two", "2019-02", 201.5)


def test_the_token_is_fetched_once_with_the_credentials(server, tmp_path):
    serve_batches(server)
    fetch_spotify.spotify(tmp_path / "out", NAMES[:60])
    (asked,) = [request for request in server.asked if request.path == "/api/token"]
    assert asked.form == {"grant_type": "client_credentials", "client_id": "me", "client_secret": "hush"}
    assert {request.headers["Authorization"] for request in server.asked if request.path == "/v1/tracks"} == {
        "Bearer t1"
    }


def test_an_expired_token_is_renewed(server, tmp_path):
    server.json("/api/token", {"access_token": "old"}, {"access_token": "new"})

    def answer(request: Request) -> Reply:
        if request.headers["Authorization"] == "Bearer old":
            return Reply(b"{}", 401)
        return Reply(json.dumps({"tracks": [song(NAMES[0])]}).encode())

    server.answers["/v1/tracks"] = answer
    assert fetch_spotify.spotify(tmp_path / "out", NAMES[:1]) == 0


def test_new_applications_get_one_track_at_a_time_and_are_told_once(server, tmp_path, capsys):
    serve_singles(server)
    assert fetch_spotify.spotify(tmp_path / "out", NAMES[:4]) == 0
    assert [row["popularity"] for row in manifest_rows(tmp_path / "out")] == [None] * 4
    told = capsys.readouterr().err.splitlines()
    assert [line.split("Spotify gives this application no ")[1].split()[0].strip(":;") for line in told] == [
        *("batches", "popularity"),
        "previews",
    ]


@pytest.mark.parametrize("new", [False, True])
def test_playlists_in_both_forms(server, tmp_path, new):
    where, name = f"/v1/playlists/{NAMES[9]}", "item" if new else "track"
    following = f"https://api.spotify.com{where}/{'items' if new else 'tracks'}?offset=3"
    entries = [{name: song(NAMES[0])}, {name: None}, {name: {**song(NAMES[1]), "type": "episode"}}]
    server.json(
        f"{where}/items" if new else f"{where}/tracks",
        {"items": entries, "next": following},
        {"items": [{name: song(NAMES[2])}], "next": None},
    )
    assert fetch_spotify.spotify(tmp_path / "out", playlist=[f"spotify:playlist:{NAMES[9]}"]) == 0
    assert [row["id"] for row in manifest_rows(tmp_path / "out")] == [NAMES[0], NAMES[2]]


def test_previews_come_from_deezer_by_isrc(server, tmp_path, capsys):
    serve_batches(server)
    server.json("/track/isrc:USRC10000000", {"id": 5, "title": "x", "rank": 777, "preview": f"{server.url}/p.mp3"})
    server.json("/track/isrc:USRC10000001", {"error": {"type": "DataException", "message": "no data", "code": 800}})
    server.file("/p.mp3", MP3)
    assert fetch_spotify.spotify(tmp_path / "out", NAMES[:2], previews=fetch_spotify.Previews.deezer) == 0
    one, two = manifest_rows(tmp_path / "out")
    assert (one["deezer_rank"], one["path"]) == (777, "previews/5.mp3")
    assert (tmp_path / "out" / one["path"]).read_bytes() == MP3
    assert (two["deezer_rank"], two["path"]) == (None, None)
    assert "no previews" not in capsys.readouterr().err


@pytest.mark.parametrize("answer", [{"songs": []}, {"tracks": {}}, []])
def test_a_changed_format_is_said(server, tmp_path, answer, capsys):
    server.json("/v1/tracks", answer)
    assert fetch_spotify.spotify(tmp_path / "out", NAMES[:1]) == 1
    assert "format has changed" in capsys.readouterr().err


def test_refused_credentials_are_an_environment_problem_without_the_secret(server, tmp_path):
    server.json("/api/token", {"error": "invalid_client"}, status=400)
    outcome = run("fetch", "spotify", NAMES[0], "-o", tmp_path / "out", "-v")
    assert outcome.code == 3
    assert "Spotify refused SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET (HTTP 400)" in outcome.err
    assert "hush" not in outcome.err
    assert not [*(tmp_path / "out").glob("tracks.jsonl")]


@pytest.mark.parametrize("name", ["SPOTIFY_CLIENT_ID", "SPOTIFY_CLIENT_SECRET"])
def test_missing_credentials_are_asked_for(server, tmp_path, monkeypatch, name):
    monkeypatch.delenv(name)
    with pytest.raises(EnvironmentProblem, match="set SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET"):
        fetch_spotify.spotify(tmp_path / "out", NAMES[:1])


def test_waits_are_honoured_or_left_to_the_user(server, tmp_path, capsys):
    later = Reply(status=429, headers={"Retry-After": "0"})
    server.json("/v1/tracks", later, {"tracks": [song(NAMES[0])]})
    assert fetch_spotify.spotify(tmp_path / "out", NAMES[:1]) == 0
    assert "HTTP 429" in capsys.readouterr().err


def test_what_is_no_track_is_said(server, tmp_path, capsys):
    serve_batches(server)
    assert fetch_spotify.spotify(tmp_path / "out", ["nonsense", NAMES[0]]) == 1
    assert "nonsense: is no Spotify id, URI or link" in capsys.readouterr().err
    assert len(manifest_rows(tmp_path / "out")) == 1
    with pytest.raises(UsageError, match="give tracks"):
        fetch_spotify.spotify(tmp_path / "out")
    with pytest.raises(InputError):
        identifier_of("https://open.spotify.com/track/short")


def serve_search(server: Server, largest: int = 50) -> None:
    """1,200 tracks for each year, in pages of at most `largest`, as the service pages them."""

    def answer(request: Request) -> Reply:
        limit, offset = (int(request.query.get(name, default)) for name, default in (("limit", 20), ("offset", 0)))
        if limit > largest:
            return Reply(b'{"error": {"status": 400, "message": "Invalid limit"}}', 400)
        year = int(request.query["q"].rpartition("year:")[2])
        keys = [f"{year * 10000 + offset + number:022d}" for number in range(limit)]
        following = f"{server.url}/v1/search?{urlencode({**request.query, 'offset': offset + limit})}"
        page = {"items": [song(key, preview_url=f"{server.url}/p/{key}") for key in keys], "next": following}
        return Reply(json.dumps({"tracks": page}).encode())

    server.answers["/v1/search"] = answer


@pytest.mark.parametrize("largest", [50, 10])
def test_a_search_by_genre_goes_year_by_year_up_to_what_the_service_gives(server, tmp_path, monkeypatch, largest):
    monkeypatch.setattr(spotify, "_MOST_FOUND", 60)
    serve_search(server, largest)
    assert fetch_spotify.spotify(tmp_path / "out", genre=["mando pop"], year="2018-2019") == 0
    asked = [request.query["q"] for request in server.asked if request.path == "/v1/search"]
    assert set(asked) == {'genre:"mando pop" year:2018', 'genre:"mando pop" year:2019'}
    rows = manifest_rows(tmp_path / "out")
    assert [int(row["id"]) for row in rows] == [year * 10000 + n for year in (2018, 2019) for n in range(60)]


def test_previews_of_spotify_are_taken_where_it_gives_any(server, tmp_path, capsys):
    serve_search(server)
    server.file(f"/p/{20190000:022d}", MP3)
    serve_singles(server)
    assert fetch_spotify.spotify(tmp_path / "out", year="2019", limit=1, previews=fetch_spotify.Previews.spotify) == 0
    (row,) = manifest_rows(tmp_path / "out")
    assert row["path"] == f"audio/{20190000:022d}.mp3"
    assert (tmp_path / "out" / row["path"]).read_bytes() == MP3
    assert fetch_spotify.spotify(tmp_path / "none", [NAMES[0]], previews=fetch_spotify.Previews.spotify) == 0
    assert "Spotify gives this application no previews" in capsys.readouterr().err
    assert [row["path"] for row in manifest_rows(tmp_path / "none")] == [None]


@pytest.mark.parametrize("year", ["19", "2019-2017", "2019-20"])
def test_a_year_of_another_form_is_refused(server, tmp_path, year):
    with pytest.raises(UsageError, match="must be a year, or a range"):
        fetch_spotify.spotify(tmp_path / "out", year=year)
