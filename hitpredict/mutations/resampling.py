"""Sound at another rate, as a stream."""

from collections.abc import Iterable, Iterator

import numpy as np

from hitpredict.audio.clip import Samples


def resampled(parts: Iterable[Samples], source: float, target: float) -> Iterator[Samples]:
    """Parts (channels, frames) at the rate `source` at the rate `target`, with the SoX resampler at high quality."""
    if source == target:
        yield from parts
        return
    import soxr

    stream: soxr.ResampleStream | None = None
    for part in parts:
        stream = stream or soxr.ResampleStream(source, target, part.shape[0], dtype="float32")
        yield stream.resample_chunk(np.ascontiguousarray(part.T)).T
    if stream:
        yield stream.resample_chunk(np.empty((0, part.shape[0]), np.float32), last=True).T


def fitted(parts: Iterable[Samples], channels: int, frames: int) -> Iterator[Samples]:
    """Exactly `frames` frames: the rest is cut, what is missing is silent."""
    for part in parts:
        yield part[:, :frames]
        frames -= min(frames, part.shape[1])
    yield np.zeros((channels, frames), np.float32)
