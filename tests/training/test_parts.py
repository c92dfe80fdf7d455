"""Which songs train, which choose the epoch, which calibrate, and which test?"""

import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load_file

from hitpredict.errors import UsageError
from hitpredict.export.export import export
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from hitpredict.tables.splits import SPLITS
from hitpredict.training.checks import split_of
from hitpredict.training.train import train
from tests.helpers.planted import ROWS, data_of, run_of


def test_no_group_is_on_two_sides_and_every_row_on_one(tables):
    data = data_of(tables)
    split = split_of(data, "groups", 0)
    for group in np.unique(data.groups):
        assert len(set(split[data.groups == group])) == 1
    shares = {side: np.mean(split == side) for side in ("train", "validation", "calibration", "test")}
    assert shares["train"] == pytest.approx(0.6, abs=0.05)
    assert shares["validation"] == pytest.approx(0.1, abs=0.04)
    assert shares["calibration"] == pytest.approx(0.15, abs=0.04)
    assert shares["test"] == pytest.approx(0.15, abs=0.04)
    # What chooses nothing needs no validation part, and calibrates and tests on the same songs.
    other = split_of(data, "groups", 0, chooses=False)
    assert "validation" not in other
    for part in ("calibration", "test"):
        np.testing.assert_array_equal(other == part, split == part)


def test_songs_that_choose_the_epoch_do_not_calibrate(tables, tmp_path):
    """Other labels of the calibration part leave the weights and change the interval; those of the validation part
    leave what is calibrated on."""
    first, folder = data_of(tables), ModelFolder
    train(run_of(tables, "mlp", epochs=6, data=first), tmp_path / "a")
    split = folder(tmp_path / "a").config.split
    ids = [set(getattr(split, name)) for name in SPLITS]
    assert all(ids) and sum(map(len, ids)) == len(set().union(*ids)) == len(first)
    assert folder(tmp_path / "a").seen == ids[0] | ids[1] | ids[2]
    moved = np.isin(first.track_ids, split.calibration)
    random = np.random.default_rng(0)
    labels = np.where(moved[:, None], random.permutation(first.labels), first.labels)
    train(run_of(tables, "mlp", epochs=6, data=replace(first, labels=labels)), tmp_path / "b")
    assert folder(tmp_path / "b").config.split == split
    weights = [load_file(tmp_path / name / "model.safetensors") for name in "ab"]
    assert all((weights[0][key] == weights[1][key]).all() for key in weights[0])
    assert folder(tmp_path / "b").calibration != folder(tmp_path / "a").calibration
    reference = folder(tmp_path / "a").config.reference
    assert reference.name.startswith(f"{len(ids[2])} calibration tracks")
    scores = folder(tmp_path / "a").predict(first).score[moved]
    assert [reference.scores[0], reference.scores[-1]] == pytest.approx([scores.min(), scores.max()])


def test_folders_without_a_calibration_part_still_load(tables, tmp_path):
    train(run_of(tables, "linear"), tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    config = json.loads(path.read_text())
    assert config["split"]["validation"] == []
    config["split"]["validation"] = config["split"].pop("calibration")
    path.write_text(json.dumps(config))
    old = ModelFolder(tmp_path / "m")
    assert old.seen == set(config["split"]["train"]) | set(config["split"]["validation"])
    assert len(export(old).data)


def test_given_splits_lend_a_calibration_part(tables):
    data = data_of(tables)
    number = np.unique(data.groups, return_inverse=True)[1]
    three = np.array(["train", "train", "train", "validation", "test"])[number % 5]
    data.table["split"] = three.astype(object)
    split = split_of(data, "fma", 0)
    for part in ("train", "test"):
        np.testing.assert_array_equal(split == part, three == part)
    halves = [set(data.groups[split == part]) for part in ("validation", "calibration")]
    assert all(halves) and not halves[0] & halves[1]
    np.testing.assert_array_equal(split_of(data, "fma", 0, chooses=False) == "calibration", three == "validation")
    # Of two parts, the training part lends both.
    data.table["split"] = np.where(three == "test", "test", "train").astype(object)
    split = split_of(data, "column:split", 0)
    np.testing.assert_array_equal(split == "test", three == "test")
    assert {"train", "validation", "calibration"} <= set(split)
    data.table["split"] = split.astype(object)
    np.testing.assert_array_equal(split_of(data, "column:split", 0), split)


def test_temporal_and_column_splits(tables):
    data = data_of(tables)
    split = split_of(data, "temporal:year", 0)
    years = np.array([int(year) for year in data.table["year"]])
    assert years[split == "train"].max() < years[split == "validation"].min()
    assert years[split == "validation"].max() < years[split == "test"].min()
    data.table["released"] = np.array([None if i % 10 == 0 else "2020-01-01" for i in range(ROWS)], object)
    with pytest.raises(UsageError, match=f"{ROWS // 10} of {ROWS} rows have no released"):
        split_of(data, "temporal:released", 0)
    data.table["number"] = np.array([8, 9, 10] * (ROWS // 3), object)
    assert set(np.array(split_of(data, "temporal:number", 0))[::3]) == {"train"}
    with pytest.raises(UsageError, match="no column nothing"):
        split_of(data, "column:nothing", 0)
    with pytest.raises(UsageError, match="is not train, validation, calibration or test"):
        split_of(data, "column:year", 0)


def test_unknown_artists_are_grouped_by_equal_recordings(tables, tmp_path):
    text = (tables / "features.csv").read_text().splitlines()
    copy = tmp_path / "features.csv"
    copy.write_text("\n".join([*text, "900000," + text[1].split(",", 1)[1]]) + "\n")
    labels = tmp_path / "labels.csv"
    labels.write_text("track_id,y\n" + "".join(f"{i},{i}\n" for i in [*range(ROWS), 900000]))
    data = load([copy], labels, ["y"])
    assert data.groups[0] == data.groups[-1]
    assert len(set(data.groups)) == ROWS
    assert any("no artist column" in note for note in data.notes)


def test_a_random_split_is_marked(tables, tmp_path):
    result = train(run_of(tables, "linear", split="random"), tmp_path / "m")
    assert "inflated" in result["warning"]
    assert "Beware" in (tmp_path / "m" / "MODEL_CARD.md").read_text()
