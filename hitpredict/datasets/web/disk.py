"""Folders and room on the disk, asked for before long work; names from outside, which stay inside."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from hitpredict.errors import EnvironmentProblem, InputError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_MEGABYTE = 10**6
_LONGEST_NAME = 200


def need_room(folder: Path, size: int, what: str) -> None:
    """Raise `EnvironmentProblem` when the folder's disk has fewer than `size` free bytes."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise EnvironmentProblem(
            f"{what}: needs {size / _MEGABYTE:,.0f} MB in {folder}, where {free / _MEGABYTE:,.0f} MB are free"
        )


@contextmanager
def made(folder: Path) -> Iterator[None]:
    """Make a folder for the block; where the block fails, those that were made and are empty go again.

    Raises `EnvironmentProblem` when it cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentProblem(f"{error.filename or folder}: cannot be made ({error.strerror})") from error
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for each in missing:
                each.rmdir()
        raise


@contextmanager
def full_disk_explained(folder: Path) -> Iterator[None]:
    """Turn the error of a disk that is full into an `EnvironmentProblem`."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise EnvironmentProblem(
            f"{folder}: the disk is full; free some space and run the same command again to go on from here"
        ) from error


def plain(name: object) -> str:
    """A relative path of plain names, as sources give it; it cannot lead out of a folder. Raises `InputError`."""
    path = PurePosixPath(name) if isinstance(name, str) else PurePosixPath()
    shown = repr(str(name)[:_LONGEST_NAME])
    if not path.parts or not all(part.isprintable() and len(part.encode()) <= _LONGEST_NAME for part in path.parts):
        raise InputError(f"member {shown} is no name for a file")
    if ".." in path.parts or path.is_absolute() or "\\" in str(path) or ":" in path.parts[0]:
        raise InputError(f"member {shown} would climb out of its folder")
    return str(path)
