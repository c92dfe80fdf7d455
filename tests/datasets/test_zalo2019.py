"""Zalo 2019: four files joined, groups by the rule, the same table from the same files."""

import csv
import gzip
import hashlib
import json
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from hitpredict.cli.fetch import zalo2019 as fetch_zalo2019
from hitpredict.datasets import zalo2019 as zalo
from hitpredict.errors import InputError
from tests.helpers.servers import serving

SONGS = 300


def sources() -> dict[str, str]:
    """The four files in their true columns, about songs with shared artists and a shared recording."""
    rng = np.random.default_rng(0)
    sounds = rng.normal(size=(SONGS, 42)).round(6)
    sounds[7, :40] = sounds[3, :40] + 1e-6
    identifiers = [1_078_000_000 + 3 * n for n in range(SONGS)]
    lines = {
        "features": [",".join(["id", *zalo.FEATURES])],
        "metadata": ["id,album,genre,duration"],
        "rank": ["ID,label"],
        "info": ["ID\ttitle\tartist_name\tartist_id\tcomposers_name\tcomposers_id\trelease_time"],
    }
    for n, key in enumerate(identifiers):
        artist = {10: "500", 11: "500.501", 12: "501,502", 13: "502"}.get(n, str(10_000 + n // 2))
        lines["features"].append(",".join(map(str, [key, *sounds[n]])))
        lines["metadata"].append(f"{key},{'unknown' if n % 3 else 'Tập 1'},Nhạc Trẻ,200")
        if n != 299:
            lines["rank"].append(f"{key},{n % 10 + 1}")
        lines["info"].append(f"{key}\tBài {n}\tCa Sĩ\t{artist}\tNhạc Sĩ\t9\t2018-04-01 23:19:00")
    return {name: "\n".join(rows) + "\n" for name, rows in lines.items()}


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_ZALO2019", running.url)
        yield running


def serve(server, monkeypatch, **changes: str) -> None:
    for name, text in {**sources(), **changes}.items():
        part, data = zalo.PARTS[name], text.encode()
        server.file(f"/{part.commit}/{part.path}", data)
        monkeypatch.setitem(zalo.PARTS, name, replace(part, sha256=hashlib.sha256(data).hexdigest()))


def table(path) -> dict[str, dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return {row["track_id"]: row for row in csv.DictReader(file)}


@pytest.fixture
def fetched(server, tmp_path, monkeypatch):
    serve(server, monkeypatch)
    assert fetch_zalo2019.zalo2019(tmp_path / "out") == 0
    return tmp_path / "out"


def test_tables_have_their_columns_and_rows(fetched):
    features, tracks = table(fetched / "features.csv.gz"), table(fetched / "tracks.csv.gz")
    assert [*features] == [*tracks]
    assert len(tracks) == SONGS - 1
    assert [*next(iter(features.values()))] == ["track_id", *zalo.FEATURES]
    assert [*next(iter(tracks.values()))] == ["track_id", *zalo.TRACKS]
    assert tracks["1078000003"]["album"] == "unknown"
    assert tracks["1078000000"]["album"] == "Tập 1"
    numbers = [text for row in features.values() for name, text in row.items() if name != "track_id"]
    assert all(text == f"{float(text):.6g}" for text in numbers)


def test_songs_are_connected_by_artists_and_recordings(fetched):
    group = {key: row["group"] for key, row in table(fetched / "tracks.csv.gz").items()}
    keys = [*group]
    # 10 to 13 in a chain of artists; 2, 3 and 6, 7 through a recording that 3 and 7 share.
    for connected in ([10, 11, 12, 13], [2, 3, 6, 7], [0, 1]):
        assert {group[keys[n]] for n in connected} == {keys[min(connected)]}
    assert len(set(group.values())) == 150 - 2


def test_the_split_follows_the_groups(fetched):
    rows = table(fetched / "tracks.csv.gz").values()
    assert all((zlib.crc32(row["group"].encode()) % 100 < 20) == (row["split"] == "test") for row in rows)
    assert {row["split"] for row in rows} == {"train", "test"}


def test_a_large_group_stays_in_training():
    test_group = next(n for n in range(1000) if zlib.crc32(str(n).encode()) % 100 < 20)
    assert zalo.split_of_groups([test_group] * 400) == {test_group: "test"}
    assert zalo.split_of_groups([test_group] * 401) == {test_group: "train"}


def test_the_rule_gives_itself_back_on_the_training_rows(fetched):
    """What is left after the test rows are taken away has the same groups and no test rows."""
    features, tracks = table(fetched / "features.csv.gz"), table(fetched / "tracks.csv.gz")
    kept = {key: row for key, row in tracks.items() if row["split"] == "train"}
    rank = {key: {"label": row["chart_rank"]} for key, row in kept.items()}
    _, again = zalo.joined({"features": features, "rank": rank, "info": kept, "metadata": kept})
    assert [*again] == [*kept]
    assert all(row.items() <= kept[key].items() for key, row in again.items())
    assert len(kept) < len(tracks)


def test_the_manifest_says_the_same(fetched):
    rows = [json.loads(line) for line in (fetched / "tracks.jsonl").read_text().splitlines()]
    tracks = table(fetched / "tracks.csv.gz")
    assert [row["id"] for row in rows] == [*tracks]
    assert Counter(row["split"] for row in rows) == Counter(row["split"] for row in tracks.values())
    first = rows[0]
    assert (first["chart_rank"], first["popularity"], rows[9]["popularity"]) == (1, 100, 0)
    assert (first["artist_ids"], first["release_date"], first["album"]) == (["10000"], "2018-04-01", "Tập 1")
    assert rows[11]["artist_ids"] == ["500", "501"]
    assert rows[1]["album"] is None


def test_the_same_files_give_the_same_tables(fetched, tmp_path):
    assert fetch_zalo2019.zalo2019(tmp_path / "again", offline=True) == 0
    for name in ("features.csv.gz", "tracks.csv.gz"):
        assert (tmp_path / "again" / name).read_bytes() == (fetched / name).read_bytes()


def test_a_changed_column_is_said(server, tmp_path, monkeypatch):
    serve(server, monkeypatch, rank="ID,rank\n1,1\n")
    with pytest.raises(InputError, match=r"train_rank\.csv: has no column label; its format has changed"):
        fetch_zalo2019.zalo2019(tmp_path / "out")


def test_the_pinned_hashes_are_checked(server, tmp_path):
    part = zalo.PARTS["features"]
    server.file(f"/{part.commit}/{part.path}", b"id\n1\n")
    with pytest.raises(InputError, match="damaged or another one"):
        fetch_zalo2019.zalo2019(tmp_path / "out")
    assert not (tmp_path / "out" / "tracks.jsonl").exists()
