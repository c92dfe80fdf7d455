"""Scores as an SQLite database: the tables and views that docs/formats.md describes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hitpredict.catalogue.states import Look, without
from hitpredict.catalogue.store import Catalogue, header_of
from hitpredict.errors import UsageError
from hitpredict.tables.cells import escaped

_APPLICATION, _VERSION = int.from_bytes(b"hitp", "big"), 1
_SCORES = {
    **dict.fromkeys(("name", "artist"), "TEXT"),
    **dict.fromkeys(("duration", "score", "percentile", "interval_low", "interval_high", "interval_level"), "REAL"),
    **dict.fromkeys(("reference", "device", "warnings", "segments", "variant", "answers"), "TEXT"),
}
_AS_JSON = ("warnings", "segments", "variant")
_OF_OTHERS = ("schema", "path", "track_id", "interval", "model", *_SCORES)
_VIEW = (
    "CREATE VIEW tracks AS SELECT i.track_id, i.path, s.name, s.artist, s.score, s.percentile, s.interval_low, "
    "s.interval_high, s.duration, s.warnings, m.name AS model, m.version AS model_version, m.settings, s.scored, "
    "s.error, i.vanished FROM scores s JOIN inputs i ON i.id = s.input_id JOIN models m ON m.id = s.model_id"
)


class ScoreDatabase(Catalogue):
    """The database that `score -o FILE.db` writes. Raises `UsageError` for a file that is something else."""

    application, version = _APPLICATION, _VERSION
    made = _SCORES
    more = ("CREATE INDEX scores_score ON scores (score)", _VIEW)

    def __init__(self, path: Path, output: Path, model: tuple[str, str, str, str]):
        _check(path)
        super().__init__(path, output, model)

    def packed(self, made: Mapping[str, Any]) -> dict[str, Any]:
        low, high = made.get("interval", (None, None))
        row: dict[str, Any] = {**made, "interval_low": low, "interval_high": high}
        row |= {name: json.dumps(made[name]) for name in _AS_JSON if name in made}
        answers = {name: value for name, value in made.items() if name not in _OF_OTHERS}
        row["answers"] = json.dumps(answers) if answers else None
        return {name: escaped(row[name]) if isinstance(row.get(name), str) else row.get(name) for name in _SCORES}

    def failed(self, look: Look) -> Mapping[str, Any]:
        return {"name": look.source.stem}

    def rename(self, row: int, old: str, look: Look) -> None:
        # A title in the tags goes with the bytes.
        names = (escaped(look.source.stem), row, PurePosixPath(old).stem)
        self.do("UPDATE scores SET name = ? WHERE id = ? AND name = ?", names)


class NewScoreDatabase(ScoreDatabase):
    """One that appears when it is whole, with the inputs of this run alone; a killed run is taken up."""

    def finish(self, put_failures: Callable[[], None]) -> None:
        with self.whole():
            self.do("DELETE FROM scores WHERE model_id <> ?", (self.model_id,))
            self.do("DELETE FROM scores WHERE input_id IN (SELECT id FROM inputs WHERE path NOT IN seen)")
            self.do("DELETE FROM inputs WHERE path NOT IN (SELECT path FROM seen)")
            self.do("DELETE FROM models WHERE id <> ?", (self.model_id,))
        put_failures()
        self.close()
        # What SQLite had left beside an older database of this name would be taken for a part of the new one.
        without(self.output)
        self.path.replace(self.output)


def _check(path: Path) -> None:
    if not path.exists() or not path.stat().st_size:
        return
    found = header_of(path)
    if found is None or found[0] != _APPLICATION:
        raise UsageError(
            f"{path}: is no database that `hitpredict score` made; name another file (this one is left as it is)"
        )
    if found[1] > _VERSION:
        raise UsageError(f"{path}: is of a later version of hitpredict; update the program, or name another file")
