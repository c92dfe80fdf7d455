"""A linear model of what parts do together: exact where they add up, and told where they do not."""

import numpy as np
import pytest

from hitpredict.explanation.lime import FEWEST_MASKS, MOST_MASKS, LinearFit, random_masks


def fitted(answer, parts=12, seed=0):
    rng = np.random.default_rng(seed)
    masks = random_masks(parts, rng)
    return LinearFit.of(masks, [answer(mask) for mask in masks], rng)


def test_what_adds_up_is_found_with_its_interval():
    truth = np.array([-6.0, 3.0, *[0.0] * 10])
    noise = np.random.default_rng(1)
    fit = fitted(lambda mask: mask @ truth + 0.3 * noise.normal())
    assert fit.changes == pytest.approx(truth, abs=0.6)
    assert fit.trusted
    assert fit.r2 > 0.9
    inside = (fit.intervals[2:, 0] < 0) & (fit.intervals[2:, 1] > 0)
    assert inside.mean() > 0.7
    assert fit.intervals[0, 1] < 0 < fit.intervals[1, 0]


def test_what_does_not_add_up_is_not_trusted():
    random = np.random.default_rng(1)
    assert not fitted(lambda mask: random.normal()).trusted
    assert not fitted(lambda mask: float(mask.sum() % 2)).trusted


def test_what_stands_still_has_no_fit():
    fit = fitted(lambda mask: 0.0)
    assert (fit.r2, fit.trusted) == (None, False)
    assert np.abs(fit.changes).max() == 0


@pytest.mark.parametrize(("parts", "count"), [(1, FEWEST_MASKS), (50, 250), (500, MOST_MASKS)])
def test_the_number_of_masks_is_bounded(parts, count):
    assert random_masks(parts, np.random.default_rng(0)).shape == (count, parts)
