"""Gain, loudness, compress, limit and fade, each measured."""

import numpy as np
import pyloudnorm
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError
from hitpredict.mutations import mutate
from hitpredict.mutations.level import _faded, limited
from hitpredict.mutations.loudness import integrated_loudness, k_weighting
from tests.helpers.sounds import sine


def music(channels: int, seconds: float, rate: int = 48000) -> Clip:
    """Noise bursts of changing level over a tone, different in each channel, with a quiet second half."""
    generator = np.random.default_rng(channels)
    noise = generator.standard_normal((channels, round(seconds * rate))) * 0.05
    time = np.arange(noise.shape[1]) / rate
    level = (1 + np.sin(2 * np.pi * 0.7 * time)) * np.where(time < seconds / 2, 1, 0.02)
    tones = np.sin(2 * np.pi * np.linspace(60, 300, channels)[:, None] * time) * 0.2
    return Clip(((noise + tones) * level).astype(np.float32), rate)


def test_gain_is_exact_and_may_exceed_full_scale() -> None:
    clip = Clip(np.array([[0.5, -0.9]], dtype=np.float32), 8000)
    assert mutate(clip, gain=20).samples == pytest.approx(np.array([[5.0, -9.0]]), rel=1e-6)
    assert np.array_equal(mutate(clip, gain=0).samples, clip.samples)


def test_loudness_of_the_reference_sine() -> None:
    left = np.stack([sine(997, 5, 48000), np.zeros(5 * 48000, dtype=np.float32)])
    assert integrated_loudness(Sound.of(Clip(left, 48000))) == pytest.approx(-3.01, abs=0.01)
    assert integrated_loudness(Sound.of(Clip(left[:1], 48000))) == pytest.approx(-3.01, abs=0.01)
    assert integrated_loudness(Sound.of(Clip(np.stack([left[0]] * 2), 48000))) == pytest.approx(0.0, abs=0.01)


def test_k_weighting_has_the_coefficients_of_the_recommendation_at_48_khz() -> None:
    angles = np.linspace(0.001, np.pi, 500)
    z = np.exp(1j * angles)
    shelf = np.polyval([1.53512485958697, -2.69169618940638, 1.19839281085285], z) / np.polyval(
        [1.0, -1.69065929318241, 0.73248077421585], z
    )
    highpass = np.polyval([1, -2, 1], z) / np.polyval([1.0, -1.99004745483398, 0.99007225036621], z)
    assert np.abs(k_weighting(angles, 48000) - shelf * highpass).max() < 1e-6


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_loudness_agrees_with_pyloudnorm(channels: int, rate: int) -> None:
    clip = music(channels, 6, rate)
    meter = pyloudnorm.Meter(rate)
    assert integrated_loudness(Sound.of(clip)) == pytest.approx(
        meter.integrated_loudness(clip.samples.T.astype(float)), abs=0.1
    )


def test_quiet_parts_do_not_count_and_chunks_leave_no_seam() -> None:
    tone = sine(997, 25, 48000, peak=0.1)[None]
    quiet = np.concatenate([tone, tone * 0.01], axis=1)
    assert integrated_loudness(Sound.of(Clip(tone, 48000))) == pytest.approx(-23.01, abs=0.01)
    assert integrated_loudness(Sound.of(Clip(quiet, 48000))) == pytest.approx(-23.01, abs=0.05)


def test_the_low_frequency_channel_does_not_count() -> None:
    clip = music(6, 2)
    without = clip.samples.copy()
    without[3] = 0
    assert integrated_loudness(Sound.of(clip)) == integrated_loudness(Sound.of(Clip(without, clip.rate)))


def test_loudness_reaches_its_target_by_a_constant_gain() -> None:
    clip = music(2, 3)
    changed = mutate(clip, loudness=-14)
    assert integrated_loudness(Sound.of(changed)) == pytest.approx(-14, abs=0.01)
    loud = np.abs(clip.samples) > 0.01
    assert np.ptp(changed.samples[loud] / clip.samples[loud]) < 1e-4


@pytest.mark.parametrize(("seconds", "words"), [(0.399, "at least 400 ms"), (1, "silent")])
def test_loudness_of_too_little_and_of_silence(seconds: float, words: str) -> None:
    with pytest.raises(InputError, match=words):
        mutate(Clip(np.zeros((1, round(48000 * seconds)), dtype=np.float32), 48000), loudness=-14)


def test_compress_divides_what_exceeds_the_threshold() -> None:
    loud, soft = (Clip(sine(100, 1, 48000, peak=peak)[None], 48000) for peak in (1.0, 0.05))
    peak = np.abs(mutate(loud, compress=(-20, 4)).samples[0, 24000:]).max()
    assert 20 * np.log10(peak) == pytest.approx(-15, abs=1.5)
    assert mutate(soft, compress=(-20, 4)).samples == pytest.approx(soft.samples, abs=1e-6)


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize("ceiling", [-0.1, -1, -12])
def test_no_sample_passes_the_limit(ceiling: float, rate: int) -> None:
    samples = np.random.default_rng(0).standard_normal((2, rate)).astype(np.float32)
    samples[1, 500] = 100
    assert np.abs(mutate(Clip(samples, rate), limit=ceiling).samples).max() <= 10 ** (ceiling / 20)


def test_the_limiter_changes_only_what_surrounds_a_peak() -> None:
    samples = np.stack([sine(200, 2, 48000, peak=0.2), sine(300, 2, 48000, peak=0.2)])
    samples[0, 48000] = 1.0
    limited = mutate(Clip(samples, 48000), limit=-6).samples
    gain = limited[1] / np.where(samples[1] == 0, 1, samples[1])
    assert np.array_equal(limited[:, : 48000 - 240], samples[:, : 48000 - 240])
    assert gain[48000 + 1] == pytest.approx(10 ** (-6 / 20), abs=0.03)
    assert gain[48000 + 24001] == pytest.approx(1, abs=0.01)
    assert np.abs(np.diff(gain[samples[1] != 0])).max() < 0.01
    assert limited[0, 48000] == pytest.approx(10 ** (-6 / 20), rel=0.01)


def test_the_reduction_falls_to_a_part_in_e_within_a_tenth_of_a_second() -> None:
    rate = 48000
    samples = np.full((1, 2 * rate), 0.1, np.float32)
    samples[0, rate // 2] = 1.0
    reduction = 1 - mutate(Clip(samples, rate), limit=-6).samples[0] / samples[0]
    for later in (0.05, 0.2, 0.4):
        start = rate // 2 + 480
        fallen = reduction[start + round(later * rate)] / reduction[start]
        assert fallen == pytest.approx(np.exp(-later / 0.1), rel=0.02)


@pytest.mark.parametrize("size", [1, 7, 239, 5000])
def test_blocks_of_any_size_are_limited_and_faded_alike(size: int) -> None:
    samples = music(2, 0.25, 8000).samples * 8
    blocks = [samples[:, start : start + size] for start in range(0, samples.shape[1], size)]
    for change in (
        lambda parts: limited(parts, 2, 0.5, 8000),
        lambda parts: _faded(parts, samples.shape[1], 700, 900),
    ):
        whole, cut = (np.concatenate([*change(parts)], axis=1) for parts in ([samples], blocks))
        assert cut == pytest.approx(whole, abs=1e-6)
        assert cut.shape == samples.shape
        assert cut.dtype == np.float32


def test_both_signs_are_held_below_the_ceiling() -> None:
    for sign in (-1, 1):
        burst = np.zeros((1, 4000), np.float32)
        burst[0, 2000:2400] = sign * np.linspace(0.5, 3, 400)
        assert np.abs(mutate(Clip(burst, 8000), limit=-6).samples).max() <= 10 ** (-6 / 20)


def test_a_fade_may_be_as_long_as_the_clip() -> None:
    ones = Clip(np.ones((1, 1000), dtype=np.float32), 1000)
    assert mutate(ones, fade=(1, 0)).samples[0, 500] == pytest.approx(0.5)


def test_a_clip_below_the_ceiling_passes_the_limiter_unchanged() -> None:
    clip = Clip(sine(200, 0.1, 48000, peak=0.5)[None], 48000)
    assert np.array_equal(mutate(clip, limit=-6).samples, clip.samples)


def test_fade_is_linear_in_amplitude() -> None:
    clip = Clip(np.ones((2, 1000), dtype=np.float32), 1000)
    faded = mutate(clip, fade=(0.1, 0.2)).samples
    assert faded[:, :101] == pytest.approx(np.stack([np.arange(101) / 100] * 2), abs=1e-6)
    assert (faded[:, 100:800] == 1).all()
    assert faded[0, 800:] == pytest.approx(np.arange(199, -1, -1) / 200, abs=1e-6)
    assert np.array_equal(mutate(clip, fade=0).samples, clip.samples)


def test_a_fade_longer_than_the_clip() -> None:
    with pytest.raises(InputError, match=r"`fade` 0:2 is longer than the clip of 1\.000 seconds"):
        mutate(Clip(np.ones((1, 1000), dtype=np.float32), 1000), fade=(0, 2))


@pytest.mark.parametrize("below", [12.05, 12.45, 12.65, 12.95, 13.15, 13.55])
def test_what_is_ten_units_below_the_mean_does_not_count(below: float) -> None:
    """As much of a quiet tone as of a loud one is left out from 12.8 dB on: that is 10 below the mean of both."""
    loud = sine(997, 4, 48000, peak=0.1)
    clip = Clip(np.concatenate([loud, loud * np.float32(10 ** (-below / 20))])[None], 48000)
    expected = pyloudnorm.Meter(48000).integrated_loudness(clip.samples.T.astype(float))
    assert integrated_loudness(Sound.of(clip)) == pytest.approx(expected, abs=0.1)


def test_what_is_below_minus_70_is_silence() -> None:
    # The reference sine: full scale is -3.01.
    audible, silent = (sine(997, 2, 48000, peak=10 ** ((level + 3.01) / 20))[None] for level in (-69.7, -70.3))
    assert integrated_loudness(Sound.of(Clip(audible, 48000))) == pytest.approx(-69.7, abs=0.02)
    with pytest.raises(InputError, match=r"silent \(nothing above -70 LUFS\)"):
        integrated_loudness(Sound.of(Clip(silent, 48000)))


def test_what_is_too_short_for_loudness_is_told_in_milliseconds() -> None:
    with pytest.raises(InputError, match="the clip has 399 ms"):
        mutate(Clip(np.zeros((1, 19152), dtype=np.float32), 48000), loudness=-14)
