"""Two models on the same songs: who is nearer, where, and is it chance?"""

import numpy as np
import pytest
from scipy.stats import binomtest

from hitpredict.evaluation.metrics import sign_test
from hitpredict.evaluation.paired import compared, error_by_band, nearer
from hitpredict.model_folder.predictions import Predictions
from tests.helpers.evaluating import ROWS, parts


@pytest.fixture
def planted(data):
    """Truth, a model and one that is farther from the truth on about a quarter more of the songs."""
    _, _, _, _, truth = parts(data)
    random = np.random.default_rng(3)
    good = Predictions(truth + random.normal(size=ROWS))
    return truth, good, Predictions(truth + 2.5 * random.normal(size=ROWS))


def test_the_nearer_model_is_found(data, planted):
    truth, good, bad = planted
    found = nearer(bad, good, truth, data.groups)
    wins = np.abs(good.score - truth) < np.abs(bad.score - truth)
    assert found["songs"] == {"first": int((~wins).sum()), "second": int(wins.sum()), "ties": 0}
    assert found["share"] == pytest.approx(wins.mean(), abs=1e-5)
    assert found["interval"][0] < found["share"] < found["interval"][1]
    assert found["interval"][0] > 0.6
    assert found["p_value"] < 1e-4
    turned = nearer(good, bad, truth, data.groups)
    assert turned["share"] == pytest.approx(1 - found["share"], abs=1e-5)
    assert turned["p_value"] == found["p_value"]


def test_the_test_asks_groups_not_songs(data, planted):
    """A hundred songs of one artist are one vote."""
    truth, good, bad = planted
    groups = np.array(["one", "two", "three", "four"])[np.arange(ROWS) % 4]
    found = nearer(bad, good, truth, groups)
    assert found["groups"] == {"first": 0, "second": 4, "ties": 0}
    assert found["p_value"] == pytest.approx(2 / 2**4)
    assert sign_test(found["songs"]["second"], found["songs"]["first"]) < 1e-6


def test_equal_predictions_are_ties(data, planted):
    truth, good, _ = planted
    found = nearer(good, good, truth, data.groups)
    assert (found["share"], found["interval"], found["p_value"]) == (None, None, 1.0)
    assert found["songs"] == {"first": 0, "second": 0, "ties": ROWS}


def test_unknown_truth_does_not_count(data, planted):
    truth, good, bad = planted
    truth = np.where(np.arange(ROWS) < 50, np.nan, truth)
    assert sum(nearer(bad, good, truth, data.groups)["songs"].values()) == ROWS - 50
    assert sum(band["songs"] for band in error_by_band(bad, good, truth, data.groups, 0)) == ROWS - 50


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (3, 0), (5, 2), (40, 61)])
def test_the_sign_test_is_the_binomial_one(wins, losses):
    expected = binomtest(wins, wins + losses, 0.5, "two-sided").pvalue if wins + losses else 1
    assert sign_test(wins, losses) == pytest.approx(expected)


def test_errors_are_told_where_they_are(data, planted):
    """A model that is wrong about hits alone."""
    truth, good, _ = planted
    hits = truth > np.quantile(truth, 0.8)
    blind = Predictions(np.where(hits, good.score - 30, good.score))
    bands = error_by_band(good, blind, truth, data.groups, 0)
    assert len(bands) == 5
    assert sum(band["songs"] for band in bands) == ROWS
    assert [band["difference"]["interval"][1] < -20 for band in bands] == [False] * 4 + [True]
    assert bands[-1]["second"]["value"] == pytest.approx(30, abs=1)
    assert [band["from"] for band in bands] == sorted(band["from"] for band in bands)


def test_bands_of_classes_are_the_classes(data):
    _, first, _, _, truth = parts(data, {"classes": 3})
    bands = error_by_band(first, first, truth, data.groups, 3)
    assert [(band["from"], band["to"]) for band in bands] == [(0, 0), (1, 1), (2, 2)]


def test_the_area_under_the_curve_is_compared(data, planted):
    truth, good, bad = planted
    assert compared(good, Predictions(-bad.score), truth, data.groups, 0)["roc_auc"]["better"] == "first"
    by_rank = compared(good, bad, truth, data.groups, 0, by_rank=True)
    assert set(by_rank) == {"spearman", "kendall", "ndcg@100", "recall@100", "roc_auc"}
