"""A table that is kept up to date, and the database of its inputs that is there while it is worked on."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from hitpredict.catalogue.files import TableFile, TableRow
from hitpredict.catalogue.states import Look, key_of, without
from hitpredict.catalogue.store import Catalogue, header_of
from hitpredict.errors import EnvironmentProblem, HitpredictError, UsageError
from hitpredict.files.owned import atomic, opened
from hitpredict.tables.kept import INPUT_COLUMNS

_APPLICATION, _VERSION = int.from_bytes(b"hitw", "big"), 1


def work_of(output: Path) -> Path:
    """Where the work on an output is kept until it is done."""
    return output.with_name(f".{output.name}.update")


def claimed(output: Path, application: int) -> Path:
    """That place, if what is there is nothing or such a database. Raises `EnvironmentProblem` for anything else."""
    path = work_of(output)
    with opened(path) as file:
        used = bool(file.read(1))
    if used and (found := header_of(path)) and found[0] != application:
        without(path)
    elif used and not found:
        raise EnvironmentProblem(f"{path}: is no journal of this program, but has its name; move it away")
    return path


class TableCatalogue(Catalogue):
    """The inputs of a table file, in a database `.NAME.update` beside it that goes when the file is written.

    A killed run leaves it, and the next one for the same file, model and settings goes on from it. Of rows that stay
    only their place in the file is held. Raises `UsageError` for a file that is no such table, or is of another model
    or other settings.
    """

    application, version = _APPLICATION, _VERSION
    made: Mapping[str, str] = {"place": "INTEGER", "made": "TEXT"}
    more = ("CREATE TABLE base (told TEXT NOT NULL)", "CREATE INDEX scores_place ON scores (place)")

    def __init__(
        self,
        output: Path,
        table: TableFile,
        model: tuple[str, str, str, str],
        note: Callable[[str], None],
    ):
        self._table, self._settings = table, model[3]
        self._old = output if output.exists() else None
        path = claimed(output, _APPLICATION)
        told = json.dumps([list(model), _identity_of(self._old)])
        if path.exists() and path.stat().st_size:
            if self._takes_up(path, output, model, told):
                self.dirty = True
                note(f"{output}: taking up an interrupted update with {self._results():,} results")
                return
            self.close()
            without(path)
        super().__init__(path, output, model)
        try:
            self._load(told)
        except BaseException:
            self.close()
            without(path)
            raise

    def _takes_up(self, path: Path, output: Path, model: tuple[str, str, str, str], told: str) -> bool:
        """Open what an earlier run left; whether it was for the same."""
        try:
            super().__init__(path, output, model)
            return self.fetched("SELECT told FROM base") == [(told,)]
        except EnvironmentProblem as error:
            if isinstance(error.__cause__, sqlite3.DatabaseError) and not isinstance(
                error.__cause__, sqlite3.OperationalError
            ):
                return False
            raise

    def _results(self) -> int:
        return int(self.fetched("SELECT count(*) FROM scores WHERE place IS NULL OR made IS NOT NULL")[0][0])

    def _load(self, told: str) -> None:
        with self.whole():
            for place, row in enumerate(self._checked(), 1):
                about = (place, row["path"], row["track_id"], row["vanished"])
                if not self.do(
                    "INSERT OR IGNORE INTO inputs (id, path, track_id, vanished) VALUES (?, ?, ?, ?)", about
                ):
                    raise self._no_such_table(f"{row['path']} is there twice")
                state = [row[name] for name in ("size", "modified", "sha256", "scored", "error")]
                self.do(
                    "INSERT INTO scores (input_id, model_id, place, size, modified, sha256, scored, error) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (place, self.model_id, place, *state),
                )
            self.do("INSERT INTO base VALUES (?)", (told,))

    def _checked(self) -> Iterator[TableRow]:
        """What the file says of its inputs, up to the first row that is damaged or of other settings."""
        rows = self._table.inputs(self._old) if self._old else iter(())
        while True:
            try:
                row = next(rows)
                row = {**row, "path": key_of(row["path"]), "track_id": key_of(row["track_id"])}
            except StopIteration:
                return
            except (HitpredictError, ImportError):
                raise
            except Exception as error:
                # pyarrow's word for damage is an OSError too, without a number.
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                why = str(error).strip().splitlines()[:1] or [type(error).__name__]
                raise self._no_such_table(why[0][:100]) from error
            if row["settings"] != self._settings:
                raise UsageError(
                    f"{self._old}: was made with {row['settings']}, not {self._settings}; "
                    "ask for the same, or name another file (this one is left as it is)"
                )
            yield row

    def _no_such_table(self, why: str) -> UsageError:
        left = "name another file (this one is left as it is)"
        return UsageError(f"{self._old}: was not written with `update`, or is damaged ({why}); {left}")

    def packed(self, made: Mapping[str, Any]) -> dict[str, Any]:
        return {"place": None, "made": json.dumps(made)}

    def failed(self, look: Look) -> Mapping[str, Any]:
        return {**self._table.failed(look.source.path), "track_id": look.source.track_id}

    def rename(self, row: int, old: str, look: Look) -> None:
        source = look.source
        told = {"path": source.path, "track_id": source.track_id, "name": [PurePosixPath(old).stem, source.stem]}
        ((place, made),) = self.fetched("SELECT place, made FROM scores WHERE id = ?", (row,))
        if place is None:
            self.do("UPDATE scores SET made = ? WHERE id = ?", (json.dumps(_renamed(json.loads(made), told)), row))
        else:
            # The place is of the row that it is like.
            before = json.loads(made)["name"][0] if made else told["name"][0]
            told["name"] = [before, source.stem]
            self.do("UPDATE scores SET made = ? WHERE id = ?", (json.dumps(told), row))

    def finish(self, put_failures: Callable[[], None]) -> None:
        if self.dirty or self._old is None:
            self._fill()
            with atomic(self.output) as file, self.in_one_line():
                self._table.write(file, self._old, self._kept, self._new())
                put_failures()
        else:
            put_failures()
        self.close()
        without(self.path)

    def _fill(self) -> None:
        """Give rows that are like others of the file what those hold."""
        like: dict[int, list[tuple[int, str]]] = {}
        for row, place, made in self.fetched(
            "SELECT id, place, made FROM scores WHERE place IS NOT NULL AND made IS NOT NULL"
        ):
            like.setdefault(place, []).append((row, made))
        if self._old and like:
            with self.whole():
                for place, found in self._table.picked(self._old, set(like)):
                    for row, made in like[place]:
                        whole = json.dumps(_renamed(found, json.loads(made)), default=float)
                        self.do("UPDATE scores SET place = NULL, made = ? WHERE id = ?", (whole, row))

    def _kept(self, first: int, last: int) -> dict[int, TableRow]:
        found = self.fetched(f"{_STATES} WHERE place BETWEEN ? AND ? AND made IS NULL ORDER BY place", (first, last))
        return {place: self._state(state) for place, _, *state in found}

    def _new(self) -> Iterator[TableRow]:
        for _, made, *state in self.base.execute(f"{_STATES} WHERE made IS NOT NULL ORDER BY s.id"):
            yield {**json.loads(made), **self._state(state)}

    def _state(self, state: list[Any]) -> TableRow:
        return dict(zip(INPUT_COLUMNS, (*state, self._settings), strict=True))


_STATES = (
    "SELECT place, made, size, modified, sha256, scored, vanished, error "
    "FROM scores s JOIN inputs i ON i.id = s.input_id"
)


def _renamed(row: TableRow, told: Mapping[str, Any]) -> dict[str, Any]:
    """A row for other names of the same bytes. A title in the tags goes with the bytes."""
    old, new = told["name"]
    named = {"name": new} if "name" in row and row["name"] == old else {}
    return {**row, **named, "path": told["path"], "track_id": told["track_id"]}


def _identity_of(path: Path | None) -> list[int] | None:
    if path is None:
        return None
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]
