"""Repositories on Hugging Face, through huggingface_hub: its cache layout, `HF_ENDPOINT` and `HF_TOKEN`.

The name of every stored file is its hash, a SHA-256 for large files and Git's SHA-1 for small ones; both are checked.
"""

import hashlib
import os
import re
from pathlib import Path

from hitpredict.datasets.cache import cache_folder, fetched_repository, repository_note
from hitpredict.datasets.disk import full_disk_explained
from hitpredict.datasets.download import Unreachable, hash_of
from hitpredict.errors import EnvironmentProblem, InputError

# No code, no pickles where there are safetensors, no other frameworks' formats.
_SETTINGS = ("*.json", "*.txt", "*.model", "README.md")
_SAFE, _PICKLED = ("*.safetensors",), ("*.bin", "*.pt", "*.pth", "*.ckpt")


def snapshot(repository: str, offline: bool = False, mirror: str | None = None) -> Path:
    """The folder of a repository's newest weights and settings, in the cache, in the hub's own layout.

    Offline it is the folder of the last time. Raises `InputError` when the hub refuses or sends a damaged file,
    `EnvironmentProblem` when it cannot be reached, or offline without a copy.
    """
    if offline:
        if found := fetched_repository(repository):
            return found
        raise EnvironmentProblem(
            f"{repository} is not in the cache and --offline forbids the network; run once without --offline"
        )
    folder = cache_folder("weights")
    with full_disk_explained(folder):
        path = _downloaded(repository, folder, mirror)
    for file in sorted(path.rglob("*")):
        if file.is_file():
            check_blob(file)
    repository_note(repository, folder).write_text(str(path.relative_to(folder)))
    return path


def _downloaded(repository: str, folder: Path, mirror: str | None) -> Path:
    # Read when the package is imported.
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_VERBOSITY", "error")
    import huggingface_hub
    from huggingface_hub import errors

    try:
        # The first question is asked once; the package repeats the others, also without a network.
        siblings = huggingface_hub.HfApi(endpoint=mirror).model_info(repository).siblings or []
        weights = _SAFE if any(each.rfilename.endswith(".safetensors") for each in siblings) else _PICKLED
        patterns = [*_SETTINGS, *weights]
        return Path(
            huggingface_hub.snapshot_download(repository, cache_dir=folder, allow_patterns=patterns, endpoint=mirror)
        )
    except errors.GatedRepoError as error:
        raise InputError(f"{repository}: accept its terms on huggingface.co and set HF_TOKEN") from error
    except errors.RepositoryNotFoundError as error:
        raise InputError(f"{repository}: the hub has no such repository (any more)") from error
    except Exception as error:
        if isinstance(error, OSError) and error.errno:
            raise
        # The package changes its HTTP library, and so its exceptions, between versions.
        if type(error).__name__ in ("ConnectError", "ConnectionError"):
            raise Unreachable(mirror or huggingface_hub.constants.ENDPOINT, error) from error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"{repository}: {reason}; run the same command again to go on from there") from error


def check_blob(file: Path) -> None:
    """Compare a file of a snapshot with the hash that its stored name is. Raises `InputError`, and deletes it."""
    blob = file.resolve()
    if re.fullmatch("[0-9a-f]{64}", blob.name):
        right = hash_of(blob, "sha256:") == blob.name
    else:
        data = blob.read_bytes()
        right = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() == blob.name
    if not right:
        blob.unlink()
        file.unlink(missing_ok=True)
        raise InputError(
            f"{file}: was damaged (its hash is not {blob.name}) and is deleted; run the same command again"
        )
