"""Zalo AI Challenge 2019, hit-song track: chart ranks and MFCC statistics of songs released in Vietnam in 2017–2018.

From the public repository anhtholee/zalo-hit-song, at fixed commits and checked by hash. It states no licence: these
are numbers, not audio. The bundled model learnt from the split `train` alone.
"""

import csv
import gzip
import io
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hitpredict.datasets.manifest import Track, now, write_tracks
from hitpredict.datasets.web.addresses import base
from hitpredict.datasets.web.cache import cache_folder
from hitpredict.datasets.web.disk import full_disk_explained
from hitpredict.datasets.web.download import Web
from hitpredict.errors import InputError
from hitpredict.files.owned import atomic
from hitpredict.tables.splits import connected_groups

OFFICIAL = "https://raw.githubusercontent.com/anhtholee/zalo-hit-song"
WORST_RANK = 10
MFCC = tuple(f"mfcc_{statistic}_{number}" for statistic in ("mean", "std") for number in range(20))
FEATURES = (*MFCC, "tempo", "duration")
TRACKS = (
    *("title", "artist_name", "artist_id", "composers_name", "composers_id", "release_time", "album", "genre"),
    *("chart_rank", "group", "split"),
)
_LARGEST_PART = 10**8
_TEST_PERCENT = 20
_LARGEST_TEST_GROUP = 400
_SEPARATORS = str.maketrans(",;", "..")

_Row = dict[str, str]


@dataclass(frozen=True)
class RepositoryFile:
    """One file of the repository: where it is, what it must be, and the columns it must have."""

    commit: str
    path: str
    sha256: str
    columns: tuple[str, ...]
    delimiter: str = ","


_FEATURES_COMMIT = "cb245bc59e8fae1dd3fea3b45c2e8fccaf5a0723"
_LABELS_COMMIT = "77e57f88fc478eb6881e561936612bed9e7877ff"
PARTS: Mapping[str, RepositoryFile] = {
    "features": RepositoryFile(
        _FEATURES_COMMIT,
        "audio-features/train_song_features2.csv",
        "02dada9d083a64311761e5d8e41f22402e5cbe4d065409850695325e0522635e",
        ("id", *FEATURES),
    ),
    "metadata": RepositoryFile(
        _FEATURES_COMMIT,
        "audio-features/train_song_metadata.csv",
        "c4a04ec98ce5cb0e77f50ae437b57a6af48b64c45d84bbe0e69b3a0aa031130a",
        ("id", "album", "genre"),
    ),
    "rank": RepositoryFile(
        _LABELS_COMMIT,
        "data/train_rank.csv",
        "6d470b1a5b99f6bb88fc0967a23403ef8e5aa7cb257db88e7fee4fa1b5dd5916",
        ("ID", "label"),
    ),
    "info": RepositoryFile(
        _LABELS_COMMIT,
        "data/train_info.tsv",
        "48197885707304b1e5ef1cb1bddcad9fed431a534e1df233cd9ea0d75c052b08",
        ("ID", "title", "artist_name", "artist_id"),
        "\t",
    ),
}


def fetch(
    web: Web, output: Path, mirror: str | None = None, parts: Mapping[str, RepositoryFile] = PARTS
) -> tuple[Path, Mapping[str, int]]:
    """Write `features.csv.gz`, `tracks.csv.gz` and `tracks.jsonl`; gives the last's path and the size of each split.

    The two tables are what the script that builds the bundled model takes as `--table`: features with six
    significant digits, tracks with `group` and `split`.
    """
    address, folder = base("zalo2019", OFFICIAL, mirror), cache_folder("zalo2019", offline=web.offline)
    tables = {
        name: read_part(
            web.download(
                f"{address}/{part.commit}/{part.path}",
                folder / Path(part.path).name,
                f"sha256:{part.sha256}",
                most=_LARGEST_PART,
            ),
            part,
        )
        for name, part in parts.items()
    }
    features, tracks = joined(tables)
    with full_disk_explained(output):
        _write_table(output / "features.csv.gz", FEATURES, features)
        _write_table(output / "tracks.csv.gz", TRACKS, tracks)
        retrieved = now()
        manifest = write_tracks(output, [as_track(key, row, features[key], retrieved) for key, row in tracks.items()])
    return manifest, Counter(row["split"] for row in tracks.values())


def read_part(path: Path, part: RepositoryFile) -> dict[str, _Row]:
    """The rows of a file by track id. Raises `InputError` where columns are missing."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter=part.delimiter)
        if missing := [name for name in part.columns if name not in (reader.fieldnames or ())]:
            raise InputError(f"{path}: has no column {', '.join(missing)}; its format has changed")
        return {row[part.columns[0]]: row for row in reader}


def joined(tables: Mapping[str, Mapping[str, _Row]]) -> tuple[dict[str, _Row], dict[str, _Row]]:
    """Features and tracks of every song that has features, a rank and a description, in the order of the features."""
    rank, info, metadata = tables["rank"], tables["info"], tables["metadata"]
    features = {key: row for key, row in tables["features"].items() if key in rank and key in info}
    # In the order of their numbers, so that a group is named by its smallest.
    keys = sorted(features, key=int)
    firsts = connected_groups([(*artists(info[key]["artist_id"]), recording(features[key])) for key in keys])
    groups = {key: int(keys[int(first)]) for key, first in zip(keys, firsts, strict=True)}
    split = split_of_groups(groups.values())
    tracks = {
        key: {
            **{name: info[key].get(name) or "" for name in TRACKS},
            **{name: metadata.get(key, {}).get(name) or "" for name in ("album", "genre")},
            **{"chart_rank": rank[key]["label"], "group": str(groups[key]), "split": split[groups[key]]},
        }
        for key in features
    }
    return features, tracks


def artists(text: str) -> list[tuple[str, str]]:
    """What an artist field connects a song with: its ids are separated by `.`, `,` or `;`."""
    return [("artist", name.strip()) for name in text.translate(_SEPARATORS).split(".") if name.strip()]


def recording(row: _Row) -> tuple[str, tuple[float, ...]]:
    """What a song shares with another release of the same sound: its 40 MFCC statistics to four decimals."""
    return "recording", tuple(round(float(row[name]), 4) for name in MFCC)


def split_of_groups(groups: Iterable[int]) -> dict[int, str]:
    """`test` for about a fifth of the groups of at most 400 songs, chosen by a checksum of the name, else `train`."""
    return {
        group: "test"
        if zlib.crc32(str(group).encode()) % 100 < _TEST_PERCENT and size <= _LARGEST_TEST_GROUP
        else "train"
        for group, size in Counter(groups).items()
    }


def as_track(key: str, row: _Row, features: _Row, retrieved: str) -> Track:
    """A song as a line of the manifest. `popularity` is the rank on the bundled model's scale: 100 for rank 1."""
    rank = int(row["chart_rank"])
    return Track(
        track_id=key,
        source="zalo2019",
        retrieved=retrieved,
        title=row["title"] or None,
        artist=row["artist_name"] or None,
        artist_ids=tuple(name for _, name in artists(row["artist_id"])),
        album=row["album"] if row["album"] not in ("", "unknown") else None,
        genre=row["genre"] or None,
        release_date=row["release_time"][:10] or None,
        duration=round(float(features["duration"]), 3),
        split=row["split"],
        labels={"chart_rank": rank, "popularity": round((WORST_RANK - rank) / (WORST_RANK - 1) * 100, 4)},
        extra={"group": int(row["group"])},
    )


def _write_table(path: Path, columns: Sequence[str], rows: Mapping[str, _Row]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["track_id", *columns])
    for key, row in rows.items():
        writer.writerow([key, *(_six_digits(row[name]) if columns is FEATURES else row[name] for name in columns)])
    with atomic(path) as file:
        file.write(gzip.compress(text.getvalue().encode(), mtime=0))


def _six_digits(text: str) -> str:
    return f"{float(text):.6g}"
