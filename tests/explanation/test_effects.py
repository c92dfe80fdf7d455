"""What is called more than noise: distributions, corrections, and how often chance passes for an effect."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import stats

from hitpredict.explanation.effects import (
    NoiseScale,
    correlation,
    discoveries,
    monotonicity,
    ranked_by_size,
    slope,
    student_tail,
)

SONGS, PARAMETERS, VALUES = 1500, 15, 4
KINDS = {"timing": 8, "level": 4, "coding": 4}


@pytest.mark.parametrize("dof", [1, 2, 3, 4, 7, 12, 31])
@pytest.mark.parametrize("t", [0, 0.1, 1, 2.5, 6, 30])
def test_tails_are_student_s(t, dof):
    assert student_tail(t, dof) == pytest.approx(2 * stats.t.sf(t, dof), abs=1e-12)
    assert student_tail(-t, dof) == student_tail(t, dof)


def test_discoveries_are_benjamini_s_and_hochberg_s():
    random = np.random.default_rng(0)
    for _ in range(50):
        p = random.random(12) ** 3
        assert discoveries(p) == list(stats.false_discovery_control(p) <= 0.05)
    assert discoveries([]) == []
    assert discoveries([0.9, 0.8]) == [False, False]


def false_alarms(draw, scales, floor=0.0):
    """The share of songs in which anything is called an effect, where nothing matters. scales: of each kind of null."""
    random = np.random.default_rng(1)
    alarms = 0
    for _ in range(SONGS):
        kinds = {kind: scales[kind] * draw(random, count) for kind, count in KINDS.items()}
        noise = NoiseScale.of(kinds, floor, 1e-9)
        # What a variant suffers is what all kinds of inaudible change do, together.
        variants = sum(scales[kind] * draw(random, (PARAMETERS, VALUES)) for kind in KINDS)
        alarms += any(discoveries([noise.p_value(changes) for changes in variants]))
    return alarms / SONGS


@pytest.mark.parametrize(
    "scales",
    [
        {"timing": 1, "level": 1, "coding": 1},
        {"timing": 1, "level": 0, "coding": 0},
        {"timing": 0, "level": 0, "coding": 1},
    ],
    ids=["alike", "timing alone", "coding alone"],
)
def test_noise_alone_is_called_an_effect_in_5_songs_of_100_at_most(scales):
    assert false_alarms(lambda random, size: random.normal(size=size), scales) <= 0.05


def test_alarms_are_not_impossible():
    """The test above could fail: with the scale known too small, chance passes for effects."""
    too_sure = NoiseScale(0.5, 1000, 16)
    random = np.random.default_rng(2)
    found = [any(discoveries([too_sure.p_value(each) for each in random.normal(size=(15, 4))])) for _ in range(300)]
    assert np.mean(found) > 0.5


def test_large_changes_are_found_with_few_null_changes():
    noise = NoiseScale.of({"timing": [0.5, -0.4, 0.6, -0.5], "coding": [0.3, -0.2]}, 0.0, 1e-9)
    assert discoveries([noise.p_value([20.0, 10.0]), *[0.9] * 14]) == [True] + [False] * 14


def test_the_floor_of_the_model_holds_for_quiet_songs():
    quiet = {"timing": [1e-6] * 8}
    assert NoiseScale.of(quiet, 1.2, 0.0).scale == pytest.approx(1.2 / 2.63)
    assert NoiseScale.of(quiet, 0.0, 0.05).scale == 0.05
    assert NoiseScale.of({"timing": [3.0] * 8}, 1.2, 0.05).scale == pytest.approx(3)
    assert not NoiseScale.of(quiet, 1.2, 0.0).exceeded([1.1, -1.2])
    assert NoiseScale.of(quiet, 1.2, 0.0).exceeded([1.1, -1.3])


def test_degrees_of_freedom_are_those_of_the_kind_that_moves_scores():
    assert NoiseScale.of({"a": [1.0] * 8, "b": [0.0] * 4}, 0, 0).dof == 8
    assert NoiseScale.of({"a": [0.001] * 8, "b": [1.0, -1.0]}, 0, 0).dof == 2
    assert NoiseScale.of({"a": [1.0] * 4, "b": [1.0] * 4}, 0, 0).dof == 8
    assert NoiseScale.of({"identity": [0.0], "a": []}, 0.5, 0).changes == 1


def test_more_values_must_differ_more():
    noise = NoiseScale(1.0, 10, 10)
    assert noise.p_value([3.0]) == pytest.approx(2 * stats.t.sf(3, 10))
    assert noise.p_value([3.0, 0, 0, 0]) == pytest.approx(1 - (1 - 2 * stats.t.sf(3, 10)) ** 4)
    assert 0 <= noise.p_value([1e3]) < 1e-15


def test_slopes_and_correlations():
    assert slope([1, 2, 4], [5, 7, 11]) == pytest.approx(2)
    assert slope([1], [5]) is None
    assert monotonicity([1, 2, 3], [5, 6, 60]) == 1
    assert monotonicity([1, 2, 3, 3.5], [5, 5, 3, 3]) == pytest.approx(stats.spearmanr([1, 2, 3, 4], [5, 5, 3, 3])[0])
    assert monotonicity([1, 2, 3], [5, 5, 5]) is None
    assert correlation([1, 2], [1, 2]) is None
    assert correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1)


@dataclass(frozen=True)
class Placed:
    label: str
    size: float
    significant: bool = False
    unseen: bool = False
    rank: int = 0


def test_what_is_more_than_noise_comes_first_and_what_is_not_seen_last():
    records = [
        Placed("unseen", 9.0, unseen=True),
        Placed("small", -1.0),
        Placed("first of two", 2.0),
        Placed("second of two", -2.0),
        Placed("clear and small", 0.5, significant=True),
        Placed("clear", -3.0, significant=True),
    ]
    found = ranked_by_size(iter(records), lambda each: each.size, lambda each: each.unseen)
    order = ["clear", "clear and small", "first of two", "second of two", "small", "unseen"]
    assert [(each.label, each.rank) for each in found] == [*zip(order, range(1, 7), strict=True)]
    assert {each.rank for each in records} == {0}
