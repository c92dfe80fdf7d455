"""FMA: its tables with several header rows, its archives, its subsets."""

import csv
import hashlib
import io

import pyarrow.parquet
import pytest

from hitpredict.cli.fetch import fma as fetch_fma
from hitpredict.datasets import fma, fma_tables
from hitpredict.errors import InputError, UsageError
from tests.helpers.archives import zip_of
from tests.helpers.manifests import manifest_rows
from tests.helpers.processes import run
from tests.helpers.servers import serving

GROUPS = {
    "album": "comments date_created date_released engineer favorites id information listens producer tags title "
    "tracks type",
    "artist": "active_year_begin active_year_end associated_labels bio comments date_created favorites id latitude "
    "location longitude members name related_projects tags website wikipedia_page",
    "set": "split subset",
    "track": "bit_rate comments composer date_created date_recorded duration favorites genre_top genres genres_all "
    "information interest language_code license listens lyricist number publisher tags title",
}
COLUMNS = [(group, name) for group, names in GROUPS.items() for name in names.split()]
ROWS = {
    2: {
        ("set", "split"): "training",
        ("set", "subset"): "small",
        ("track", "title"): "Food",
        ("track", "listens"): "1293",
        ("track", "interest"): "4656",
        ("track", "duration"): "168",
        ("track", "genre_top"): "Hip-Hop",
        ("track", "genres"): "[21]",
        ("track", "license"): "Attribution-NonCommercial",
        ("album", "title"): "AWOL - A Way Of Life",
        ("album", "listens"): "6073",
        ("album", "date_released"): "2009-01-05 00:00:00",
        ("artist", "name"): "AWOL",
        ("artist", "id"): "1",
        ("artist", "bio"): '<p>Several lines,\n"quoted"</p>' + "long " * 40_000,
        ("artist", "favorites"): "9",
    },
    10: {("set", "split"): "validation", ("set", "subset"): "medium", ("track", "genres"): "[17, 10]"},
    134567: {("set", "split"): "test", ("set", "subset"): "large", ("album", "listens"): "-1"},
}
FEATURES = [("mfcc", "mean", "01"), ("mfcc", "mean", "02"), ("zcr", "std", "01")]


def table(rows) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def tracks_csv() -> bytes:
    heads = [["", *(group for group, _ in COLUMNS)], ["", *(name for _, name in COLUMNS)], ["track_id"] + [""] * 52]
    return table([*heads, *([key, *(row.get(column, "") for column in COLUMNS)] for key, row in ROWS.items())])


def features_csv() -> bytes:
    heads = [[name, *column] for name, *column in zip(("feature", "statistics", "number"), *FEATURES, strict=True)]
    return table([*heads, ["track_id", "", "", ""], *([key, key / 10, -1.5, ""] for key in ROWS)])


def metadata(**changes: bytes) -> bytes:
    members = {
        "fma_metadata/tracks.csv": tracks_csv(),
        "fma_metadata/genres.csv": b"genre_id,#tracks,parent,title,top_level\n17,2,0,Folk,17\n21,1,0,Hip-Hop,21\n",
        "fma_metadata/features.csv": features_csv(),
        "fma_metadata/not_found.pickle": b"cos\nsystem\n(S'true'\ntR.",
        **{f"fma_metadata/{name}.csv": data for name, data in changes.items()},
    }
    return zip_of(members)


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_FMA", running.url)
        yield running


def serve(server, monkeypatch, part: str, data: bytes, **options) -> None:
    monkeypatch.setitem(fma.SHA1, part, hashlib.sha1(data).hexdigest())
    server.file(f"/fma_{part}.zip", data, **options)


def test_metadata_alone(server, tmp_path, monkeypatch, capsys):
    serve(server, monkeypatch, "metadata", metadata(), cuts=[200])
    assert fetch_fma.fma(tmp_path / "out", fetch_fma.Subset.large, metadata_only=True) == 0
    output = capsys.readouterr()
    assert output.out == f"{tmp_path / 'out' / 'tracks.jsonl'}\n"
    assert "selected by popularity" not in output.err
    first, second, third = manifest_rows(tmp_path / "out")
    assert first["track_id"] == "2"
    assert first["path"] is None
    assert (first["title"], first["artist"], first["artist_ids"], first["album"]) == (
        *("Food", "AWOL", ["1"]),
        "AWOL - A Way Of Life",
    )
    assert (first["genre"], first["release_date"], first["duration"]) == ("Hip-Hop", "2009-01-05", 168)
    assert (first["split"], first["licence"], first["subset"]) == ("train", "Attribution-NonCommercial", "small")
    assert first["labels"] == [*fma_tables.LABELS]
    assert [first[label] for label in ("track_listens", "track_interest", "album_listens", "artist_favorites")] == [
        *(1293, 4656),
        *(6073, 9),
    ]
    assert first["track_favorites"] is None
    assert (second["genre"], second["split"]) == ("Folk", "validation")
    assert third["album_listens"] is None
    assert (tmp_path / "out" / "genres.csv").read_bytes().startswith(b"genre_id")
    assert not [*(tmp_path / "cache").rglob("*.pickle")]


def test_features_become_parquet_with_flat_names(server, tmp_path, monkeypatch):
    serve(server, monkeypatch, "metadata", metadata())
    fetch_fma.fma(tmp_path, fetch_fma.Subset.medium, metadata_only=True)
    features = pyarrow.parquet.read_table(tmp_path / "features.parquet")
    assert features.column_names == ["path", "track_id", "mfcc_mean_01", "mfcc_mean_02", "zcr_std_01"]
    assert features["track_id"].to_pylist() == ["2", "10"]
    assert features["mfcc_mean_01"].to_pylist() == pytest.approx([0.2, 1.0])
    assert features["zcr_std_01"].to_pylist() == [None, None]
    assert str(features.schema.field("mfcc_mean_01").type) == "float"


def test_audio_is_unpacked_and_named_in_the_manifest(server, tmp_path, monkeypatch, capsys):
    serve(server, monkeypatch, "metadata", metadata())
    serve(server, monkeypatch, "small", zip_of({"fma_small/000/000002.mp3": b"ID3", "fma_small/README.txt": b"r"}))
    out = tmp_path / "out"
    assert fetch_fma.fma(out, delete_archive=True) == 0
    assert "FMA small is selected by popularity" in capsys.readouterr().err
    (row,) = manifest_rows(out)
    assert row["path"] == "fma_small/000/000002.mp3"
    assert (out / row["path"]).read_bytes() == b"ID3"
    assert not (out / "fma_small/README.txt").exists()
    assert not (tmp_path / "cache/fma/fma_small.zip").exists()
    assert pyarrow.parquet.read_table(out / "features.parquet")["path"].to_pylist() == [row["path"]]


def test_a_mirror_of_other_data_needs_its_checksums(server, tmp_path, monkeypatch):
    server.file("/fma_metadata.zip", metadata())
    listed = tmp_path / "SHA1SUMS"
    listed.write_text(f"{hashlib.sha1(metadata()).hexdigest()}  fma_metadata.zip\n")
    with pytest.raises(InputError, match="its hash is not sha1:f0df49ff"):
        fetch_fma.fma(tmp_path / "out", metadata_only=True)
    assert fetch_fma.fma(tmp_path / "out", metadata_only=True, checksums=listed) == 0
    # What another run takes from the cache is never this data.
    with pytest.raises(InputError, match="its hash is not sha1:f0df49ff"):
        fetch_fma.fma(tmp_path / "again", metadata_only=True)
    listed.write_text("nothing\n")
    with pytest.raises(InputError, match="lists no archive of FMA"):
        fetch_fma.fma(tmp_path / "again", metadata_only=True, checksums=listed)


def test_a_second_run_needs_a_word_and_offline_needs_no_server(server, tmp_path, monkeypatch):
    serve(server, monkeypatch, "metadata", metadata())
    out = tmp_path / "out"
    assert fetch_fma.fma(out, metadata_only=True) == 0
    asked = len(server.asked)
    with pytest.raises(UsageError, match="--force to replace it or --skip-existing"):
        fetch_fma.fma(out, metadata_only=True)
    assert fetch_fma.fma(out, metadata_only=True, skip_existing=True) == 0
    assert fetch_fma.fma(out, metadata_only=True, force=True, offline=True) == 0
    assert len(server.asked) == asked


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tracks": b"track_id,title\n2,Food\n"}, "two header rows"),
        ({"tracks": tracks_csv() + b"5,too,short\n"}, "has 3 cells"),
        ({"genres": b"a,b\n1,2\n"}, "lacks genre_id"),
        ({"features": b"track_id,mfcc\n2,1\n"}, "three header rows"),
        ({"features": features_csv() + b"7,no number,1,1\n"}, "not FMA's table"),
    ],
)
def test_a_changed_format_is_said(server, tmp_path, monkeypatch, changes, said):
    serve(server, monkeypatch, "metadata", metadata(**changes))
    with pytest.raises(InputError, match=said):
        fetch_fma.fma(tmp_path / "out", fetch_fma.Subset.full, metadata_only=True)
    assert not [*(tmp_path / "out").glob("*.jsonl")]


def test_missing_tables_are_said(server, tmp_path, monkeypatch):
    serve(server, monkeypatch, "metadata", zip_of({"fma_metadata/tracks.csv": tracks_csv()}))
    with pytest.raises(InputError, match=r"holds no genres\.csv, features\.csv; its format has changed"):
        fetch_fma.fma(tmp_path / "out", metadata_only=True)


def test_an_archive_that_climbs_is_refused(server, tmp_path, monkeypatch):
    serve(server, monkeypatch, "small", zip_of({"../../evil.mp3": b"1"}))
    with pytest.raises(InputError, match="climb out"):
        fetch_fma.fma(tmp_path / "out")
    assert not [*tmp_path.rglob("evil.mp3")]


def test_as_a_process_a_wrong_hash_is_one_line(server, tmp_path):
    server.file("/fma_metadata.zip", b"not what it should be")
    outcome = run("fetch", "fma", "--metadata-only", "--subset", "large", "-o", tmp_path / "out")
    assert outcome.code == 1
    assert not outcome.out
    assert outcome.complaints == [
        f"hitpredict: {server.url}/fma_metadata.zip: the file is damaged or another one: its hash is not "
        f"sha1:{fma.SHA1['metadata']}"
    ]
    assert not [*tmp_path.iterdir()]


def test_as_a_process_a_refusal_and_offline(server, tmp_path):
    server.json("/fma_metadata.zip", {}, status=403)
    outcome = run("fetch", "fma", "-q", "--metadata-only", "--mirror", server.url, "-o", tmp_path / "out")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert "HTTP 403 Forbidden" in outcome.err
    offline = run("fetch", "fma", "-q", "--metadata-only", "--offline", "-o", tmp_path / "out")
    assert (offline.code, len(offline.complaints)) == (3, 1)
    assert "fma_metadata.zip is not in the cache" in offline.err


def test_as_a_process_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    outcome = run("fetch", "fma", "-o", tmp_path / "out", env={"HITPREDICT_CACHE": str(tmp_path / "file")})
    assert outcome.code == 3
    assert "set HITPREDICT_CACHE" in outcome.err
