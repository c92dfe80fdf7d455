"""Tar streams of variants: one WAV a member, readable by tar, by WebDataset and by `score -`."""

import tarfile
from collections.abc import Iterable
from types import TracebackType
from typing import IO, Self


class TarWriter:
    """Write members into a stream that need not be seekable; the bytes depend on the members alone."""

    def __init__(self, stream: IO[bytes]):
        self._stream = stream
        self._tar = tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT, bufsize=tarfile.BLOCKSIZE)  # noqa: SIM115

    def add(self, name: str, size: int, chunks: Iterable[bytes]) -> None:
        """Append one member of `size` bytes and hand it on; `name` is its file name, `/` separated."""
        member = tarfile.TarInfo(name)
        member.size, member.mode = size, 0o644
        self._tar.addfile(member, _Chunked(chunks))  # type: ignore[arg-type]
        self._stream.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing writes the end marker, which a broken archive must not have.
        if kind is None:
            self._tar.close()


class _Chunked:
    """Chunks of bytes, read like a file."""

    def __init__(self, chunks: Iterable[bytes]):
        self._chunks, self._rest = iter(chunks), b""

    def read(self, size: int) -> bytes:
        parts = []
        while size and (chunk := self._rest or next(self._chunks, b"")):
            parts.append(chunk[:size])
            self._rest = chunk[size:]
            size -= len(parts[-1])
        return b"".join(parts)
