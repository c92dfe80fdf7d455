"""FMA, the Free Music Archive data set of Defferrard et al. 2017 (arXiv:1612.01840); metadata CC BY 4.0.

Subsets nest: every track of `small` is in `medium` and so on; `full` holds the tracks of `large` untrimmed.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from hitpredict.datasets.fma_tables import as_track, in_subset, read_genres, read_tracks_csv, write_features
from hitpredict.datasets.manifest import now, write_tracks
from hitpredict.datasets.web.addresses import base
from hitpredict.datasets.web.archives import opened_zip, unpack
from hitpredict.datasets.web.cache import cache_folder
from hitpredict.datasets.web.disk import full_disk_explained
from hitpredict.datasets.web.download import Web
from hitpredict.datasets.web.hashes import is_as_recorded, record
from hitpredict.errors import InputError
from hitpredict.files.owned import atomic

OFFICIAL = "https://os.unil.cloud.switch.ch/fma"
_MEGABYTES = {"metadata": 400, "small": 9_000, "medium": 27_000, "large": 110_000, "full": 1_000_000}
"""More than each archive has."""
SHA1 = {
    "metadata": "f0df49ffe5f2a6008d7dc83c6915b31835dfe733",
    "small": "ade154f733639d52e35e32f5593efe5be76c6d70",
    "medium": "c67b69ea232021025fca9231fc1c7c1a063ab50b",
    "large": "497109f4dd721066b5ce5e5f250ec604dc78939e",
    "full": "0f0ace23fbe9ba30ecb7e95f763e435ea802b8ab",
}
BIASED = ("small", "medium")
BIAS = (
    "is selected by popularity (small: the 1,000 most popular tracks of each of 8 genres); "
    "measure popularity models on `subset` large"
)
_TABLES = ("tracks.csv", "genres.csv", "features.csv")


def checksums_in(file: Path) -> dict[str, str]:
    """The SHA-1 of each archive as `sha1sum` writes them (`HASH  fma_small.zip`), the published ones where not listed.

    Raises `InputError` for a file that names none of the archives.
    """
    try:
        found = re.findall(
            r"^([0-9a-f]{40}) [ *](?:.*/)?fma_(\w+)\.zip$", file.read_text(encoding="ascii"), re.MULTILINE
        )
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    listed = {part: digest for digest, part in found if part in SHA1}
    if not listed:
        raise InputError(f"{file}: lists no archive of FMA, as `sha1sum fma_*.zip` would")
    return {**SHA1, **listed}


class Fma:
    """One subset. Archives go through the cache; tables and audio go into the output folder.

    sha1: of each archive. Others than the published ones are of other data, which has a cache folder of its own.
    """

    def __init__(self, web: Web, subset: str = "small", mirror: str | None = None, sha1: Mapping[str, str] = SHA1):
        self._web, self._subset, self._sha1 = web, subset, sha1
        self._base = base("fma", OFFICIAL, mirror)
        self._cache = "fma" if sha1 == SHA1 else f"fma-{sha1['metadata'][:8]}"

    def audio_archive(self) -> Path:
        """The zip of the subset's MP3 files, in the cache."""
        return self._archive(self._subset)

    def unpack_audio(self, archive: Path, output: Path) -> Iterator[Path]:
        """Unpack the MP3 files that are not there yet; yields the path of each."""
        return unpack(archive, output, lambda name: name if name.endswith(".mp3") else None)

    def tables(self, output: Path, with_audio: bool) -> Path:
        """Write `genres.csv`, `features.parquet` and last `tracks.jsonl`, whose path it gives."""
        folder = self._metadata()
        genres = read_genres(folder / "genres.csv")
        folder_name = f"fma_{self._subset}" if with_audio else None
        tracks = [
            as_track(key, row, genres, folder_name, now())
            for key, row in read_tracks_csv(folder / "tracks.csv")
            if in_subset(row, self._subset)
        ]
        if with_audio:
            tracks = [track for track in tracks if (output / str(track.path)).is_file()]
        with full_disk_explained(output):
            with atomic(output / "genres.csv") as file:
                file.write((folder / "genres.csv").read_bytes())
            paths = {track.track_id: track.path for track in tracks}
            write_features(folder / "features.csv", output / "features.parquet", paths)
            return write_tracks(output, tracks)

    def _metadata(self) -> Path:
        """The folder of the three tables in the cache; the archive's pickles stay in the archive."""
        folder = cache_folder(self._cache, offline=self._web.offline) / "fma_metadata"
        if all(is_as_recorded(folder / name) for name in _TABLES):
            return folder
        for path in unpack(self._archive("metadata"), folder, _table_name):
            record(path)
        if missing := [name for name in _TABLES if not (folder / name).is_file()]:
            raise InputError(f"fma_metadata.zip: holds no {', '.join(missing)}; its format has changed")
        return folder

    def _archive(self, part: str) -> Path:
        name = f"fma_{part}.zip"
        folder = cache_folder(self._cache, offline=self._web.offline)
        archive = self._web.download(
            f"{self._base}/{name}", folder / name, f"sha1:{self._sha1[part]}", most=_MEGABYTES[part] * 10**6
        )
        with opened_zip(archive):
            return archive


def _table_name(member: str) -> str | None:
    path = PurePosixPath(member)
    return path.name if path.name in _TABLES and len(path.parts) <= 2 else None
