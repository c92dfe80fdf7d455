"""SpotGenTrack, the data set of HitMusicNet (Martín-Gutiérrez et al. 2020, doi:10.1109/ACCESS.2020.2976033).

Mendeley Data 4m2x4zngny, CC BY 4.0. Five tables, as pandas wrote them with an index column: in `Data Sources`
spotify_tracks.csv, spotify_albums.csv and spotify_artists.csv, in `Features Extracted`
low_level_audio_features.csv (index, 207 features, `track_id`) and lyrics_features.csv (-1 for songs without lyrics).
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

from hitpredict.datasets.manifest import Track, now, write_tracks
from hitpredict.datasets.mendeley import Dataset
from hitpredict.datasets.web.disk import full_disk_explained
from hitpredict.errors import InputError
from hitpredict.features.descriptors.hmn import HIGH_LEVEL, LYRIC, METADATA
from hitpredict.files.owned import atomic

DATASET = Dataset("spotgentrack", "4m2x4zngny", 1)
TRACKS, ALBUMS, ARTISTS = "spotify_tracks.csv", "spotify_albums.csv", "spotify_artists.csv"
SOUND, LYRICS = "low_level_audio_features.csv", "lyrics_features.csv"
TABLES = (TRACKS, ALBUMS, ARTISTS, SOUND, LYRICS)
LICENCE = "CC BY 4.0"


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}_{number}" for number in range(1, count + 1)]


LOW_LEVEL = (
    *(*_numbered("MEL", 128), *_numbered("MFCC", 48), *_numbered("Chroma", 12), *_numbered("Spectral_contrast", 7)),
    *(*_numbered("Tonnetz", 6), "ZCR", "spectral_bandwith", "spectral_centroid", "spectral_rollOff_min"),
    *("spectral_rollOff_max", "entropy_energy"),
)
_TEXTS = ("id", "name", "album_id", "artists_id", "available_markets")
_QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")

Columns = dict[str, dict[str, Any]]


def convert(tables: Mapping[str, Path], output: Path) -> tuple[Path, Mapping[str, int]]:
    """Write `hmn207.parquet`, `hmn228.parquet` and `tracks.jsonl`; gives the last's path and the rows of each.

    Both matrices have `path` (empty), `track_id`, the features and `popularity`. As in HitMusicNet, 207 columns need
    the sound features, and 228 need the lyrics' row as well; -1 stays -1. Of tracks listed twice the first counts.
    Raises `InputError` where a table lacks a column.
    """
    tracks = read_columns(tables[TRACKS], "id", (*_TEXTS[1:], "popularity", *HIGH_LEVEL))
    artists = read_columns(tables[ARTISTS], "id", ("name", "genres", "followers", "artist_popularity"))
    albums = read_columns(tables[ALBUMS], "id", ("name", "release_date"))
    for row in tracks.values():
        row.update(_metadata(row, artists))
    sound = _unique(_table(tables[SOUND], "track_id", LOW_LEVEL), "track_id")
    lyrics = _unique(_table(tables[LYRICS], "track_id", LYRIC), "track_id")
    known = _from_rows(tracks, (*HIGH_LEVEL, *METADATA, "popularity"))
    small = _joined(sound, known, ("popularity",))
    large = _joined(small.drop_columns("popularity"), lyrics, LYRIC)
    large = _joined(large, known, (*HIGH_LEVEL, *METADATA, "popularity"))
    large = large.select([*_order(LOW_LEVEL, HIGH_LEVEL, LYRIC, METADATA)])
    retrieved = now()
    with full_disk_explained(output):
        for name, table in (("hmn207", small.select([*_order(LOW_LEVEL)])), ("hmn228", large)):
            _write(output / f"{name}.parquet", table)
        manifest = write_tracks(output, (as_track(key, row, artists, albums, retrieved) for key, row in tracks.items()))
    return manifest, {"tracks.jsonl": len(tracks), "hmn207.parquet": len(small), "hmn228.parquet": len(large)}


def read_columns(path: Path, key: str, columns: Sequence[str]) -> Columns:
    """Some columns of a table as rows by key; the first row of a key counts."""
    table = _table(path, key, columns)
    rows: Columns = {}
    for row in ({name: _known(value) for name, value in row.items()} for row in table.to_pylist()):
        rows.setdefault(row.pop(key), row)
    return rows


def _known(value: Any) -> Any:
    """A cell, or None for a number without value."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _table(path: Path, key: str, columns: Sequence[str]) -> Any:
    texts = {name: pyarrow.string() for name in (key, *_TEXTS, "genres", "release_date")}
    try:
        return pyarrow.csv.read_csv(
            path,
            pyarrow.csv.ReadOptions(block_size=2**25),
            pyarrow.csv.ParseOptions(newlines_in_values=True),
            pyarrow.csv.ConvertOptions(
                include_columns=[key, *columns],
                column_types={**dict.fromkeys(columns, pyarrow.float64()), **texts},
                strings_can_be_null=False,
            ),
        )
    except (pyarrow.ArrowInvalid, pyarrow.ArrowKeyError, KeyError) as error:
        raise InputError(f"{path}: not SpotGenTrack's table, or its format has changed ({error})") from error


def _unique(table: Any, key: str) -> Any:
    seen: set[str] = set()
    mask = [not (value in seen or seen.add(value)) for value in table[key].to_pylist()]  # type: ignore[func-returns-value]
    return table.filter(pyarrow.array(mask, pyarrow.bool_()))


def _from_rows(rows: Columns, names: Iterable[str]) -> Any:
    columns = {name: pyarrow.array([row[name] for row in rows.values()], pyarrow.float64()) for name in names}
    return pyarrow.table({"track_id": pyarrow.array([*rows], pyarrow.string()), **columns})


def _joined(left: Any, right: Any, names: Sequence[str]) -> Any:
    """The rows of `left` that `right` knows, in their order, with some of its columns."""
    places = pyarrow.compute.index_in(left["track_id"], right["track_id"])
    kept = pyarrow.compute.is_valid(places)
    left, places = left.filter(kept), places.filter(kept)
    for name in names:
        left = left.append_column(name, right[name].take(places))
    return left


def _order(*groups: Sequence[str]) -> Iterable[str]:
    return ("track_id", *(name for group in groups for name in group), "popularity")


def _write(path: Path, table: Any) -> None:
    nowhere = pyarrow.nulls(len(table), pyarrow.string())
    with atomic(path) as file:
        pyarrow.parquet.write_table(table.add_column(0, "path", nowhere), file, compression="zstd")


def names_in(text: str | None) -> list[str]:
    """The items of a Python list of strings, as pandas writes it into a cell."""
    return [one or other for one, other in _QUOTED.findall(text or "")]


def _metadata(row: Mapping[str, Any], artists: Columns) -> dict[str, float | None]:
    known = [artists[name] for name in names_in(row["artists_id"]) if name in artists]
    return {
        "n_markets": float(len(names_in(row["available_markets"]))),
        "artist_followers": _mean(artist["followers"] for artist in known),
        "artist_popularity": _mean(artist["artist_popularity"] for artist in known),
    }


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def as_track(key: str, row: Mapping[str, Any], artists: Columns, albums: Columns, retrieved: str) -> Track:
    """A row of spotify_tracks.csv as a line of the manifest; the genre is the first artist's first."""
    identifiers = names_in(row["artists_id"])
    known = [artists[name] for name in identifiers if name in artists]
    album = albums.get(row["album_id"], {})
    genres = [genre for artist in known for genre in names_in(artist["genres"])]
    duration = row["duration_ms"]
    return Track(
        track_id=key,
        source="spotgentrack",
        retrieved=retrieved,
        title=row["name"] or None,
        artist=", ".join(artist["name"] for artist in known) or None,
        artist_ids=tuple(identifiers),
        album=album.get("name") or None,
        genre=genres[0] if genres else None,
        release_date=album.get("release_date") or None,
        duration=duration / 1000 if duration is not None else None,
        licence=LICENCE,
        labels={name: row[name] for name in ("popularity", "artist_popularity", "artist_followers")},
    )
