"""Folders, files and room on the disk: names from outside stay inside, files that grow are held by one process."""

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from hitpredict.errors import EnvironmentProblem, InputError

if sys.platform != "win32":
    import fcntl

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


@contextmanager
def held(path: Path, waiting: Callable[[str], None] | None = None) -> Iterator[int]:
    """Hold a file of our own alone, for reading and writing, made where it is not there; gives its descriptor.

    waiting: told who holds it, before waiting for that one's end. Raises `EnvironmentProblem` for a link, for what is
    no file or another user's, and, where there is no `waiting`, when another process holds it.
    """
    while True:
        descriptor = _opened(path)
        try:
            _lock(descriptor, path, waiting)
            # Whoever held it may have moved or deleted it.
            if _same(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _opened(path: Path) -> int:
    flags = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    for extra in (0, os.O_CREAT | os.O_EXCL, 0):
        with suppress(FileNotFoundError, FileExistsError):
            descriptor = _refusing_links(path, flags | extra)
            state = os.fstat(descriptor)
            foreign = hasattr(os, "geteuid") and state.st_uid != os.geteuid()
            if foreign or not stat.S_ISREG(state.st_mode) or state.st_nlink > 1:
                os.close(descriptor)
                break
            return descriptor
    raise EnvironmentProblem(f"{path}: is a link, no file, or another user's, and nothing is written to it; delete it")


def _refusing_links(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EMLINK, errno.ENXIO, errno.EISDIR):
            raise
        raise FileExistsError from error


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _lock(descriptor: int, path: Path, waiting: Callable[[str], None] | None) -> None:
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = _holder(descriptor)
        if waiting is None:
            raise EnvironmentProblem(f"{path.parent}: {holder} is fetching into it; wait for its end") from None
        waiting(holder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _holder(descriptor: int) -> str:
    """Who holds the lock on a file, as Linux lists it."""
    inode = os.fstat(descriptor).st_ino
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if "->" not in words and "FLOCK" in words and words[5].endswith(f":{inode}"):
                return f"process {words[4]}"
    return "another process"
