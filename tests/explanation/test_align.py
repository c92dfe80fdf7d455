"""Mixes of one song find each other; other songs do not."""

from dataclasses import replace

import numpy as np
import pytest

from hitpredict import mutate
from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.explanation import align


def aligned(first, second):
    return align.aligned(Sound.of(first), Sound.of(second))


def piece(seed, seconds=12.0, rate=22050):
    """Notes at random times, with a noise at each onset."""
    random, time = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    sound = np.zeros((2, time.size))
    for start in np.cumsum(random.uniform(0.1, 0.6, 40)):
        after = np.where(time >= start, np.exp(-6 * (time - start)), 0)
        tone = np.sin(2 * np.pi * random.choice([110, 220, 330, 554]) * time)
        sound += 0.1 * after * (tone + random.uniform(0.1, 0.6) * random.normal(size=(2, time.size)))
    return Clip(sound.astype(np.float32), rate, f"piece {seed}")


SONG = piece(1)


def later(clip, seconds):
    return replace(clip, samples=np.pad(clip.samples, ((0, 0), (round(seconds * clip.rate), 0))))


@pytest.mark.parametrize(
    "change",
    [{}, {"eq": (3000, 8)}, {"lowpass": 2000}, {"gain": -20}, {"compress": (-30, 4)}, {"reverb": 0.3}],
    ids=str,
)
@pytest.mark.parametrize("seconds", [0.0, 0.75])
def test_mixes_of_one_song_are_aligned(change, seconds):
    mix = later(mutate(SONG, **change) if change else SONG, seconds)
    there, back = aligned(SONG, mix), aligned(mix, SONG)
    assert there.lag == pytest.approx(seconds, abs=0.002)
    assert back.lag == pytest.approx(-seconds, abs=0.002)
    assert 0.45 < there.correlation <= 1


@pytest.mark.parametrize("other", [piece(2), piece(3, 30), mutate(SONG, tempo=1.1, quality="draft")])
def test_other_songs_and_tempos_are_not(other):
    assert aligned(SONG, other) is None


@pytest.mark.parametrize("frames", [10, 400])
def test_what_is_too_short_or_even_is_not_aligned(frames):
    assert aligned(SONG, replace(SONG, samples=SONG.samples[:, :frames])) is None
    assert aligned(replace(SONG, samples=SONG.samples * 0), SONG) is None
