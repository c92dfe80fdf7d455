"""The inputs of an output and what was made of each, in SQLite: the same tables for `.db` and for work in progress."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from hitpredict.catalogue.states import InputState, Look, Recorded, is_gone, key_of, this_moment
from hitpredict.errors import EnvironmentProblem

Value = TypeVar("Value")
_PATIENCE_SECONDS = 600.0
_MAGIC = b"SQLite format 3\0"
_TABLES = (
    "CREATE TABLE inputs (id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, track_id TEXT NOT NULL, vanished TEXT)",
    "CREATE TABLE models (id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL, sha256 TEXT NOT NULL, "
    "settings TEXT NOT NULL, UNIQUE (name, version, sha256, settings))",
    "CREATE TABLE scores (id INTEGER PRIMARY KEY, input_id INTEGER NOT NULL REFERENCES inputs (id), "
    "model_id INTEGER NOT NULL REFERENCES models (id), {made}, size INTEGER, modified TEXT, sha256 TEXT, scored TEXT, "
    "error TEXT, UNIQUE (input_id, model_id))",
    "CREATE INDEX inputs_track_id ON inputs (track_id)",
    "CREATE INDEX scores_bytes ON scores (size, sha256)",
)


def header_of(path: Path) -> tuple[int, int] | None:
    """Application and version that a SQLite file names, None for anything else. It is not opened as a database."""
    with path.open("rb") as file:
        head = file.read(100)
    if len(head) < 100 or not head.startswith(_MAGIC):
        return None
    return int.from_bytes(head[68:72], "big"), int.from_bytes(head[60:64], "big")


class Catalogue:
    """A database of inputs, and of the rows of one model with its settings among those of others.

    path: of the database. output: what messages call it. model: name, version, SHA-256 and settings. Each result is
    kept as soon as it is recorded; several processes may write at the same time. Raises `EnvironmentProblem` when
    SQLite cannot.
    """

    application, version = 0, 1
    made: Mapping[str, str] = {}
    """The columns of what was made of an input, and their types."""
    more: Sequence[str] = ()

    def __init__(self, path: Path, output: Path, model: tuple[str, str, str, str]):
        self.path, self.output, self.model_id, self.dirty = path, output, 0, False
        with self.in_one_line():
            self.base = sqlite3.connect(path, _PATIENCE_SECONDS, isolation_level=None, check_same_thread=False)
            self._create()
            self.do("PRAGMA synchronous = NORMAL")
            self.do("CREATE TEMP TABLE seen (path TEXT PRIMARY KEY) WITHOUT ROWID")
            self.do("CREATE TEMP TABLE unread (path TEXT PRIMARY KEY) WITHOUT ROWID")
            self.model_id = self._number_of(model)

    def _create(self) -> None:
        with self.whole():
            if not self.fetched("PRAGMA user_version")[0][0]:
                made = ", ".join(f"{name} {kind}" for name, kind in self.made.items())
                for statement in (*_TABLES, *self.more):
                    self.do(statement.replace("{made}", made))
                self.do(f"PRAGMA application_id = {self.application}")
                self.do(f"PRAGMA user_version = {self.version}")
        try:
            self.base.execute("PRAGMA journal_mode = WAL").fetchall()
        except sqlite3.OperationalError:
            # Another writer is at it, or the file system has no shared memory: the other mode is as safe.
            return

    def _number_of(self, model: tuple[str, str, str, str]) -> int:
        find = "SELECT id FROM models WHERE (name, version, sha256, settings) = (?, ?, ?, ?)"
        if not self.fetched(find, model):
            self.do("INSERT OR IGNORE INTO models (name, version, sha256, settings) VALUES (?, ?, ?, ?)", model)
        return self._one(int, find, model)

    @contextmanager
    def in_one_line(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise EnvironmentProblem(f"{self.output}: {error}") from error
        except UnicodeDecodeError as error:
            # Of SQLite's own message about names that are no text.
            raise self._damage() from error

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All that is done in it, or nothing."""
        self.do("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self.base.in_transaction:
                self.base.execute("ROLLBACK")
            raise
        self.do("COMMIT")

    def do(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement that gives no rows; how many it changed."""
        with self.in_one_line():
            return self.base.execute(statement, values).rowcount

    def fetched(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self.in_one_line():
            return self.base.execute(statement, values).fetchall()

    def _one(self, kind: type[Value], statement: str, values: Sequence[Any]) -> Value:
        """A value that must be there."""
        found = self.fetched(statement, values)
        if not (found and isinstance(found[0][0], kind)):
            raise self._damage()
        return found[0][0]

    def _add(self, statement: str, values: Sequence[Any]) -> None:
        """Put a row, and be sure of it: a trigger may have kept it out."""
        if self.do(statement, values) != 1:
            raise self._damage()

    def _damage(self) -> EnvironmentProblem:
        return EnvironmentProblem(
            f"{self.output}: is damaged, or something else has changed its tables; name another file"
        )

    def is_first(self, key: str) -> bool:
        """Whether an input comes for the first time in this run."""
        return self.do("INSERT OR IGNORE INTO seen VALUES (?)", (key,)) == 1

    def forget(self, key: str) -> None:
        """An input that was given is not there."""
        self.do("DELETE FROM seen WHERE path = ?", (key,))

    def known(self, key: str) -> Recorded | None:
        """What is recorded of an input."""
        found = self.fetched(
            "SELECT i.id, i.vanished, s.id, s.size, s.modified, s.sha256, s.error FROM inputs i "
            "LEFT JOIN scores s ON s.input_id = i.id AND s.model_id = ? WHERE i.path = ?",
            (self.model_id, key),
        )
        for number, vanished, row, size, modified, sha256, error in found:
            return Recorded(number, vanished, row, InputState(size, modified), sha256, error)
        return None

    def has_size(self, size: int | None) -> bool:
        """Whether a row of this model was made from as many bytes."""
        return bool(self.fetched("SELECT 1 FROM scores WHERE size = ? AND model_id = ? LIMIT 1", (size, self.model_id)))

    def twin(self, size: int | None, sha256: str) -> int | None:
        """A row of this model that was made from the same bytes, under whatever name."""
        found = self.fetched(
            "SELECT id FROM scores WHERE size = ? AND sha256 = ? AND model_id = ? AND error IS NULL LIMIT 1",
            (size, sha256, self.model_id),
        )
        return found[0][0] if found else None

    def is_back(self, known: Recorded) -> None:
        """The file of an input that had vanished is there again."""
        self.dirty = True
        self.do("UPDATE inputs SET vanished = NULL WHERE id = ?", (known.id,))

    def touch(self, row: int, state: InputState) -> None:
        """The same bytes with another time."""
        self.dirty = True
        change = "UPDATE scores SET size = ?, modified = ?, error = NULL WHERE id = ?"
        self.do(change, (state.size, state.modified, row))

    def put(self, look: Look, sha256: str | None, made: Mapping[str, Any], error: str | None = None) -> None:
        """A row in the place of that which this input had, if any. made: as `packed` takes it."""
        assert look.state is not None
        columns = self.packed(made)
        names = ", ".join(("input_id", "model_id", *columns, "size", "modified", "sha256", "scored", "error"))
        marks = ", ".join("?" * (len(columns) + 7))
        self.dirty = True
        with self.whole():
            number = self._input(look)
            state = (look.state.size, look.state.modified, sha256, None if error else this_moment(), error)
            values = (number, self.model_id, *columns.values(), *state)
            self._add(f"INSERT OR REPLACE INTO scores ({names}) VALUES ({marks})", values)

    def copy(self, look: Look, row: int, sha256: str) -> None:
        """The row of the same bytes under another name, for this one."""
        assert look.state is not None
        columns, self.dirty = ", ".join(self.made), True
        with self.whole():
            number = self._input(look)
            of_row = "SELECT path FROM inputs WHERE id = (SELECT input_id FROM scores WHERE id = ?)"
            old = self._one(str, of_row, (row,))
            self._add(
                f"INSERT OR REPLACE INTO scores (input_id, model_id, {columns}, size, modified, sha256, scored) "
                f"SELECT ?, model_id, {columns}, ?, ?, ?, scored FROM scores WHERE id = ?",
                (number, look.state.size, look.state.modified, sha256, row),
            )
            new = self._one(int, "SELECT id FROM scores WHERE input_id = ? AND model_id = ?", (number, self.model_id))
            self.rename(new, old, look)

    def _input(self, look: Look) -> int:
        self.do(
            "INSERT INTO inputs (path, track_id) VALUES (?, ?) ON CONFLICT (path) DO UPDATE SET vanished = NULL",
            (look.key, key_of(look.source.track_id)),
        )
        return self._one(int, "SELECT id FROM inputs WHERE path = ?", (look.key,))

    def fail(self, look: Look, error: str) -> None:
        """What became of an input as it is now; what was made of earlier bytes stays."""
        assert look.state is not None
        if look.known and look.known.row:
            self.dirty = True
            change = "UPDATE scores SET size = ?, modified = ?, error = ? WHERE id = ?"
            self.do(change, (look.state.size, look.state.modified, error, look.known.row))
        else:
            self.put(look, None, self.failed(look), error)

    def leave_unread(self, key: str) -> None:
        """Below this place nothing can be said to have vanished: it could not be read, or is empty."""
        self.do("INSERT OR IGNORE INTO unread VALUES (?)", (_place(key),))

    def vanish(self, given: Iterable[str], time: str) -> list[str]:
        """Mark the inputs below the places given that this run did not find; the paths of those newly marked."""
        self.do("CREATE TEMP TABLE given (path TEXT PRIMARY KEY) WITHOUT ROWID")
        with self.whole():
            for place in given:
                self.do("INSERT OR IGNORE INTO given VALUES (?)", (_place(key_of(place)),))
        with self.in_one_line():
            missed = self.base.execute(
                "SELECT path FROM inputs WHERE vanished IS NULL AND path NOT IN (SELECT path FROM seen) ORDER BY id"
            )
            paths = [
                path for (path,) in missed if isinstance(path, str) and self._was_asked_for(path) and is_gone(path)
            ]
        with self.whole():
            for path in paths:
                self.do("UPDATE inputs SET vanished = ? WHERE path = ?", (time, path))
        self.dirty |= bool(paths)
        return paths

    def _was_asked_for(self, path: str) -> bool:
        parents = list(_places_above(path))
        marks = ", ".join("?" * len(parents))
        if self.fetched(f"SELECT 1 FROM unread WHERE path IN ({marks}) LIMIT 1", parents):
            return False
        return bool(self.fetched(f"SELECT 1 FROM given WHERE path IN ({marks}) LIMIT 1", parents))

    def packed(self, made: Mapping[str, Any]) -> dict[str, Any]:
        """What was made of an input as columns."""
        raise NotImplementedError

    def failed(self, look: Look) -> Mapping[str, Any]:
        """What stands for an input of which nothing could be made."""
        raise NotImplementedError

    def rename(self, row: int, old: str, look: Look) -> None:
        """Give a row that was copied from another input the name of its own."""
        raise NotImplementedError

    def finish(self, put_failures: Any) -> None:
        """Bring the output into its place. put_failures: what must be there before."""
        put_failures()

    def close(self) -> None:
        """What is recorded stays."""
        self.base.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _place(path: str) -> str:
    """Stores differ in how many slashes they begin the paths of their URLs with."""
    protocol, between, rest = path.partition("://")
    return f"{protocol}{between}{rest.lstrip('/')}" if between else path


def _places_above(path: str) -> Iterator[str]:
    """A path and every place that it lies in, as somebody may have given it."""
    path = _place(path)
    yield path
    while "/" in path.rstrip("/"):
        path = path.rstrip("/").rpartition("/")[0]
        yield path or "/"
        yield f"{path}/"
