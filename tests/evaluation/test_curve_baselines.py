import json
from dataclasses import asdict

import numpy as np
import pytest

from hitpredict.evaluation.curve_baselines import (
    CurveBaselines,
    decay_rate,
    exponential_decay,
    mean_change,
    mean_curve,
    persistence,
)


def test_persistence_and_decay():
    first = np.array([[5.0, 4.9, 4.8], [4.0, 4.2, 4.4], [3.0, 0.6, 0.2]])
    np.testing.assert_array_equal(persistence(first, 2), [[4.8, 4.8], [4.4, 4.4], [0.2, 0.2]])
    np.testing.assert_allclose(exponential_decay(first, 2, 0.5), [[4.3, 3.8], [3.9, 3.4], [0, 0]])
    np.testing.assert_allclose(exponential_decay(first, 2), [[4.7, 4.6], [4.6, 4.8], [0, 0]], atol=1e-12)


def test_the_rate_is_the_one_that_made_the_curves():
    first, ahead = np.array([[5.0], [6.0]]), np.arange(1, 6)
    rest = first - 0.1 * ahead
    rest[0, 3:], rest[1, 4] = 0, np.nan
    assert decay_rate(first, rest) == pytest.approx(0.1)


def test_the_mean_curve_is_the_regions_own():
    rest = np.array([[4.0, 0.0, np.nan], [5.0, 3.0, np.nan], [6.0, 6.0, 6.0]])
    regions = ["at", "at", "us"]
    charted = mean_curve(rest, regions, ["us", "at", "de"])
    np.testing.assert_allclose(charted, [[6, 6, 6], [4.5, 3, 6], [5, 4.5, 6]])
    np.testing.assert_allclose(mean_curve(rest, regions, ["at"], charted=False), [[4.5, 1.5, 6]])


def test_the_mean_change_is_added_to_the_last_week():
    first, rest = np.array([[5.0, 4.0], [6.0, 6.0]]), np.array([[3.8, 3.6, np.nan], [5.9, 0.0, np.nan]])
    np.testing.assert_allclose(mean_change(first, rest, [[9.0, 5.0]]), [[4.85, 4.6, 5 - 0.7 / 3]])


def test_fitted_baselines_are_those_of_the_functions_and_survive_json():
    rng = np.random.default_rng(0)
    first, rest = 5 + rng.random((20, 3)), 4 + rng.random((20, 6))
    rest[rng.random(rest.shape) < 0.2] = 0
    rest[::3, 4:] = np.nan
    regions = np.eye(2)[rng.integers(0, 2, 20)]
    fitted = CurveBaselines(**json.loads(json.dumps(asdict(CurveBaselines.fit(rest, first, regions)))))
    start, wanted = first[:4] + 1, regions[:4]
    found = fitted.predict(4, start, wanted)
    names = regions.argmax(axis=1), wanted.argmax(axis=1)
    np.testing.assert_allclose(found["mean curve"], mean_curve(rest, *names))
    np.testing.assert_allclose(found["mean curve, 0 off the charts"], mean_curve(rest, *names, charted=False))
    np.testing.assert_allclose(found["mean change"], mean_change(first, rest, start))
    np.testing.assert_allclose(found["persistence"], persistence(start, 6))
    np.testing.assert_allclose(found["exponential decay"], exponential_decay(start, 6, decay_rate(first, rest)))
    np.testing.assert_allclose(found["exponential decay, own rate"], exponential_decay(start, 6))


def test_without_first_weeks_and_regions_the_mean_curve_remains():
    found = CurveBaselines.fit([[4.0, 0.0], [5.0, 3.0]]).predict(3)
    assert list(found) == ["mean curve", "mean curve, 0 off the charts"]
    np.testing.assert_allclose(found["mean curve"], [[4.5, 3]] * 3)
    np.testing.assert_allclose(found["mean curve, 0 off the charts"], [[4.5, 1.5]] * 3)
