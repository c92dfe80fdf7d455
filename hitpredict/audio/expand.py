"""From INPUT arguments to sources: paths, folders, manifests, lists of files, tar archives, URLs, standard input.

Everything a command accepts is expanded here, lazily and in a stable order, into `Source`s, in two steps. `entries`
names what can be named without reading sound: archives on disk are listed, not read. What can be read only once
stays a `Stream` until `read_stream` takes it in. A source that turns out to be unusable is still yielded: opening
it raises the `InputError`, so that a batch reports every input exactly once and in its place.
"""

import json
import os
import stat
import sys
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path, PurePosixPath
from typing import IO
from uuid import uuid4

from hitpredict.audio.formats import HEAD_BYTES, NAMES, TAR, has_audio_suffix, is_hidden, recognised, refusal
from hitpredict.audio.source import STDIN, Source

STDIN_NAMES = (STDIN, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
MANIFEST_SUFFIX = "tracks.jsonl"
MAX_BYTES = 10**10
"""Most bytes that are taken from a stream for one sound: 15 hours of a CD's quality."""
_IN_MEMORY = 16 * 2**20
_CHUNK = 2**20
_TAR_BLOCK, _TAR_END_BLOCKS = 512, 2048


@dataclass(frozen=True)
class Scratch:
    """Where copies of what streams hold go, when they are large.

    folder: an existing folder, deleted by the caller. max_bytes: the most that one sound may have.
    """

    folder: str
    max_bytes: int = MAX_BYTES


@dataclass(frozen=True)
class Stream:
    """Something that can be read only once and in order; what it holds is known when it is read.

    path: what messages call it. opened: gives its bytes.
    """

    path: str
    opened: Callable[[], AbstractContextManager[IO[bytes]]]


def expand(inputs: Iterable[str], scratch: Scratch, *, skipped: list[str] | None = None) -> Iterator[Source]:
    """Expand INPUT arguments into sources, in the order given; folders recursively, sorted by name.

    skipped: receives the names of files in folders and archives that are not audio by their names.
    """
    skipped = [] if skipped is None else skipped
    for entry in entries(inputs, skipped):
        if isinstance(entry, Stream):
            yield from read_stream(entry, scratch, skipped)
        else:
            yield entry


def entries(inputs: Iterable[str], skipped: list[str]) -> Iterator[Source | Stream]:
    """The sources that can be named before any sound is read, and the streams between them, in order."""
    for text in inputs:
        if text in STDIN_NAMES:
            yield Stream(text, lambda: nullcontext(sys.stdin.buffer))
        elif "://" in text:
            from hitpredict.audio.remote import expand_url

            yield from expand_url(text, skipped)
        elif Path(text).is_dir():
            yield from _expand_folder(text, skipped)
        elif Path(text).name.endswith(MANIFEST_SUFFIX):
            yield from _expand_manifest(Path(text))
        else:
            yield from _expand_path(text, skipped)


def read_list(stream: IO[bytes], *, null: bool = False) -> Iterator[str]:
    """Names from a `--files-from` list: one a line, or NUL-terminated; empty entries are passed over."""
    separator = b"\0" if null else b"\n"
    rest = b""
    while chunk := stream.read(_CHUNK):
        *whole, rest = (rest + chunk).split(separator)
        yield from _names(whole, null)
    yield from _names([rest], null)


def _names(found: list[bytes], null: bool) -> Iterator[str]:
    for entry in found:
        # Lists written on Windows end their lines in CR LF.
        if name := entry if null else entry.removesuffix(b"\r"):
            yield os.fsdecode(name)


def _expand_folder(folder: str, skipped: list[str]) -> Iterator[Source]:
    unreadable: list[OSError] = []
    found = False
    for root, folders, files in os.walk(folder, onerror=unreadable.append):
        skipped += [str(Path(root, name)) for name in sorted(folders) if is_hidden(name)]
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        while unreadable:
            yield _problem_of(unreadable.pop())
        for name in sorted(files):
            path = str(Path(root, name))
            if is_hidden(name) or not (has_audio_suffix(name) or name.endswith(".tar")):
                skipped.append(path)
                continue
            found = True
            yield from _expand_file(path, skipped)
    for error in unreadable:
        yield _problem_of(error)
    if not found and not unreadable:
        yield Source(folder, problem="the folder holds no audio files")


def _expand_manifest(manifest: Path) -> Iterator[Source]:
    """The rows of a manifest that name a sound file, relative to the manifest's folder."""
    try:
        lines = manifest.read_text(encoding="utf-8").split("\n")
        rows = [json.loads(line) for line in lines if line.strip()]
        named = [(row["path"], row.get("track_id")) for row in rows if row.get("path")]
    except OSError as error:
        yield _problem_of(error)
    except (ValueError, AttributeError):
        yield Source(str(manifest), problem="not a manifest of one JSON object a line")
    else:
        for name, track_id in named:
            path = str(manifest.parent / name)
            yield Source(path, file=path, given_id=str(track_id or PurePosixPath(name).stem))


def _problem_of(error: OSError) -> Source:
    return Source(str(error.filename), problem=f"cannot be read: {error.strerror}")


def _expand_path(path: str, skipped: list[str]) -> Iterator[Source | Stream]:
    """A path that was given by name: unlike in a folder, it may be a pipe, or a member of an archive."""
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            yield Stream(path, lambda: Path(path).open("rb"))  # noqa: SIM115 - whoever reads it closes it
            return
    except (FileNotFoundError, NotADirectoryError):
        yield _member_of_archive(path) or Source(path, problem="no such file or folder")
    except (OSError, ValueError):
        yield from _expand_file(path, skipped)
    else:
        yield from _expand_file(path, skipped)


def _expand_file(path: str, skipped: list[str]) -> Iterator[Source]:
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            yield Source(path, problem="not a regular file")
            return
        with Path(path).open("rb") as file:
            form = recognised(file.read(HEAD_BYTES))
            if form is not TAR:
                yield Source(path, file=path, problem=refusal(form) if form is NAMES else None)
                return
            file.seek(0)
            yield from _expand_tar(file, path, _listed, skipped)
    except FileNotFoundError:
        yield Source(path, problem="no such file or folder")
    except (OSError, ValueError) as error:
        yield Source(path, problem=f"cannot be read: {getattr(error, 'strerror', None) or error}")


def _member_of_archive(path: str) -> Source | None:
    """`archive.tar/member.wav`, as records and failure lists spell members, names that member."""
    archive = next((parent for parent in Path(path).parents if parent.is_file()), None)
    members = _expand_file(str(archive), []) if archive else iter(())
    return next((member for member in members if member.path == path), None)


def read_stream(stream: Stream, scratch: Scratch, skipped: list[str]) -> Iterator[Source]:
    """The sound or the tar that a stream holds, told apart by their first bytes."""
    try:
        with stream.opened() as raw:
            head = raw.read(HEAD_BYTES)
            joined = _Joined(head, raw)
            if recognised(head) is TAR:
                yield from _expand_tar(joined, stream.path, partial(_copied, scratch), skipped)
            elif not head:
                yield Source(stream.path, problem="nothing came in (0 bytes)")
            elif reason := refusal(recognised(head)):
                yield Source(stream.path, problem=reason)
            else:
                yield _spool(joined, stream.path, scratch)
    except OSError as error:
        yield Source(stream.path, problem=f"cannot be read: {error.strerror or error}")


class _Joined:
    """A stream that gives back the bytes already taken from its head."""

    def __init__(self, head: bytes, rest: IO[bytes]):
        self._head, self._rest = head, rest

    def read(self, size: int = -1) -> bytes:
        if not self._head:
            return self._rest.read(size)
        if 0 <= size <= len(self._head):
            taken, self._head = self._head[:size], self._head[size:]
            return taken
        taken, self._head = self._head, b""
        return taken + self._rest.read(size - len(taken) if size >= 0 else -1)


_Member = Callable[[tarfile.TarFile, tarfile.TarInfo, str], Source]


def _expand_tar(stream: "IO[bytes] | _Joined", archive: str, member: _Member, skipped: list[str]) -> Iterator[Source]:
    found, mode = False, "r|" if isinstance(stream, _Joined) else "r:"
    try:
        with tarfile.open(fileobj=stream, mode=mode) as tar:  # type: ignore[call-overload]
            for info in tar:
                path = f"{archive}/{info.name}"
                if info.isdir():
                    continue
                if is_hidden(info.name) or (Path(info.name).suffix and not has_audio_suffix(info.name)):
                    skipped.append(path)
                    continue
                found = True
                yield _refused(info, path) or member(tar, info, path)
            _require_end(tar)
    except (tarfile.TarError, EOFError, OSError) as error:
        yield Source(archive, problem=f"damaged tar archive, members from here on are lost: {error}")
        return
    if not found:
        yield Source(archive, problem="the tar archive holds no audio files")


def _require_end(tar: tarfile.TarFile) -> None:
    """A header that tarfile cannot read ends an archive for it; only zeros may follow the true end."""
    blocks = islice(iter(lambda: tar.fileobj.read(_TAR_BLOCK), b""), _TAR_END_BLOCKS)
    if any(block.strip(b"\0") for block in blocks):
        raise tarfile.ReadError("more follows its end, or a header is not readable")


def _refused(info: tarfile.TarInfo, path: str) -> Source | None:
    if info.name.startswith("/") or ".." in PurePosixPath(info.name).parts:
        return Source(path, problem="unsafe member name (it climbs out of the archive); rename it")
    if not info.isreg() or info.issparse():
        return Source(path, problem="not a regular file in the archive (a link, a device or sparse)")
    return None


def _listed(tar: tarfile.TarFile, info: tarfile.TarInfo, path: str) -> Source:
    """A member of an archive on disk: where its bytes lie."""
    archive = str(tar.name)
    if info.offset_data + info.size > Path(archive).stat().st_size:
        return Source(path, problem="the tar archive ends inside this member")
    return Source(path, file=archive, span=(info.offset_data, info.size))


def _copied(scratch: Scratch, tar: tarfile.TarFile, info: tarfile.TarInfo, path: str) -> Source:
    """A member of a streamed archive."""
    if info.size > scratch.max_bytes:
        return Source(path, problem=_too_large(scratch))
    content = tar.extractfile(info)
    assert content is not None
    try:
        return _spool(content, path, scratch)
    except tarfile.ReadError:
        return Source(path, problem="the tar archive ends inside this member")


def _spool(stream: "IO[bytes] | _Joined", path: str, scratch: Scratch) -> Source:
    """Copy a stream into memory or, when it is large, into a file in the scratch folder."""
    head = bytearray()
    while len(head) < _IN_MEMORY and (chunk := stream.read(_CHUNK)):
        head += chunk
    if len(head) < min(_IN_MEMORY, scratch.max_bytes + 1):
        return Source(path, data=bytes(head))
    copy = Path(scratch.folder, uuid4().hex)
    try:
        with copy.open("xb", buffering=0) as file:
            _fill(file, chain((head,), iter(lambda: stream.read(_CHUNK), b"")), scratch)
    except _UnfitError as error:
        copy.unlink()
        return Source(path, problem=str(error))
    return Source(path, file=str(copy), temporary=True)


class _UnfitError(Exception):
    """Why a stream cannot be copied, although it can be read."""


def _fill(file: IO[bytes], chunks: Iterable[bytes | bytearray], scratch: Scratch) -> None:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > scratch.max_bytes:
            raise _UnfitError(_too_large(scratch))
        left = memoryview(chunk)
        try:
            while left:
                left = left[file.write(left) :]
        except OSError as error:
            raise _UnfitError(
                f"there is no room for more than {(size - len(left)) / 1e6:,.0f} MB of it in {scratch.folder} "
                f"({error.strerror}); name a folder with more in TMPDIR"
            ) from error


def _too_large(scratch: Scratch) -> str:
    return f"has more than {scratch.max_bytes / 1e9:g} GB; is it without end? max_bytes allows more"
