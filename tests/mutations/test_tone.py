"""Filters, by their response to an impulse."""

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.errors import InputError
from hitpredict.mutations import mutate

RATE = 96000


def response_db(hz: list[float], **steps: object) -> np.ndarray:
    impulse = np.zeros((1, RATE), dtype=np.float32)
    impulse[0, 0] = 1
    spectrum = np.fft.rfft(mutate(Clip(impulse, RATE), **steps).samples[0])
    return 20 * np.log10(np.abs(spectrum[np.array(hz, dtype=int)]))


def test_lowpass_falls_by_12_db_per_octave() -> None:
    levels = response_db([50, 1000, 4000, 8000], lowpass=1000)
    assert levels[0] == pytest.approx(0, abs=0.1)
    assert levels[1] == pytest.approx(-6, abs=0.1)
    assert levels[3] - levels[2] == pytest.approx(-12, abs=1)


def test_highpass_falls_by_12_db_per_octave() -> None:
    levels = response_db([10000, 1000, 250, 125], highpass=1000)
    assert levels[0] == pytest.approx(0, abs=0.2)
    assert levels[1] == pytest.approx(-6, abs=0.1)
    assert levels[3] - levels[2] == pytest.approx(-12, abs=1)


@pytest.mark.parametrize("gain", [-12.0, 6.0])
def test_eq_raises_one_band(gain: float) -> None:
    levels = response_db([50, 1000, 20000], eq=(1000, gain, 2))
    assert levels == pytest.approx([0, gain, 0], abs=0.1)


def test_eq_is_wider_with_a_smaller_q() -> None:
    narrow, wide = (response_db([700], eq=(1000, 6, q))[0] for q in (8, 0.5))
    assert narrow < 1
    assert wide > 4


@pytest.mark.parametrize("step", [{"lowpass": 4000}, {"highpass": 5000}, {"eq": (4000, 3)}])
def test_frequencies_above_half_the_rate_are_refused(step: dict[str, object]) -> None:
    with pytest.raises(InputError, match="half the clip's sample rate of 8000 Hz"):
        mutate(Clip(np.zeros((1, 100), dtype=np.float32), 8000), **step)


def test_every_channel_is_filtered_alike() -> None:
    noise = np.random.default_rng(0).standard_normal((1, 4000)).astype(np.float32)
    filtered = mutate(Clip(np.repeat(noise, 8, axis=0), 44100), lowpass=500).samples
    assert (filtered == filtered[0]).all()
    assert filtered.std() < noise.std() / 2
