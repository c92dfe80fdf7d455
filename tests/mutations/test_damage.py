"""Noise, distortion, bit crushing and MP3."""

from itertools import islice

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import BLOCK_FRAMES
from hitpredict.errors import InputError
from hitpredict.mutations import Chain, damage, mutate, parse
from hitpredict.mutations.damage import coloured_noise


def tone(channels: int = 2, seconds: float = 1.0, rate: int = 44100) -> Clip:
    time = np.arange(round(seconds * rate)) / rate
    return Clip(
        np.stack([0.3 * np.sin(2 * np.pi * (300 + 90 * i) * time) for i in range(channels)]).astype(np.float32),
        rate,
    )


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=float))))


@pytest.mark.parametrize("colour", ["white", "pink", "brown"])
@pytest.mark.parametrize("snr", [-6, 20])
def test_noise_has_the_ratio_asked_for(snr: float, colour: str) -> None:
    clip = tone()
    noise = mutate(clip, noise=(snr, colour)).samples - clip.samples
    assert 20 * np.log10(rms(clip.samples) / rms(noise)) == pytest.approx(snr, abs=0.01)
    assert abs(np.corrcoef(noise)[0, 1]) < 0.2


@pytest.mark.parametrize(("colour", "slope"), [("white", 0), ("pink", -3.01), ("brown", -6.02)])
def test_noise_falls_per_octave(colour: str, slope: float) -> None:
    clip = tone(1, 8)
    noise = mutate(clip, noise=(0, colour)).samples[0] - clip.samples[0]
    power = np.square(np.abs(np.fft.rfft(noise)))
    edges = 100 * 2 ** np.arange(7) * 8
    levels = [10 * np.log10(power[low : 2 * low].mean()) for low in edges]
    assert np.diff(levels).mean() == pytest.approx(slope, abs=0.1)


def test_noise_depends_on_the_seed_and_its_place_alone() -> None:
    clip = tone()
    first, again, other = (mutate(clip, noise=20, seed=seed).samples for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    twice = Chain(tuple(parse("noise", "0") * 2)).apply(clip).samples - clip.samples
    assert rms(twice) < 1.9 * rms(clip.samples)


def test_noise_needs_a_signal() -> None:
    with pytest.raises(InputError, match="silent"):
        mutate(Clip(np.zeros((1, 10), dtype=np.float32), 8000), noise=20)


def test_distortion_saturates() -> None:
    clip = tone()
    expected = np.tanh(clip.samples * 10 ** (12 / 20))
    assert mutate(clip, distortion=12).samples == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("bits", [1, 4, 8])
def test_bitcrush_leaves_few_levels(bits: int) -> None:
    clip = Clip(np.linspace(-1, 1, 4001, dtype=np.float32)[None], 8000)
    crushed = mutate(clip, bitcrush=bits).samples
    assert np.unique(crushed).size == 2 ** (bits + 1) + 1
    assert np.abs(crushed - clip.samples).max() <= 0.5 / 2**bits + 1e-6


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 50000, 96000, 192000])
@pytest.mark.parametrize("kbits", [32, 56, 128, 320])
@pytest.mark.parametrize("channels", [1, 2])
def test_mp3_stays_in_place(rate: int, kbits: int, channels: int) -> None:
    time = np.arange(round(0.4 * rate)) / rate
    sweep = 0.3 * np.sin(2 * np.pi * (200 + 1500 * time) * time)
    clip = Clip(np.tile(sweep.astype(np.float32), (channels, 1)), rate)
    coded = mutate(clip, mp3=kbits)
    assert (coded.samples.shape, coded.rate) == (clip.samples.shape, rate)
    assert rms(coded.samples - clip.samples) < 0.12 * rms(clip.samples)
    for lag in (-2, 2):
        assert rms(np.roll(coded.samples, lag, 1) - clip.samples) > rms(coded.samples - clip.samples)


def test_mp3_loses_more_at_a_lower_rate() -> None:
    clip = mutate(tone(), noise=(10, "pink"))
    losses = [rms(mutate(clip, mp3=kbits).samples - clip.samples) for kbits in (320, 128, 64)]
    assert 0 < losses[0] < losses[1] < losses[2]


def test_mp3_needs_one_or_two_channels() -> None:
    with pytest.raises(InputError, match="one or two channels; the clip has 3"):
        mutate(tone(3), mp3=128)


def test_ratios_of_a_sweep_share_their_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    plain = damage.coloured_noise
    monkeypatch.setattr(damage, "coloured_noise", lambda *given: (made.append(given[-1]), plain(*given))[1])
    clip = Clip(np.random.default_rng(0).normal(size=(2, 30011)).astype(np.float32), 22050)
    loud, soft = (mutate(clip, noise=(snr, "pink")).samples - clip.samples for snr in (10, 30))
    assert made == ["pink"]
    np.testing.assert_allclose(loud, 10 * soft, atol=1e-5)
    mutate(clip, noise=(10, "pink"), seed=1)
    assert made == ["pink", "pink"]


@pytest.mark.parametrize("colour", ["white", "pink", "brown"])
def test_noise_that_is_not_held_in_memory_is_the_same(monkeypatch: pytest.MonkeyPatch, colour: str) -> None:
    clip = tone(2, 3.5)
    held = mutate(clip, noise=(10, colour), seed=5)
    monkeypatch.setattr(damage, "_HELD_SAMPLES", clip.samples.size - 1)
    np.testing.assert_array_equal(mutate(clip, noise=(10, colour), seed=5).samples, held.samples)


@pytest.mark.parametrize("colour", ["pink", "brown"])
def test_blocks_of_noise_leave_no_seam(colour: str) -> None:
    """A frame too many or too few, or the filter's end wrapped round, would be a jump where blocks meet."""
    blocks = list(islice(coloured_noise(np.random.default_rng(0), 1, 44100, colour), 20))
    assert {block.shape for block in blocks} == {(1, BLOCK_FRAMES)}
    steps = np.diff(np.concatenate(blocks, axis=1)[0].astype(float))
    at_seams = steps[BLOCK_FRAMES - 1 :: BLOCK_FRAMES]
    assert at_seams.size == 19
    assert np.abs(at_seams).max() < 4 * steps.std()


@pytest.mark.parametrize(("colour", "fall"), [("pink", -3.01), ("brown", -6.02)])
def test_noise_is_flat_below_20_hz(colour: str, fall: float) -> None:
    noise = np.concatenate(list(islice(coloured_noise(np.random.default_rng(0), 1, 8000, colour), 12)), axis=1)[0]
    power = np.square(np.abs(np.fft.rfft(noise)))
    hertz = np.fft.rfftfreq(noise.size, 1 / 8000)
    deep, low, octave = (power[(hertz > at / 1.1) & (hertz < at * 1.1)].mean() for at in (6, 14, 40))
    assert 10 * np.log10(low / deep) == pytest.approx(0, abs=1)
    assert 10 * np.log10(octave / low) == pytest.approx(fall, abs=1)


@pytest.mark.parametrize("rate", [44100, 50000])
def test_mp3_of_many_blocks_stays_in_place_to_its_end(rate: int) -> None:
    clip = tone(2, 5, rate)
    coded = mutate(clip, mp3=320).samples
    last = slice(-rate, -rate // 100)
    assert rms(coded[:, last] - clip.samples[:, last]) < 0.02 * rms(clip.samples)
