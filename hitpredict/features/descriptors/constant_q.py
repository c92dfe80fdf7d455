"""Chroma from a constant-Q transform of seven octaves from C1, as `librosa.cqt` 0.11 computes it.

The sound is halved in rate again and again (SoX resampler, high quality), so that one set of filters serves all
octaves (Schörkhuber & Klapuri 2010).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.features.descriptors.kernels import OCTAVES, Kernels, kernels
from hitpredict.features.descriptors.mono import MonoTrack

Signal = NDArray[np.float32]

_BLOCK = 2**17
_FAINT = 1e-3


def chroma_energies(track: MonoTrack, rate: float, bins_per_octave: int, tuning: float) -> NDArray[np.float32]:
    """Sums over seven octaves of the constant-Q magnitudes of each pitch class, (frames, 12), not normalised.

    bins_per_octave: 12 or 36. tuning: in fractions of a bin. NaN at rates too low for the highest octave (8.3 kHz
    with 12 bins), and for less than a sample at the rate of the first octave. There may be one frame more than in a
    spectrogram, as in the reference.
    """
    filters = kernels(rate, bins_per_octave, tuning)
    if filters is None or track.samples < 2**filters.halvings:
        return np.full((track.frames, 12), np.nan, np.float32)
    energies = np.zeros((_frames(track.samples, filters), 12), np.float32)
    peak = _add(energies, track, filters)
    loudest = energies.max(axis=1)
    faint = (loudest > 0) & (loudest < _FAINT * peak)
    if faint.any():
        energies[faint] = 0
        _add(energies, track, filters, faint)
    return energies


def _add(
    energies: NDArray[np.float32], track: MonoTrack, filters: Kernels, faint: NDArray[np.bool_] | None = None
) -> float:
    """Add the magnitudes of all octaves to all frames, or carefully to the faint ones. The sound's largest sample."""
    halvers = [_Halver(2**filters.halvings), *(_Halver(2) for _ in range(OCTAVES - 1))]
    octaves = [_Octave(filters, i, energies, faint) for i in range(OCTAVES)]
    peak = 0.0
    for start in range(0, track.samples, _BLOCK):
        block = track.read(start, min(start + _BLOCK, track.samples))
        peak = max(peak, float(block.max()), -float(block.min()))
        last = start + _BLOCK >= track.samples
        for halve, octave in zip(halvers, octaves, strict=True):
            block = halve(block, last)
            octave(block, last)
    return peak


class _Halver:
    """Stream a signal at 1/factor of its rate, scaled to keep its energy; ⌈n / factor⌉ samples."""

    def __init__(self, factor: int):
        import soxr

        self._factor, self._taken, self._given = factor, 0, 0
        self._resampler: Any = None
        if factor > 1:
            self._resampler = soxr.ResampleStream(factor, 1, 1, dtype="float32", quality="HQ")

    def __call__(self, block: Signal, last: bool) -> Signal:
        if self._resampler is None:
            return block
        self._taken += block.size
        result: Signal = self._resampler.resample_chunk(block, last=last)
        result /= np.sqrt(1 / self._factor)
        length = -(-self._taken // self._factor)
        result = result[: length - self._given]
        if last and (missing := length - self._given - result.size):
            result = np.concatenate([result, np.zeros(missing, np.float32)])
        self._given += result.size
        return result


class _Octave:
    """Add the magnitudes of one octave, folded to pitch classes, to those of the others.

    index: 0 is the top. faint: the frames to treat, all if None.
    """

    def __init__(self, filters: Kernels, index: int, energies: Signal, faint: NDArray[np.bool_] | None):
        self._filters, self._index, self._energies, self._faint = filters, index, energies, faint
        self._hop = filters.hop >> index
        merge = len(filters.scale) // 12
        self._fold = np.roll(np.repeat(np.eye(12, dtype=np.float32), merge, axis=0), -(merge // 2), axis=0)
        self._rest = np.zeros(filters.size // 2, np.float32)
        self._frame, self._skip = 0, 0

    def __call__(self, block: Signal, last: bool) -> None:
        for first, windows in self._windows(block, last):
            stop = first + len(windows)
            if self._faint is None:
                self._energies[first:stop] += self._filters.responses(windows) @ self._fold
            elif (wanted := np.flatnonzero(self._faint[first:stop])).size:
                responses = self._filters.slow_responses(windows[wanted], self._index)
                self._energies[first + wanted] += responses @ self._fold

    def _windows(self, block: Signal, last: bool) -> Iterator[tuple[int, Signal]]:
        """The frames that are complete now, if any: the first one's number, and all of them."""
        size, hop = self._filters.size, self._hop
        tail = np.zeros(size // 2 if last else 0, np.float32)
        signal = np.concatenate([self._rest, block, tail])
        skipped = min(self._skip, signal.size)
        signal, self._skip = signal[skipped:], self._skip - skipped
        count = max(0, min((signal.size - size) // hop + 1, len(self._energies) - self._frame))
        if count:
            yield self._frame, np.lib.stride_tricks.sliding_window_view(signal, size)[::hop][:count]
            self._frame += count
            self._skip = max(0, count * hop - signal.size)
        self._rest = signal[count * hop :]


def _frames(samples: int, filters: Kernels) -> int:
    """Frames of the octave that has fewest."""
    length = -(-samples // 2**filters.halvings)
    counts: list[int] = []
    for octave in range(OCTAVES):
        counts.append(1 + length // (filters.hop >> octave))
        length = -(-length // 2)
    return min(counts)
