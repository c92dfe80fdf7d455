"""Where downloads are kept: `HITPREDICT_CACHE`, or the user's cache folder (XDG on Linux)."""

import os
from pathlib import Path

import platformdirs

from hitpredict.errors import EnvironmentProblem

VARIABLE = "HITPREDICT_CACHE"


def cache_root() -> Path:
    """The cache folder; it need not be there."""
    return Path(os.environ.get(VARIABLE) or platformdirs.user_cache_path("hitpredict"))


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
    """The folder of a Hugging Face repository that `fetch weights` has brought in full, or None."""
    note = repository_note(repository, cache_root() / "weights")
    return note.parent / note.read_text() if note.is_file() else None


def repository_note(repository: str, folder: Path) -> Path:
    """The file that says where in `folder` a repository is, written when all of it is there and right."""
    return folder / f"{repository.replace('/', '--')}.whole"


_ADVICE = f"set {VARIABLE} to a folder that can hold downloads"
