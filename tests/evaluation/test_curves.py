import numpy as np
import pytest
from scipy import stats

from hitpredict.evaluation.curves import curve_errors, measure_errors
from hitpredict.scoring.curve import FLOOR, derive_measures


def test_errors_by_hand():
    truth = np.array([[4.0, 0.0, np.nan], [5.0, 5.0, 5.0]])
    forecasts = {"flat": np.full((2, 3), 5.0), "perfect": np.nan_to_num(truth)}
    found = curve_errors(forecasts, truth, ["a", "b"])
    assert (found["flat"]["mae"]["value"], found["flat"]["rmse"]["value"]) == (0.25, 0.5)
    assert found["flat"]["mae"]["interval"] == [0, 1]
    assert found["flat"]["mae_above_first"] == {"value": 0, "interval": [0, 0]}
    assert found["perfect"]["mae"]["value"] == 0
    assert found["perfect"]["mae_above_first"]["value"] == -0.25
    every = curve_errors(forecasts, truth, ["a", "b"], charted=False)
    assert every["flat"]["mae"]["value"] == pytest.approx(6 / 5)


def test_measures_are_compared_over_the_known_weeks_alone():
    rng = np.random.default_rng(0)
    truth = 5 + rng.random((30, 8))
    truth[rng.random(truth.shape) < 0.3] = 0
    truth[::2, 5:] = np.nan
    forecast = np.where(np.isnan(truth), 9.0, truth)
    found = measure_errors(forecast, truth, np.arange(30))
    assert list(found) == ["debut", "max", "mean", "std", "length", "sum", "skewness", "kurtosis"]
    assert all(entry["mae"]["value"] == 0 and entry["spearman"]["value"] == 1 for entry in found.values())
    worse = measure_errors(forecast + (forecast > 0) * rng.random((30, 1)), truth, np.arange(30))
    assert worse["sum"]["mae"]["value"] > 0
    assert worse["length"]["mae"]["value"] == 0
    assert all(
        entry["mae"]["interval"][0] <= entry["mae"]["value"] <= entry["mae"]["interval"][1] for entry in worse.values()
    )


def test_songs_without_a_measure_are_left_out_of_it():
    truth = np.array([[5.0, 4.0], [5.0, 4.5], [0.0, 0.0], [4.0, 0.0]])
    found = measure_errors(truth, truth, np.arange(4))
    assert {name: entry["songs"] for name, entry in found.items()} == {
        **{"debut": 3, "max": 3, "mean": 3, "std": 3, "length": 4, "sum": 4, "skewness": 2, "kurtosis": 2}
    }


def test_measures_of_a_curve():
    curve = np.array([0.0, 4.0, 6.0, 2.9, 5.0, 3.5, 0.0])
    found = derive_measures(curve)
    charted = curve[curve >= FLOOR]
    assert found["debut"] == 4.0
    assert (found["max"], found["length"]) == (6.0, 4)
    np.testing.assert_allclose([found[name] for name in ("mean", "std", "sum")], [4.625, charted.std(), 18.5])
    np.testing.assert_allclose(found["skewness"], stats.skew(charted))
    np.testing.assert_allclose(found["kurtosis"], stats.kurtosis(charted))


def test_measures_of_constant_short_and_empty_curves():
    found = derive_measures([[5.1, 5.1, 5.1], [0.0, 4.0, 0.0], [0.0, 1.0, 2.0]])
    assert list(found) == ["debut", "max", "mean", "std", "length", "sum", "skewness", "kurtosis"]
    assert found["length"].tolist() == [3, 1, 0]
    np.testing.assert_allclose(found["std"], [0, 0, np.nan], atol=1e-9)
    assert np.isnan(found["skewness"]).all()
    assert np.isnan([found[name][2] for name in ("debut", "max", "mean", "kurtosis")]).all()
    assert found["sum"][2] == 0
