"""Pitch classes: filters, normalisation, CENS and tonal centroids, as `librosa` 0.11 defines them.

Chroma is (frames, 12), from C.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hitpredict.features.descriptors.mono import N_FFT

Chroma = NDArray[np.float32]

_CLASSES = 12
_OCTAVE_CENTRE, _OCTAVE_WIDTH = 5.0, 2.0
_STEPS = (0.4, 0.2, 0.1, 0.05)
_SMOOTHING = 41
_PART = 2**15


def normalised(rows: Chroma, order: float) -> Chroma:
    """Each row divided by its norm (1, 2 or np.inf); rows of zeros stay."""
    result = np.empty_like(rows)
    for part, out in zip(_parts(rows), _parts(result), strict=True):
        length = np.linalg.norm(part.astype(np.float64), order, axis=1, keepdims=True)
        length[length < np.finfo(np.float32).tiny] = 1
        out[:] = part / length
    return result


def _parts(rows: Chroma) -> Iterator[Chroma]:
    """Views, small enough for what is made of them in double precision not to matter in two hours."""
    return (rows[first : first + _PART] for first in range(0, len(rows), _PART))


@lru_cache(maxsize=32)
def filters(rate: float, tuning: float) -> NDArray[np.float32]:
    """From power spectra to pitch classes, (1025, 12): Gaussian bumps (Ellis 2007), weighted around 880 Hz.

    tuning: in fractions of a semitone.
    """
    hertz = np.arange(1, N_FFT) * (rate / N_FFT)
    pitch = _CLASSES * np.log2(hertz / (440.0 * 2.0 ** (tuning / _CLASSES) / 16))
    pitch = np.concatenate([[pitch[0] - 1.5 * _CLASSES], pitch])
    width = np.append(np.maximum(np.diff(pitch), 1.0), 1.0)[:, None]
    half = _CLASSES // 2
    distance = np.remainder(pitch[:, None] - np.arange(_CLASSES) + half + 10 * _CLASSES, _CLASSES) - half
    bumps = np.exp(-0.5 * (2 * distance / width) ** 2)
    bumps /= np.linalg.norm(bumps, axis=1, keepdims=True)
    bumps *= np.exp(-0.5 * ((pitch[:, None] / _CLASSES - _OCTAVE_CENTRE) / _OCTAVE_WIDTH) ** 2)
    # Pitch counts from A.
    return np.asarray(np.roll(bumps, -3, axis=1)[: N_FFT // 2 + 1], np.float32)


def cens(energies: Chroma) -> Chroma:
    """Chroma energy normalised statistics (Müller & Ewert 2011): quantised shares, smoothed over 41 frames."""
    window = np.hanning(_SMOOTHING + 2)
    window /= window.sum()
    half = window.size // 2
    result = normalised(energies, 1)
    for column in result.T:
        quantised = 0 * column
        for step in _STEPS:
            quantised += np.float32(0.25) * (column > step)
        column[:] = np.convolve(quantised, window)[half : half + column.size]
    return normalised(result, 2)


@lru_cache
def _circles() -> NDArray[np.float64]:
    scale = np.array([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3])[:, None]
    phase = scale * np.arange(_CLASSES)
    phase[::2] = phase[::2] - 0.5
    return np.asarray(np.array([1, 1, 1, 1, 0.5, 0.5])[:, None] * np.cos(np.pi * phase))


def tonnetz(chroma: Chroma) -> Chroma:
    """Tonal centroids (Harte et al. 2006), (frames, 6): fifths, minor thirds, major thirds as x and y."""
    result = np.empty((len(chroma), 6), np.float32)
    for part, out in zip(_parts(chroma), _parts(result), strict=True):
        out[:] = normalised(part, 1) @ _circles().T
    return result
