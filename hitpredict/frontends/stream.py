"""Streams of samples on their way into a front-end: resampling, mixing down, and cutting into spectra.

Each function takes an iterator of float32 blocks and gives an iterator, so that a two-hour file passes through
in constant memory and the result does not depend on where the blocks were cut.
"""

from collections.abc import Iterable, Iterator
from math import gcd

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.frontends.mel import Matrix

Mono = NDArray[np.float32]
Frames = NDArray[np.float32]

# Small enough for the spectra of one batch to stay in the processor's cache.
_BATCH = 64


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
    [-32768, 32767]. At twice the target rate this keeps every second sample.
    """
    step, scale = rate // gcd(rate, target), target // gcd(rate, target)
    carry: Samples | None = None
    start, output = 0, 0
    for block in blocks:
        end = start + block.shape[1]
        # Output k lies at input position k·step/scale and needs the samples on both sides of it.
        count = (end - 1) * scale // step + 1 - output
        if scale == 1:
            # Decoders give interleaved samples; as they lie in memory, they are read once.
            yield _mixed(_int16(block.T[output * step - start :: step]).T)
        else:
            samples = _int16(block)
            joined = samples if carry is None else np.concatenate([carry, samples], axis=1)
            first = start if carry is None else start - 1
            numerators = np.arange(output, output + count, dtype=np.int64) * step
            yield _interpolate(joined, numerators, scale, first)
            carry = samples[:, -1:]
        start, output = end, output + count


def _mixed(block: Samples) -> Mono:
    """The mean of the channels; one after the other, which is faster than NumPy's mean over a short axis."""
    total = block[0].astype(np.float32)
    for channel in block[1:]:
        total += channel
    return total if len(block) == 1 else np.asarray(total / np.float32(len(block)), np.float32)


def _int16(block: Samples) -> Samples:
    scaled = block * np.float32(32768)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -32768, 32767, out=scaled)


def _interpolate(samples: Samples, numerators: NDArray[np.int64], scale: int, first: int) -> Mono:
    after = -(-numerators // scale)
    back = after * scale - numerators
    before = np.maximum(after - 1, first)
    exact = samples[:, before - first] * back.astype(np.float64) + samples[:, after - first] * (scale - back)
    # ratecv interpolates with the sample in the upper half of 32 bits, truncates, then drops the lower half.
    integers = np.floor(np.trunc(exact / scale * 65536) / 65536)
    return np.asarray(integers.mean(axis=0), dtype=np.float32)


def overlapping(blocks: Iterable[Mono], size: int, hop: int, pad: int = 0) -> Iterator[NDArray[np.float32]]:
    """Cut a stream into overlapping frames: arrays (n, size), read-only views, n at most a small batch.

    pad: zeros put before and after the stream (size // 2 centres the frames as librosa does).
    """
    rest = np.zeros(pad, np.float32)
    for block in _ended(blocks, np.zeros(pad, np.float32)):
        rest = np.concatenate([rest, block]) if rest.size else block
        count = (rest.size - size) // hop + 1
        if count <= 0:
            continue
        windows = np.lib.stride_tricks.sliding_window_view(rest, size)[::hop]
        for start in range(0, count, _BATCH):
            yield windows[start : start + _BATCH]
        rest = rest[count * hop :]


def _ended(blocks: Iterable[Mono], tail: Mono) -> Iterator[Mono]:
    yield from blocks
    if tail.size:
        yield tail


def mel_spectra(frames: Iterable[NDArray[np.float32]], window: Mono, n_fft: int, bank: Matrix) -> Iterator[Frames]:
    """Power spectra weighted by a mel filter bank: (n, n_mels) float32 for each batch of (n, size) frames."""
    for batch in frames:
        spectrum: NDArray[np.complex64] = np.fft.rfft(batch * window, n_fft)  # type: ignore[assignment]
        power: Frames = spectrum.real**2 + spectrum.imag**2
        yield power @ bank
