"""SpotGenTrack: five tables with an index column, joined to the matrices of HitMusicNet."""

import csv
import hashlib
import io
import time
from pathlib import Path

import pyarrow.parquet
import pytest

from hitpredict.cli.fetch import spotgentrack as fetch_spotgentrack
from hitpredict.datasets import spotgentrack as sgt
from hitpredict.errors import InputError
from tests.helpers.archives import zip_of
from tests.helpers.manifests import manifest_rows
from tests.helpers.processes import finished, run, start
from tests.helpers.servers import Reply, Server, serving

FOLDERS = {
    "Data Sources": (sgt.TRACKS, sgt.ALBUMS, sgt.ARTISTS),
    "Features Extracted": (sgt.SOUND, sgt.LYRICS),
}
LISTING = "/public-api/datasets/4m2x4zngny"


def pandas_csv(columns: list[str], rows: list[list]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["", *columns])
    writer.writerows([number, *row] for number, row in enumerate(rows))
    return text.getvalue().encode()


def tables() -> dict[str, bytes]:
    """Four tracks: A whole, B of two artists without a row of lyrics, C without sound, A again."""
    numbers = {name: index / 10 for index, name in enumerate(sgt.HIGH_LEVEL)} | {"duration_ms": 200_040}
    track = {
        **dict.fromkeys(("analysis_url", "country", "disc_number", "href", "playlist", "preview_url", "type"), ""),
        **numbers,
        "id": "A",
        "name": "Song, one",
        "popularity": 51.0,
        "album_id": "al",
        "artists_id": "['a1']",
        "available_markets": "['AD', 'AE', 'AR']",
        "lyrics": 'Line "one"\n\nline, two',
        "time_signature": 4,
        "track_name_prev": "track_1",
    }
    rows = [
        track,
        {**track, "id": "B", "artists_id": "['a1', 'a2', 'unknown']", "popularity": 7.0, "available_markets": "[]"},
        {**track, "id": "C", "artists_id": "['unknown']", "album_id": "none"},
        {**track, "popularity": 99.0},
    ]
    sound = [[*(n / 4 for n in range(len(sgt.LOW_LEVEL))), key] for key in ("B", "A", "stranger", "A")]
    lyrics = [["A", 1.5, 4.0, 30.0, 120.0, 0.25, 0.5], ["C", *[-1.0] * 6]]
    return {
        sgt.TRACKS: pandas_csv([*track], [[*row.values()] for row in rows]),
        sgt.ALBUMS: pandas_csv(
            ["album_type", "artist_id", "id", "name", "release_date", "track_id", "type"],
            [["album", "a1", "al", "An Album", "2019-02-01", "A", "album"]],
        ),
        sgt.ARTISTS: pandas_csv(
            ["artist_popularity", "followers", "genres", "id", "name", "track_id", "track_name_prev", "type"],
            [
                [60, 1000.0, "[\"children's music\", 'pop']", "a1", "One", "A", "", ""],
                [20, 10, "[]", "a2", "Two", "B", "", ""],
            ],
        ),
        sgt.SOUND: pandas_csv([*reversed(sgt.LOW_LEVEL), "track_id"], sound),
        sgt.LYRICS: pandas_csv(
            ["track_id", *sorted(sgt.LYRIC)],
            lyrics,
        ),
    }


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_SPOTGENTRACK", running.url)
        yield running


def listed(server: Server, name: str, data: bytes, **changes) -> dict:
    """A file as the service lists it, served under its official address."""
    server.file(f"/public-files/{name}", data, **({"cuts": [50]} if name == sgt.SOUND else {}))
    content = {
        "sha256_hash": hashlib.sha256(data).hexdigest(),
        "download_url": f"https://data.mendeley.com/public-files/{name}",
        **changes,
    }
    return {"filename": name, "id": name, "size": len(data), "content_details": content}


def serve_folders(server: Server, files: dict[str, bytes]) -> None:
    identifiers = {name: f"id-{number}" for number, name in enumerate(FOLDERS)}
    entries = {
        "root": [],
        **{
            identifiers[folder]: [listed(server, name, files[name]) for name in names]
            for folder, names in FOLDERS.items()
        },
    }
    server.json(f"{LISTING}/folders/1", [{"id": key, "name": name} for name, key in identifiers.items()])
    pages = [entries["root"], *(entries[key] for key in identifiers.values())]
    server.json(f"{LISTING}/files", *pages)


def check(out: Path) -> None:
    small, large = (pyarrow.parquet.read_table(out / f"hmn{count}.parquet") for count in (207, 228))
    assert small.column_names == ["path", "track_id", *sgt.LOW_LEVEL, "popularity"]
    assert small["track_id"].to_pylist() == ["B", "A"]
    assert small["popularity"].to_pylist() == [7, 51]
    assert large.column_names == [
        *("path", "track_id"),
        *(*sgt.LOW_LEVEL, *sgt.HIGH_LEVEL, *sgt.LYRIC, *sgt.METADATA),
        "popularity",
    ]
    assert len(large.column_names) == 228 + 3
    (row,) = large.to_pylist()
    assert (row["track_id"], row["popularity"], row["duration_ms"]) == ("A", 51, 200_040)
    assert (row["MEL_1"], row["entropy_energy"]) == (51.5, 0)
    assert (row["n_sentences"], row["mean_syllables_word"], row["vocabulary_wealth"]) == (30, 1.5, 0.5)
    assert (row["n_markets"], row["artist_followers"], row["artist_popularity"]) == (3, 1000, 60)
    one, two, three = manifest_rows(out)
    assert (one["title"], one["artist"], one["album"], one["genre"]) == (
        "Song, one",
        "One",
        "An Album",
        "children's music",
    )
    assert (one["release_date"], one["duration"], one["licence"]) == ("2019-02-01", 200.04, "CC BY 4.0")
    assert (one["popularity"], one["labels"]) == (51, ["popularity", "artist_popularity", "artist_followers"])
    assert (two["artist"], two["artist_ids"], two["artist_followers"]) == ("One, Two", ["a1", "a2", "unknown"], 505)
    assert (three["artist"], three["album"], three["artist_popularity"]) == (None, None, None)


def test_files_in_folders_are_listed_fetched_and_joined(server, tmp_path):
    serve_folders(server, tables())
    assert fetch_spotgentrack.spotgentrack(tmp_path / "out") == 0
    check(tmp_path / "out")
    accepted = server.asked[0].headers["Accept"]
    assert accepted == "application/vnd.mendeley-public-dataset.1+json"
    asked = len(server.asked)
    assert fetch_spotgentrack.spotgentrack(tmp_path / "again", offline=True) == 0
    assert len(server.asked) == asked


def test_one_archive_with_folders_serves_as_well(server, tmp_path):
    files = tables()
    members = {f"SpotGenTrack/{folder}/{name}": files[name] for folder, names in FOLDERS.items() for name in names}
    data = zip_of({**members, f"__MACOSX/SpotGenTrack/{sgt.TRACKS}": b"litter"})
    server.json(f"{LISTING}/folders/1", [])
    server.json(f"{LISTING}/files", [listed(server, "SPD.zip", data)])
    assert fetch_spotgentrack.spotgentrack(tmp_path / "out") == 0
    check(tmp_path / "out")


@pytest.mark.parametrize("nested", [False, True])
def test_a_download_by_hand_is_read(tmp_path, nested, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    data = zip_of({f"x/{name}": content for name, content in tables().items()})
    (tmp_path / "mine.zip").write_bytes(zip_of({"4m2x4zngny-1/inner.zip": data}) if nested else data)
    assert fetch_spotgentrack.spotgentrack(tmp_path / "out", archive=tmp_path / "mine.zip") == 0
    check(tmp_path / "out")


def test_a_folder_unpacked_by_hand_is_read(tmp_path):
    (tmp_path / "deep").mkdir()
    for name, data in tables().items():
        (tmp_path / "deep" / name).write_bytes(data)
    assert fetch_spotgentrack.spotgentrack(tmp_path / "out", archive=tmp_path) == 0
    check(tmp_path / "out")


def test_a_wrong_hash_is_refused(server, tmp_path):
    files = tables()
    serve_folders(server, files)
    server.file(f"/public-files/{sgt.LYRICS}", files[sgt.LYRICS] + b"x")
    with pytest.raises(InputError, match="damaged or another one"):
        fetch_spotgentrack.spotgentrack(tmp_path / "out")


@pytest.mark.parametrize("answer", [{"message": "gone"}, [{"name": "x"}], [{"filename": "x.csv"}]])
def test_a_changed_listing_is_said(server, tmp_path, answer):
    server.json(f"{LISTING}/folders/1", [])
    server.json(f"{LISTING}/files", answer)
    with pytest.raises(InputError, match="format has changed"):
        fetch_spotgentrack.spotgentrack(tmp_path / "out")
    assert not [*(tmp_path / "cache").rglob("*.json")]


def test_another_data_set_is_said(server, tmp_path):
    server.json(f"{LISTING}/folders/1", [])
    server.json(f"{LISTING}/files", [listed(server, "SPD.zip", zip_of({"readme.csv": b"a"}))])
    with pytest.raises(InputError, match=r"holds no spotify_tracks\.csv, .*another data set"):
        fetch_spotgentrack.spotgentrack(tmp_path / "out")


@pytest.mark.parametrize("name", [sgt.TRACKS, sgt.SOUND, sgt.LYRICS, sgt.ARTISTS])
def test_a_changed_table_is_said(tmp_path, name):
    for file, data in {**tables(), name: b",id,name\n0,A,x\n"}.items():
        (tmp_path / file).write_bytes(data)
    with pytest.raises(InputError, match=f"{name}: not SpotGenTrack's table, or its format has changed"):
        fetch_spotgentrack.spotgentrack(tmp_path / "out", archive=tmp_path)
    assert not (tmp_path / "out").exists()


def test_as_a_process_with_a_missing_archive(tmp_path):
    outcome = run("fetch", "spotgentrack", "--archive", tmp_path / "none.zip", "-o", tmp_path / "out")
    assert (outcome.code, outcome.complaints) == (1, [f"hitpredict: {tmp_path / 'none.zip'}: no such file"])


def test_a_killed_download_is_taken_up_by_range(server, tmp_path):
    serve_folders(server, tables())
    data = tables()[sgt.SOUND]
    server.answers[f"/public-files/{sgt.SOUND}"] = lambda _: Reply(data, headers={"ETag": '"one"'}, delay=0.02)
    process = start("fetch", "spotgentrack", "-o", tmp_path / "out")
    part = tmp_path / "cache" / "spotgentrack" / f".{sgt.SOUND}.part"
    deadline = time.monotonic() + 30
    while not (part.exists() and part.stat().st_size > 300) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    finished(process)
    size = part.stat().st_size
    assert 300 < size < len(data)
    server.file(f"/public-files/{sgt.SOUND}", data)
    outcome = run("fetch", "spotgentrack", "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    assert [r.headers["Range"] for r in server.asked if r.path.endswith(sgt.SOUND)][-1] == f"bytes={size}-"
    check(tmp_path / "out")
