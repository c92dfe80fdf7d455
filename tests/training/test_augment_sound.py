"""Augmented features beside the features of sound that was really changed, by the steps of `mutate`."""

import numpy as np
import pytest
from numpy.random import default_rng

from hitpredict import recipes
from hitpredict.audio.clip import Clip
from hitpredict.errors import UsageError
from hitpredict.frontends import FRONTENDS, Fbank, LogMel, compute, to_json
from hitpredict.frontends.image import SpectrogramImage
from hitpredict.frontends.vggish import Vggish
from hitpredict.frontends.waveform import Waveform
from hitpredict.mutations import edit, level
from hitpredict.mutations.chain import Chain
from hitpredict.scoring.windows import window_at
from hitpredict.tables.join import TrainingData
from hitpredict.tables.read import Arrays, Features
from hitpredict.training.augment import (
    FrequencyMask,
    RandomGain,
    RandomNoise,
    RandomPitch,
    RandomRoll,
    TimeMask,
    from_config,
)
from hitpredict.training.batches import Tracks
from tests.helpers.sounds import tune

RATE = 16000
EACH = [Fbank(window=None), LogMel(RATE), LogMel(RATE, relative=True), Vggish(), SpectrogramImage(), Waveform()]
AUGMENTED = [name for name in recipes.names() if recipes.load(name).augment]


def sound(seconds: float = 2.0) -> Clip:
    """A tune over faint noise, in one channel, that begins with silence."""
    clip = tune(seconds, RATE, 1)
    noise = 1e-3 * default_rng(3).standard_normal(clip.samples.shape)
    return Clip(((clip.samples + noise) * (np.arange(clip.frames) > RATE // 4)).astype(np.float32), RATE, "tune")


def changed(clip: Clip, step) -> Clip:
    return Chain((step,)).apply(clip)


@pytest.mark.parametrize("frontend", EACH, ids=lambda each: each.name)
@pytest.mark.parametrize("db", [7.0, -7.0])
def test_louder_features_are_those_of_louder_sound(frontend, db):
    clip = sound()
    expected = compute(frontend, changed(clip, level.Gain(db)))
    plain = compute(frontend, clip)
    found = frontend.louder(plain, db)
    assert found.dtype == expected.dtype
    # Nobody knows how far below the floor of the logarithm something was.
    known = plain > plain.min() if frontend.name == "fbank" else np.ones(plain.shape, bool)
    assert known.mean() > 0.8
    np.testing.assert_allclose(found[known], expected[known], atol=5e-3)


def test_every_front_end_of_arrays_is_among_these():
    assert {each.name for each in EACH} == set(FRONTENDS) - {"mfcc_stats"}


@pytest.mark.parametrize("frontend", EACH, ids=lambda each: each.name)
def test_gain_is_within_the_change_of_its_decibels(frontend):
    clip = sound()
    quiet, loud = (compute(frontend, changed(clip, level.Gain(db))) for db in (-7.0, 7.0))
    plain, gain = compute(frontend, clip), RandomGain(db=7).on(frontend)
    all_found = np.stack([gain(plain, default_rng(seed)) for seed in range(40)])
    span = np.abs(loud - quiet).max()
    assert (all_found <= np.maximum(quiet, loud) + 5e-3).all()
    assert (all_found >= np.minimum(quiet, loud) - 5e-3).all()
    assert np.ptp(all_found, axis=0).max() >= 0.9 * span - 5e-3


def test_the_gain_of_the_published_systems_is_that_of_the_sound():
    clip, frontend = sound(), Fbank()
    plain = compute(frontend, clip)[100:101]
    steps = (compute(frontend, changed(clip, level.Gain(7)))[100:101] - plain)[plain > plain.min()]
    np.testing.assert_allclose(steps, 7 * np.log(10) / 10 / (2 * 4.5689974), atol=1e-4)
    for name in ("mp2", "mp3"):
        (gain,) = from_config([each for each in recipes.load(name).augment if each["name"] == "gain"]).transforms
        shifts = [np.median(gain.on(frontend)(plain, default_rng(seed)) - plain) for seed in range(300)]
        assert 0.95 * steps.mean() < max(shifts) <= 1.001 * steps.mean()
        assert 0.95 * steps.mean() < -min(shifts) <= 1.001 * steps.mean()


def test_a_gain_without_a_scale_needs_to_know_the_front_end():
    with pytest.raises(UsageError, match="gain: scale is missing"):
        RandomGain()(np.zeros((4, 8), np.float32), default_rng(0))


@pytest.mark.parametrize(
    "frontend", [Fbank(window=None), LogMel(RATE, hop_length=160, top_db=None)], ids=lambda each: each.name
)
def test_rolled_features_are_those_of_rolled_sound(frontend):
    clip, frames = sound(), 37
    rolled = compute(frontend, changed(clip, edit.Roll(frames * frontend.hop_length / RATE)))
    plain = compute(frontend, clip)
    found = next(
        each
        for each in (RandomRoll(share=0.5)(plain, default_rng(seed)) for seed in range(5000))
        if np.array_equal(each, np.roll(plain, frames, axis=0))
    )
    # Frames across the ends differ, and those before `frames` by a part of one: sounds are no whole number of frames.
    reach = -(-frontend.n_fft // frontend.hop_length)
    np.testing.assert_allclose(found[frames + reach : -reach], rolled[frames + reach : -reach], atol=5e-3)
    assert not np.allclose(found[frames + reach :], plain[frames + reach :], atol=0.1)


@pytest.mark.parametrize("name", ["mp2", "mp3"])
def test_the_published_systems_roll_by_256_frames(name):
    (roll,) = from_config([each for each in recipes.load(name).augment if each["name"] == "roll"]).transforms
    length = recipes.load(name).scaling.windows[0].length
    ramp = np.arange(length, dtype=np.float32)[:, None]
    shifts = {int(roll(ramp, default_rng(seed)).argmin()) for seed in range(4000)}
    signed = {shift if shift < length // 2 else shift - length for shift in shifts}
    assert (min(signed), max(signed)) == (-256, 256)


def test_noise_is_as_far_below_the_sound_as_in_a_mutation():
    samples = sound().samples[0]
    added = RandomNoise(quietest_db=20, loudest_db=20)(samples, default_rng(0)) - samples
    ratio = np.sqrt(np.square(samples, dtype=np.float64).mean() / np.square(added, dtype=np.float64).mean())
    assert 20 * np.log10(ratio) == pytest.approx(20, abs=0.1)


def test_the_rate_of_samples_is_the_front_ends():
    time = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 440 * time).astype(np.float32)
    transposed = [RandomPitch(semitones=12).on(Waveform(8000))(tone, default_rng(seed)) for seed in range(3)]
    given = [RandomPitch(rate=8000, semitones=12)(tone, default_rng(seed)) for seed in range(3)]
    np.testing.assert_array_equal(transposed, given)
    with pytest.raises(UsageError, match="pitch: rate is missing"):
        RandomPitch()(tone, default_rng(0))


@pytest.mark.parametrize("mask", [TimeMask, FrequencyMask])
def test_masks_fill_with_the_zero_of_unscaled_features(mask):
    short = tune(0.5, RATE, 1)
    padded = compute(Fbank(window=64), short)
    zero = padded[-1, 0]
    assert zero == pytest.approx(4.2677393 / (2 * 4.5689974), abs=1e-6)
    masked = mask(share=1, fill="zero").on(Fbank())(padded[:40], default_rng(1))
    hidden = masked != padded[:40]
    assert hidden.any()
    np.testing.assert_allclose(masked[hidden], zero, rtol=1e-6)
    assert (mask(share=1, fill="zero").on(LogMel())(padded, default_rng(1)) == 0).any()


@pytest.mark.parametrize("name", AUGMENTED)
def test_published_masks_are_filled_before_scaling(name):
    masks = [each for each in recipes.load(name).augment if each["name"].endswith("_mask")]
    assert len(masks) == 2
    assert {each["fill"] for each in masks} == {"zero"}


def tracks(features: np.ndarray, frontend, spec, augment) -> Tracks:
    table = Features("table", to_json(frontend), ("0",), None, Arrays(features.ravel(), [features.shape]))
    none = np.zeros((1, 1))
    data = TrainingData(("0",), (table,), (np.array([0]),), ("x",), none, np.array(["a"]), {})
    return Tracks(data, np.array([0]), none.astype(np.float32), [spec], 0, augment, random=True)


def test_padding_is_no_sound():
    features = compute(Fbank(window=None), sound(1.0))
    spec = {"length": len(features) + 50, "pad": 0.25}
    augment = [{"name": "gain", "db": 7.0}, {"name": "roll", "share": 0.5}, {"name": "noise"}]
    (batch,), _ = tracks(features, Fbank(), spec, augment).__getitems__([0])
    assert (batch[0, len(features) :] == 0.25).all()
    assert not np.isclose(batch[0, : len(features)], 0.25).all(axis=1).any()


def test_in_training_a_window_with_a_place_is_where_it_is_in_scoring():
    features = np.arange(100, dtype=np.float32)[:, None]
    table = tracks(features, Fbank(), {"length": 31, "place": "middle"}, [])
    for table.epoch in range(4):
        (batch,), _ = table.__getitems__([0])
        np.testing.assert_array_equal(batch[0, :, 0], np.arange(35, 66))
    free = tracks(features, Fbank(), {"length": 31}, [])
    begins = set()
    for free.epoch in range(20):
        (batch,), _ = free.__getitems__([0])
        begins.add(float(batch[0, 0, 0]))
    assert len(begins) > 5
    assert window_at(features, {"length": 31}, 0)[0] == 0
