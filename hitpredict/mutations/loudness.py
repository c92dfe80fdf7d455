"""Integrated loudness after Recommendation ITU-R BS.1770-4, in NumPy.

The two K-weighting filters are given there for 48 kHz alone; for other rates they are recomputed by the
bilinear transform from the analogue filters that give those coefficients.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import Sound, reblocked
from hitpredict.errors import InputError

_ABSOLUTE_GATE = -70.0  # LUFS
_RELATIVE_GATE = -10.0  # LU below the loudness of what passes the absolute gate
_HOPS_PER_BLOCK = 4  # blocks of 400 ms overlap by three quarters
_HOPS_PER_CHUNK = 200
_SURROUND = 1.41
_WEIGHTS = {  # channels in the order of WAV; the low-frequency channel does not count
    5: (1, 1, 1, _SURROUND, _SURROUND),
    6: (1, 1, 1, 0, _SURROUND, _SURROUND),
    7: (1, 1, 1, 0, 1, _SURROUND, _SURROUND),
    8: (1, 1, 1, 0, 1, 1, _SURROUND, _SURROUND),
}


def integrated_loudness(sound: Sound) -> float:
    """Gated loudness of the whole sound, in LUFS. InputError below 400 ms and for silence (under -70 LUFS)."""
    energies = _hop_energies(sound)
    if energies.size < _HOPS_PER_BLOCK:
        raise InputError(f"loudness needs at least 400 ms; the clip has {sound.duration * 1000:.0f} ms")
    blocks = np.lib.stride_tricks.sliding_window_view(energies, _HOPS_PER_BLOCK).mean(axis=1)
    audible = blocks[blocks > _power(_ABSOLUTE_GATE)]
    if audible.size == 0:
        raise InputError("the clip is silent (nothing above -70 LUFS): it has no loudness")
    loud = audible[audible > audible.mean() * 10 ** (_RELATIVE_GATE / 10)]
    return _loudness(float(loud.mean()))


def _loudness(power: float) -> float:
    return -0.691 + 10 * math.log10(power)


def _power(loudness: float) -> float:
    return float(10 ** ((loudness + 0.691) / 10))


def _hop_energies(sound: Sound) -> NDArray[np.float64]:
    """Weighted sum over channels of the K-weighted mean square of every whole 100 ms."""
    hop = round(sound.rate / 10)
    weights = np.array(_WEIGHTS.get(sound.channels, (1,) * sound.channels), dtype=np.float64)
    energies = [np.empty(0)]
    before = np.empty((sound.channels, 0), np.float32)
    for chunk in reblocked(sound.parts(), _HOPS_PER_CHUNK * hop):
        hops = chunk.shape[1] // hop
        samples = np.concatenate([before, chunk[:, : hops * hop]], axis=1)
        filtered = _k_weighted(samples, sound.rate)[:, before.shape[1] :]
        energies.append(weights @ np.square(filtered).reshape(sound.channels, hops, hop).mean(axis=2))
        # Both filters forget within a second.
        before = samples[:, -sound.rate :]
    return np.concatenate(energies)


def _k_weighted(samples: Samples, rate: int) -> NDArray[np.float64]:
    size = 1 << (samples.shape[1] + rate - 1).bit_length()
    spectrum = np.fft.rfft(samples.astype(np.float64), size)
    spectrum *= k_weighting(np.linspace(0, np.pi, size // 2 + 1), rate)
    return np.fft.irfft(spectrum, size)[:, : samples.shape[1]]


def k_weighting(angles: NDArray[np.float64], rate: int) -> NDArray[np.complex128]:
    """Complex response of both K-weighting filters at `angles` (radians per sample, shape (n,))."""
    delay = np.exp(-1j * angles)
    result = np.ones(angles.shape, dtype=np.complex128)
    for numerator, denominator in (_shelf(rate), _highpass(rate)):
        result *= np.polyval(numerator[::-1], delay) / np.polyval(denominator[::-1], delay)
    return result


_Biquad = tuple[list[float], list[float]]


def _shelf(rate: int) -> _Biquad:
    """The head's effect: about 4 dB more above 1.7 kHz."""
    k, q = math.tan(math.pi * 1681.974450955533 / rate), 0.7071752369554196
    high = 10 ** (3.999843853973347 / 20)
    band = high**0.4996667741545416
    numerator = [high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k]
    scale = 1 + k / q + k * k
    return [value / scale for value in numerator], [1.0, 2 * (k * k - 1) / scale, (1 - k / q + k * k) / scale]


def _highpass(rate: int) -> _Biquad:
    """The revised low-frequency B curve: a high-pass at 38 Hz, with the same pass-band gain at every rate."""
    q = 0.5003270373238773
    k, k48 = (math.tan(math.pi * 38.13547087602444 / each) for each in (rate, 48000))
    scale = 1 + k / q + k * k
    gain = (1 + k48 / q + k48 * k48) / scale
    return [gain, -2 * gain, gain], [1.0, 2 * (k * k - 1) / scale, (1 - k / q + k * k) / scale]
