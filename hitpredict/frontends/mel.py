"""Mel filter banks and the discrete cosine transform, as matrices."""

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float32]

_SLANEY_BREAK_HZ = 1000.0
_SLANEY_LINEAR_HZ = 200.0 / 3
_SLANEY_LOG_STEP = np.log(6.4) / 27
_TOGETHER = 16


def slaney_mel(hz: ArrayLike) -> NDArray[np.float64]:
    """Hz to mel on the scale of Slaney's Auditory Toolbox (1998): linear to 1 kHz, logarithmic above."""
    hz = np.asarray(hz, np.float64)
    above = np.log(np.maximum(hz, _SLANEY_BREAK_HZ) / _SLANEY_BREAK_HZ) / _SLANEY_LOG_STEP
    return np.asarray(np.where(hz < _SLANEY_BREAK_HZ, hz, _SLANEY_BREAK_HZ) / _SLANEY_LINEAR_HZ + above)


def slaney_hz(mel: ArrayLike) -> NDArray[np.float64]:
    """The inverse of `slaney_mel`."""
    mel = np.asarray(mel, np.float64)
    corner = _SLANEY_BREAK_HZ / _SLANEY_LINEAR_HZ
    return np.asarray(
        np.minimum(mel, corner) * _SLANEY_LINEAR_HZ * np.exp(_SLANEY_LOG_STEP * np.maximum(mel - corner, 0))
    )


def htk_mel(hz: ArrayLike) -> NDArray[np.float64]:
    """Hz to mel as in HTK and Kaldi: 1127 ln(1 + f/700)."""
    return np.asarray(1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0))


def htk_hz(mel: ArrayLike) -> NDArray[np.float64]:
    """The inverse of `htk_mel`."""
    return np.asarray(700.0 * np.expm1(np.asarray(mel, np.float64) / 1127.0))


@cache
def filterbank(
    sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float, htk: bool = False, area_norm: bool = True
) -> Matrix:
    """Triangles that are linear in Hz, as librosa's: shape (n_fft // 2 + 1, n_mels).

    area_norm gives each triangle unit area (Slaney's normalisation).
    """
    to_mel, to_hz = (htk_mel, htk_hz) if htk else (slaney_mel, slaney_hz)
    corners: NDArray[np.float64] = to_hz(np.linspace(float(to_mel(fmin)), float(to_mel(fmax)), n_mels + 2))
    bins = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
    weights = _triangles(np.asarray(bins, np.float64), corners)
    if area_norm:
        weights *= 2.0 / (corners[2:] - corners[:-2])
    return _frozen(weights)


@cache
def kaldi_filterbank(sample_rate: int, n_fft: int, n_mels: int, fmin: float, fmax: float) -> Matrix:
    """Kaldi's triangles, linear in mel and not normalised, without the Nyquist bin: (n_fft // 2 + 1, n_mels)."""
    corners = np.linspace(float(htk_mel(fmin)), float(htk_mel(fmax)), n_mels + 2)
    bins = htk_mel(np.arange(n_fft // 2 + 1) * (sample_rate / n_fft))
    weights = _triangles(bins, corners)
    weights[-1] = 0
    return _frozen(weights)


@cache
def dct(n_out: int, n_in: int) -> Matrix:
    """Orthonormal DCT-II as a matrix of shape (n_in, n_out)."""
    angle = np.pi / n_in * (np.arange(n_in)[:, None] + 0.5) * np.arange(n_out)
    basis = np.cos(angle) * np.sqrt(2.0 / n_in)
    basis[:, 0] *= np.sqrt(0.5)
    return _frozen(basis)


def shifted(levels: NDArray[Any], by: float, floor: float) -> NDArray[Any]:
    """Logarithmic levels moved by a constant; what is at the `floor`, as silence is, stays there."""
    above = levels > floor + 1e-3 * abs(floor)
    return np.where(above, np.maximum(levels + levels.dtype.type(by), levels.dtype.type(floor)), levels)


class Bands(NamedTuple):
    """Some neighbouring bands of a filter bank: the bins that they weigh at all, and their weights (bins, bands)."""

    bands: slice
    bins: slice
    weights: Matrix


def in_bands(bank: Matrix) -> tuple[Bands, ...]:
    """A filter bank (bins, bands) cut into a few dense pieces, since most of it is zero."""
    pieces = []
    for first in range(0, bank.shape[1], _TOGETHER):
        bands = slice(first, first + _TOGETHER)
        used = np.flatnonzero(bank[:, bands].any(axis=1))
        bins = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0)
        pieces.append(Bands(bands, bins, np.ascontiguousarray(bank[bins, bands])))
    return tuple(pieces)


def weighted(spectra: NDArray[np.float32], pieces: tuple[Bands, ...]) -> NDArray[np.float32]:
    """Spectra (n, bins) times the filter bank that was cut into `pieces`: (n, bands)."""
    result = np.empty((len(spectra), sum(piece.weights.shape[1] for piece in pieces)), np.float32)
    for bands, bins, weights in pieces:
        np.matmul(spectra[:, bins], weights, out=result[:, bands])
    return result


def _triangles(bins: NDArray[np.float64], corners: NDArray[np.float64]) -> NDArray[np.float64]:
    left, centre, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (bins[:, None] - left) / (centre - left)
    falling = (right - bins[:, None]) / (right - centre)
    return np.maximum(0.0, np.minimum(rising, falling))


def _frozen(matrix: NDArray[np.float64]) -> Matrix:
    result = np.ascontiguousarray(matrix, dtype=np.float32)
    result.flags.writeable = False
    return result
