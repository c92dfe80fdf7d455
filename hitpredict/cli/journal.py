"""Output files in the making, that survive a kill."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hitpredict.audio.source import Source
from hitpredict.audio.write import atomic
from hitpredict.cli.output import Record, json_line


class Journal:
    """Records go to `.NAME.partial` beside the output, line by line, until all are there; then to the output.

    A run that is killed leaves the journal; the same command finds it, keeps its records and does the rest.
    settings: what must be the same for that; a journal of other settings is begun anew.
    done: how often each `path` has been recorded.
    """

    def __init__(self, output: Path, settings: Record):
        self._output, self._path = output, output.with_name(f".{output.name}.partial")
        self._written = 0
        self.done: Counter[str] = Counter()
        self._path.touch()
        with self._path.open("r+b") as file:
            kept = self._examine(file, settings)
            file.truncate(kept)
            if not kept:
                file.write(json_line(settings).encode())
        self._file = self._path.open("a", encoding="utf-8")

    def _examine(self, file: IO[bytes], settings: Record) -> int:
        """Count what is recorded; returns the length of the part to keep, up to the first torn line."""
        if file.readline() != json_line(settings).encode():
            return 0
        kept = file.tell()
        for line in file:
            try:
                path = json.loads(line)["path"]
            except (ValueError, KeyError, TypeError):
                break
            if line.endswith(b"\n"):
                self.done[path] += 1
                kept += len(line)
        return kept

    def remaining(self, found: Iterator[Source]) -> Iterator[Source]:
        """The sources that are not recorded yet; one named twice is recorded twice."""
        left = self.done.copy()
        for source in found:
            if left[source.path] > 0:
                left[source.path] -= 1
                source.discard()
            else:
                yield source

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt) and (kept := self.done.total() + self._written):
            error.add_note(f"{kept:,} results are kept, and the same command does the rest")

    def write(self, record: Record) -> None:
        """Record one result; it survives whatever happens next."""
        self._file.write(json_line(record))
        self._file.flush()
        self._written += 1

    def finish(self, render: Callable[[Iterator[Record], IO[bytes]], None]) -> None:
        """Render all records into the output file, which appears whole, and remove the journal."""
        self._file.close()
        with atomic(self._output) as file:
            render(self._records(), file)
        self._path.unlink()

    def _records(self) -> Iterator[Record]:
        with self._path.open("rb") as file:
            file.readline()
            yield from map(json.loads, file)
