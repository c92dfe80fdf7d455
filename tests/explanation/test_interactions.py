"""Pairs of changes: a planted product is found, sums and noise are not."""

import numpy as np
import pytest

from hitpredict.audio.sound import Sound
from hitpredict.engines.limits import Budget
from hitpredict.errors import InputError
from hitpredict.explanation.effects import NoiseScale, discoveries
from hitpredict.explanation.grid import chosen_parameters
from hitpredict.explanation.interactions import interactions
from hitpredict.explanation.sweep import Sweep
from hitpredict.explanation.trial import Trial
from tests.helpers.made_models import MadeScorer, band
from tests.helpers.sounds import tune

CLIP = tune(1)
LOW, HIGH = band(CLIP, 0, 500), band(CLIP, 3000, 6000)


def found(rule, names, **more):
    sweep = Sweep(tuple(chosen_parameters(names, None)))
    trial = Trial("song", Sound.of(CLIP), (MadeScorer(rule, **more),), 2, Budget("song", 3600))
    return interactions(sweep, trial)


def heard(clip):
    return band(clip, 0, 500) - LOW, band(clip, 3000, 6000) - HIGH


def product(clip):
    low, high = heard(clip)
    return 50 + low + high + 0.5 * low * high


def test_a_planted_product_is_found():
    records, failed = found(product, "eq-250,eq-4000,reverb")
    assert failed == []
    (best,) = [each for each in records if set(each.parameters) == {"eq-250", "eq-4000"}]
    assert best.significant
    low, high = (change for change in best.alone)
    assert best.interaction == pytest.approx(best.together - low - high)
    assert best.interaction == pytest.approx(0.5 * low * high, rel=0.25)
    assert {each.pairs for each in records} == {3}
    assert [each.rank for each in records] == [1, 2, 3]


def test_a_sum_has_no_interaction():
    records, _ = found(lambda clip: 50 + sum(heard(clip)), "eq-250,eq-4000,reverb")
    assert len(records) == 3
    assert not any(each.significant for each in records)
    assert all(abs(each.alone[0]) > 1 for each in records)


def test_the_end_of_the_scale_is_no_interaction():
    records, _ = found(lambda clip: 94 + sum(heard(clip)), "eq-250,eq-4000,reverb")
    ended = [each for each in records if each.at_end]
    assert ended
    assert not any(each.significant for each in ended)


def test_pairs_need_two_that_are_seen():
    with pytest.raises(InputError, match="song: the model sees fewer than two of the parameters"):
        found(lambda clip: 50.0, "reverb,eq-250")


def test_chance_passes_for_an_interaction_in_5_songs_of_100_at_most():
    """Simulated songs of an additive model: the values are picked where noise made the changes largest."""
    random, alarms, songs = np.random.default_rng(0), 0, 1500
    for _ in range(songs):
        noise = NoiseScale.of({"timing": random.normal(size=8), "level": random.normal(size=4)}, 0, 1e-9).of_sum(3)
        wobble = np.sqrt(2)
        changes = wobble * random.normal(size=(15, 4))
        best = sorted((max(each, key=abs) for each in changes), key=abs)[-4:]
        p_values = [
            noise.p_value([wobble * random.normal() - best[a] - best[b]] + [0.0] * 59)
            for b in range(4)
            for a in range(b)
        ]
        alarms += any(discoveries(p_values))
    assert alarms / songs <= 0.05
