"""`tracks.jsonl`: one JSON object a line for each track of a data set, in one schema for every source.

Popularity labels are columns of their own beside the fixed fields, so that a table of labels can be read without
knowing the source; `labels` lists their names. Tables of features are joined on `track_id`, which equals `id`.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hitpredict.audio.write import atomic
from hitpredict.errors import InputError

SCHEMA = "hitpredict.track/1"
MANIFEST = "tracks.jsonl"
FIXED = (
    *("schema", "track_id", "id", "path", "title", "artist", "artist_ids", "album", "genre", "release_date"),
    *("duration", "split", "licence", "source", "retrieved", "labels"),
)

# Legal inside JSON text, but line ends to some readers.
_LINE_BREAKS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


@dataclass(frozen=True)
class Track:
    """One track of a data set; None where the source does not say.

    track_id: the source's own, as text. path: of the audio, relative to the manifest's folder. artist: names joined
    by ", ". artist_ids: the source's own, as text. release_date: ISO, to a day, month or year. duration: seconds.
    split: "train", "validation" or "test" where the source has one. retrieved: ISO time, UTC. labels: every number
    of popularity the source has. extra: further columns that are no labels.
    """

    track_id: str
    source: str
    retrieved: str
    path: str | None = None
    title: str | None = None
    artist: str | None = None
    artist_ids: tuple[str, ...] = ()
    album: str | None = None
    genre: str | None = None
    release_date: str | None = None
    duration: float | None = None
    split: str | None = None
    licence: str | None = None
    labels: Mapping[str, float | None] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The line of the manifest. Raises ValueError where a label or column has the name of a fixed field."""
        if clash := {*FIXED} & {*self.labels, *self.extra}:
            raise ValueError(f"{', '.join(sorted(clash))}: the name of a fixed field of the manifest")
        fixed: dict[str, Any] = {name: getattr(self, name, None) for name in FIXED}
        fixed |= {"schema": SCHEMA, "id": self.track_id, "artist_ids": [*self.artist_ids], "labels": [*self.labels]}
        return {**fixed, **self.labels, **self.extra}


def now() -> str:
    """The time, to the second, as ISO in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_tracks(folder: Path, tracks: Iterable[Track | Mapping[str, Any]]) -> Path:
    """Write `tracks.jsonl` into an existing folder; it appears whole or not at all. Gives its path."""
    path = folder / MANIFEST
    with atomic(path) as file:
        file.writelines(_line(track) for track in tracks)
    return path


def read_tracks(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a manifest. Raises `InputError` with the line that is not one of this schema."""
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise InputError(f"{path}: line {number} is not JSON ({error})") from error
            if not isinstance(row, dict) or row.get("schema") != SCHEMA:
                raise InputError(f"{path}: line {number} is not a track in the schema {SCHEMA}")
            yield row


class Draft:
    """The rows of a manifest that grows track by track; a killed run's rows are there for the next one.

    settings: what must be the same for the rows to be taken up again. rows: by whatever key the caller asks with.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        self._folder, self._path = folder, folder / f".{MANIFEST}.partial"
        entries = [*_whole_lines(self._path)]
        kept = entries[1:] if entries and entries[0] == settings else []
        self.rows: dict[str, dict[str, Any]] = {entry["key"]: entry["row"] for entry in kept}
        with atomic(self._path) as file:
            file.writelines(_line(entry) for entry in (settings, *kept))
        self._file = self._path.open("ab")

    def add(self, key: str, track: Track) -> None:
        """Keep one row; it survives whatever happens next."""
        self.rows[key] = track.to_json()
        self._file.write(_line({"key": key, "row": self.rows[key]}))
        self._file.flush()

    def finish(self, keys: Iterable[str]) -> Path:
        """Write the manifest with the rows of these keys, in this order; of a track that has several, the first."""
        self._file.close()
        rows = {self.rows[key]["track_id"]: self.rows[key] for key in reversed([*keys]) if key in self.rows}
        path = write_tracks(self._folder, reversed(rows.values()))
        self._path.unlink()
        return path

    def close(self) -> None:
        """Leave the rows, if there are any, for the next run."""
        self._file.close()
        if not self.rows:
            self._path.unlink(missing_ok=True)


def _line(row: Track | Mapping[str, Any]) -> bytes:
    entry = row.to_json() if isinstance(row, Track) else row
    text = json.dumps(entry, ensure_ascii=False, allow_nan=False)
    return f"{text.translate(_LINE_BREAKS)}\n".encode()


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    if not path.exists():
        return
    for line in path.read_bytes().splitlines(keepends=True):
        try:
            yield json.loads(line)
        except ValueError:
            return
