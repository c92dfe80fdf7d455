"""Where audio comes from: paths, folders, manifests, lists of files, tar archives, URLs, standard input.

Everything a command accepts as INPUT is expanded here, lazily and in a stable order, into `Source`s.
A source that turns out to be unusable is still yielded: opening it raises the `InputError`, so that a batch
reports every input exactly once and in its place.
"""

import json
import os
import stat
import sys
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from hitpredict.errors import InputError

AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("wav", "wave", "rf64", "w64", "aif", "aiff", "aifc", "caf", "au", "snd", "flac"),
        *("ogg", "oga", "opus", "mp3", "mp2", "m4a", "mp4", "aac"),
    )
)
STDIN = "-"
MANIFEST_SUFFIX = "tracks.jsonl"
_TAR_MAGIC = b"ustar"
_TAR_HEADER = 512
_IN_MEMORY = 16 * 2**20
_CHUNK = 2**20


@dataclass(frozen=True)
class Source:
    """One piece of audio that can be opened.

    path: what records and messages call it (`-` for standard input, `archive.tar/member.wav` for a member).
    file: the file on disk that holds it, or None when `data` does.
    data: the encoded bytes, for what came from a stream and is small.
    url: an fsspec URL, fetched when it is opened.
    temporary: `file` is a spooled copy, to be deleted by whoever has read it.
    problem: why it cannot be opened at all.
    given_id: the track's id in a manifest.
    """

    path: str
    file: str | None = None
    data: bytes | None = None
    url: str | None = None
    temporary: bool = False
    problem: str | None = None
    given_id: str | None = None

    @property
    def stem(self) -> str:
        """The file name without folder and suffix."""
        return PurePosixPath(self.path.replace(os.sep, "/")).stem if self.path != STDIN else "stdin"

    @property
    def track_id(self) -> str:
        """What the track is joined with labels on: its id in a manifest, else its stem."""
        return self.given_id or self.stem

    def located(self) -> str | bytes:
        """The path on disk or the bytes. Raises `InputError` when the source is known to be unusable."""
        if self.problem:
            raise InputError(f"{self.path}: {self.problem}")
        if self.data is not None:
            return self.data
        if self.url is not None:
            from hitpredict.audio.remote import fetched

            return fetched(self.url)
        assert self.file is not None
        return self.file

    def discard(self) -> None:
        """Delete the spooled copy, if this is one."""
        if self.temporary and self.file:
            Path(self.file).unlink(missing_ok=True)


def expand(inputs: Iterable[str], scratch: str, *, skipped: list[str] | None = None) -> Iterator[Source]:
    """Expand INPUT arguments into sources, in the order given; folders recursively, sorted by name.

    scratch: an existing folder for spooled copies of large streamed members; the caller deletes it.
    skipped: receives the names of files in folders and archives that are not audio by their suffix.
    """
    skipped = [] if skipped is None else skipped
    for text in inputs:
        if text == STDIN:
            yield from expand_stream(sys.stdin.buffer, STDIN, scratch, skipped)
        elif "://" in text:
            from hitpredict.audio.remote import expand_url

            yield from expand_url(text, scratch, skipped)
        elif Path(text).is_dir():
            yield from _expand_folder(text, scratch, skipped)
        elif Path(text).name.endswith(MANIFEST_SUFFIX):
            yield from _expand_manifest(Path(text))
        else:
            yield from _expand_file(text, scratch, skipped)


def read_list(stream: IO[bytes], *, null: bool = False) -> Iterator[str]:
    """Names from a `--files-from` list: one a line, or NUL-terminated; empty entries are passed over."""
    separator = b"\0" if null else b"\n"
    rest = b""
    while chunk := stream.read(_CHUNK):
        *whole, rest = (rest + chunk).split(separator)
        yield from _names(whole, null)
    yield from _names([rest], null)


def _names(entries: list[bytes], null: bool) -> Iterator[str]:
    for entry in entries:
        # Lists written on Windows end their lines in CR LF.
        if name := entry if null else entry.removesuffix(b"\r"):
            yield os.fsdecode(name)


def has_audio_suffix(name: str) -> bool:
    """Whether a file name ends like audio that hitpredict reads."""
    return Path(name).suffix.lower() in AUDIO_SUFFIXES


def _expand_folder(folder: str, scratch: str, skipped: list[str]) -> Iterator[Source]:
    unreadable: list[OSError] = []
    found = False
    for root, folders, files in os.walk(folder, onerror=unreadable.append):
        folders.sort()
        while unreadable:
            yield _problem_of(unreadable.pop())
        for name in sorted(files):
            path = str(Path(root, name))
            if name.startswith(".") or not (has_audio_suffix(name) or name.endswith(".tar")):
                skipped.append(path)
                continue
            found = True
            yield from _expand_file(path, scratch, skipped)
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


def _expand_file(path: str, scratch: str, skipped: list[str]) -> Iterator[Source]:
    try:
        mode = Path(path).stat().st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            with Path(path).open("rb") as stream:
                yield from expand_stream(stream, path, scratch, skipped)
            return
        if not stat.S_ISREG(mode):
            yield Source(path, problem="not a regular file")
            return
        with Path(path).open("rb") as file:
            if not _is_tar(file.read(_TAR_HEADER)):
                yield Source(path, file=path)
                return
            file.seek(0)
            yield from _expand_tar(file, path, scratch, skipped)
    except (FileNotFoundError, NotADirectoryError):
        yield _member_of_archive(path, scratch) or Source(path, problem="no such file or folder")
    except (OSError, ValueError) as error:
        yield Source(path, problem=f"cannot be read: {getattr(error, 'strerror', None) or error}")


def _member_of_archive(path: str, scratch: str) -> Source | None:
    """`archive.tar/member.wav`, as records and failure lists spell members, names that member."""
    for parent in Path(path).parents:
        if parent.is_file():
            with parent.open("rb") as file:
                if not _is_tar(file.read(_TAR_HEADER)):
                    return None
                file.seek(0)
                return next((s for s in _expand_tar(file, str(parent), scratch, []) if s.path == path), None)
    return None


def expand_stream(stream: IO[bytes], name: str, scratch: str, skipped: list[str]) -> Iterator[Source]:
    """The sound or the tar that a stream holds, told apart by their first bytes."""
    head = stream.read(_TAR_HEADER)
    joined = _Joined(head, stream)
    if _is_tar(head):
        yield from _expand_tar(joined, name, scratch, skipped)
    elif head:
        yield _spool(joined, name, scratch)
    else:
        yield Source(name, problem="nothing came in (0 bytes)")


def _is_tar(head: bytes) -> bool:
    return len(head) == _TAR_HEADER and head[257:262] == _TAR_MAGIC


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


def _expand_tar(stream: "BinaryIO | _Joined", archive: str, scratch: str, skipped: list[str]) -> Iterator[Source]:
    found = False
    try:
        with tarfile.open(fileobj=stream, mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                path = f"{archive}/{member.name}"
                if member.isdir():
                    continue
                if Path(member.name).suffix and not has_audio_suffix(member.name):
                    skipped.append(path)
                    continue
                found = True
                yield _member(tar, member, path, scratch)
    except (tarfile.TarError, EOFError, OSError) as error:
        yield Source(archive, problem=f"damaged tar archive, members from here on are lost: {error}")
        return
    if not found:
        yield Source(archive, problem="the tar archive holds no audio files")


def _member(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, scratch: str) -> Source:
    if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
        return Source(path, problem="unsafe member name (it climbs out of the archive); rename it")
    content = tar.extractfile(member) if member.isreg() else None
    if content is None:
        return Source(path, problem="not a regular file in the archive (a link or a device)")
    try:
        return _spool(content, path, scratch)
    except tarfile.ReadError:
        return Source(path, problem="the tar archive ends inside this member")


def _spool(stream: "IO[bytes] | _Joined", path: str, scratch: str) -> Source:
    """Copy a stream into memory or, when it is large, into a file in `scratch`."""
    head = bytearray()
    while len(head) < _IN_MEMORY and (chunk := stream.read(_CHUNK)):
        head += chunk
    if len(head) < _IN_MEMORY:
        return Source(path, data=bytes(head))
    with tempfile.NamedTemporaryFile(dir=scratch, delete=False) as file:
        file.write(head)
        while chunk := stream.read(_CHUNK):
            file.write(chunk)
    return Source(path, file=file.name, temporary=True)
