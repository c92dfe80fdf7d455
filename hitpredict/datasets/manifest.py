"""`tracks.jsonl`: one JSON object a line for each track of a data set, in one schema for every source.

Popularity labels are columns of their own beside the fixed fields, so that a table of labels can be read without
knowing the source; `labels` lists their names. Tables of features are joined on `track_id`, which equals `id`.
"""

import json
import math
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hitpredict.datasets.web.answers import brief
from hitpredict.files.owned import atomic, locked, opened

SCHEMA = "hitpredict.track/1"
MANIFEST = "tracks.jsonl"
FIXED = (
    *("schema", "track_id", "id", "path", "title", "artist", "artist_ids", "album", "genre", "release_date"),
    *("duration", "split", "licence", "source", "retrieved", "labels"),
)

_TEXTS = (
    *("track_id", "source", "retrieved", "path", "title", "artist", "album", "genre", "release_date", "split"),
    "licence",
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
        """The line of the manifest.

        Raises ValueError where a label or column has the name of a fixed field, or a value cannot be written;
        TypeError where one is of another kind than said above.
        """
        if clash := {*FIXED} & {*self.labels, *self.extra}:
            raise ValueError(f"{', '.join(sorted(clash))}: the name of a fixed field of the manifest")
        for name in _TEXTS:
            _need(name, getattr(self, name), str)
        for name in self.artist_ids:
            _need("artist_ids", name, str)
        for name, value in {"duration": self.duration, **self.labels}.items():
            _need(name, value, int | float)
        for name, value in self.extra.items():
            _need(name, value, str | int | float)
        fixed: dict[str, Any] = {name: getattr(self, name, None) for name in FIXED}
        fixed |= {"schema": SCHEMA, "id": self.track_id, "artist_ids": [*self.artist_ids], "labels": [*self.labels]}
        return {**fixed, **self.labels, **self.extra}


def _need(name: str, value: Any, kind: Any) -> None:
    if value is None:
        return
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name} is {brief(repr(value), 50)}")
    if isinstance(value, str):
        value.encode()
    elif not math.isfinite(value):
        raise ValueError(f"{name} is {value}")


def now() -> str:
    """The time, to the second, as ISO in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def write_tracks(folder: Path, tracks: Iterable[Track | Mapping[str, Any]]) -> Path:
    """Write `tracks.jsonl` into an existing folder; it appears whole or not at all. Gives its path."""
    path = folder / MANIFEST
    with atomic(path) as file:
        file.writelines(_line(track) for track in tracks)
    return path


class Draft:
    """The rows of a manifest that grows track by track; a killed run's rows are there for the next one.

    settings: what must be the same for the rows to be taken up again. rows: by whatever key the caller asks with.
    One process has it at a time: raises `EnvironmentProblem` where another one does.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]):
        self._folder, self._path = folder, folder / f".{MANIFEST}.partial"
        with ExitStack() as hold:
            hold.enter_context(locked(folder / MANIFEST))
            self._file = opened(self._path)
            self._hold = hold.pop_all()
        self.rows: dict[str, dict[str, Any]] = {}
        self._file.seek(self._take_up(_line(settings)))
        self._file.truncate()

    def _take_up(self, first: bytes) -> int:
        """Read the rows of an earlier run with the same settings; gives where to go on writing."""
        if self._file.readline() != first:
            self._file.seek(0)
            self._file.write(first)
            return self._file.tell()
        end = self._file.tell()
        for line in self._file:
            try:
                entry = json.loads(line)
                row = entry["row"]
                _need("path", row["path"], str)
                if not line.endswith(b"\n") or row["schema"] != SCHEMA:
                    break
                self.rows[entry["key"]] = row
            except (ValueError, LookupError, TypeError, RecursionError):
                break
            end += len(line)
        return end

    def add(self, key: str, track: Track) -> None:
        """Keep one row; it survives whatever happens next."""
        row = track.to_json()
        self._file.write(_line({"key": key, "row": row}))
        self._file.flush()
        self.rows[key] = row

    def finish(self, keys: Iterable[str]) -> Path:
        """Write the manifest with the rows of these keys, in this order; of a track that has several, the first."""
        rows = {self.rows[key]["track_id"]: self.rows[key] for key in reversed([*keys]) if key in self.rows}
        path = write_tracks(self._folder, reversed(rows.values()))
        self.rows = {}
        self.close()
        return path

    def close(self) -> None:
        """Leave the rows, if there are any, for the next run."""
        if not self._file.closed:
            self._file.close()
            if not self.rows:
                self._path.unlink(missing_ok=True)
            self._hold.close()


def _line(row: Track | Mapping[str, Any]) -> bytes:
    entry = row.to_json() if isinstance(row, Track) else row
    text = json.dumps(entry, ensure_ascii=False, allow_nan=False)
    return f"{text.translate(_LINE_BREAKS)}\n".encode()
