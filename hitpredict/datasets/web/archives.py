"""Zip archives from strangers: nothing is written outside the folder, and no more than they declare."""

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hitpredict.datasets.web.answers import brief
from hitpredict.datasets.web.disk import full_disk_explained, need_room, plain
from hitpredict.errors import InputError
from hitpredict.files.owned import atomic

_HIGHEST_RATIO = 200
_SMALL = 100 * 10**6
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)


def unpack(archive: Path, folder: Path, rename: Callable[[str], str | None]) -> Iterator[Path]:
    """Unpack the members that `rename` gives a path in `folder`; those that are there in full are left.

    Yields each file's path. Raises `InputError`, before anything is written, for members that climb out of the
    folder, that are links, or that claim to be many times the archive's size; `EnvironmentProblem` for a full disk.
    """
    with opened_zip(archive) as members:
        wanted = [(info, name) for info in members.infolist() if not info.is_dir() and (name := rename(info.filename))]
        _check(archive, [info for info, _ in wanted], [name for _, name in wanted])
        folder.mkdir(parents=True, exist_ok=True)
        missing = [(info, name) for info, name in wanted if not _there(folder / name, info)]
        need_room(folder, sum(info.file_size for info, _ in missing), archive.name)
        absent = {name for _, name in missing}
        for info, name in wanted:
            if name in absent:
                _write(members, info, folder / name)
            yield folder / name


@contextmanager
def opened_zip(archive: Path) -> Iterator[zipfile.ZipFile]:
    """A zip archive; damage that shows while it is open becomes an `InputError`."""
    try:
        with zipfile.ZipFile(archive) as members:
            yield members
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, LookupError, struct.error) as error:
        raise InputError(f"{archive}: is not a whole zip archive ({brief(error)})") from error
    except OSError as error:
        # libbz2 complains without a number.
        if error.errno not in (None, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL):
            raise
        raise InputError(f"{archive}: cannot be unpacked ({brief(error)})") from error


def _check(archive: Path, infos: list[zipfile.ZipInfo], names: list[str]) -> None:
    for text in (*(info.filename for info in infos), *names):
        try:
            plain(text)
        except InputError as error:
            raise InputError(f"{archive}: {error}; nothing was unpacked") from None
    for info in infos:
        if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
            raise InputError(f"{archive}: member {brief(info.filename)!r} is a link or no file; nothing was unpacked")
        if info.compress_type not in _METHODS:
            way = info.compress_type
            raise InputError(f"{archive}: member {brief(info.filename)!r} is packed in way {way}; nothing was unpacked")
    claimed, size = sum(info.file_size for info in infos), archive.stat().st_size
    if claimed > max(_SMALL, _HIGHEST_RATIO * size):
        raise InputError(f"{archive}: claims to hold {claimed:,} bytes in {size:,}; nothing was unpacked")


def _there(path: Path, info: zipfile.ZipInfo) -> bool:
    return path.is_file() and path.stat().st_size == info.file_size and _checksum(path) == info.CRC


def _checksum(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            value = zlib.crc32(block, value)
    return value


def _write(members: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    with full_disk_explained(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        # zipfile reads no further than the declared size, and checks the sum of what it read.
        with members.open(info) as source, atomic(path) as file:
            shutil.copyfileobj(source, file, 2**20)
