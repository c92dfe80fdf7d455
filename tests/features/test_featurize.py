"""`hitpredict featurize`: tables that others can read, whatever wrote them and however often it was killed."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from hitpredict import recipes
from hitpredict.audio.read import read_audio
from hitpredict.errors import UsageError
from hitpredict.features.kinds import make_kind
from hitpredict.frontends import LogMel, MfccStats, compute
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train
from tests.helpers.marks import few_by_default
from tests.helpers.sounds import encoded, saved, tune

PROGRAM = [sys.executable, "-m", "hitpredict", "featurize"]


def run(*arguments, code=0, **options):
    done = subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, check=False, **options)
    assert done.returncode == code, done.stderr.decode()
    return done


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    for seed in range(6):
        saved(folder, f"{'ab'[seed % 2]}/song{seed}.wav", tune(1.0, seed=seed))
    return folder


def test_parquet_reads_the_same_in_pandas_and_duckdb(music, tmp_path):
    table = tmp_path / "t.parquet"
    run("--kind", "mfcc_stats", "-o", table, music)
    frame = pd.read_parquet(table)
    assert list(frame.columns) == ["path", "track_id", "duration", *MfccStats().columns]
    assert list(frame.path) == sorted(str(path) for path in music.rglob("*.wav"))
    assert (frame.dtypes.iloc[3:] == np.float32).all()
    for path, row in zip(frame.path, frame.iloc[:, 3:].to_numpy(), strict=True):
        # This process may use more threads in its sums.
        np.testing.assert_allclose(row, compute(MfccStats(), read_audio(path)), rtol=1e-5, atol=1e-5)
    row = duckdb.sql(f"select mfcc_std_3 from '{table}' where track_id = 'song4'").fetchall()[0]
    assert row == (frame.set_index("track_id").loc["song4", "mfcc_std_3"],)


def test_text_formats_hold_the_same_numbers(music):
    song = music / "a" / "song0.wav"
    expected = compute(MfccStats(), read_audio(song))
    line = json.loads(run("--kind", "mfcc_stats", song).stdout)
    np.testing.assert_allclose(np.array(list(line.values())[3:], np.float32), expected, rtol=1e-5, atol=1e-5)
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        text = run("--kind", "mfcc_stats", "-f", form, song).stdout.decode()
        (row,) = csv.DictReader(io.StringIO(text), delimiter=delimiter)
        assert (row["path"], row["track_id"]) == (str(song), "song0")
        np.testing.assert_allclose(np.array(list(row.values())[3:], np.float32), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("kind", "form"), [("mfcc_stats", "parquet"), ("mfcc_stats", "csv"), ("logmel", "parquet")])
def test_models_learn_how_long_the_songs_were_from_the_table(tmp_path, kind, form):
    for number in range(12):
        saved(tmp_path, f"music/song{number}.wav", tune(1 + number / 10, seed=number))
    table = tmp_path / f"t.{form}"
    run("--kind", kind, "-o", table, tmp_path / "music")
    rows = [f"song{number},{number},artist {number}" for number in range(12)]
    (tmp_path / "labels.csv").write_text("\n".join(["track_id,hits,artist", *rows]) + "\n")
    data = load([table], tmp_path / "labels.csv", ["hits"], "artist")
    assert not data.notes
    seconds = {f"song{number}": 1 + number / 10 for number in range(12)}
    np.testing.assert_allclose(data.durations, [seconds[track] for track in data.track_ids], atol=0.001)
    if kind == "mfcc_stats":
        assert data.inputs[0].columns == MfccStats().columns
        train(TrainingRun(recipes.load("constant"), data), tmp_path / "model")
        assert ModelFolder(tmp_path / "model").domain.duration == pytest.approx((1.0, 2.1), abs=0.3)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_frames_are_a_shape_and_values(music, tmp_path, dtype):
    table = tmp_path / "t.parquet"
    run("--kind", "logmel", "--set", "n_mels=40", "--dtype", dtype, "-o", table, music)
    columns = pyarrow.parquet.read_table(table)
    assert str(columns.schema.field("values").type.value_type) == {"float32": "float", "float16": "halffloat"}[dtype]
    row = columns.slice(0, 1).to_pydict()
    array = np.array(row["values"][0]).reshape(row["shape"][0])
    np.testing.assert_allclose(array, compute(LogMel(n_mels=40), read_audio(row["path"][0])), rtol=2e-3)


def test_npz(music, tmp_path):
    run("--kind", "mfcc_stats", "-o", tmp_path / "t.npz", music)
    with np.load(tmp_path / "t.npz") as arrays:
        assert arrays["features"].shape == (6, 40)
        assert list(arrays["track_id"]) == ["song0", "song2", "song4", "song1", "song3", "song5"]
        assert list(arrays["columns"]) == list(MfccStats().columns)
    run("--kind", "logmel", "-o", tmp_path / "f.npz", music)
    with np.load(tmp_path / "f.npz") as arrays:
        assert arrays["00000005"].shape[1] == 128


def test_arrow(music, tmp_path):
    run("--kind", "mfcc_stats", "-o", tmp_path / "t.arrow", music)
    with pyarrow.ipc.open_file(tmp_path / "t.arrow") as reader:
        assert reader.read_all().num_rows == 6


def test_tar_shards_manifests_and_urls_give_the_same_rows(music, tmp_path):
    pytest.importorskip("fsspec")
    shard = tmp_path / "shard-000.tar"
    with tarfile.open(shard, "w") as tar:
        for path in sorted(music.rglob("*.wav")):
            tar.add(path, path.name)
    manifest = tmp_path / "tracks.jsonl"
    rows = [{"track_id": path.stem, "path": os.path.relpath(path, tmp_path)} for path in sorted(music.rglob("*.wav"))]
    manifest.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"track_id": "without sound"}]))
    tables = []
    for number, source in enumerate((music, shard, manifest, f"file://{music}")):
        run("--kind", "mfcc_stats", "-o", tmp_path / f"{number}.csv", source)
        tables.append(pd.read_csv(tmp_path / f"{number}.csv").drop(columns="path"))
    assert len(tables[0]) == 6
    assert all(tables[0].equals(table) for table in tables[1:])


def test_ids_of_a_manifest_win_over_file_names(tmp_path):
    saved(tmp_path, "x.wav", tune(1.0))
    (tmp_path / "tracks.jsonl").write_text('{"track_id": "T-1", "path": "x.wav"}\n')
    assert json.loads(run("--kind", "mfcc_stats", tmp_path / "tracks.jsonl").stdout)["track_id"] == "T-1"


def test_failures_cost_only_their_own_rows(music, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"not sound" * 100)
    lists = tmp_path / "failed.txt"
    done = run("--kind", "mfcc_stats", "-f", "csv", "--failures", lists, music, bad, "missing.wav", code=1)
    assert len(done.stdout.splitlines()) == 7
    assert len(done.stderr.splitlines()) == 2
    assert lists.read_text() == f"{bad}\nmissing.wav\n"


def test_truncated_files_give_a_row_and_a_warning(tmp_path):
    song = saved(tmp_path, "cut.wav", tune(4))
    song.write_bytes(song.read_bytes()[:100_000])
    done = run("-k", "mfcc_stats", song)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr.decode().startswith(f"hitpredict: {song}: truncated: only the first ")


def test_equal_ids_are_pointed_out(tmp_path):
    saved(tmp_path, "a/01.wav", tune(1.0))
    saved(tmp_path, "b/01.wav", tune(1.0))
    done = run("--kind", "mfcc_stats", tmp_path)
    assert b"1 track ids occur more than once (such as 01)" in done.stderr


@pytest.mark.parametrize("jobs", few_by_default([2, 1]))
def test_a_killed_run_is_taken_up_where_it_was(tmp_path, jobs):
    for seed in range(12):
        saved(tmp_path / "music", f"song{seed:02}.wav", tune(20.0, seed=seed))
    whole, table = tmp_path / "whole.parquet", tmp_path / "t.parquet"
    run("--kind", "mfcc_stats", "-o", whole, tmp_path / "music")
    journal = tmp_path / ".t.parquet.partial"
    command = [*PROGRAM, "--kind", "mfcc_stats", "-j", str(jobs), "-o", table, tmp_path / "music"]
    with subprocess.Popen(command, start_new_session=True) as killed:
        deadline = time.monotonic() + 60
        while not journal.exists() or len(journal.read_bytes().splitlines()) < 4:
            assert time.monotonic() < deadline
            assert killed.poll() is None, "it was too fast to be killed"
            time.sleep(0.005)
        os.killpg(killed.pid, signal.SIGKILL)
    assert not table.exists()
    with journal.open("ab") as file:
        file.write(b'{"path": "torn')
    done = run("--kind", "mfcc_stats", "-j", jobs, "-o", table, tmp_path / "music")
    assert b"taking up an interrupted run with " in done.stderr
    assert table.read_bytes() == whole.read_bytes()
    assert not journal.exists()


def test_existing_output(music, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("precious")
    assert b"--force" in run("--kind", "mfcc_stats", "-o", table, music, code=2).stderr
    run("--kind", "mfcc_stats", "-o", table, "--skip-existing", music)
    assert table.read_text() == "precious"
    run("--kind", "mfcc_stats", "-o", table, "--force", music)
    assert len(table.read_text().splitlines()) == 7


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_table(music, tmp_path):
    pytest.importorskip("ray")
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"not sound" * 100)
    run("--kind", "mfcc_stats", "-o", tmp_path / "here.parquet", music, bad, code=1)
    done = run("--kind", "mfcc_stats", "--engine", "ray", "-o", tmp_path / "ray.parquet", music, bad, code=1)
    assert (tmp_path / "ray.parquet").read_bytes() == (tmp_path / "here.parquet").read_bytes()
    assert len(done.stderr.splitlines()) == 1, done.stderr.decode()


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"nonsense": "1"}, "parameters of logmel"), ({"n_mels": "x"}, "must be a whole"), ({"htk": "x"}, "must be true")],
)
def test_parameters_are_checked(settings, message):
    with pytest.raises(UsageError, match=message):
        make_kind("logmel", settings)
    with pytest.raises(UsageError, match="kind nothing: unknown; there are "):
        make_kind("nothing", {})


def test_parameters_are_typed():
    kind = make_kind("logmel", {"n_mels": "64", "fmax": "none", "htk": "true", "top_db": "60"})
    assert kind.frontend == LogMel(n_mels=64, fmax=None, htk=True, top_db=60.0)


def test_an_input_too_short_for_a_frame_is_named(tmp_path):
    path = tmp_path / "click.wav"
    path.write_bytes(encoded(tune(0.001)))
    done = run("--kind", "fbank", "--set", "window=none", path, code=1)
    assert done.stderr.decode().startswith(f"hitpredict: {path}: too short for a single frame")


def test_kinds_are_listed_with_their_parameters():
    text = run("--list-kinds").stdout.decode()
    for name in ("fma518", "hmn207", "logmel", "fbank", "mfcc_stats"):
        assert f"{name}\t" in text
    assert "\tn_mels=128" in text
