"""Suggestions: a planted liking is found, small first; a model without one, and noise, get none."""

import numpy as np
import pytest

from hitpredict.audio.sound import Sound
from hitpredict.engines.limits import Budget
from hitpredict.errors import UsageError
from hitpredict.explanation.suggest import SPACE, Direction, Search, chosen_directions, suggestions
from hitpredict.explanation.trial import Trial
from hitpredict.mutations import Chain
from tests.helpers.made_models import MadeScorer, band
from tests.helpers.sounds import tune

CLIP = tune(2)
TREBLE = band(CLIP, 3000, 6000) - band(CLIP, 0, 500)


def treble(clip, per_decibel=4.0):
    """Likes treble louder than it is, against the bass."""
    return 50 + per_decibel * (band(clip, 3000, 6000) - band(clip, 0, 500) - TREBLE)


def suggested(rules, names, wanted=3, directions=None):
    scorers = tuple(MadeScorer(rule, shortest=0.5) for rule in rules)
    trial = Trial("song", Sound.of(CLIP), scorers, 2, Budget("song", 3600))
    return suggestions(Search(wanted, directions or chosen_directions(names)), trial)


def test_louder_treble_is_suggested_where_it_is_liked():
    records, failed = suggested([treble], "eq-250,eq-4000,width")
    assert failed == []
    (first, *_) = records
    assert first.found
    assert first.steps[0]["op"] == "eq"
    assert (first.steps[0]["hz"], first.steps[0]["db"] > 0) in {(4000, True), (250, False)}
    assert first.size < 1
    assert [each.size for each in records] == sorted(each.size for each in records)
    assert {tuple(step["hz"] for step in each.steps) for each in records[:2]} == {(4000,), (250,)}
    assert first.blind == ("width",)
    assert (first.agreement, first.agreeing) == ("halves of the song", 2)
    assert all(each.effect > 0 and each.p_value < 0.05 and each.interval[0] > 0 for each in records)


def test_the_score_is_that_of_the_steps():
    (record,), _ = suggested([treble], "eq-4000", wanted=1)
    chain = Chain.from_json({"schema": "hitpredict.recipe/1", "steps": record.steps, "quality": record.quality})
    assert record.score == pytest.approx(treble(chain.apply(CLIP)), abs=1e-6)
    assert record.effect == pytest.approx(record.score - record.base_score)


def test_a_model_that_hears_nothing_gets_no_suggestion():
    (record,), _ = suggested([lambda clip: 42.0], "eq-4000,lowpass,width,highpass")
    assert (record.found, record.steps, record.effect) == (False, None, None)
    assert record.tried > 0
    assert set(record.blind) == {"eq-4000", "lowpass", "width", "highpass"}


def test_models_that_disagree_get_no_suggestion():
    (record,), _ = suggested([treble, lambda clip: 100 - treble(clip)], "eq-4000")
    assert not record.found
    (record, *_), _ = suggested([treble, lambda clip: 20 + 0.1 * treble(clip)], "eq-4000")
    assert record.found
    assert (record.agreement, record.agreeing, len(record.models), len(record.effects)) == ("models", 2, 2, 2)


def test_halves_of_the_song_that_disagree_are_no_agreement():
    half = CLIP.frames // 2

    def rule(clip):
        sign = -1 if clip.frames == half and np.allclose(clip.samples[:, :50].sum(), SECOND, atol=0.5) else 1
        return 50 + sign * (treble(clip) - 50)

    SECOND = CLIP.samples[:, half : half + 50].sum()
    (record,), _ = suggested([rule], "eq-4000")
    assert not record.found


NOTHING = (Direction("roll", "roll", 0.0, 0.004, digits=6), Direction("gain", "gain", 0.0, -0.2, digits=3))


def test_changes_that_cannot_matter_are_not_suggested():
    """Noise counts the candidates: a model that is moved by any change, by chance, in 20 songs."""
    alarms = 0
    for seed in range(20):
        random = np.random.default_rng(seed)
        (record, *_), _ = suggested([lambda clip, random=random: 50 + random.normal()], None, 1, NOTHING)
        alarms += record.found
    assert alarms <= 2


def test_the_space_is_within_its_limits_and_each_step_is_one_of_mutate():
    for direction in SPACE:
        for share in (0.25, 0.5, 0.75, 1.0):
            step = direction.step(share)
            assert step.op == direction.op
    assert chosen_directions("eq")[0].op == "eq"
    assert len(chosen_directions("eq")) == 18
    assert {each.name for each in chosen_directions("pitch,width")} == {"pitch-", "pitch+", "width-", "width+"}
    with pytest.raises(UsageError, match="parameter pich: unknown; did you mean pitch"):
        chosen_directions("pich")
