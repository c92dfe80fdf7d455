"""Files that pass for catalogues: they are gone on with, or left as they are with a line that says why."""

import json
import sqlite3
import tempfile
from contextlib import closing, suppress
from functools import cache
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.helpers.calls import call
from tests.helpers.catalogues import EVERY_FORM, TABLES, by_name
from tests.helpers.fuzz import altered, damaged, file_of, fuzzed
from tests.helpers.sounds import saved, tune

COLUMNS = {
    "inputs": ("id", "path", "track_id", "vanished"),
    "models": ("id", "name", "version", "sha256", "settings"),
    "scores": (
        "id",
        "input_id",
        "model_id",
        "name",
        "score",
        "warnings",
        "size",
        "modified",
        "sha256",
        "scored",
        "error",
    ),
}
VALUES = (
    *("NULL", "''", "-1", "0.5", "9e999", "9223372036854775807", "x'ff00'", "CAST(x'ff' AS TEXT)", "char(0)"),
    *("'a' || char(10)", "char(27) || '[31m'", "'/' || id"),
)
OWN_TABLES = st.sampled_from(sorted(COLUMNS))
PLACES = OWN_TABLES.flatmap(lambda table: st.tuples(st.just(table), st.sampled_from(COLUMNS[table])))
EDITS = st.one_of(
    st.tuples(PLACES, st.sampled_from(VALUES)).map(lambda each: f"UPDATE {each[0][0]} SET {each[0][1]} = {each[1]}"),
    PLACES.map(lambda place: f"ALTER TABLE {place[0]} RENAME COLUMN {place[1]} TO other"),
    PLACES.map(lambda place: f"ALTER TABLE {place[0]} DROP COLUMN {place[1]}"),
    OWN_TABLES.map(lambda table: f"ALTER TABLE {table} ADD COLUMN mine NOT NULL DEFAULT 1"),
    OWN_TABLES.map(lambda table: f"DELETE FROM {table}"),
    OWN_TABLES.map(lambda table: f"DROP TABLE {table}"),
    st.sampled_from(["tracks", "inputs_track_id", "scores_bytes", "scores_score"]).map(
        lambda name: f"DROP {'VIEW' if name == 'tracks' else 'INDEX'} {name}"
    ),
    OWN_TABLES.map(lambda table: f"CREATE TRIGGER t BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END"),
    OWN_TABLES.map(lambda table: f"CREATE TRIGGER t BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"),
    st.integers(-1, 2).map(lambda number: f"PRAGMA user_version = {number}"),
    st.integers(0, 1).map(lambda number: f"PRAGMA application_id = {number}"),
)


@cache
def catalogue() -> tuple[tempfile.TemporaryDirectory, dict[str, bytes]]:
    """A folder with two songs; the files of the first, of a sound that is none, and of a song that is gone."""
    folder = tempfile.TemporaryDirectory()
    home = Path(folder.name)
    for number, name in enumerate(("a.wav", "gone.wav")):
        saved(home, f"music/{name}", tune(0.3, 22050, 1, number))
    (home / "music/bad.mp3").write_bytes(b"no sound")
    for form in EVERY_FORM:
        assert call("score", "--update", "-o", f"s.{form}", "music", "-j", "1", cwd=home).code == 1
    (home / "music/gone.wav").unlink()
    saved(home, "music/b.wav", tune(0.3, 22050, 1, 2))
    with closing(sqlite3.connect(home / "s.db")) as base:
        # Small pages, so that most of the bytes mean something.
        for statement in ("PRAGMA journal_mode = DELETE", "PRAGMA page_size = 512", "VACUUM"):
            base.execute(statement)
    return folder, {form: (home / f"s.{form}").read_bytes() for form in EVERY_FORM}


def names(database: Path) -> list[str]:
    """The names of the inputs of the rows."""
    with closing(sqlite3.connect(database)) as base:
        joined = "SELECT path FROM scores JOIN inputs ON inputs.id = input_id"
        return sorted(Path(path).name for (path,) in base.execute(joined))


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as base:
        base.text_factory = lambda text: text.decode(errors="backslashreplace")
        return list(base.iterdump())


def update(file: Path) -> int:
    """Bring the file up to date; the exit code. What is refused is refused in one line."""
    folder, _ = catalogue()
    outcome = call("score", "--update", "-o", file, "music", "-j", "1", cwd=Path(folder.name))
    assert all(line.strip() for line in outcome.lines)
    assert "\x1b" not in "".join(outcome.lines)
    if outcome.code > 1:
        assert len(outcome.lines) == 1
        assert str(file) in outcome.lines[0]
    return outcome.code


@pytest.mark.parametrize("form", EVERY_FORM)
def test_what_nobody_touched_is_gone_on_with(form):
    with file_of(catalogue()[1][form], f"s.{form}") as path:
        assert update(path) == 1
        assert sorted(by_name(path)) == ["a.wav", "b.wav", "bad.mp3", "gone.wav"]


def left_alone(data: bytes, form: str) -> None:
    """Nothing changes, and nothing is left beside it, where it is refused."""
    with file_of(data, f"s.{form}") as path:
        if update(path) > 1:
            assert path.read_bytes() == data
            assert list(path.parent.iterdir()) == [path]


@fuzzed(
    st.deferred(
        lambda: st.sampled_from(TABLES).flatmap(lambda form: st.tuples(damaged(catalogue()[1][form]), st.just(form)))
    ),
    few=5,
    many=200,
)
def test_damaged_tables(given):
    left_alone(*given)


@fuzzed(st.deferred(lambda: altered([json.loads(line) for line in catalogue()[1]["jsonl"].splitlines()])), few=5)
def test_records_that_others_have_written_in(rows):
    lines = [json.dumps(row) + "\n" for row in rows] if isinstance(rows, list) else []
    left_alone("".join(lines).encode(), "jsonl")


@fuzzed(st.deferred(lambda: damaged(catalogue()[1]["db"])), few=5, many=200)
def test_damaged_databases(data):
    with file_of(data, "s.db") as path:
        before = None
        with suppress(sqlite3.Error, UnicodeDecodeError):
            before = dump(path)
        if update(path) > 1 and before:
            assert set(before) <= set(dump(path))


@fuzzed(st.lists(EDITS, min_size=1, max_size=2), few=5, many=250)
def test_databases_that_others_have_written_in(edits):
    with file_of(catalogue()[1]["db"], "s.db") as path:
        with closing(sqlite3.connect(path, isolation_level=None)) as base:
            for edit in edits:
                with suppress(sqlite3.Error):
                    base.execute(edit)
        before = dump(path)
        if update(path) > 1:
            assert set(before) <= set(dump(path))
        else:
            assert {"a.wav", "b.wav"} <= set(names(path))
