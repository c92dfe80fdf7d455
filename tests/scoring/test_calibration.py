import json

import numpy as np
import pytest

from hitpredict.evaluation.metrics import coverage
from hitpredict.scoring.calibration import Calibration


def songs(seed, groups=400, largest=0):
    """Targets, predictions and groups: each group has its own level, and noise leans to one side."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 12, groups)
    sizes[0] += largest
    names = np.repeat(np.arange(groups), sizes)
    prediction = rng.uniform(30, 60, len(names))
    noise = rng.normal(0, 4, groups)[names] + rng.exponential(12, len(names)) - 6
    return prediction + noise, prediction, names


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_hold_the_aimed_share_of_new_groups(level):
    calibration = Calibration.fit(*songs(0), level=level)
    target, prediction, names = songs(1, groups=3000)
    _, by_group = coverage(target, *calibration.interval(prediction), names)
    assert by_group == pytest.approx(level, abs=0.03)


def test_a_large_group_counts_as_one():
    target, prediction, names = songs(2, largest=5000)
    target[names == 0] += 40
    calibration = Calibration.fit(target, prediction, names)
    rest = Calibration.fit(*(values[names != 0] for values in (target, prediction, names)))
    assert calibration.above == pytest.approx(rest.above, rel=0.05)


def test_each_tail_has_its_own_length():
    calibration = Calibration.fit(*songs(3))
    target, prediction, names = songs(4, groups=3000)
    low, high = calibration.interval(prediction)
    assert calibration.above > calibration.below
    assert coverage(target, low, np.full(len(target), 1e9), names)[1] == pytest.approx(0.9, abs=0.02)
    assert coverage(target, np.full(len(target), -1e9), high, names)[1] == pytest.approx(0.9, abs=0.02)


def test_the_interval_holds_the_score_and_stays_on_the_scale():
    calibration = Calibration(0.8, 20.0, 30.0, 0.0, 100.0, 10)
    low, high = calibration.interval(np.array([5.0, 50.0, 90.0], np.float32))
    assert low.tolist() == [0, 30, 70]
    assert high.tolist() == [35, 80, 100]
    # Scores beyond the scale do not take their intervals with them.
    assert [end.tolist() for end in calibration.interval([-90.0, 190.0])] == [[0, 100], [0, 100]]
    biased = Calibration.fit(np.arange(50.0) + 200, np.arange(50.0), np.arange(50))
    assert biased.below == 0


def test_too_few_groups_give_the_whole_scale():
    calibration = Calibration.fit([50, 51, 52], [50, 50, 50], [0, 1, 2])
    assert [end[0] for end in calibration.interval([50.0])] == [0, 100]
    ranks = Calibration.fit([5, 6, 7], [5, 5, 5], [0, 1, 2], low=1.0, high=10.0)
    assert (ranks.below, ranks.above) == (9, 9)


def test_hierarchical_quantile_by_hand():
    # 9 groups of one row weigh 1/10 each: the 90 % quantile of their residuals is the largest, the 50 % the fifth.
    residuals = np.arange(1.0, 10.0)
    assert Calibration.fit(residuals, np.zeros(9), np.arange(9), level=0.8).above == 9
    assert Calibration.fit(residuals, np.zeros(9), np.arange(9), level=0.6).above == 8


def test_small_whole_numbers_do_not_wrap_around():
    target, prediction = np.arange(9, dtype=np.uint8), np.full(9, 8, np.uint8)
    assert Calibration.fit(target, prediction, np.arange(9)).below == 8


def test_json_round_trip():
    calibration = Calibration.fit(*songs(5))
    assert Calibration.from_json(json.loads(json.dumps(calibration.to_json()))) == calibration


@pytest.mark.parametrize("level", [0, 1, 80])
def test_impossible_levels(level):
    with pytest.raises(ValueError, match="level"):
        Calibration.fit(*songs(0), level=level)
