"""Intervals whose width follows the score: taken where they are better, and then as wide as they have to be."""

import json

import numpy as np
import pytest

from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.metadata import parsed_entry
from hitpredict.scoring.spread import Spread, interval_score
from hitpredict.training.calibrate import fit_spread


def songs(seed, grows, count=1500):
    """Truth, scores and groups of two; errors alike, or larger the higher the score."""
    random = np.random.default_rng(seed)
    score = random.uniform(20, 80, count)
    size = 6 * np.exp(grows * (score - 50) / 20)
    return score + size * random.normal(size=count), score, np.repeat(np.arange(count // 2), 2)


def tenths(calibration, truth, score):
    low, high = calibration.interval(score)
    held = ((low <= truth) & (truth <= high))[np.argsort(score)]
    return np.array([part.mean() for part in np.array_split(held, 10)]), float((high - low).mean())


def test_a_spread_is_kept_where_errors_differ_and_nowhere_else():
    assert fit_spread(*songs(0, grows=0.8)) is not None
    assert [fit_spread(*songs(seed, grows=0.0)) for seed in range(5)].count(None) >= 4
    assert fit_spread(*songs(0, grows=0.8, count=100)) is None


def test_every_tenth_of_the_scores_is_held_and_intervals_are_narrower():
    spread = fit_spread(*songs(1, grows=0.8))
    ends = {"low": -50.0, "high": 150.0}
    plain, followed = (Calibration.fit(*songs(2, grows=0.8), **ends, spread=each) for each in (None, spread))
    truth, score, _ = songs(3, grows=0.8, count=20_000)
    (by_plain, wide), (by_spread, narrow) = (tenths(each, truth, score) for each in (plain, followed))
    assert by_plain.min() < 0.55
    assert by_spread.min() > 0.7
    assert np.abs(by_spread - 0.8).mean() < 0.3 * np.abs(by_plain - 0.8).mean()
    assert narrow < wide
    worth = [interval_score(truth, *each.interval(score), 0.8).mean() for each in (plain, followed)]
    assert worth[1] < 0.95 * worth[0]


def test_the_model_file_holds_the_spread_and_files_without_are_read():
    calibration = Calibration.fit(*songs(2, grows=0.8), spread=Spread.fit(*songs(1, grows=0.8)[1::-1]))
    text = json.dumps(calibration.to_json())
    assert Calibration.from_json(parsed_entry("calibration", text)) == calibration
    older = {key: value for key, value in calibration.to_json().items() if key != "spread"}
    assert Calibration.from_json(parsed_entry("calibration", json.dumps(older))).spread is None
    assert "spread" not in Calibration.fit(*songs(2, grows=0.0)).to_json()
    broken = {**calibration.to_json(), "spread": {"centre": 0, "scale": 0, "coefficients": [1, 0, 0]}}
    with pytest.raises(ValueError, match=r"spread\.scale"):
        parsed_entry("calibration", json.dumps(broken))


def test_the_interval_score_by_hand():
    found = interval_score([5.0, 0.0, 12.0], [4.0, 1.0, 4.0], [8.0, 9.0, 10.0], 0.8)
    np.testing.assert_allclose(found, [4.0, 8 + 10 * 1, 6 + 10 * 2])
