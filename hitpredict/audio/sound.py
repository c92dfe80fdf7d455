"""Sound read block by block, as often as needed: it may be longer than memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import numpy as np

from hitpredict.audio.clip import Clip, Samples
from hitpredict.errors import InputError

BLOCK_FRAMES = 2**16


@dataclass(frozen=True)
class Sound:
    """A piece of sound that need not be in memory.

    rate: sample rate in Hz. channels: count. frames: samples per channel, exactly.
    parts: called for each reading; gives float32 arrays of shape (channels, any number of frames), from the start,
    which nobody may change. name, tags: as of a `Clip`.
    """

    rate: int
    channels: int
    frames: int
    parts: Callable[[], Iterable[Samples]]
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, clip: Clip) -> "Sound":
        """A clip, which stays in memory."""
        return cls(clip.rate, clip.channels, clip.frames, lambda: [clip.samples], clip.name, clip.tags)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate

    def blocks(self) -> Iterator[Samples]:
        """Read it: contiguous arrays of `BLOCK_FRAMES` frames, the last one shorter.

        Raises `InputError` when there is more or less than `frames`: a file that changed meanwhile.
        """
        count = 0
        for block in reblocked(self.parts(), BLOCK_FRAMES):
            count += block.shape[1]
            yield np.ascontiguousarray(block)
        if count != self.frames:
            raise InputError(f"{self.name}: changed while it was read; try again")

    def clip(self) -> Clip:
        """The whole sound, in memory."""
        parts = iter(self.parts())
        samples = next(parts)
        if samples.shape[1] != self.frames:
            # Not read again from the start: what made the first part may have been all the work.
            whole = replace(self, parts=partial(chain, [samples], parts))
            samples = np.empty((self.channels, self.frames), np.float32)
            start = 0
            for block in whole.blocks():
                samples[:, start : start + block.shape[1]] = block
                start += block.shape[1]
        return Clip(np.ascontiguousarray(samples, np.float32), self.rate, self.name, self.tags)

    def through(
        self, process: Callable[[Iterator[Samples]], Iterable[Samples]], channels: int | None = None
    ) -> "Sound":
        """What `process` makes of the blocks: as many frames, of any block size, in as many channels or `channels`."""
        return replace(self, parts=lambda: process(self.blocks()), channels=channels or self.channels)

    def each(self, change: Callable[[Samples], Samples], channels: int | None = None) -> "Sound":
        """`change` done on every block."""
        return self.through(lambda blocks: map(change, blocks), channels)

    def between(self, first: int, stop: int) -> "Sound":
        """The frames from `first` up to but without `stop`."""
        return replace(self, frames=stop - first, parts=lambda: _between(self.parts(), first, stop))


def reblocked(parts: Iterable[Samples], frames: int) -> Iterator[Samples]:
    """The same sound in arrays of `frames` frames each, but for the last."""
    waiting: list[Samples] = []
    count = 0
    for part in parts:
        rest = part
        while rest.shape[1]:
            waiting.append(rest[:, : frames - count])
            rest = rest[:, frames - count :]
            count += waiting[-1].shape[1]
            if count == frames:
                yield _joined(waiting)
                waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[Samples]) -> Samples:
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)


def _between(parts: Iterable[Samples], first: int, stop: int) -> Iterator[Samples]:
    start = 0
    for part in parts:
        if start >= stop:
            return
        yield part[:, max(0, first - start) : stop - start]
        start += part.shape[1]
