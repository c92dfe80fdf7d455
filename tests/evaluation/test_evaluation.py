"""How good a model is: metrics with intervals, baselines, coverage, and comparison."""

import json

import numpy as np
import pytest

from hitpredict.evaluation import metrics
from hitpredict.evaluation.evaluate import CLASSES, REGRESSION, evaluate
from hitpredict.evaluation.paired import compared
from hitpredict.model_folder.predictions import Predictions
from tests.helpers.evaluating import ROWS, parts


def result_of(data, spec=None):
    target, predictions, calibration, baselines, _ = parts(data, spec)
    return evaluate(predictions, data, target, calibration, baselines, {"r2": "0.1"}, "held out")


@pytest.fixture(scope="module")
def regression(data):
    return result_of(data)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {*REGRESSION}),
        ({"classes": 2}, {*REGRESSION, *CLASSES, "roc_auc"}),
        ({"classes": 3}, {*REGRESSION, *CLASSES, "roc_auc_ovr"}),
    ],
)
def test_every_metric_has_a_value_within_an_interval(data, spec, expected):
    result = result_of(data, spec)
    assert set(result["metrics"]) == expected
    for found in (result["metrics"], *result["baselines"].values()):
        for name, entry in found.items():
            assert set(entry) == {"value", "interval"}, name
            low, high = entry["interval"]
            assert np.isfinite([low, high, entry["value"]]).all()
            # A bootstrap of a few dozen top tracks is a little lopsided.
            slack = 0.1 if "@" in name else 1e-9
            assert low - slack <= entry["value"] <= high + slack, name
    assert json.loads(json.dumps(result)) == result


def test_values_are_those_of_the_metrics(data, regression):
    _, predictions, _, _, truth = parts(data)
    found = regression["metrics"]
    for name in ("spearman", "mae", "r2", "kendall"):
        assert found[name]["value"] == pytest.approx(getattr(metrics, name)(truth, predictions.score), abs=1e-5)
    assert found["spearman"]["value"] == pytest.approx(0.87, abs=0.04)


def test_baselines_stand_beside_the_model(regression):
    assert set(regression["baselines"]) == {"constant", "random-normal", "linear"}
    constant, noise, linear = (regression["baselines"][name] for name in ("constant", "random-normal", "linear"))
    assert constant["spearman"]["value"] == 0
    assert constant["r2"]["value"] == pytest.approx(0, abs=1e-4)
    assert noise["mae"]["value"] > constant["mae"]["value"] > regression["metrics"]["mae"]["value"]
    assert linear["spearman"]["interval"][0] > 0.8
    assert regression["published"] == {"r2": "0.1"}


def test_coverage_is_near_its_level(regression, data):
    assert regression["coverage"]["level"] == 0.8
    assert regression["coverage"]["rows"] == pytest.approx(0.8, abs=0.06)
    assert regression["rows"] == ROWS
    assert regression["groups"] == len(set(data.groups))
    assert "warning" not in regression


def test_a_random_split_is_marked(data):
    target, predictions, calibration, baselines, _ = parts(data)
    result = evaluate(predictions, data, target, calibration, baselines, {}, "random")
    assert "inflated" in result["warning"]


def test_metrics_that_are_undefined_are_left_out(data):
    target, predictions, calibration, baselines, _ = parts(data)
    few = data.take(np.array([0]))
    result = evaluate(predictions.take(np.array([0])), few, target, calibration, baselines, {}, "held out")
    assert "mae" in result["metrics"]
    assert not {"r2", "recall@100"} & set(result["metrics"])


def test_a_model_does_not_differ_from_itself(data):
    _, predictions, _, _, truth = parts(data)
    for entry in compared(predictions, predictions, truth, data.groups, 0).values():
        assert entry == {"value": 0, "interval": [0, 0], "verdict": "no clear difference", "better": None}


def test_equally_good_models_do_not_differ_clearly(data):
    _, _, _, _, truth = parts(data)
    random = np.random.default_rng(1)
    first, second = (Predictions(truth + 20 * random.normal(size=ROWS)) for _ in range(2))
    assert compared(first, second, truth, data.groups, 0)["spearman"]["verdict"] == "no clear difference"


@pytest.mark.parametrize("classes", [0, 3])
def test_a_planted_difference_is_found(data, classes):
    _, better, _, _, truth = parts(data, {"classes": classes} if classes else None)
    noise = np.random.default_rng(2).normal(size=ROWS)
    worse = Predictions(better.score + (3 if classes else 40) * noise)
    found = compared(better, worse, truth, data.groups, classes)
    assert found["spearman"]["verdict"] == "first is higher"
    assert found["mae"]["verdict"] == "second is higher"
    assert found["spearman"]["better"] == found["mae"]["better"] == "first"
    assert found["spearman"]["interval"][0] > 0
    turned = compared(worse, better, truth, data.groups, classes)["spearman"]
    assert turned["verdict"] == "second is higher"
    assert turned["value"] == -found["spearman"]["value"]
    assert not classes or found["accuracy"]["verdict"] == "first is higher"
