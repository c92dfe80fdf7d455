"""One piece of audio that can be opened, wherever it lies."""

import errno
import io
import os
import stat
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import IO, Any

from hitpredict.errors import InputError

STDIN = "-"
MAX_FETCHED = 2 * 10**9
"""Most bytes that are fetched from a URL for one sound, which are held in memory: 3 hours of a CD's quality."""
_BUFFER = 2**16


@dataclass(frozen=True)
class Source:
    """One piece of audio that can be opened.

    path: what records and messages call it (`-` for standard input, `archive.tar/member.wav` for a member).
    file: the file on disk that holds it, or None when `data` does.
    span: the first byte and the number of bytes within `file` or `url`, for a member of an archive.
    data: the encoded bytes, for what came from a stream and is small.
    url: an fsspec URL, fetched when it is opened. max_bytes: the most that is fetched.
    temporary: `file` is a spooled copy, to be deleted by whoever has read it.
    problem: why it cannot be opened at all.
    given_id: the track's id in a manifest.
    """

    path: str
    file: str | None = None
    span: tuple[int, int] | None = None
    data: bytes | None = None
    url: str | None = None
    max_bytes: int = MAX_FETCHED
    temporary: bool = False
    problem: str | None = None
    given_id: str | None = None

    def __str__(self) -> str:
        return self.path

    @property
    def stem(self) -> str:
        """The file name without folder and suffix."""
        return PurePosixPath(self.path.replace(os.sep, "/")).stem if self.path != STDIN else "stdin"

    @property
    def track_id(self) -> str:
        """What the track is joined with labels on: its id in a manifest, else its stem."""
        return self.given_id or self.stem

    @property
    def whole_file(self) -> str | None:
        """The path of the file on disk that holds this sound and nothing else."""
        return self.file if not (self.problem or self.span) else None

    def opened(self) -> IO[bytes]:
        """Its encoded bytes, as a file that can seek. Raises `InputError` when they cannot be had."""
        if self.problem:
            raise InputError(f"{self.path}: {self.problem}")
        if self.data is not None:
            return io.BytesIO(self.data)
        if self.url is not None:
            from hitpredict.audio.remote import fetched, fetched_part

            if self.span is None:
                return fetched(self.url, self.max_bytes)
            try:
                return fetched_part(self.url, *self.span)
            except (OSError, ValueError) as error:
                raise InputError(f"{self.path}: cannot be read: {error}") from error
        assert self.file is not None
        try:
            file = open_regular(self.file)
        except FileNotFoundError as error:
            raise InputError(f"{self.path}: no such file") from error
        except (OSError, ValueError) as error:
            raise InputError(f"{self.path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
        return part_of(file, *self.span) if self.span else file

    def sent(self) -> "Source":
        """The same for another machine, which has this one's files but for spooled copies: those come as bytes."""
        if not self.temporary or self.file is None:
            return self
        size = Path(self.file).stat().st_size
        if size > MAX_FETCHED:
            problem = f"{size / 1e9:.1f} GB from a stream are too large to be sent; save it as a file"
            return replace(self, file=None, temporary=False, problem=problem)
        return replace(self, file=None, temporary=False, data=Path(self.file).read_bytes())

    def discard(self) -> None:
        """Delete the spooled copy, if this is one."""
        if self.temporary and self.file:
            Path(self.file).unlink(missing_ok=True)


def open_regular(path: str) -> IO[bytes]:
    """A file on disk, opened for reading; a named pipe is not waited for. Raises `OSError`, `ValueError`."""
    file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file", path)
    return file


def part_of(file: IO[bytes], start: int, length: int) -> IO[bytes]:
    """`length` bytes of a file from `start` on, as a file of their own that closes it when it is closed."""
    return io.BufferedReader(_Part(file, start, length), _BUFFER)


class _Part(io.RawIOBase):
    def __init__(self, file: IO[bytes], start: int, length: int):
        self._file, self._start, self._length, self._at = file, start, length, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._length}[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._at)
        data = self._file.read(max(0, min(len(buffer), self._length - self._at)))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        self._file.close()
        super().close()
