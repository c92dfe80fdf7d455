"""Do the pictures show the data, and nothing else?"""

import numpy as np
import pytest
from sklearn import metrics as reference

from hitpredict.evaluation.paired import bins_of
from hitpredict.evaluation.plots import LEVELS, coverage_by_level, observed, roc_curve, write_comparison, write_plots
from hitpredict.model_folder.predictions import Predictions
from tests.helpers.evaluating import PICTURES, ROWS, parts
from tests.helpers.marks import few_by_default


@pytest.mark.parametrize("spec", few_by_default([{}, {"classes": 3}, {"classes": 2}]))
def test_pictures_depend_on_the_data_alone(data, tmp_path, spec):
    target, predictions, calibration, _, _ = parts(data, spec)
    for name in ("first", "second"):
        write_plots(tmp_path / name, predictions, data, target, calibration)
    for name in PICTURES:
        svg, png = ((tmp_path / "first" / f"{name}.{form}").read_bytes() for form in ("svg", "png"))
        assert b"<svg" in svg
        assert png.startswith(b"\x89PNG")
        assert svg == (tmp_path / "second" / f"{name}.svg").read_bytes()
    # Pictures follow from the data, so old ones are replaced.
    before = (tmp_path / "first" / "reliability.svg").read_bytes()
    half = np.arange(0, ROWS, 2)
    write_plots(tmp_path / "first", predictions.take(half), data.take(half), target, calibration)
    assert (tmp_path / "first" / "reliability.svg").read_bytes() != before


def test_pictures_of_few_and_of_many_tracks(data, tmp_path):
    target, predictions, calibration, _, _ = parts(data)
    for name, rows in (("few", np.arange(3)), ("many", np.tile(np.arange(ROWS), 6))):
        write_plots(tmp_path / name, predictions.take(rows), data.take(rows), target, calibration)
        assert len(list((tmp_path / name).iterdir())) == 4


def test_bins_hold_every_row_once_and_equal_scores_together():
    values = np.array([1.0, 5, 2, 2, 2, 2, 9, 7, 3, 4])
    bins = bins_of(values, 5)
    assert sorted(np.concatenate(bins)) == list(range(10))
    assert any({2, 3, 4, 5} <= set(rows) for rows in bins)
    assert [values[rows].max() for rows in bins] == sorted(values[rows].max() for rows in bins)
    assert len(bins_of(np.ones(20))) == 1


def test_observed_means_have_intervals_around_them(data):
    _, predictions, _, _, truth = parts(data)
    bins = bins_of(predictions.score)
    means, reach = observed(truth, data.groups, bins)
    assert means.shape == (10,)
    assert reach.shape == (2, 10)
    assert (reach >= 0).all()
    assert means[-1] - means[0] > 30


def test_coverage_follows_the_level(data):
    _, predictions, _, _, truth = parts(data)
    found = coverage_by_level(truth, predictions.score, data.groups)
    assert found.shape == (len(LEVELS),)
    np.testing.assert_allclose(found, LEVELS, atol=0.12)
    assert coverage_by_level(truth[:5], predictions.score[:5], data.groups[:5]).size == 0


@pytest.mark.parametrize("spec", [{}, {"classes": 2}, {"classes": 3}])
def test_a_comparison_is_drawn_of_both(data, tmp_path, spec):
    target, first, _, _, truth = parts(data, spec)
    second = Predictions(first.score + np.random.default_rng(1).normal(size=ROWS))
    for name, pair in (("a", (first, second)), ("b", (first, second)), ("c", (second, first))):
        write_comparison(tmp_path / name, dict(zip(("one", "two"), pair, strict=True)), truth, data.groups, target)
    drawn = {name: (tmp_path / name / "comparison.svg").read_bytes() for name in "abc"}
    assert drawn["a"] == drawn["b"] != drawn["c"]
    assert (tmp_path / "a" / "comparison.png").read_bytes().startswith(b"\x89PNG")


def test_the_roc_curve_is_that_of_the_library():
    random = np.random.default_rng(0)
    positive, score = random.random(200) < 0.3, random.integers(0, 20, 200).astype(float)
    taken, found = roc_curve(positive, score)
    expected = reference.roc_curve(positive, score, drop_intermediate=False)
    np.testing.assert_allclose((taken, found), expected[:2], atol=1e-12)
    assert reference.auc(taken, found) == pytest.approx(reference.roc_auc_score(positive, score))
