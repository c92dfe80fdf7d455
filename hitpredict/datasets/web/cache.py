"""Where downloads are kept: `HITPREDICT_CACHE`, or the user's cache folder (XDG on Linux)."""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import platformdirs

from hitpredict.datasets.web.disk import plain
from hitpredict.datasets.web.hashes import matches
from hitpredict.errors import EnvironmentProblem
from hitpredict.files.owned import atomic

_VARIABLE = "HITPREDICT_CACHE"


def cache_root() -> Path:
    """The cache folder; it need not be there."""
    return Path(os.environ.get(_VARIABLE) or platformdirs.user_cache_path("hitpredict"))


def cache_folder(name: str, *, offline: bool = False) -> Path:
    """The folder of one source in the cache; it need not be there until something comes.

    Raises `EnvironmentProblem` where it could not be made or written to, unless `offline`, which only reads.
    """
    folder = cache_root() / name
    there = next(each for each in (folder, *folder.parents) if each.exists())
    if not offline and not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        raise EnvironmentProblem(f"{there}: the cache cannot be written to; {_ADVICE}")
    return folder


def fetched_repository(repository: str) -> Path | None:
    """The folder of a Hugging Face repository that `fetch weights` has brought in full, or None.

    Its files are compared with their hashes, once in a process. Raises `EnvironmentProblem` for a damaged one.
    """
    note = _note_of(repository)
    return _checked(note, note.stat().st_mtime_ns) if note.is_file() else None


@cache
def _checked(note: Path, _: int) -> Path | None:
    advice = "get it again with `hitpredict fetch weights`"
    try:
        entry = json.loads(note.read_text())
        folder = note.parent / plain(entry["folder"])
        digests = {folder / plain(name): str(digest) for name, digest in entry["files"].items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        # Written by an earlier version, or by nobody who knows.
        return None
    for file, digest in digests.items():
        if not (file.is_file() and matches(file, digest)):
            raise EnvironmentProblem(f"{file}: is damaged (its hash is not {digest}) or gone; {advice}")
    return folder


def note_repository(repository: str, folder: Path, files: Mapping[str, str]) -> None:
    """Write down that a repository is there in full: its folder in the cache, and the digest of each file in it."""
    note = _note_of(repository)
    entry = {"folder": str(folder.relative_to(note.parent)), "files": dict(files)}
    with atomic(note) as file:
        file.write(json.dumps(entry, indent=1).encode())


def _note_of(repository: str) -> Path:
    """The file that says where a repository is, written when all of it is there and right."""
    return cache_root() / "weights" / f"{repository.replace('/', '--')}.whole"


_ADVICE = f"set {_VARIABLE} to a folder that can hold downloads"
