"""Files and folders that belong to one process at a time: locks that say who holds them, and scratch folders.

A lock goes with its process, however that ends. What a killed process left behind is therefore told from what a
living one works on, whatever machine or container it is in.
"""

import json
import os
import re
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from errno import EACCES, EAGAIN, ELOOP, EMLINK, ENXIO
from pathlib import Path
from typing import IO

from hitpredict.errors import EnvironmentProblem

_PREFIX = "hitpredict-scratch-"
_FOLDER, _FILE = re.compile(rf"{_PREFIX}[a-z0-9_]{{8}}"), re.compile(r"\..+\.tmp-[a-z0-9_]{8}\.part", re.DOTALL)
# Beyond the text that says who holds it: what is locked on Windows cannot be read by others.
_LOCKED_BYTE = 2**20
_TO_LOCK = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_FLAGS = os.O_RDWR | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep every other process from writing `target` (a file or folder, there or not), by `.NAME.lock` beside it.

    Raises `EnvironmentProblem` when another process has it, with that process's id, host and time.
    """
    target = target.absolute()
    path = target.with_name(f".{target.name}.lock")
    while True:
        file = opened(path)
        if lock(file) is False:
            with file:
                raise EnvironmentProblem(f"{target}: is being written by another run{_holder(file)}; wait for its end")
        # Whoever had it before may have removed the file in the meantime.
        if _is_at(file, path):
            break
        file.close()
    with file:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        file.truncate()
        file.write(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": since}).encode())
        file.flush()
        try:
            yield
        finally:
            if sys.platform == "win32":
                file.close()
            with suppress(OSError):
                path.unlink()


def _holder(file: IO[bytes]) -> str:
    try:
        holder = json.loads(file.read(_LOCKED_BYTE))
        return f" (process {holder['pid']} on {holder['host']}, since {holder['since']})"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def opened(path: Path) -> IO[bytes]:
    """A file of this program's own, by a name that others can foresee, for reading and writing; made if missing.

    Raises `EnvironmentProblem` for a link, for what is no regular file, and for another user's: somebody put it there.
    """
    try:
        descriptor = os.open(path, _FLAGS | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno in (ELOOP, EMLINK, ENXIO):
            raise _foreign(path) from error
        raise
    found = os.fstat(descriptor)
    ours = not hasattr(os, "geteuid") or found.st_uid == os.geteuid()
    if not (stat.S_ISREG(found.st_mode) and found.st_nlink <= 1 and ours) or path.is_symlink():
        os.close(descriptor)
        raise _foreign(path)
    return os.fdopen(descriptor, "r+b")


def _foreign(path: Path) -> EnvironmentProblem:
    return EnvironmentProblem(f"{path}: is a link, no regular file, or somebody else's; remove it, or write elsewhere")


def lock(file: IO[bytes] | int) -> bool | None:
    """Lock an open file, or on POSIX a folder, until it is closed.

    False when another process has it locked, None where there are no locks, as on some network file systems.
    """
    descriptor = file if isinstance(file, int) else file.fileno()
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (EACCES, EAGAIN) else None
    return True


def _is_at(file: IO[bytes] | int, path: Path) -> bool:
    """Whether a path still leads to this open file or folder."""
    try:
        there = path.lstat()
    except OSError:
        return False
    here = os.fstat(file if isinstance(file, int) else file.fileno())
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


@contextmanager
def scratch_folder(place: Path | None = None) -> Iterator[str]:
    """A new folder, in `place` or among the system's temporary files, that is removed in the end.

    What killed processes left there is removed first. Raises `EnvironmentProblem` when none can be made.
    """
    try:
        place = place or Path(tempfile.gettempdir())
        sweep(place)
        name, holder = _new_folder(place)
    except OSError as error:
        raise EnvironmentProblem(f"no folder for temporary files ({error}); name one in TMPDIR") from error
    try:
        yield name
    finally:
        shutil.rmtree(name, ignore_errors=True)
        if holder is not None:
            os.close(holder)


def _new_folder(place: Path) -> tuple[str, int | None]:
    """The name of a new folder, and the open folder that its lock is on."""
    while True:
        name = tempfile.mkdtemp(prefix=_PREFIX, dir=place)
        if sys.platform == "win32":
            return name, None
        # Between these calls somebody's sweep may take it for abandoned.
        with suppress(FileNotFoundError):
            holder = os.open(name, _TO_LOCK)
            if lock(holder) is not False and _is_at(holder, Path(name)):
                return name, holder
            os.close(holder)


@contextmanager
def temporary_file(target: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file beside `target`, with the permissions that files have, that is removed in the end if still there.

    What killed processes left in that folder is removed when this process first comes there.
    """
    if target.parent.absolute() not in _swept:
        sweep(target.parent)
        _swept.add(target.parent.absolute())
    while True:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.tmp-", suffix=".part")
        # Held until the file has its final name, although it is closed before: Windows renames no open files.
        holder = None if sys.platform == "win32" else os.dup(descriptor)
        try:
            with os.fdopen(descriptor, "wb") as file:
                if holder is None or (lock(holder) is not False and _is_at(holder, Path(name))):
                    if hasattr(os, "fchmod"):
                        os.fchmod(descriptor, 0o666 & ~_umask())
                    yield file, Path(name)
                    return
        finally:
            with suppress(OSError):
                Path(name).unlink()
            if holder is not None:
                os.close(holder)


_swept: set[Path] = set()


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when everything has been written."""
    target = Path(path)
    with temporary_file(target) as (file, temporary):
        yield file
        file.close()
        temporary.replace(target)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def sweep(place: Path) -> None:
    """Remove from a folder this user's scratch folders and temporary files whose processes are gone."""
    if sys.platform == "win32":
        return
    with suppress(OSError), os.scandir(place) as found:
        names = [each.name for each in found if _FOLDER.fullmatch(each.name) or _FILE.fullmatch(each.name)]
        for name in names:
            with suppress(OSError):
                _remove_abandoned(place / name)


def unlock_abandoned(target: Path) -> None:
    """Remove the lock that a killed process has left beside `target`, if there is one and nobody has it now."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        _remove_abandoned(target.with_name(f".{target.name}.lock"))


def _remove_abandoned(path: Path) -> None:
    descriptor = os.open(path, _TO_LOCK)
    try:
        found = os.fstat(descriptor)
        if found.st_uid != os.geteuid() or lock(descriptor) is not True or not _is_at(descriptor, path):
            return
        if stat.S_ISREG(found.st_mode):
            path.unlink()
        elif stat.S_IMODE(found.st_mode) == 0o700:
            shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(descriptor)
