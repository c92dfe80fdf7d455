"""Repositories on Hugging Face; `HF_ENDPOINT` and `HF_TOKEN` are honoured.

The listing names a hash for each file, a SHA-256 for large ones and Git's SHA-1 for small ones, before any of them
comes; they are fetched like every other file, so that nothing a server says later becomes a path.
"""

import os
import re
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from hitpredict.datasets.web.answers import expected
from hitpredict.datasets.web.cache import cache_folder, fetched_repository, note_repository
from hitpredict.datasets.web.disk import plain
from hitpredict.datasets.web.download import Refused, Web
from hitpredict.errors import EnvironmentProblem, InputError

# No code, no pickles where there are safetensors, no other frameworks' formats.
_SETTINGS = ("*.json", "*.txt", "*.model", "README.md")
_SAFE, _PICKLED = ("*.safetensors",), ("*.bin", "*.pt", "*.pth", "*.ckpt")


def snapshot(web: Web, repository: str, most: int, mirror: str | None = None) -> Path:
    """The folder of a repository's newest weights and settings, in the cache, named by the commit.

    most: bytes of all files. Offline it is the folder of the last time. Raises `InputError` when the hub refuses or
    sends a damaged file, `EnvironmentProblem` when it cannot be reached, or offline without a copy.
    """
    if web.offline:
        if found := fetched_repository(repository):
            return found
        raise EnvironmentProblem(
            f"{repository} is not in the cache and `offline` forbids the network; run once without `offline`"
        )
    weights = cache_folder("weights")
    address, headers = _hub(mirror)
    try:
        answer = web.json(f"{address}/api/models/{repository}", params={"blobs": "true"}, headers=headers)
        with expected(repository):
            commit, files = _listed(answer)
        if sum(size for _, size in files.values()) > most:
            raise InputError(f"{repository}: lists more than {most:,} bytes of weights; refused")
        folder = weights / repository.replace("/", "--") / commit
        for name, (digest, size) in files.items():
            url = f"{address}/{repository}/resolve/{commit}/{quote(name)}"
            web.download(url, folder / name, digest, most=size, headers=headers)
    except Refused as error:
        raise _explained(repository, error) from error
    note_repository(repository, folder, {name: digest for name, (digest, _) in files.items()})
    return folder


def _hub(mirror: str | None) -> tuple[str, dict[str, str]]:
    """The address of the hub, and what it is told about the user."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import huggingface_hub

    token = huggingface_hub.get_token()
    address = mirror or os.environ.get("HF_ENDPOINT") or huggingface_hub.constants.ENDPOINT
    return address.rstrip("/"), {"Authorization": f"Bearer {token}"} if token else {}


def _listed(answer: Any) -> tuple[str, dict[str, tuple[str, int]]]:
    """The commit, and of each wanted file its digest and size in bytes."""
    files = {plain(entry["rfilename"]): entry for entry in answer["siblings"]}
    weights = _SAFE if any(name.endswith(".safetensors") for name in files) else _PICKLED
    wanted = {name: entry for name, entry in files.items() if _fits(name, (*_SETTINGS, *weights))}
    if not wanted:
        raise ValueError("no weights")
    return _hexadecimal(answer["sha"], 40), {name: (_digest(entry), _size(entry)) for name, entry in wanted.items()}


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(PurePosixPath(name).name, pattern) for pattern in patterns)


def _digest(entry: Any) -> str:
    if large := entry.get("lfs"):
        return f"sha256:{_hexadecimal(large['sha256'], 64)}"
    return f"git:{_hexadecimal(entry['blobId'], 40)}"


def _size(entry: Any) -> int:
    size = entry["size"]
    if not isinstance(size, int) or size < 0:
        raise ValueError(f"size {size}")
    return size


def _hexadecimal(text: Any, digits: int) -> str:
    if not re.fullmatch(f"[0-9a-f]{{{digits}}}", text):
        raise ValueError(f"{text!r} is no hash of {digits} digits")
    return str(text)


def _explained(repository: str, error: Refused) -> InputError:
    if error.code == "GatedRepo":
        return InputError(f"{repository}: accept its terms on huggingface.co and set HF_TOKEN")
    if error.code == "RepoNotFound":
        return InputError(f"{repository}: the hub has no such repository (any more)")
    return error
