"""Rows of numbers that grow with a track, in bounded memory."""

import tempfile
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]


class Spool:
    """Append float32 rows of `width` values, then read them at random, as often as needed.

    Beyond `memory` bytes they move to a temporary file.
    """

    def __init__(self, width: int, memory: int):
        self._file = tempfile.SpooledTemporaryFile(max_size=memory)  # noqa: SIM115
        self.width, self.rows = width, 0

    def append(self, rows: Rows) -> None:
        """Take in (n, width) more; only before the first reading."""
        self._file.write(np.ascontiguousarray(rows, np.float32).data)
        self.rows += rows.shape[0]

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
