"""From INPUT arguments to sources: paths, folders, manifests, lists of files, tar archives, URLs, standard input.

Everything a command accepts is expanded here, lazily and in a stable order, into `Source`s, in two steps. `entries`
names what can be named without reading sound: archives on disk are listed, not read. What can be read only once
stays a `Stream` until `read_stream` takes it in. A source that turns out to be unusable is still yielded: opening
it raises the `InputError`, so that a batch reports every input exactly once and in its place.
"""

import json
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path, PurePosixPath
from shutil import disk_usage
from typing import IO, TypeVar
from uuid import uuid4

from hitpredict.audio.archive import DamagedTarError, Forwards, Member, members
from hitpredict.audio.formats import HEAD_BYTES, NAME_LIST, TAR, has_audio_suffix, is_hidden, recognised, refusal
from hitpredict.audio.source import MAX_FETCHED, STDIN, Source, open_regular
from hitpredict.engines.limits import patience
from hitpredict.errors import HitpredictError, InputError

Found = TypeVar("Found")
STDIN_NAMES = (STDIN, "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
MANIFEST_SUFFIX = "tracks.jsonl"
MAX_BYTES = 10**10
"""Most bytes that are taken from a stream for one sound: 15 hours of a CD's quality."""
_IN_MEMORY = _CHUNK = 2**20
_KINDS = 9
_LONGEST_NAME, _LONGEST_ROW = 2**13, 2**20
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_CUT = "the tar archive ends inside this member"


@dataclass(frozen=True)
class Scratch:
    """Where copies of what streams hold go, when they are large.

    folder: an existing folder, deleted by the caller. max_bytes: the most that one sound may have. seconds: how long
    to wait for more of a sound that has begun, or for anything from a store; None for ever.
    """

    folder: str
    max_bytes: int = MAX_BYTES
    seconds: float | None = None


@dataclass(frozen=True)
class Stream:
    """Something that can be read only once and in order; what it holds is known when it is read.

    path: what messages call it. opened: gives its bytes. stored: they are there, as in a store, and need not be made
    first, as in a pipe: a tar at a URL, which `list_shard` takes, too.
    """

    path: str
    opened: Callable[[], AbstractContextManager[IO[bytes]]]
    stored: bool = False


def expand(inputs: Iterable[str], scratch: Scratch, *, skipped: list[str] | None = None) -> Iterator[Source]:
    """Expand INPUT arguments into sources, in the order given; folders recursively, sorted by name.

    skipped: receives the names of files in folders that are not audio by their names, and how many members of which
    archives are none.
    """
    skipped = [] if skipped is None else skipped
    for entry in entries(inputs, skipped):
        if isinstance(entry, Stream):
            yield from read_stream(entry, scratch, skipped)
        else:
            yield entry


def entries(
    inputs: Iterable[str], skipped: list[str], max_fetched: int = MAX_FETCHED, seconds: float | None = None
) -> Iterator[Source | Stream]:
    """The sources that can be named before any sound is read, and the streams between them, in order.

    max_fetched: the most bytes that one URL may have, unless it is a tar. seconds: how long to wait for a list of files
    from a store.
    """
    for text in inputs:
        if len(text) > _LONGEST_NAME:
            yield Source(
                f"{text[:60]}…", problem=f"a name of {len(text):,} characters or more; is this a list of names?"
            )
            continue
        for name in braced(text):
            yield from _survived(name, _named(name, skipped, max_fetched, seconds))


def braced(text: str) -> Iterator[str]:
    """The names that one with ranges stands for, such as `shard-{000..099}.tar`, as shells and WebDataset take them.

    A name that is there is meant as it is.
    """
    found = _RANGE.search(text)
    if not found or os.path.lexists(text):
        yield text
        return
    first, last = found.groups()
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    width, step = max(len(first), len(last)) if padded else 0, 1 if int(first) <= int(last) else -1
    for number in range(int(first), int(last) + step, step):
        yield from braced(f"{text[: found.start()]}{number:0{width}}{text[found.end() :]}")


def _named(text: str, skipped: list[str], max_fetched: int, seconds: float | None) -> Iterator[Source | Stream]:
    if text in STDIN_NAMES:
        yield Stream(text, lambda: nullcontext(sys.stdin.buffer))
    elif "://" in text:
        yield from _expand_url(text, skipped, max_fetched, seconds)
    elif Path(text).is_dir():
        yield from _expand_folder(text, skipped)
    elif Path(text).name.endswith(MANIFEST_SUFFIX):
        yield from _expand_manifest(Path(text))
    else:
        yield from _expand_path(text, skipped)


def _survived(path: str, found: Iterator[Found]) -> Iterator[Found | Source]:
    """What an input turns out to be; whatever goes wrong in finding out is a problem of that input alone."""
    try:
        yield from found
    except FileNotFoundError:
        yield Source(path, problem="no such file or folder")
    except InputError as error:
        yield Source(path, problem=str(error).removeprefix(f"{path}: "))
    except HitpredictError:
        raise
    except Exception as error:
        yield Source(path, problem=f"cannot be read: {getattr(error, 'strerror', None) or error}")


def read_list(stream: IO[bytes], *, null: bool = False) -> Iterator[str]:
    """Names from a `--files-from` list: one a line, or NUL-terminated; empty entries are passed over.

    A name is given as soon as it has come in. Of one that is longer than any, only the beginning is kept.
    """
    # What there is, where `read` would wait for a whole chunk.
    read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
    separator = b"\0" if null else b"\n"
    rest = b""
    while chunk := read(_CHUNK):
        first, *others = chunk.split(separator)
        *whole, rest = rest + first, *others
        yield from _names(whole, null)
        rest = rest[: _LONGEST_NAME + 1]
    yield from _names([rest], null)


def _names(found: list[bytes], null: bool) -> Iterator[str]:
    for entry in found:
        # Lists written on Windows end their lines in CR LF.
        if name := entry if null else entry.removesuffix(b"\r"):
            yield os.fsdecode(name)


def _expand_url(url: str, skipped: list[str], max_bytes: int, seconds: float | None) -> Iterator[Source | Stream]:
    """The sound files at or below a URL, sorted; each is fetched only when it is opened. A tar is a stream."""
    from hitpredict.audio.remote import path_of, reading, sounds_below

    with patience(url, seconds):
        names = sounds_below(url)
    if names is None:
        tar = path_of(url).endswith(".tar")
        yield Stream(url, lambda: reading(url), stored=True) if tar else Source(url, url=url, max_bytes=max_bytes)
        return
    hidden = {name for name in names if is_hidden(name.removeprefix(url))}
    sounds = [name for name in names if has_audio_suffix(name) and name not in hidden]
    skipped += sorted(set(names) - set(sounds))
    if not sounds:
        yield Source(url, problem="there are no audio files")
    for name in sounds:
        yield Source(name, url=name, max_bytes=max_bytes)


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
            yield from _survived(path, _expand_file(path, skipped))
    for error in unreadable:
        yield _problem_of(error)
    if not found and not unreadable:
        yield Source(folder, problem="the folder holds no audio files")


def _expand_manifest(manifest: Path) -> Iterator[Source]:
    """The rows of a manifest that name a sound file, relative to the manifest's folder."""
    with manifest.open("rb") as file:
        lines = iter(lambda: file.readline(_LONGEST_ROW), b"")
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                name, track_id = row.get("path"), row.get("track_id")
                path = str(manifest.parent / name) if name else ""
                os.fsencode(path)
            except (ValueError, AttributeError, TypeError, RecursionError):
                yield Source(str(manifest), problem=f"line {number} is not a JSON object with the path of a file")
                if len(line) == _LONGEST_ROW:
                    return
            else:
                if path:
                    yield Source(path, file=path, given_id=str(track_id or PurePosixPath(name).stem))


def _problem_of(error: OSError) -> Source:
    return Source(str(error.filename), problem=f"cannot be read: {error.strerror}")


def _expand_path(path: str, skipped: list[str]) -> Iterator[Source | Stream]:
    """A path that was given by name: unlike in a folder, it may be a pipe, or a member of an archive."""
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        yield _member_of_archive(path) or Source(path, problem="no such file or folder")
        return
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        yield Stream(path, lambda: Path(path).open("rb"))  # noqa: SIM115 - whoever reads it closes it
    else:
        yield from _expand_file(path, skipped)


def _expand_file(path: str, skipped: list[str]) -> Iterator[Source]:
    with open_regular(path) as file:
        form = recognised(file.read(HEAD_BYTES))
        if form is TAR:
            file.seek(0)
            yield from _expand_tar(file, path, partial(_listed, path, os.fstat(file.fileno()).st_size), skipped)
        else:
            yield Source(path, file=path, problem=f"{refusal(form)} {path}" if form is NAME_LIST else None)


def _member_of_archive(path: str) -> Source | None:
    """`archive.tar/member.wav`, as records and failure lists spell members, names that member."""
    archive = next((parent for parent in Path(path).parents if parent.is_file()), None)
    found = _expand_file(str(archive), []) if archive else iter(())
    return next((member for member in found if member.path == path), None)


def read_stream(stream: Stream, scratch: Scratch, skipped: list[str]) -> Iterator[Source]:
    """The sound or the tar that a stream holds, told apart by their first bytes."""
    return _survived(stream.path, _taken_in(stream, scratch, skipped))


def _taken_in(stream: Stream, scratch: Scratch, skipped: list[str]) -> Iterator[Source]:
    waiting = scratch.seconds if stream.stored else None
    with ExitStack() as stack:
        with patience(stream.path, waiting):
            raw = stack.enter_context(stream.opened())
            head = raw.read(HEAD_BYTES)
        joined = _Joined(head, raw)
        if recognised(head) is TAR:
            yield from _expand_tar(joined, stream.path, partial(_copied, joined, scratch), skipped, waiting)
        elif not head:
            yield Source(stream.path, problem="nothing came in (0 bytes)")
        elif reason := refusal(form := recognised(head)):
            yield Source(stream.path, problem=f"{reason} {STDIN}" if form is NAME_LIST else reason)
        else:
            yield _spool(_chunks(joined, stream.path, scratch), stream.path, scratch)


class _Joined:
    """A stream that gives back the bytes already taken from its head, and skips what nobody wants."""

    def __init__(self, head: bytes, rest: IO[bytes]):
        self._head, self._rest, self._at = head, rest, 0

    def read(self, size: int, /) -> bytes:
        taken = self._taken(size)
        data = taken + self._rest.read(size - len(taken)) if len(taken) < size else taken
        self._at += len(data)
        return data

    def some(self, size: int) -> bytes:
        """At most `size` bytes; there may be fewer before the end, where more would have to be waited for."""
        rest = getattr(self._rest, "read1", self._rest.read)
        data: bytes = self._taken(size) or (rest(size) if size else b"")
        self._at += len(data)
        return data

    def _taken(self, size: int) -> bytes:
        taken, self._head = self._head[:size], self._head[size:]
        return taken

    def seek(self, offset: int, /) -> int:
        while self._at < offset and self.read(min(_CHUNK, offset - self._at)):
            pass
        return self._at


_Take = Callable[[Member, str], Source]


def _expand_tar(
    tar: Forwards, archive: str, take: _Take, skipped: list[str], seconds: float | None = None
) -> Iterator[Source]:
    found, others = False, Counter[str]()
    try:
        for member in _in_time(members(tar), archive, seconds):
            path, suffix = f"{archive}/{member.name}", Path(member.name).suffix
            if member.folder:
                continue
            if is_hidden(member.name) or (suffix and not has_audio_suffix(member.name)):
                others["hidden" if is_hidden(member.name) else suffix] += 1
                continue
            found = True
            yield Source(path, problem=member.problem) if member.problem else take(member, path)
    except (DamagedTarError, OSError) as error:
        yield Source(archive, problem=f"damaged tar archive, members from here on are lost: {error}")
        return
    except InputError as error:
        yield Source(archive, problem=f"members from here on are lost: {error}")
        return
    finally:
        if others:
            kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(others.items())[:_KINDS])
            skipped.append(f"{archive}: {others.total():,} of its members ({kinds})")
    if not found:
        yield Source(archive, problem="the tar archive holds no audio files")


def _in_time(found: Iterator[Member], archive: str, seconds: float | None) -> Iterator[Member]:
    """What is found, each within some seconds. Raises `InputError`."""
    while True:
        with patience(archive, seconds):
            member = next(found, None)
        if member is None:
            return
        yield member


def list_shard(
    url: str, max_bytes: int = MAX_FETCHED, seconds: float | None = None
) -> tuple[list[Source], list[str]] | None:
    """The sounds in a tar at a URL, of which only the headers are fetched, and what is skipped, as `expand` has them.

    Each of the sounds is fetched alone, when it is opened. None where that cannot be done, as with web servers that
    know no ranges: then the tar can be read as a stream. seconds: to wait for the store, at each step. Raises
    `InputError` when it does not answer.
    """
    from hitpredict.audio.remote import ranges

    skipped = list[str]()
    try:
        with ExitStack() as stack:
            with patience(url, seconds):
                file = stack.enter_context(ranges(url))
                end = file.seek(0, os.SEEK_END)
                file.seek(0)
                file.read(1)

            def take(member: Member, path: str) -> Source:
                if member.size > max_bytes:
                    return Source(path, problem=f"has more than {max_bytes / 1e9:g} GB; `max_bytes` allows more")
                whole = member.start + member.size <= end
                return Source(path, url=url, span=(member.start, member.size), problem=None if whole else _CUT)

            return list(_survived(url, _expand_tar(file, url, take, skipped, seconds))), skipped
    except OSError:
        return None


def _listed(archive: str, size: int, member: Member, path: str) -> Source:
    """A member of an archive on disk of `size` bytes: where its bytes lie."""
    if member.start + member.size > size:
        return Source(path, problem=_CUT)
    return Source(path, file=archive, span=(member.start, member.size))


def _copied(tar: _Joined, scratch: Scratch, member: Member, path: str) -> Source:
    """A member of a streamed archive."""
    if member.size > scratch.max_bytes:
        return Source(path, problem=_too_large(scratch))
    free = disk_usage(scratch.folder).free
    if member.size > max(free, _IN_MEMORY):
        return Source(path, problem=_no_room(f"its {member.size / 1e6:,.0f} MB", scratch, f"{free / 1e6:,.0f} MB free"))
    try:
        return _spool(_chunks(tar, path, scratch, member.size), path, scratch)
    except EOFError:
        return Source(path, problem=_CUT)


def _chunks(stream: "_Joined", path: str, scratch: Scratch, size: int | None = None) -> Iterator[bytes]:
    """The rest of a stream, or its next `size` bytes, for the sound called `path`.

    Raises `EOFError` when they are not there, and `InputError` when nothing comes for too long.
    """
    left = _CHUNK if size is None else size
    while True:
        with patience(path, scratch.seconds):
            chunk = stream.some(min(_CHUNK, left))
        if not chunk:
            break
        yield chunk
        if size is not None:
            left -= len(chunk)
    if size is not None and left:
        raise EOFError


def _spool(chunks: Iterator[bytes], path: str, scratch: Scratch) -> Source:
    """Copy a stream into memory or, when it is large, into a file in the scratch folder."""
    head = bytearray()
    for chunk in chunks:
        head += chunk
        if len(head) >= min(_IN_MEMORY, scratch.max_bytes + 1):
            break
    else:
        return Source(path, data=bytes(head))
    copy = Path(scratch.folder, uuid4().hex)
    try:
        with copy.open("xb", buffering=0) as file:
            _fill(file, chain((head,), chunks), scratch)
    except (_UnfitError, EOFError) as error:
        copy.unlink()
        return Source(path, problem=str(error) or _CUT)
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
            share = f"more than {(size - len(left)) / 1e6:,.0f} MB of it"
            raise _UnfitError(_no_room(share, scratch, error.strerror or "?")) from error


def _no_room(share: str, scratch: Scratch, why: str) -> str:
    return f"there is no room for {share} in {scratch.folder} ({why}); name a folder with more in TMPDIR"


def _too_large(scratch: Scratch) -> str:
    return f"has more than {scratch.max_bytes / 1e9:g} GB; is it without end? `max_bytes` allows more"
