"""Long sounds in bounded memory: arrays that are made in parts, kept in files, and written a block at a time."""

import json
import os
import signal
import time
import tracemalloc

import numpy as np
import pytest
import soundfile

from hitpredict.audio.source import Source
from hitpredict.features.kinds import FeatureRow, make_kind, row_of, values_of
from hitpredict.files import arrays
from hitpredict.files.arrays import ArrayStore, StoredArray
from hitpredict.frontends import store as frame_store
from hitpredict.tables.write import FORMATS, write_table
from tests.helpers.arrays import stored
from tests.helpers.marks import few_by_default
from tests.helpers.processes import finished, measured, run, start
from tests.helpers.sounds import saved, tune

KINDS = ("logmel", "fbank", "vggish", "waveform", "spectrogram_image")


@pytest.fixture(scope="module")
def long_song(tmp_path_factory):
    """Twenty minutes of noise at 16 kHz, 38 MB: nothing is resampled, and a waveform is 77 MB."""
    path = tmp_path_factory.mktemp("long") / "long.wav"
    random = np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", 16000, 1, "PCM_16") as file:
        for _ in range(120):
            file.write(0.1 * random.normal(size=160_000).clip(-3, 3))
    return path


@pytest.fixture
def everything_in_files(monkeypatch):
    monkeypatch.setattr(arrays, "_IN_MEMORY", 0)


@pytest.mark.parametrize(("kind", "form"), [("waveform", "npz"), ("waveform", "arrow"), ("fbank", "arrow")])
def test_a_table_of_a_long_sound_is_written_as_it_comes(long_song, tmp_path, kind, form):
    outcome, used = measured("featurize", "-k", kind, "-o", tmp_path / f"t.{form}", long_song)
    assert outcome.code == 0, outcome.err
    assert used.peak < 240
    assert [path.name for path in tmp_path.iterdir()] == [f"t.{form}"]


def test_arrays_that_take_much_memory_in_parquet_are_told(long_song, tmp_path):
    words = ("featurize", "-k", "waveform", "--set", "sample_rate=16000", long_song)
    told = f"{long_song}: an array of 77 MB takes about 6 times its size of memory as a cell of Parquet"
    assert told in run(*words, "-o", tmp_path / "t.parquet").err
    assert told in run(*words, "-f", "parquet").err
    assert "Parquet" not in run(*words, "-o", tmp_path / "t.arrow").err


def noise(seconds):
    random = np.random.default_rng(0)
    for _ in range(seconds):
        yield 0.1 * random.standard_normal((1, 16000), dtype=np.float32)


@pytest.mark.parametrize(
    ("kind", "form"), [*((kind, None) for kind in (*KINDS, "mfcc_stats")), ("vggish", "arrow"), ("vggish", "npz")]
)
def test_memory_does_not_grow_with_the_sound(tmp_path, monkeypatch, kind, form):
    """By Python's account of its own and NumPy's memory, with all thresholds for files at nothing."""
    monkeypatch.setattr(arrays, "_IN_MEMORY", 0)
    monkeypatch.setattr(frame_store, "_IN_MEMORY", 1)
    made, peaks = make_kind(kind, {}), []
    for seconds in (5, 120, 300):
        tracemalloc.start()
        values = values_of(made, noise(seconds), 16000, ArrayStore(tmp_path))
        if form:
            row = FeatureRow("a", "a", values, float(seconds))
            with (tmp_path / "table").open("wb") as file:
                write_table([row], None, form, file)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < peaks[1] + 2**18, peaks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("everything_in_files")
def test_arrays_in_files_hold_the_same_numbers(tmp_path, kind):
    song = saved(tmp_path, "song.wav", tune(12.3))
    row = row_of(Source(str(song), file=str(song)), made := make_kind(kind, {}), tmp_path)
    assert isinstance(row.values, StoredArray)
    np.testing.assert_array_equal(row.values, row_of(Source(str(song), file=str(song)), made).values)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("shape", few_by_default([[300, 40, 30], [5, 0], [0, 5], [700_001]], 3), ids=str)
def test_tables_of_arrays_in_files_are_those_of_arrays_in_memory(tmp_path, form, shape):
    array = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    array.ravel()[1:2] = np.nan
    for name, values in (("memory", array), ("file", stored(tmp_path, array))):
        with (tmp_path / name).open("wb") as file:
            write_table([FeatureRow("a,b", "a", values, 1.5)], None, form, file)
    assert (tmp_path / "memory").read_bytes() == (tmp_path / "file").read_bytes()
    if form == "jsonl":
        assert json.loads((tmp_path / "file").read_text())["shape"] == list(shape)


def test_a_killed_run_keeps_its_large_arrays(long_song, tmp_path):
    songs = [tmp_path / f"{number}.wav" for number in range(3)]
    for song in songs:
        os.link(long_song, song)
    words = ("featurize", "-k", "waveform", "-j", 1)
    run(*words, "-o", tmp_path / "whole.arrow", *songs)
    killed, journal = start(*words, "-o", tmp_path / "t.arrow", *songs), tmp_path / ".t.arrow.partial"
    while not journal.exists() or journal.read_bytes().count(b"\n") < 3:
        assert killed.poll() is None, "it was too fast to be killed"
        time.sleep(0.005)
    os.killpg(killed.pid, signal.SIGKILL)
    finished(killed)
    kept = json.loads(journal.read_bytes().splitlines()[1])["record"]
    (tmp_path / ".t.arrow.arrays" / kept["file"]).unlink()
    assert run(*words, "-o", tmp_path / "t.arrow", *songs).code == 0
    assert (tmp_path / "t.arrow").read_bytes() == (tmp_path / "whole.arrow").read_bytes()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
