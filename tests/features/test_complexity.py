"""Structural change on several time scales, by hand and on sounds whose changes are known."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from hitpredict.errors import InputError
from hitpredict.features.descriptors.complexity import Complexity, structural_change
from tests.helpers.sounds import cut, sine, tune

RATE = 22050


def described(samples: np.ndarray, rate: int = RATE) -> dict[str, float]:
    kind = Complexity()
    return dict(zip(kind.columns, kind([np.atleast_2d(samples)], rate), strict=True))


def test_it_is_the_divergence_between_what_lies_before_and_after():
    steps = np.random.default_rng(0).random((12, 5)).astype(np.float32)
    shares = steps / steps.sum(axis=1, keepdims=True)
    for window in (1, 2, 4):
        times = range(window, 12 - window + 1)
        expected = [jensenshannon(shares[t - window : t].sum(0), shares[t : t + window].sum(0), 2) ** 2 for t in times]
        np.testing.assert_allclose(structural_change(steps, window), expected, atol=1e-6)
    assert not structural_change(steps, 8).size


def test_it_is_0_where_nothing_changes_and_1_where_all_does():
    steady = np.tile([0.0, 2.0, 1.0], (8, 1))
    np.testing.assert_allclose(structural_change(steady, 2), 0, atol=1e-12)
    halves = np.repeat([[1.0, 0, 0], [0, 0, 3.0]], 4, axis=0)
    np.testing.assert_allclose(structural_change(halves, 4), [1])
    np.testing.assert_allclose(structural_change(np.zeros((6, 3)), 2), 0, atol=1e-12)


def test_what_changes_in_the_sound_changes_in_its_own_columns():
    steady = np.concatenate([sine(220, 8, RATE, 0.3)] * 2)
    other_chord = np.concatenate([sine(220, 8, RATE, 0.3), sine(311.1, 8, RATE, 0.3)])
    time = np.arange(8 * RATE) / RATE
    slow, fast = ((0.5 + 0.5 * np.sin(2 * np.pi * hertz * time)) * sine(220, 8, RATE, 0.3) for hertz in (1, 6))
    other_beat = np.concatenate([slow, fast]).astype(np.float32)
    found = {name: described(samples) for name, samples in locals().items() if name in ("steady", "other_chord")}
    assert found["other_chord"]["change_chroma_mean_8"] > 20 * found["steady"]["change_chroma_mean_8"]
    beats, same = described(other_beat), described(np.concatenate([slow, slow]).astype(np.float32))
    assert beats["change_rhythm_mean_8"] > 3 * same["change_rhythm_mean_8"]
    # An alternation of 0.37 s is a change on the shortest scale and none on longer ones.
    step = 16 * 512 / RATE
    quick = np.concatenate([sine(hertz, step, RATE, 0.3) for hertz in (220, 311.1) * 16])
    assert described(quick)["change_chroma_mean_1"] > 5 * described(quick)["change_chroma_mean_8"]


def test_the_table_has_76_columns_and_says_what_a_sound_is_too_short_for():
    kind = Complexity()
    assert len(kind.columns) == len(set(kind.columns)) == 3 * 2 * 6 + 40
    found = described(tune(2.0, RATE, 1).samples)
    assert np.isnan(found["change_rhythm_mean_1"]) and np.isnan(found["change_chroma_mean_4"])
    known = [found[name] for name in ("change_chroma_mean_1", "change_timbre_std_2", "mfcc_mean_1", "mfcc_std_20")]
    assert np.isfinite(known).all()
    assert all(np.isfinite(value) for value in described(tune(28.0, RATE, 1).samples).values())
    with pytest.raises(InputError, match="no samples"):
        kind([], RATE)


def test_blocks_of_any_size_give_the_same():
    clip = tune(4.0, 44100, 2)
    np.testing.assert_allclose(
        Complexity()(cut(clip), clip.rate), Complexity()([clip.samples], clip.rate), rtol=1e-4, atol=1e-4
    )


def test_loudness_changes_nothing_but_the_first_mfcc():
    clip = tune(4.0, RATE, 1)
    loud, quiet = described(clip.samples), described(clip.samples / 8)
    assert all(loud[name] == pytest.approx(quiet[name], rel=1e-3, abs=1e-3, nan_ok=True) for name in loud
               if name != "mfcc_mean_1")  # fmt: skip
