"""Tar streams, which WebDataset and `tar` read and write: the sounds in one that came from anywhere, and variants.

Python's `tarfile` takes a header that it cannot read for the end, believes any size, and calls itself once for each
extended header. What comes from outside is read here header by header; `tarfile` only takes one apart.
"""

import os
import re
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import IO, Protocol, Self

_BLOCK, _END_BLOCKS = tarfile.BLOCKSIZE, 2048
_LONGEST_EXTENSION, _LONGEST_NAME, _LARGEST = 2**20, 4096, 2**63
_PAX = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_EXTENSIONS = (*_PAX, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
# Length, key; the longest that fits a header has seven digits.
_RECORD = re.compile(rb"(\d{1,7}) ([^=\n]{1,255})=")
_SPARSE_NAME, _DAMAGED = b"GNU.sparse.name", b""


class DamagedTarError(Exception):
    """Why what follows in a tar cannot be found."""


class Forwards(Protocol):
    """A file that is read from its beginning to its end; `seek` goes forwards only, and may go beyond the end."""

    def read(self, size: int, /) -> bytes: ...

    def seek(self, offset: int, /) -> int: ...


@dataclass(frozen=True)
class Member:
    """One entry of a tar. start: where in it its `size` bytes lie. problem: why they are not to be read."""

    name: str
    start: int
    size: int
    folder: bool = False
    problem: str | None = None


def members(tar: Forwards) -> Iterator[Member]:
    """The entries of a tar, in order; the bytes of one may be read before the next is asked for.

    Raises `DamagedTarError` when a header cannot be read, when there is no end marker, or when more follows it.
    """
    at, given = 0, dict[bytes, bytes]()
    while (header := _header(tar, at)) is not None:
        at += _BLOCK
        if header.type in _EXTENSIONS:
            given |= _extended(tar, header)
            at += _padded(header.size)
            continue
        if header.type == tarfile.GNUTYPE_SPARSE:
            at += _maps(tar, header)
        size = _size(given, header)
        yield _member(given, header, at, size)
        if header.isreg() or header.type not in tarfile.SUPPORTED_TYPES:
            at += _padded(size)
        given = {}
    blocks = (tar.read(_BLOCK) for _ in range(_END_BLOCKS))
    if any(block.strip(b"\0") for block in blocks):
        raise DamagedTarError("more follows its end, or a header is not readable")


def _header(tar: Forwards, at: int) -> tarfile.TarInfo | None:
    """The header at an offset, or None for the first block of the end marker."""
    tar.seek(at)
    block = tar.read(_BLOCK)
    if len(block) < _BLOCK:
        raise DamagedTarError("it ends before its end marker")
    if not block.strip(b"\0"):
        return None
    try:
        header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise DamagedTarError(f"a header is not readable ({error})") from error
    if not 0 <= header.size < _LARGEST:
        raise DamagedTarError(f"a header says that {header.size:,} bytes follow")
    return header


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _extended(tar: Forwards, header: tarfile.TarInfo) -> dict[bytes, bytes]:
    """What an extended header says of the member that follows; under `_DAMAGED` that it could not be read."""
    if header.size > _LONGEST_EXTENSION:
        raise DamagedTarError(f"an extended header has {header.size:,} bytes")
    data = tar.read(header.size)
    if header.type == tarfile.GNUTYPE_LONGNAME:
        return {b"path": data.split(b"\0")[0]}
    found, at = dict[bytes, bytes](), 0
    while header.type in _PAX and at < len(data.rstrip(b"\0")):
        record = _RECORD.match(data, at)
        end = at + int(record[1]) if record else 0
        if not record or not record.end() < end <= len(data) or data[end - 1 : end] != b"\n":
            return {**found, _DAMAGED: b""}
        found[record[2]] = data[record.end() : end - 1]
        at = end
    return found


def _maps(tar: Forwards, header: tarfile.TarInfo) -> int:
    """The bytes that further maps of a sparse file take."""
    length, more = 0, header._sparse_structs[1]  # type: ignore[attr-defined]
    while more:
        block = tar.read(_BLOCK)
        if len(block) < _BLOCK:
            raise DamagedTarError("it ends before its end marker")
        length, more = length + _BLOCK, block[504]
    return length


def _size(given: dict[bytes, bytes], header: tarfile.TarInfo) -> int:
    text = given.get(b"size")
    if text is None:
        return header.size
    if not re.fullmatch(rb"\d{1,19}", text) or int(text) >= _LARGEST:
        raise DamagedTarError("an extended header has no size that can be")
    return int(text)


def _member(given: dict[bytes, bytes], header: tarfile.TarInfo, start: int, size: int) -> Member:
    written = given.get(_SPARSE_NAME) or given.get(b"path")
    name = os.fsdecode(written).rstrip("/") if written else header.name
    problem = None
    sparse = header.issparse() or any(key.startswith(b"GNU.sparse.") for key in given)
    if not header.isreg() or sparse:
        problem = "not a regular file in the archive (a link, a device or sparse)"
    elif name.startswith("/") or ".." in PurePosixPath(name).parts:
        problem = "unsafe member name (it climbs out of the archive); rename it"
    elif "\0" in name:
        problem = "unsafe member name (it holds a zero byte); rename it"
    elif len(name) > _LONGEST_NAME:
        problem = f"a member name of {len(name):,} characters, more than a path may have; rename it"
        name = f"{name[:60]}…"
    elif _DAMAGED in given:
        problem = "its extended header is damaged"
    return Member(name, start, size, header.isdir(), problem)


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
        else:
            # It would close itself when it is forgotten, into a stream that may be closed by then.
            self._tar.closed = True  # type: ignore[attr-defined]
            self._tar.fileobj.closed = True  # type: ignore[attr-defined]


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
