"""Rows of numbers that grow with a track, such as frames, kept in bounded memory until the whole of it is seen."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from hitpredict.frontends.stft import Frames

_IN_MEMORY = 32 * 2**20
_READ_FRAMES, _OF_BINS = 256, 128
Rows = NDArray[np.float32]


class Spool:
    """Append float32 rows, all of one width, then read them at random, as often as needed.

    Beyond `memory` bytes they move to a temporary file.
    """

    def __init__(self, memory: int = _IN_MEMORY):
        self._file = tempfile.SpooledTemporaryFile(max_size=memory)  # noqa: SIM115
        self.rows, self.width = 0, 1

    def append(self, rows: Rows) -> None:
        """Take in (n, width) more; only before the first reading."""
        self._file.write(np.ascontiguousarray(rows, np.float32).data)
        self.rows, self.width = self.rows + rows.shape[0], rows.shape[1]

    def read(self, start: int, stop: int) -> Rows:
        """Rows [start, stop), cut at the end, as one read-only array."""
        size = 4 * self.width
        self._file.seek(start * size)
        data = self._file.read((min(stop, self.rows) - start) * size)
        return np.frombuffer(data, np.float32).reshape(-1, self.width)

    def blocks(self, values: int = 2**18) -> Iterator[Rows]:
        """All rows in order, about `values` numbers at a time."""
        count = max(1, values // self.width)
        for start in range(0, self.rows, count):
            yield self.read(start, start + count)

    def close(self) -> None:
        """Remove the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FrameStore(Spool):
    """The frames of one track; 32 MiB are about half an hour of 128 float32 bins at 43 frames a second."""

    def __init__(self, blocks: Iterable[Frames] = ()):
        super().__init__(_IN_MEMORY)
        for block in blocks:
            self.append(block)

    def view(self, start: int = 0, stop: int | None = None) -> "FrameView":
        """The frames [start, stop), cut to what is there."""
        return FrameView(self, start, self.rows if stop is None else min(stop, self.rows))


@dataclass(frozen=True)
class FrameView:
    """A range of the frames of a store; iterating gives them in blocks, any number of times."""

    store: FrameStore
    start: int
    stop: int

    def __len__(self) -> int:
        return max(0, self.stop - self.start)

    def __iter__(self) -> Iterator[Frames]:
        return self.blocks(_READ_FRAMES * max(1, _OF_BINS // self.store.width))

    def blocks(self, frames: int) -> Iterator[Frames]:
        """The same in blocks of so many frames, the last one shorter."""
        for start in range(self.start, self.stop, frames):
            yield self.store.read(start, min(start + frames, self.stop))
