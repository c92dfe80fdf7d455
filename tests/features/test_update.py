"""`featurize --update`: tables of vectors that grow, and what trains on them."""

from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from hitpredict.tables.read import read_features
from tests.helpers.calls import call
from tests.helpers.catalogues import TABLES, by_name
from tests.helpers.sounds import saved, tune

SMALL = ("--kind", "mfcc_stats", "-j", "1")


def update(folder: Path, output: str, *more: str) -> str:
    outcome = call("featurize", "--update", *SMALL, "-o", output, "music", *more, cwd=folder)
    return outcome.lines[-1].removeprefix(f"hitpredict: {output}: ")


@pytest.fixture
def music(tmp_path):
    for seed in range(2):
        saved(tmp_path, f"music/t{seed}.wav", tune(0.5, 22050, 1, seed))
    (tmp_path / "music/bad.mp3").write_bytes(b"no sound")
    return tmp_path


@pytest.mark.parametrize("form", TABLES)
def test_features_grow_and_train_takes_what_was_made(music, form):
    output, fresh = music / f"f.{form}", music / f"fresh.{form}"
    assert update(music, output.name) == "2 new, 0 changed, 0 unchanged, 0 vanished, 1 failed"
    before = output.stat().st_mtime_ns
    assert update(music, output.name) == "0 new, 0 changed, 2 unchanged, 0 vanished, 1 failed"
    assert output.stat().st_mtime_ns == before
    saved(music, "music/t1.wav", tune(0.5, 22050, 1, 7))
    saved(music, "music/t2.wav", tune(0.5, 22050, 1, 2))
    (music / "music/t0.wav").rename(music / "music/t3.wav")
    assert update(music, output.name) == "2 new, 1 changed, 0 unchanged, 1 vanished, 1 failed"
    rows = by_name(output)
    assert [name for name, row in rows.items() if row["vanished"]] == ["t0.wav"]
    assert rows["bad.mp3"]["error"].startswith("not audio")

    notes: list[str] = []
    kept = read_features(output, notes.append)
    (music / "music/bad.mp3").unlink()
    assert call("featurize", *SMALL, "-o", fresh, "music", cwd=music).code == 0
    plain = read_features(fresh, notes.append)
    assert (kept.columns, kept.kind, notes) == (plain.columns, plain.kind, [])
    assert sorted(kept.track_ids) == ["t0", "t1", "t2", "t3"]
    values = dict(zip(kept.track_ids, kept.values, strict=True))
    for track, row in zip(plain.track_ids, plain.values, strict=True):
        np.testing.assert_array_equal(values[track], row)
    np.testing.assert_array_equal(values["t0"], values["t3"])


def test_half_precision_and_the_kind_stay(music):
    update(music, "f.parquet", "--dtype", "float16")
    first = pyarrow.parquet.read_table(music / "f.parquet")
    saved(music, "music/t5.wav", tune(0.5, 22050, 1, 5))
    assert update(music, "f.parquet", "--dtype", "float16").startswith("1 new")
    second = pyarrow.parquet.read_table(music / "f.parquet")
    assert second.schema.equals(first.schema, check_metadata=True)
    assert str(second.schema.field(3).type) == "halffloat"
    assert second.slice(0, first.num_rows) == first


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (("--set", "n_mfcc=13"), "n_mfcc"),
        (("--dtype", "float16"), "dtype=float16; ask for the same"),
        (("--kind", "logmel"), "--kind logmel: gives arrays"),
        (("-f", "npz"), "and not npz"),
    ],
)
def test_other_settings_and_arrays_are_refused(music, asked, complaint):
    update(music, "f.parquet")
    before = (music / "f.parquet").read_bytes()
    outcome = call("featurize", "--update", *SMALL, "-o", "f.parquet", "music", *asked, cwd=music)
    assert outcome.code == 2
    assert complaint in outcome.lines[0]
    assert len(outcome.lines) == 1
    assert (music / "f.parquet").read_bytes() == before
    assert sorted(path.name for path in music.iterdir()) == ["f.parquet", "music"]


def test_features_are_no_database(music):
    outcome = call("featurize", "music", *SMALL, "-o", "f.db", cwd=music)
    assert (outcome.code, len(outcome.lines)) == (2, 1)
    assert "databases are of scores" in outcome.lines[0]
