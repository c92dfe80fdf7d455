"""What has come of a file so far, beside its place."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from hitpredict.files.owned import atomic, locked, opened


class Part:
    """`.NAME.part`, which this process alone has, and which version of the remote file its bytes belong to.

    pieced: they came in several answers, so that they may be of several versions.
    """

    def __init__(self, target: Path):
        self.pieced = False
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")
        self._file = opened(self.path)
        self._file.seek(0, os.SEEK_END)

    @classmethod
    @contextmanager
    def of(cls, target: Path) -> Iterator[Self]:
        """The part of a file for the time of the block; it stays for the next run, unless nothing has come.

        Raises `EnvironmentProblem` when another process has it, or when somebody else put something in its place.
        """
        with locked(target):
            part = cls(target)
            try:
                yield part
            finally:
                part._file.close()
                if not part.size:
                    part.drop()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    def range_headers(self, verified: bool) -> dict[str, str]:
        """Ask for the rest, if the file at the other end can be told to be the same or its hash will be checked."""
        version = self._version()
        if not self.size or not (version or verified):
            return {}
        return {"Range": f"bytes={self.size}-", **({"If-Range": version} if version else {})}

    def begin(self, headers: Mapping[str, str]) -> None:
        """Start from nothing, with the version that the headers of this answer name."""
        tag = headers.get("ETag", "")
        strong = "" if tag.startswith("W/") else tag
        self.empty()
        with atomic(self._note) as file:
            file.write(json.dumps({"version": strong or headers.get("Last-Modified", "")}).encode())

    def write(self, data: bytes) -> None:
        """Add bytes; a later run finds them."""
        self._file.write(data)

    def flush(self) -> None:
        """Hand what was written to the disk's care."""
        self._file.flush()

    def empty(self) -> None:
        """Forget the bytes and their version."""
        self._file.seek(0)
        self._file.truncate()
        self._note.unlink(missing_ok=True)

    def place(self) -> None:
        """Give the file its name."""
        self.flush()
        self.path.replace(self.target)
        self._note.unlink(missing_ok=True)

    def drop(self) -> None:
        """Leave nothing behind."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def _version(self) -> str:
        try:
            return str(json.loads(self._note.read_text())["version"])
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return ""
