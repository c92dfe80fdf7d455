"""Cross-validation and shares: every song is predicted once, by a model that has seen none of its group."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from hitpredict.errors import UsageError
from hitpredict.evaluation.metrics import spearman
from hitpredict.tables.splits import CALIBRATION, TEST, TRAIN, VALIDATION, group_split, parsed_shares
from hitpredict.training import calibrated
from hitpredict.training import train as training_run
from hitpredict.training.checks import split_of
from hitpredict.training.folds import fold_numbers, fold_parts
from tests.helpers.folders import contents
from tests.helpers.planted import ROWS, data_of, run_of


@pytest.fixture(scope="module")
def run(tables):
    return replace(run_of(tables, "linear"), folds=4)


@pytest.fixture(scope="module")
def done(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds") / "m"
    return training_run.train(run, folder), folder


def test_every_song_is_predicted_by_a_model_that_has_not_seen_its_group(run, done):
    _, folder = done
    with (folder / "out_of_fold.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["track_id"] for row in rows] == list(run.data.track_ids)
    truth, score, low, high = (
        np.array([float(row[key]) for row in rows]) for key in ("target", "prediction", "low", "high")
    )
    np.testing.assert_allclose(truth, run.data.labels[:, 0], rtol=1e-4)
    assert spearman(truth, score) > 0.8
    assert 0.65 < np.mean((low <= truth) & (truth <= high)) < 0.95
    homes = {}
    for group, row in zip(run.data.groups, rows, strict=True):
        homes.setdefault(group, set()).add(row["fold"])
    assert all(len(found) == 1 for found in homes.values())
    assert {row["fold"] for row in rows} == {"1", "2", "3", "4"}


def test_what_was_measured_is_the_mean_over_the_folds(done):
    result, folder = done
    found = result["cross_validation"]
    assert json.loads((folder / "metrics.json").read_text())["cross_validation"] == found
    assert (found["folds"], found["rows"]) == (4, ROWS)
    sizes = [each["rows"] for each in found["by_fold"]]
    assert sum(sizes) == ROWS
    for metric in ("spearman", "mae", "r2"):
        values = [each[metric] for each in found["by_fold"]]
        assert found["metrics"][metric]["value"] == pytest.approx(np.average(values, weights=sizes), abs=1e-4)
    low, high = found["metrics"]["spearman"]["interval"]
    assert low < found["metrics"]["spearman"]["value"] < high
    assert found["baselines"]["constant"]["spearman"]["value"] == 0
    assert 0.65 < found["coverage"]["rows"] < 0.95
    assert "Cross-validated: 4 folds" in (folder / "MODEL_CARD.md").read_text()


@pytest.mark.parametrize("chooses", [True, False])
def test_each_fold_has_its_own_calibration_rows(run, chooses):
    groups, places = run.data.groups, fold_numbers(run.data, 4, 0)
    for number in range(4):
        parts = fold_parts(groups, places == number, 0, chooses)
        assert set(np.unique(parts)) == {TRAIN, CALIBRATION, TEST} | ({VALIDATION} if chooses else set())
        np.testing.assert_array_equal(parts == TEST, places == number)
        by_part = [set(groups[parts == name]) for name in np.unique(parts)]
        assert sum(map(len, by_part)) == len(set().union(*by_part))


def test_the_final_model_is_the_one_without_folds(run, done, tmp_path):
    training_run.train(replace(run, folds=0), tmp_path / "m")
    with_folds, without = contents(done[1]), contents(tmp_path / "m")
    assert with_folds["estimator.onnx"] == without["estimator.onnx"]
    assert with_folds["config.json"] == without["config.json"]


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_next_fold(run, done, monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    fits, fit = [], calibrated.fitted_to

    def counted(prepared, folder):
        fits.append(folder.name)
        if len(fits) == 4:
            raise Killed
        return fit(prepared, folder)

    monkeypatch.setattr(calibrated, "fitted_to", counted)
    with pytest.raises(Killed):
        training_run.train(run, tmp_path / "m")
    training_run.train(replace(run, resume=True), tmp_path / "m")
    assert fits == [".m.partial", "1", "2", "3", ".m.partial", "3", "4"]
    assert contents(tmp_path / "m") == contents(done[1])
    with pytest.raises(UsageError, match=r"`resume`: .* is of a run with another"):
        (tmp_path / ".m.partial").mkdir()
        (tmp_path / ".m.partial" / "request.json").write_text("[]")
        training_run.train(replace(run, resume=True), tmp_path / "m")


def test_too_many_folds_are_refused_before_anything_is_fitted(run, tmp_path):
    with pytest.raises(UsageError, match="`folds` 61: 61 folds need"):
        training_run.train(replace(run, folds=61), tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_classes_keep_their_probabilities(tables, tmp_path):
    run = replace(run_of(tables, "linear", task="classification"), folds=2)
    found = training_run.train(run, tmp_path / "m")["cross_validation"]
    assert found["metrics"]["roc_auc_ovr"]["value"] > 0.8


@pytest.mark.parametrize(
    ("text", "shares"),
    [("80,10,10", (0.8, 0.05, 0.05, 0.1)), ("50,10,15,25", (0.5, 0.1, 0.15, 0.25)), ("70,20,10", (0.7, 0.1, 0.1, 0.1))],
)
def test_shares_are_those_asked_for(text, shares):
    assert parsed_shares(text) == pytest.approx(shares)
    groups = np.repeat(np.arange(1000), 3)
    split = group_split(groups, 0, shares=parsed_shares(text))
    found = [np.mean(split == name) for name in (TRAIN, VALIDATION, CALIBRATION, TEST)]
    assert found == pytest.approx(shares, abs=0.01)
    assert sum(len(set(groups[split == name])) for name in np.unique(split)) == 1000


@pytest.mark.parametrize("text", ["80,10", "80,20,0", "80,10,20", "a,b,c", "40,20,20,10,10", "nan,50,50"])
def test_other_shares_are_refused(text):
    with pytest.raises(ValueError, match="three or four percentages"):
        parsed_shares(text)


def test_shares_hold_for_each_way_to_split(tables):
    data, shares = data_of(tables), parsed_shares("50,30,20")
    for split in ("groups", "random", "temporal:year"):
        found = split_of(data, split, 0, True, shares)
        sizes = [np.mean(found == name) for name in (TRAIN, VALIDATION, CALIBRATION, TEST)]
        assert sizes == pytest.approx([0.5, 0.15, 0.15, 0.2], abs=0.04), split
        without = split_of(data, split, 0, False, shares)
        assert set(np.unique(without)) == {TRAIN, CALIBRATION, TEST}
        np.testing.assert_array_equal(without == TEST, found == TEST)
    uneven = split_of(data, "temporal:year", 0, True, parsed_shares("50,10,20,20"))
    assert np.mean(uneven == CALIBRATION) == pytest.approx(0.2, abs=0.04)
    with pytest.raises(UsageError, match="`shares`: the parts are those of `split` column:split"):
        split_of(data, "column:split", 0, True, shares)
