"""How far a track is tuned from A = 440 Hz, as `librosa.estimate_tuning` defines it, in bounded memory."""

import numpy as np
from numpy.typing import NDArray

from hitpredict.features.descriptors.mono import N_FFT
from hitpredict.features.descriptors.spectral import Spectra, frequencies
from hitpredict.frontends.store import Spool

_LOWEST_HZ, _HIGHEST_HZ = 150.0, 4000.0
_THRESHOLD = np.float32(0.1)
_EDGES = np.linspace(-0.5, 0.5, 101)
_MEMORY = 8 * 2**20


def _bins(rate: float) -> tuple[int, int]:
    hertz = frequencies(rate)
    inside = np.flatnonzero((hertz >= _LOWEST_HZ) & (hertz < min(_HIGHEST_HZ, rate / 2)))
    return int(inside[0]), int(inside[-1]) + 1


def maxima(magnitude: Spectra, *rates: float) -> NDArray[np.int64]:
    """Flat indices of the local maxima, above a tenth of their frame's largest value, where `Peaks` may want them.

    rates: those of the `Peaks` to be filled.
    """
    ranges = [_bins(rate) for rate in rates]
    first, stop = min(first for first, _ in ranges), max(stop for _, stop in ranges)
    centre = magnitude[:, first:stop]
    peak = centre > _THRESHOLD * magnitude.max(axis=1, keepdims=True)
    peak &= centre > magnitude[:, first - 1 : stop - 1]
    peak &= centre >= magnitude[:, first + 1 : stop + 1]
    inside: NDArray[np.int64] = np.flatnonzero(peak)
    frames = inside // (stop - first)
    return np.asarray(inside + frames * (magnitude.shape[1] - (stop - first)) + first)


class Peaks:
    """The spectral peaks of a track between 150 and 4000 Hz that exceed a tenth of their frame's largest value.

    rate: Hz, for the pitch of a bin.
    """

    def __init__(self, rate: float):
        self._rate = rate
        self._first, self._stop = _bins(rate)
        self._store = Spool(_MEMORY)

    def add(self, spectra: Spectra, maxima: NDArray[np.int64]) -> None:
        """Take in the peaks of some more frames, refined by a parabola.

        spectra: magnitudes or powers. maxima: where the local maxima are, as the function of that name found them.
        """
        frames, bins = np.divmod(maxima, spectra.shape[1])
        middle, left, right = (spectra.ravel().take(maxima + i) for i in (0, -1, 1))
        keep = (bins >= self._first) & (bins < self._stop) & (middle > _THRESHOLD * spectra.max(axis=1)[frames])
        slope = (right - left).astype(np.float64) / 2
        bend = (left + right) - 2 * middle.astype(np.float64)
        narrow = np.abs(slope) < np.abs(bend)
        shift = np.where(narrow, -slope / np.where(narrow, bend, 1), 0)
        height = middle + (0.5 * slope * shift).astype(np.float32)
        pitch = (bins + shift) * (self._rate / N_FFT)
        self._store.append(np.stack([height, pitch.astype(np.float32)], axis=1)[keep])

    def tuning(self, bins_per_octave: int) -> float:
        """Deviation in fractions of a bin, one of -0.50, -0.49 … 0.49; 0 when there is no peak.

        The most frequent deviation, to a hundredth of a bin, of the peaks at least as high as their median.
        """
        if not self._store.rows:
            return 0.0
        threshold = self._median_height()
        counts = np.zeros(_EDGES.size - 1, np.int64)
        for block in self._store.blocks():
            pitch = block[block[:, 0] >= threshold, 1]
            deviation = np.mod(np.float32(bins_per_octave) * np.log2(pitch / np.float32(27.5)), np.float32(1))
            deviation[deviation >= 0.5] -= 1
            counts += np.histogram(deviation, _EDGES)[0]
        return float(_EDGES[counts.argmax()])

    def close(self) -> None:
        """Remove the file."""
        self._store.close()

    def _median_height(self) -> np.float32:
        """The exact median: positive floats are ordered like the upper halves of their bits, which are counted."""
        counts = np.zeros(2**16, np.int64)
        for block in self._store.blocks():
            counts += np.bincount(_upper_bits(block[:, 0]), minlength=counts.size)
        upto = counts.cumsum()
        middle = np.array([(self._store.rows - 1) // 2, self._store.rows // 2])
        low, high = np.searchsorted(upto, middle, side="right")
        candidates = []
        for block in self._store.blocks():
            bits = _upper_bits(block[:, 0])
            candidates.append(block[(bits >= low) & (bits <= high), 0])
        ordered = np.sort(np.concatenate(candidates))
        return np.mean(ordered[middle - (upto[low] - counts[low])], dtype=np.float32)


def _upper_bits(heights: NDArray[np.float32]) -> NDArray[np.uint32]:
    return np.ascontiguousarray(heights).view(np.uint32) >> np.uint32(16)
