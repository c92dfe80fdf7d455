"""FMA's tables: tracks.csv with two header rows, features.csv with three, each with a row for its index; genres.csv."""

import ast
import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from hitpredict.datasets.manifest import Track
from hitpredict.errors import InputError
from hitpredict.files.owned import atomic

SUBSETS = ("small", "medium", "large", "full")
LABELS = {
    **{f"track_{name}": ("track", name) for name in ("listens", "favorites", "comments", "interest")},
    **{f"album_{name}": ("album", name) for name in ("listens", "favorites", "comments")},
    **{f"artist_{name}": ("artist", name) for name in ("favorites", "comments")},
}
_SPLITS = {"training": "train", "validation": "validation", "test": "test"}
_FEATURE_HEADERS = ("feature", "statistics", "number")
_LONGEST_FIELD = 2**26

Row = Mapping[tuple[str, str], str]


def read_tracks_csv(path: Path) -> Iterator[tuple[str, Row]]:
    """The rows of FMA's tracks.csv: track id, and the 52 cells by (group, name).

    Two header rows name the columns, a third row names the index. Raises `InputError` for any other beginning.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        groups, names, index = (next(reader, []) for _ in range(3))
        columns = list(zip(groups, names, strict=False))[1:]
        if index[:1] != ["track_id"] or not {*LABELS.values(), ("set", "split"), ("set", "subset")} <= {*columns}:
            raise InputError(f"{path}: does not begin with FMA's two header rows and index row; its format has changed")
        for cells in reader:
            if len(cells) != len(columns) + 1:
                raise InputError(f"{path}: line {reader.line_num} has {len(cells)} cells, not {len(columns) + 1}")
            yield cells[0], dict(zip(columns, cells[1:], strict=True))


def in_subset(row: Row, subset: str) -> bool:
    """Whether a track belongs to a subset, given that subsets nest."""
    own = row["set", "subset"]
    return own in SUBSETS and SUBSETS.index(own) <= SUBSETS.index(subset)


def read_genres(path: Path) -> dict[int, str]:
    """The titles of the genres by number."""
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return {int(row["genre_id"]): row["title"] for row in csv.DictReader(file)}
        except (KeyError, ValueError) as error:
            raise InputError(f"{path}: lacks genre_id and title; its format has changed") from error


def as_track(key: str, row: Row, genres: Mapping[int, str], folder: str | None, retrieved: str) -> Track:
    """A row of tracks.csv as a line of the manifest. folder: of the audio, or None without it.

    Counts below zero, which FMA uses for albums it could not find, are no numbers. A genre is the top genre, else
    the title of the first of the track's genres.
    """
    number = int(key)
    return Track(
        track_id=key,
        source="fma",
        retrieved=retrieved,
        path=f"{folder}/{number:06d}"[:-3] + f"/{number:06d}.mp3" if folder else None,
        title=row["track", "title"] or None,
        artist=row["artist", "name"] or None,
        artist_ids=(row["artist", "id"],) if row["artist", "id"] else (),
        album=row["album", "title"] or None,
        genre=row["track", "genre_top"] or _first_genre(row["track", "genres"], genres),
        release_date=row["album", "date_released"][:10] or None,
        duration=_number(row["track", "duration"]),
        split=_SPLITS.get(row["set", "split"]),
        licence=row["track", "license"] or None,
        labels={name: _number(row[column]) for name, column in LABELS.items()},
        extra={"subset": row["set", "subset"]},
    )


def _number(text: str) -> float | None:
    value = float(text) if text else -1.0
    return (int(value) if value.is_integer() else value) if 0 <= value < math.inf else None


def _first_genre(text: str, genres: Mapping[int, str]) -> str | None:
    try:
        numbers: Any = ast.literal_eval(text)
        return genres.get(int(numbers[0]))
    except (ValueError, SyntaxError, TypeError, IndexError):
        return None


def write_features(source: Path, target: Path, paths: Mapping[str, str | None]) -> int:
    """FMA's features.csv as Parquet: `path`, `track_id`, then flat names such as `mfcc_mean_01`, float32.

    paths: the tracks to keep, and where their audio is. Gives the number of rows. The file is read block by block.
    Raises `InputError` where it does not begin with FMA's three header rows.
    """
    names, header_rows = _feature_names(source)
    types = {"track_id": pyarrow.string(), **dict.fromkeys(names, pyarrow.float32())}
    schema = pyarrow.schema([("path", pyarrow.string()), *types.items()])
    kept = 0
    with atomic(target) as file, pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        try:
            for batch in pyarrow.csv.open_csv(
                source,
                pyarrow.csv.ReadOptions(column_names=[*types], skip_rows=header_rows, block_size=2**24),
                convert_options=pyarrow.csv.ConvertOptions(column_types=types),
            ):
                rows = batch.filter(pyarrow.compute.is_in(batch["track_id"], pyarrow.array([*paths], pyarrow.string())))
                where = pyarrow.array([paths[key] for key in rows["track_id"].to_pylist()], pyarrow.string())
                writer.write_table(pyarrow.Table.from_arrays([where, *rows.columns], schema=schema))
                kept += len(rows)
        except pyarrow.ArrowInvalid as error:
            raise InputError(f"{source}: not FMA's table of features ({error})") from error
    return kept


def _feature_names(source: Path) -> tuple[list[str], int]:
    """The flat names of the columns, and how many lines come before the first track."""
    with source.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        headers = [next(reader, [""]) for _ in _FEATURE_HEADERS]
        index = next(reader, [""])
    if tuple(row[:1] for row in headers) != tuple([name] for name in _FEATURE_HEADERS):
        raise InputError(f"{source}: does not begin with FMA's three header rows; its format has changed")
    return ["_".join(parts) for parts in zip(*(row[1:] for row in headers), strict=True)], 3 + (index[0] == "track_id")
