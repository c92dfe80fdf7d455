"""Arrays that may be larger than memory: made in parts, kept in files, read a block at a time. NumPy only."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from hitpredict.files.owned import scratch_folder

Floats = NDArray[np.float64]
_IN_MEMORY = 8 * 2**20
BLOCK_VALUES = 2**18


@dataclass(frozen=True)
class StoredArray:
    """An array of at least one axis in a file, row-major from `offset` (bytes); like NumPy's as far as it goes."""

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """How many bytes they take."""
        return self.size * self.dtype.itemsize

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        """Neighbouring rows, in memory."""
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise IndexError("rows of a stored array are read one after the other")
        width = self.nbytes // max(1, len(self))
        with self.path.open("rb") as file:
            file.seek(self.offset + start * width)
            data = file.read(max(0, stop - start) * width)
        return np.frombuffer(data, self.dtype).reshape(max(0, stop - start), *self.shape[1:])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def remove(self) -> None:
        """Remove the file, which holds nothing else."""
        with suppress(OSError):
            self.path.unlink()


AnyArray = NDArray[Any] | StoredArray


def blocks_of(
    array: AnyArray, rows: int | None = None, start: int = 0, stop: int | None = None
) -> Iterator[NDArray[Any]]:
    """The rows [start, stop) of an array, `rows` at a time; left open, as many as hold about `BLOCK_VALUES` numbers."""
    stop = len(array) if stop is None else min(stop, len(array))
    rows = rows or max(1, BLOCK_VALUES * len(array) // max(1, array.size))
    for first in range(start, stop, rows):
        yield array[first : min(first + rows, stop)]


class ArrayStore:
    """Arrays that come in parts: the first 8 MiB of them stay in memory, the others go to a file.

    folder: where that file is left, for whoever was given the array in it to remove; without one it goes with the
    store.
    """

    def __init__(self, folder: Path | None = None):
        self._folder, self._path, self._room = folder, Path(), _IN_MEMORY
        self._owned = ExitStack()

    def put(self, parts: Iterable[NDArray[Any]]) -> AnyArray:
        """The array whose consecutive rows are the parts, of which there must be at least one."""
        parts, held, size = iter(parts), list[NDArray[Any]](), 0
        for part in parts:
            held.append(part)
            size += part.nbytes
            if size > self._room:
                return self._stored(chain(held, parts), held[0])
        self._room -= size
        return np.concatenate(held) if len(held) > 1 else held[0]

    def _stored(self, parts: Iterable[NDArray[Any]], like: NDArray[Any]) -> StoredArray:
        if self._path == Path():
            folder = self._folder or Path(self._owned.enter_context(scratch_folder()))
            handle, name = tempfile.mkstemp(dir=folder)
            os.close(handle)
            self._path = Path(name)
        with self._path.open("ab") as file:
            offset, rows = file.tell(), 0
            for part in parts:
                file.write(np.ascontiguousarray(part, like.dtype).data)
                rows += len(part)
        return StoredArray(self._path, offset, (rows, *like.shape[1:]), like.dtype)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owned.close()
