"""Hashes of files: as a source states them, and written down where it states only their beginning."""

import hashlib
import re
from pathlib import Path

from hitpredict.errors import EnvironmentProblem
from hitpredict.files.owned import atomic


def hash_of(path: Path, digest: str) -> str:
    """The hash of a file, in hexadecimal, by the algorithm that `digest` names before its colon.

    `git` is the name that Git gives a file: SHA-1 over `blob`, its size, a zero byte and its content.
    """
    kind = digest.partition(":")[0]
    with path.open("rb") as file:
        if kind == "git":
            header = hashlib.sha1(b"blob %d\0" % path.stat().st_size)
            return hashlib.file_digest(file, lambda: header).hexdigest()
        return hashlib.file_digest(file, kind).hexdigest()


def matches(path: Path, digest: str) -> bool:
    """Whether a file has the hash `algorithm:hexadecimal`; a shorter value is the beginning of it."""
    return hash_of(path, digest).startswith(digest.partition(":")[2].lower())


def record(path: Path) -> None:
    """Write the whole SHA-256 of a file into `NAME.sha256` beside it, as `sha256sum` does."""
    with atomic(_record_of(path)) as file:
        file.write(f"{hash_of(path, 'sha256:')}  {path.name}\n".encode())


def recorded(path: Path) -> str | None:
    """The digest in `NAME.sha256`, or None where there is none."""
    try:
        found = re.match("[0-9a-f]{64}(?= )", _record_of(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return f"sha256:{found[0]}" if found else None


def is_as_recorded(path: Path) -> bool:
    """Whether a file is there and has the hash that was written down when it came."""
    digest = recorded(path)
    return digest is not None and path.is_file() and matches(path, digest)


def check_fetched(path: Path, advice: str) -> None:
    """Compare a file with the record beside it, or else with the beginning of its SHA-256 that ends its stem.

    Raises `EnvironmentProblem` with the advice. A file that is not there, or has neither, passes.
    """
    in_name = re.search("-([0-9a-f]{8})$", path.stem)
    digest = recorded(path) or (f"sha256:{in_name[1]}" if in_name else None)
    if digest and path.is_file() and not matches(path, digest):
        raise EnvironmentProblem(f"{path}: is damaged or another file (its hash is not {digest}); {advice}")


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
