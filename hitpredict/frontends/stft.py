"""Streams of samples on their way into a front-end: resampling, mixing down, and cutting into spectra.

Each function takes an iterator of float32 blocks and gives an iterator, so that a two-hour file passes through
in constant memory and the result does not depend on where the blocks were cut. None needs a block that it was
given once it asks for the next, and what some give is overwritten then, as they say: memory that is allocated for
each block goes back to the system and is faulted in again.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from hitpredict.frontends.mel import Matrix, in_bands, weighted
from hitpredict.frontends.resample import MonoSamples

Frames = NDArray[np.float32]

BATCH = 32
"""Frames transformed at a time; few enough for their spectra to stay in the processor's cache."""


def overlapping(blocks: Iterable[MonoSamples], size: int, hop: int, pad: int = 0) -> Iterator[NDArray[np.float32]]:
    """Cut a stream into overlapping frames: arrays (n, size), n at most `BATCH`.

    They are views of memory that the next ones reuse. hop: at most size. pad: zeros put before and after the stream
    (size // 2 centres the frames as librosa does).
    """
    room, held = np.zeros(pad, np.float32), pad
    for block in _ended(blocks, np.zeros(pad, np.float32)):
        if room.size < held + block.size:
            room = np.concatenate([room[:held], np.empty(block.size + size, np.float32)])
        room[held : held + block.size] = block
        held += block.size
        count = max(0, (held - size) // hop + 1)
        if count:
            windows = np.lib.stride_tricks.sliding_window_view(room[:held], size)[::hop]
            yield from (windows[start : start + BATCH] for start in range(0, count, BATCH))
            held -= count * hop
            room[:held] = room[count * hop : count * hop + held]


def _ended(blocks: Iterable[MonoSamples], tail: MonoSamples) -> Iterator[MonoSamples]:
    yield from blocks
    if tail.size:
        yield tail


def spectra(frames: Iterable[NDArray[np.float32]], window: MonoSamples, n_fft: int) -> Iterator[NDArray[np.complex64]]:
    """Spectra (n, n_fft // 2 + 1) of batches of windowed frames (n, size), in memory that the next batch reuses.

    n: at most `BATCH`. size: as the window's, at most n_fft; the rest is zeros.
    """
    windowed = np.empty((BATCH, window.size), np.float32)
    room = np.empty((BATCH, n_fft // 2 + 1), np.complex64)
    # NumPy transforms in single precision only where it divides by n_fft (norm "forward"), else in double.
    scaled = window * np.float32(n_fft)
    for batch in frames:
        samples = np.multiply(batch, scaled, out=windowed[: len(batch)])
        yield np.fft.rfft(samples, n_fft, norm="forward", out=room[: len(batch)])  # type: ignore[arg-type, misc]


def mel_spectra(
    frames: Iterable[NDArray[np.float32]], window: MonoSamples, n_fft: int, bank: Matrix
) -> Iterator[Frames]:
    """Power spectra weighted by a mel filter bank: (n, n_mels) float32 for each batch of frames; see `spectra`."""
    bands = in_bands(bank)
    powers, squares = np.empty((2, BATCH, n_fft // 2 + 1), np.float32)
    for spectrum in spectra(frames, window, n_fft):
        power = np.square(spectrum.real, out=powers[: len(spectrum)])
        power += np.square(spectrum.imag, out=squares[: len(spectrum)])
        yield weighted(power, bands)


@cache
def hann(size: int, *, symmetric: bool = False, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Hann window of `size` samples: periodic (for spectra, as librosa) or symmetric (as Kaldi's "hanning")."""
    phase = 2 * np.pi * np.arange(size) / (size - 1 if symmetric else size)
    window = (0.5 - 0.5 * np.cos(phase)).astype(dtype)
    window.flags.writeable = False
    return window
