"""Seven statistics over time, in FMA's order."""

import numpy as np
from numpy.typing import NDArray

STATISTICS = ("kurtosis", "max", "mean", "median", "min", "skew", "std")

_CONSTANT = 1e-6
_VALUES = 2**20
"""Numbers treated at once, to bound memory."""


def summary(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The statistics of (frames, channels) over the frames: (7, channels), in the order of `STATISTICS`.

    Kurtosis is Fisher's (0 for a normal distribution), the deviation is the population's. Skew and kurtosis of a
    channel that is constant to a millionth of its mean are NaN, as in `scipy.stats`.
    """
    step = max(1, _VALUES // len(channels))
    parts = [_summary(channels[:, first : first + step]) for first in range(0, channels.shape[1], step)]
    return np.concatenate(parts, axis=1)


def _summary(channels: NDArray[np.float32]) -> NDArray[np.float32]:
    values = np.ascontiguousarray(channels.T)
    mean = values.mean(axis=1, dtype=np.float64)
    centred = values - mean[:, None]
    squares = centred * centred
    variance = squares.mean(axis=1)
    third = np.einsum("ct,ct->c", squares, centred) / values.shape[1]
    fourth = np.einsum("ct,ct->c", squares, squares) / values.shape[1]
    scale = np.where(variance > (_CONSTANT * mean) ** 2, variance, np.nan)
    rows = [
        fourth / scale**2 - 3,
        values.max(axis=1),
        mean,
        np.median(values, axis=1),
        values.min(axis=1),
        third / scale**1.5,
        np.sqrt(variance),
    ]
    return np.stack(rows).astype(np.float32)
