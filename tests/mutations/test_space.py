"""Reverb, delay, chorus, width and mono."""

import numpy as np
import pedalboard
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError
from hitpredict.mutations import mutate
from hitpredict.mutations.space import Mono
from hitpredict.mutations.step import Context

RATE = 16000


def impulse(channels: int = 1) -> Clip:
    samples = np.zeros((channels, RATE), dtype=np.float32)
    samples[:, 0] = 0.5
    return Clip(samples, RATE)


def noise(channels: int, frames: int = RATE) -> Clip:
    return Clip(np.random.default_rng(channels).standard_normal((channels, frames)).astype(np.float32), RATE)


def test_delay_leaves_the_sound_and_adds_echoes() -> None:
    echoed = mutate(impulse(2), delay=(0.25, 0.5)).samples
    assert echoed[:, [0, 4000, 8000, 12000]] == pytest.approx(np.tile([0.5, 0.25, 0.125, 0.0625], (2, 1)), rel=1e-3)
    assert (np.abs(echoed) > 1e-4).sum() == 8


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_reverb_adds_a_decaying_tail_in_every_channel(channels: int) -> None:
    clip = impulse(channels)
    wet = mutate(clip, reverb=(0.5, 0.8)).samples
    assert wet.shape == clip.samples.shape
    assert wet[:, 0] == pytest.approx(0.25, rel=0.01)
    energy = np.square(wet[:, 1:]).sum(axis=1)
    assert (energy > 1e-4).all()
    assert (np.square(wet[:, RATE // 2 :]).sum(axis=1) < energy / 2).all()


def test_a_larger_room_rings_longer() -> None:
    small, large = (mutate(impulse(), reverb=(1, room)).samples[0] for room in (0.1, 0.9))
    assert np.square(large[RATE // 2 :]).sum() > 3 * np.square(small[RATE // 2 :]).sum()


@pytest.mark.parametrize("steps", [{"reverb": 0}, {"chorus": 0}, {"width": 1}])
def test_none_of_it_is_no_change(steps: dict[str, float]) -> None:
    clip = noise(2)
    assert mutate(clip, **steps).samples == pytest.approx(clip.samples, abs=1e-5)


def test_chorus_mixes_in_a_delayed_copy() -> None:
    clip = impulse(2)
    changed = mutate(clip, chorus=(0.5, 1)).samples
    assert changed[:, 0] == pytest.approx(0.25, rel=0.01)
    late = np.flatnonzero(np.abs(changed[0]) > 0.01)[1:] / RATE
    assert late.size
    assert 0.003 < late.min() < late.max() < 0.02


@pytest.mark.parametrize("rate", [1.0, 4.0])
def test_the_delay_of_chorus_swings_so_many_times_a_second(rate: float) -> None:
    seconds = 4
    time = np.arange(seconds * RATE) / RATE
    tone = Clip(np.sin(2 * np.pi * 300 * time).astype(np.float32)[None], RATE)
    changed = mutate(tone, chorus=(0.5, rate)).samples[0, RATE // 2 :]
    level = np.abs(changed[: len(changed) // 500 * 500]).reshape(-1, 500).max(axis=1)
    spectrum = np.abs(np.fft.rfft(level - level.mean()))
    places = np.fft.rfftfreq(len(level), 500 / RATE)
    # The level follows the delay: what is strong in it are multiples of the rate.
    strong = places[spectrum > 0.5 * spectrum.max()]
    assert np.abs(strong / rate - np.rint(strong / rate)).max() < 0.2
    assert strong.min() < 1.5 * rate


def test_width_scales_the_difference_and_keeps_the_middle() -> None:
    clip = noise(2)
    for factor in (0, 0.5, 2):
        wide = mutate(clip, width=factor).samples
        assert wide.sum(axis=0) == pytest.approx(clip.samples.sum(axis=0), abs=1e-5)
        assert wide[0] - wide[1] == pytest.approx(factor * (clip.samples[0] - clip.samples[1]), abs=1e-5)


@pytest.mark.parametrize(("channels", "words"), [(1, "1 channel$"), (3, "3 channels$")])
def test_width_needs_stereo(channels: int, words: str) -> None:
    with pytest.raises(InputError, match=f"`width` needs a stereo clip; this one has {words}"):
        mutate(noise(channels), width=0.5)


@pytest.mark.parametrize("channels", [1, 2, 8])
def test_mono_is_the_mean(channels: int) -> None:
    clip = noise(channels)
    assert mutate(clip, mono=True).samples == pytest.approx(clip.samples.mean(axis=0)[None], abs=1e-6)


def test_mono_is_one_channel_also_before_it_is_read() -> None:
    sound = Mono().apply(Sound.of(noise(3)), Context())
    assert (sound.channels, sound.clip().samples.shape) == (1, (1, RATE))


def test_stereo_is_one_room_and_more_channels_are_one_each() -> None:
    def in_room(samples: np.ndarray) -> np.ndarray:
        # Freeverb multiplies its two levels by 3 and by 2.
        return pedalboard.Reverb(room_size=0.5, wet_level=0.4 / 3, dry_level=0.6 / 2).process(samples, RATE)

    stereo, more = noise(2), noise(3)
    together = mutate(stereo, reverb=0.4).samples
    np.testing.assert_allclose(together, in_room(stereo.samples), atol=1e-6)
    assert np.abs(together[:1] - in_room(stereo.samples[:1])).max() > 0.01
    for number, channel in enumerate(mutate(more, reverb=0.4).samples):
        np.testing.assert_allclose(channel, in_room(more.samples[number : number + 1])[0], atol=1e-6)
