"""Constant-Q filters: Hann-windowed oscillations as long as 1/Q of their frequency asks, as `librosa.filters` makes
them (librosa 0.11)."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from hitpredict.features.descriptors.mono import HOP
from hitpredict.frontends.stft import hann

OCTAVES = 7
_LOWEST_HZ = 440.0 * 2.0 ** (-45 / 12)
_SPARSITY = 0.01
_HANN_BANDWIDTH = 1.50018310546875


@dataclass(frozen=True, eq=False)
class Kernels:
    """The filters of one octave; the lower octaves use the same at half, a quarter … of the rate.

    halvings: how often the rate is halved before the top octave. hop: of the top octave, in its samples.
    size: samples in a frame. spectra: (filters, size // 2 + 1), to be multiplied with the frame's spectrum.
    scale: of each filter's response.
    """

    halvings: int
    hop: int
    size: int
    spectra: NDArray[np.complex64]
    scale: NDArray[np.float32]

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """The filters for the frame itself, scale included: (size, 2 · filters), real and imaginary in turn."""
        bins, time = np.arange(self.size // 2 + 1), np.arange(self.size)
        waves = self.spectra @ np.exp(-2j * np.pi / self.size * np.outer(bins, time)) * self.scale[:, None]
        return np.ascontiguousarray(np.stack([waves.real, waves.imag], axis=1).reshape(-1, self.size).T, np.float32)

    def responses(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Magnitudes of the filters' responses to frames (n, size): (n, filters)."""
        return np.abs((windows @ self.weights).view(np.complex64))

    def slow_responses(self, windows: NDArray[np.float32], octave: int) -> NDArray[np.float32]:
        """The same, rounded at each step just as the reference does.

        Where next to nothing is in the range of the filters, rounding is what the reference responds to.
        """
        rounding = np.sqrt(2.0**octave)
        spectra = (self.spectra * rounding).astype(np.complex64)
        frames = np.fft.rfft(windows.astype(np.float64), axis=1).astype(np.complex64)
        responses = _one_by_one(frames, spectra)
        return np.asarray(np.abs(responses) * (self.scale / np.float32(rounding)), np.float32)


@lru_cache(maxsize=128)
def kernels(rate: float, bins_per_octave: int, tuning: float) -> Kernels | None:
    """The filters of seven octaves from C1, detuned by `tuning` of a bin; None if they reach beyond Nyquist."""
    lowest = _LOWEST_HZ * 2.0 ** (tuning / bins_per_octave)
    hertz = lowest * 2.0 ** (np.arange((OCTAVES - 1) * bins_per_octave, OCTAVES * bins_per_octave) / bins_per_octave)
    ratio = 2.0 ** (2 / bins_per_octave)
    quality = (ratio + 1) / (ratio - 1)
    cutoff = hertz[-1] * (1 + 0.5 * _HANN_BANDWIDTH / quality)
    if cutoff > rate / 2:
        return None
    most = max(0, HOP.bit_length() - OCTAVES)
    halvings = min(max(0, int(np.ceil(np.log2(rate / 2 / cutoff))) - 2), most)
    rate /= 2**halvings
    lengths = quality * rate / hertz
    size = int(2 ** np.ceil(np.log2(lengths.max())))
    waves = np.stack([_wave(length, f / rate, size) for length, f in zip(lengths, hertz, strict=True)])
    waves *= (lengths / size)[:, None]
    spectra = _sparse(np.fft.fft(waves, axis=1)[:, : size // 2 + 1].astype(np.complex64))
    return Kernels(halvings, HOP >> halvings, size, spectra, (1 / np.sqrt(lengths)).astype(np.float32))


def _wave(length: float, cycles: float, size: int) -> NDArray[np.complex64]:
    """`cycles` per sample for `length` samples in the middle of `size`, absolute values adding up to 1."""
    time = np.arange(-length // 2, length // 2)
    wave = np.exp(1j * (time * 2 * np.pi * cycles))
    wave *= hann(time.size, dtype=np.float64)
    wave /= np.abs(wave).sum()
    result = np.zeros(size, np.complex64)
    start = (size - time.size) // 2
    result[start : start + time.size] = wave
    return result


def _sparse(spectra: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """The spectra without their smallest values that make up 1 % of each row's sum of magnitudes."""
    height = np.abs(spectra)
    ordered = np.sort(height, axis=1)
    share = np.cumsum(ordered / height.sum(axis=1, keepdims=True), axis=1)
    least = np.take_along_axis(ordered, np.argmin(share < _SPARSITY, axis=1)[:, None], axis=1)
    return np.where(height >= least, spectra, np.complex64(0))


def _one_by_one(frames: NDArray[np.complex64], spectra: NDArray[np.complex64]) -> NDArray[np.complex64]:
    """`frames @ spectra.T`, (n, filters), each sum in the order of the bins, every step rounded to single precision.

    Real and imaginary parts are multiplied apart: fused into one step they would be rounded once less.
    """
    used = spectra != 0
    places = np.argsort(~used, axis=1, kind="stable")[:, : used.sum(axis=1).max()]
    weights = np.take_along_axis(spectra, places, axis=1)
    result = np.zeros((len(frames), len(spectra)), np.complex64)
    for bins, weight in zip(places.T, weights.T, strict=True):
        values = frames[:, bins]
        result.real += values.real * weight.real - values.imag * weight.imag
        result.imag += values.real * weight.imag + values.imag * weight.real
    return result
