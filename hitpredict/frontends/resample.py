"""Mono signals at the rate that a front-end works at."""

from collections.abc import Iterable, Iterator
from math import gcd

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples

MonoSamples = NDArray[np.float32]
_PIECE = 2**14


def soxr_mono(blocks: Iterable[Samples], rate: int, target: int) -> Iterator[MonoSamples]:
    """Mean of the channels, resampled to `target` Hz with the SoX resampler at high quality."""
    if rate == target:
        yield from map(mixed, blocks)
        return
    import soxr

    resampler = soxr.ResampleStream(rate, target, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield resampler.resample_chunk(mixed(block))
    yield resampler.resample_chunk(np.empty(0, np.float32), last=True)


def linear_int16_mono(blocks: Iterable[Samples], rate: int, target: int) -> Iterator[MonoSamples]:
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


def mixed(block: Samples) -> MonoSamples:
    """The mean of the channels; one after the other, which is faster than NumPy's mean over a short axis."""
    total: MonoSamples = block[0].astype(np.float32)
    for channel in block[1:]:
        total += channel
    if len(block) > 1:
        total /= np.float32(len(block))
    return total


def _int16(samples: Samples, out: Samples | None = None) -> Samples:
    scaled = np.multiply(samples, np.float32(32768), out=out)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, -32768, 32767, out=scaled)


def _mixed_int16(block: Samples, total: MonoSamples, room: MonoSamples) -> MonoSamples:
    """`mixed(_int16(block))`, into `total`."""
    _int16(block[0], total)
    for channel in block[1:]:
        total += _int16(channel, room)
    if len(block) > 1:
        total /= np.float32(len(block))
    return total


def _interpolate(samples: Samples, numerators: NDArray[np.int64], scale: int, first: int) -> MonoSamples:
    after = -(-numerators // scale)
    back = after * scale - numerators
    before = np.maximum(after - 1, first)
    exact = samples[:, before - first] * back.astype(np.float64) + samples[:, after - first] * (scale - back)
    # ratecv interpolates with the sample in the upper half of 32 bits, truncates, then drops the lower half.
    integers = np.floor(np.trunc(exact / scale * 65536) / 65536)
    return np.asarray(integers.mean(axis=0), dtype=np.float32)
