"""Frames of one track, kept until the whole of it has been seen, in bounded memory."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np

from hitpredict.frontends.stft import Frames

_IN_MEMORY = 32 * 2**20
_READ_FRAMES, _OF_BINS = 256, 128


class FrameStore:
    """Append frames as they come; read any range of them as often as needed.

    Beyond 32 MiB (about half an hour of 128 float32 bins at 43 frames a second) they move to a temporary file.
    """

    def __init__(self, blocks: Iterable[Frames] = ()):
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115
        self.frames, self.bins = 0, 0
        for block in blocks:
            self._file.write(np.ascontiguousarray(block, np.float32).data)
            self.frames, self.bins = self.frames + block.shape[0], block.shape[1]

    def view(self, start: int = 0, stop: int | None = None) -> "FrameView":
        """The frames [start, stop), cut to what is there."""
        return FrameView(self, start, self.frames if stop is None else min(stop, self.frames))

    def read(self, start: int, stop: int) -> Frames:
        """Frames [start, stop) as one array (stop - start, bins)."""
        width = 4 * self.bins
        self._file.seek(start * width)
        return np.frombuffer(self._file.read((stop - start) * width), np.float32).reshape(-1, self.bins)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


@dataclass(frozen=True)
class FrameView:
    """A range of the frames of a store; iterating gives them in blocks, any number of times."""

    store: FrameStore
    start: int
    stop: int

    def __len__(self) -> int:
        return max(0, self.stop - self.start)

    def __iter__(self) -> Iterator[Frames]:
        return self.blocks(_READ_FRAMES * max(1, _OF_BINS // self.store.bins))

    def blocks(self, frames: int) -> Iterator[Frames]:
        """The same in blocks of so many frames, the last one shorter."""
        for start in range(self.start, self.stop, frames):
            yield self.store.read(start, min(start + frames, self.stop))
