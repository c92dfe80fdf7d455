"""Properties of sounds whose values are known."""

import numpy as np
import pytest

from hitpredict import mutate
from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError
from hitpredict.explanation.measures import MEASURES, level_of, properties_of
from tests.helpers.sounds import tune

RATE = 44100
TIME = np.arange(4 * RATE) / RATE


def tone(hertz, *amplitudes):
    wave = np.sin(2 * np.pi * hertz * TIME)
    return Clip(np.array([each * wave for each in amplitudes], np.float32), RATE, "tone")


def noise(slope=0.0):
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=TIME.size))
    frequencies = np.maximum(np.fft.rfftfreq(TIME.size, 1 / RATE), 20)
    wave = np.fft.irfft(spectrum * frequencies ** (slope / 20 / np.log10(2)), TIME.size)
    return Clip((0.1 * wave / np.abs(wave).max())[None].astype(np.float32), RATE, "noise")


def test_a_tone_is_where_it_is():
    found = properties_of(Sound.of(tone(1000, 0.1, 0.1)))
    assert found["loudness"] == pytest.approx(-20.0, abs=0.1)
    assert found["peak above loudness"] == pytest.approx(0.0, abs=0.1)
    assert found["range of levels"] == pytest.approx(0.0, abs=0.1)
    assert found["brightness"] == pytest.approx(1000, rel=0.02)
    assert found["1 kHz octave"] == pytest.approx(0.0, abs=0.01)
    assert found["4 kHz octave"] < -50
    assert found["stereo width"] == 0


@pytest.mark.parametrize(("amplitudes", "width"), [((0.1,), 0), ((0.1, 0.1), 0), ((0.1, 0.0), 50), ((0.1, -0.1), 100)])
def test_width_is_the_share_of_the_difference(amplitudes, width):
    assert properties_of(Sound.of(tone(500, *amplitudes)))["stereo width"] == pytest.approx(width)


@pytest.mark.parametrize("slope", [0, -3, -6])
def test_tilt_is_the_slope_of_octaves(slope):
    # An octave of noise with an even spectrum holds 3 dB more than the one below.
    assert properties_of(Sound.of(noise(slope)))["tilt"] == pytest.approx(3 + slope, abs=0.2)


def test_what_a_mix_changes_is_what_differs_most():
    song = tune(6, 44100)
    for change, name in (({"eq": (4000, 6)}, "4 kHz octave"), ({"gain": -6}, "loudness")):
        before, after = properties_of(Sound.of(song)), properties_of(Sound.of(mutate(song, **change)))
        steps = {each: MEASURES[each].steps(before[each], after[each]) for each in before}
        assert max(steps, key=steps.get) == name, steps


@pytest.mark.parametrize(("samples", "why"), [(np.zeros((1, RATE)), "silent"), (np.ones((1, 99)), "400 ms")])
def test_what_has_no_loudness_is_named(samples, why):
    with pytest.raises(InputError, match=f"x.wav: cannot be compared: .*{why}"):
        level_of(Sound.of(Clip(samples.astype(np.float32), RATE, "x.wav")))
