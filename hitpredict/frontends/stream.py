"""Streams of samples on their way into a front-end: resampling, mixing down, and cutting into spectra.

Each function takes an iterator of float32 blocks and gives an iterator, so that a two-hour file passes through
in constant memory and the result does not depend on where the blocks were cut. None needs a block that it was
given once it asks for the next, and what some give is overwritten then, as they say: memory that is allocated for
each block goes back to the system and is faulted in again.
"""

from collections.abc import Iterable, Iterator
from math import gcd

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.frontends.mel import Matrix, in_bands, weighted

Mono = NDArray[np.float32]
Frames = NDArray[np.float32]

BATCH = 32
"""Frames transformed at a time; few enough for their spectra to stay in the processor's cache."""
_PIECE = 2**14


def soxr_mono(blocks: Iterable[Samples], rate: int, target: int) -> Iterator[Mono]:
    """Mean of the channels, resampled to `target` Hz with the SoX resampler at high quality."""
    if rate == target:
        yield from map(_mixed, blocks)
        return
    import soxr

    resampler = soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield resampler.resample_chunk(_mixed(block))
    yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def linear_int16_mono(blocks: Iterable[Samples], rate: int, target: int) -> Iterator[Mono]:
    """16-bit samples, linear interpolation per channel without an anti-alias filter, mean of the channels.

    Bit for bit what `audioop.ratecv` did, which many feature tables were made with; values are in
    [-32768, 32767]. At twice the target rate this keeps every second sample, in memory that the next block reuses.
    """
    step, scale = rate // gcd(rate, target), target // gcd(rate, target)
    carry: Samples | None = None
    room = np.empty((2, 0), np.float32)
    start, output = 0, 0
    for block in blocks if scale == 1 else _cut(blocks):
        end = start + block.shape[1]
        # Output k lies at input position k·step/scale and needs the samples on both sides of it.
        count = (end - 1) * scale // step + 1 - output
        if scale == 1:
            picked = block[:, output * step - start :: step]
            if room.shape[1] < count:
                room = np.empty((2, count), np.float32)
            yield _mixed_int16(picked, *room[:, :count])
        else:
            samples = _int16(block)
            joined = samples if carry is None else np.concatenate([carry, samples], axis=1)
            first = start if carry is None else start - 1
            numerators = np.arange(output, output + count, dtype=np.int64) * step
            yield _interpolate(joined, numerators, scale, first)
            carry = samples[:, -1:]
        start, output = end, output + count


def _cut(blocks: Iterable[Samples]) -> Iterator[Samples]:
    """Smaller blocks, for what is made of each by interpolation to stay in memory that is at hand."""
    for block in blocks:
        yield from (block[:, start : start + _PIECE] for start in range(0, block.shape[1], _PIECE))


def _mixed(block: Samples) -> Mono:
    """The mean of the channels; one after the other, which is faster than NumPy's mean over a short axis."""
    total: Mono = block[0].astype(np.float32)
    for channel in block[1:]:
        total += channel
    if len(block) > 1:
        total /= np.float32(len(block))
    return total


def _int16(samples: Samples, out: Samples | None = None) -> Samples:
    scaled = np.multiply(samples, np.float32(32768), out=out)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -32768, 32767, out=scaled)


def _mixed_int16(block: Samples, total: Mono, room: Mono) -> Mono:
    """`_mixed(_int16(block))`, into `total`."""
    _int16(block[0], total)
    for channel in block[1:]:
        total += _int16(channel, room)
    if len(block) > 1:
        total /= np.float32(len(block))
    return total


def _interpolate(samples: Samples, numerators: NDArray[np.int64], scale: int, first: int) -> Mono:
    after = -(-numerators // scale)
    back = after * scale - numerators
    before = np.maximum(after - 1, first)
    exact = samples[:, before - first] * back.astype(np.float64) + samples[:, after - first] * (scale - back)
    # ratecv interpolates with the sample in the upper half of 32 bits, truncates, then drops the lower half.
    integers = np.floor(np.trunc(exact / scale * 65536) / 65536)
    return np.asarray(integers.mean(axis=0), dtype=np.float32)


def overlapping(blocks: Iterable[Mono], size: int, hop: int, pad: int = 0) -> Iterator[NDArray[np.float32]]:
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


def _ended(blocks: Iterable[Mono], tail: Mono) -> Iterator[Mono]:
    yield from blocks
    if tail.size:
        yield tail


def spectra(frames: Iterable[NDArray[np.float32]], window: Mono, n_fft: int) -> Iterator[NDArray[np.complex64]]:
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


def mel_spectra(frames: Iterable[NDArray[np.float32]], window: Mono, n_fft: int, bank: Matrix) -> Iterator[Frames]:
    """Power spectra weighted by a mel filter bank: (n, n_mels) float32 for each batch of frames; see `spectra`."""
    bands = in_bands(bank)
    powers, squares = np.empty((2, BATCH, n_fft // 2 + 1), np.float32)
    for spectrum in spectra(frames, window, n_fft):
        power = np.square(spectrum.real, out=powers[: len(spectrum)])
        power += np.square(spectrum.imag, out=squares[: len(spectrum)])
        yield weighted(power, bands)
