"""Data sets on Mendeley Data: the listing of their files, with a SHA-256 for each, and the files."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from hitpredict.datasets.web.addresses import base
from hitpredict.datasets.web.answers import brief, expected
from hitpredict.datasets.web.archives import unpack
from hitpredict.datasets.web.cache import cache_folder
from hitpredict.datasets.web.disk import plain
from hitpredict.datasets.web.download import Web
from hitpredict.datasets.web.hashes import hash_of
from hitpredict.errors import InputError
from hitpredict.files.owned import atomic, scratch_folder

OFFICIAL = "https://data.mendeley.com"
# The five tables have 0.7 GB together.
_LARGEST, _MOST_FOLDERS = 5 * 10**9, 1000
_ACCEPT = {"Accept": "application/vnd.mendeley-public-dataset.1+json"}


@dataclass(frozen=True)
class Dataset:
    """name: of its folder in the cache and its variable for mirrors."""

    name: str
    identifier: str
    version: int


@dataclass(frozen=True)
class _Listed:
    name: str
    url: str
    sha256: str


def dataset_tables(web: Web, dataset: Dataset, wanted: Sequence[str], mirror: str | None = None) -> dict[str, Path]:
    """The wanted files of a data set by name, in the cache, wherever in its folders or zip archives they are.

    Every download is checked against the SHA-256 that the listing gives. Raises `InputError` when one is missing.
    """
    address, folder = base(dataset.name, OFFICIAL, mirror), cache_folder(dataset.name, offline=web.offline)
    listed = _listing(web, dataset, address, folder)
    try:
        return _fetched(web, listed, wanted, folder, f"{OFFICIAL}/datasets/{dataset.identifier}/{dataset.version}")
    except InputError:
        # A listing that led to nothing is asked for anew by the next run.
        _kept(folder, dataset).unlink(missing_ok=True)
        raise


def _fetched(
    web: Web, listed: Mapping[str, _Listed], wanted: Sequence[str], folder: Path, where: str
) -> dict[str, Path]:
    unpacked = folder / "unpacked"
    found = {
        name: web.download(listed[name].url, folder / name, f"sha256:{listed[name].sha256}", most=_LARGEST)
        for name in wanted
        if name in listed
    }
    if len(found) == len(wanted):
        return found
    for item in (entry for name, entry in sorted(listed.items()) if name.endswith(".zip")):
        archive = web.download(item.url, folder / item.name, f"sha256:{item.sha256}", most=_LARGEST)
        found |= _unpacked(archive, unpacked, wanted)
    return _complete(found, wanted, where)


def tables_in(archive: Path, wanted: Sequence[str]) -> dict[str, Path]:
    """The wanted files of a zip archive (or of a zip inside it) by name, unpacked into the cache.

    A folder is taken as what was unpacked by hand. Raises `InputError` when one is missing.
    """
    if archive.is_dir():
        return _complete({path.name: path for path in sorted(archive.rglob("*.csv"))}, wanted, str(archive))
    if not archive.is_file():
        raise InputError(f"{archive}: no such file")
    folder = cache_folder("archives") / hash_of(archive, "sha256:")[:16]
    return _complete(_unpacked(archive, folder, wanted), wanted, str(archive))


def _complete(found: Mapping[str, Path], wanted: Sequence[str], where: str) -> dict[str, Path]:
    if missing := [name for name in wanted if name not in found]:
        raise InputError(f"{where}: holds no {', '.join(missing)}; its format has changed or it is another data set")
    return {name: found[name] for name in wanted}


def _unpacked(archive: Path, folder: Path, wanted: Sequence[str]) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    found = {path.name: path for path in unpack(archive, folder, lambda name: _known(name, wanted))}
    if len(found) < len(wanted):
        with scratch_folder(folder) as inner:
            for path in unpack(archive, Path(inner), lambda name: _known(name, (), ".zip")):
                found |= {member.name: member for member in unpack(path, folder, lambda name: _known(name, wanted))}
    return found


def _known(member: str, wanted: Sequence[str], suffix: str = "\0") -> str | None:
    """The plain name of a member that is wanted; the litter of other systems is not."""
    path = PurePosixPath(member)
    ours = path.name in wanted or path.name.endswith(suffix)
    return path.name if ours and "__MACOSX" not in path.parts else None


def _listing(web: Web, dataset: Dataset, address: str, folder: Path) -> dict[str, _Listed]:
    """The files of all folders of the data set by name; kept in the cache, since a version never changes."""
    kept = _kept(folder, dataset)
    listed = _kept_listing(kept)
    if listed is None:
        where = f"{address}/public-api/datasets/{dataset.identifier}"
        with expected(where):
            listed = [*_asked_listing(web, where, dataset.version)]
        folder.mkdir(parents=True, exist_ok=True)
        with atomic(kept) as file:
            file.write(json.dumps([asdict(item) for item in listed]).encode())
    return {item.name: replace(item, url=_moved(item.url, address)) for item in listed}


def _kept(folder: Path, dataset: Dataset) -> Path:
    return folder / f"files-{dataset.version}.json"


def _kept_listing(kept: Path) -> list[_Listed] | None:
    try:
        return [_Listed(**entry) for entry in json.loads(kept.read_text())]
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _asked_listing(web: Web, where: str, version: int) -> Iterator[_Listed]:
    folders = ["root", *(str(entry["id"]) for entry in _list_of(web, f"{where}/folders/{version}", {}, "id"))]
    if len(folders) > _MOST_FOLDERS:
        raise ValueError(f"{len(folders):,} folders")
    for identifier in folders:
        for entry in _list_of(web, f"{where}/files", {"folder_id": identifier, "version": version}, "filename"):
            yield _Listed(plain(PurePosixPath(entry["filename"]).name), *_content(entry))


def _moved(url: str, address: str) -> str:
    return address + url.removeprefix(OFFICIAL) if url.startswith(OFFICIAL) else url


def _list_of(web: Web, url: str, params: Mapping[str, str | int], key: str) -> list[dict[str, Any]]:
    entries = web.json(url, params=params, headers=_ACCEPT)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and key in entry for entry in entries):
        raise InputError(f"{url}: is no list of objects with {key!r}; the service's format has changed")
    return entries


def _content(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Where a file is, and its SHA-256."""
    content = entry.get("content_details") or {}
    url, digest = str(content.get("download_url") or ""), str(content.get("sha256_hash"))
    if not (url and re.fullmatch("[0-9a-fA-F]{64}", digest)):
        raise InputError(
            f"{brief(entry['filename'])}: is listed without address and hash; the service's format has changed"
        )
    return url, digest
