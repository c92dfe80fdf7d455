"""What an input is called over the years, and what tells its bytes from those of before."""

import hashlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hitpredict.audio.source import Source
from hitpredict.errors import InputError
from hitpredict.tables.cells import escaped, shown

Result = TypeVar("Result")
NAMELESS = "has no name by which a later run would know it; save it as a file"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class InputState:
    """Bytes, and the time of their last change: of a URL, all that its store says. Times are compared for equality."""

    size: int | None
    modified: str | None

    def is_as(self, other: "InputState") -> bool:
        """Whether the bytes may be taken for the same. What has no time never is."""
        return self == other and self.modified is not None


@dataclass(frozen=True)
class Recorded:
    """What is recorded of an input. row: that of this model, None without. sha256: of the bytes it was made from."""

    id: int
    vanished: str | None
    row: int | None
    state: InputState
    sha256: str | None
    error: str | None


@dataclass(frozen=True)
class Look:
    """An input as it is now. key: what it is known by. state: None where there is nothing to be read."""

    source: Source
    key: str
    state: InputState | None
    known: Recorded | None


def key_of(path: str) -> str:
    """A path in the one spelling that tables of every format share."""
    return shown(escaped(path))


def lasting(source: Source) -> Source:
    """The same under a name that means it from any folder: absolute, but links are not followed."""
    if source.data is not None or source.temporary or "://" in source.path:
        return source
    if source.span and source.file:
        # Names of members are kept to the letter.
        return replace(source, path=absolute(source.file) + source.path.removeprefix(source.file))
    return replace(source, path=absolute(source.path))


def absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)  # noqa: PTH100 - links are not followed


def is_nameless(source: Source) -> bool:
    """Whether a sound came through a pipe, which nothing can find again."""
    return (source.data is not None or source.temporary) and "://" not in source.path


def state_of(source: Source) -> InputState | None:
    """Size and time as they are now, None where there is nothing."""
    if source.problem:
        return None
    if source.data is not None:
        return InputState(len(source.data), None)
    if source.url is not None:
        from hitpredict.audio.remote import version

        told = version(source.url) or {}
        bytes_told = told.pop("size", "")
        return InputState(
            int(bytes_told) if bytes_told.isdecimal() else None, json.dumps(told, sort_keys=True) if told else None
        )
    try:
        found = Path(source.file or "").stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    size = source.span[1] if source.span else found.st_size
    return InputState(size, None if source.temporary else stamp(found.st_mtime_ns))


def stamp(nanoseconds: int) -> str:
    """A time as text, in UTC and microseconds; beyond the years 1 to 9999 the number itself."""
    try:
        return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat(timespec="microseconds")
    except OverflowError:
        return str(nanoseconds)


def this_moment() -> str:
    """This moment, in whole seconds of UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def is_gone(path: str) -> bool:
    """Whether there is no such file; of a member of an archive, whether it may be gone."""
    return not os.path.lexists(path)


def digest(source: Source) -> str:
    """SHA-256 of the bytes of a sound. Raises `InputError` when they cannot be had."""
    with source.opened() as file:
        return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def hashing(
    prepare: Callable[..., Callable[[Source], Result]], arguments: tuple[Any, ...]
) -> Callable[[Source], tuple[str | None, Result]]:
    """What a process of a batch runs: `prepare`'s work on a source, with the hash of what it was given."""
    return hashed(prepare(*arguments))


def hashed(work: Callable[[Source], Result]) -> Callable[[Source], tuple[str | None, Result]]:
    """The same with work that is prepared. The hash comes first, so that bytes that change meanwhile are found out."""

    def both(source: Source) -> tuple[str | None, Result]:
        if source.url is not None:
            with source.opened() as file:
                source = replace(source, url=None, data=file.read())
        return digest(source), work(source)

    return both


def hashed_before(
    found: Iterable[Source], work: Callable[[Iterable[Source]], Iterator[tuple[Source, Result | InputError]]]
) -> Iterator[tuple[Source, tuple[str | None, Result] | InputError]]:
    """The same where all work is done elsewhere: files are hashed here, and what is behind URLs is not."""
    hashes: dict[str, str | None] = {}

    def noted() -> Iterator[Source]:
        for source in found:
            hashes[source.path] = None
            with suppress(InputError, OSError):
                hashes[source.path] = None if source.url else digest(source)
            yield source

    for source, result in work(noted()):
        sha256 = hashes.pop(source.path)
        yield source, result if isinstance(result, InputError) else (sha256, result)


def without(*paths: Path) -> None:
    """Remove databases with the files that SQLite keeps beside them."""
    for path in paths:
        for end in ("-wal", "-shm", "-journal", ""):
            Path(f"{path}{end}").unlink(missing_ok=True)
