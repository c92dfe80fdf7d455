"""Every line of SQL in docs/catalogues.md, on a table and a database that were just written."""

import csv
import re
import sqlite3
from contextlib import chdir, closing
from pathlib import Path

import duckdb
import pytest

from tests.helpers.calls import call
from tests.helpers.catalogues import rows_of
from tests.helpers.sounds import saved, tune

PAGE = (Path(__file__).parents[2] / "docs" / "catalogues.md").read_text(encoding="utf-8")
QUERIES = re.findall(r"^-- (duckdb|sqlite): (.*)\n(SELECT .*;)$", PAGE, flags=re.MULTILINE)
SONGS = 12


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("catalogue")
    for seed in range(SONGS + 1):
        saved(folder, f"music/t{seed:02}.wav", tune(0.5, 22050, 1, seed))
    (folder / "music/bad.mp3").write_bytes(b"no sound at all")
    for name in ("scores.parquet", "scores.db"):
        call("score", "--update", "music", "-o", name, "-j", "1", cwd=folder)
    (folder / f"music/t{SONGS}.wav").unlink()
    for name in ("scores.parquet", "scores.db"):
        call("score", "--update", "music", "-o", name, cwd=folder)
    lines = ["track_id,rank", *(f"t{seed:02},{seed}" for seed in range(0, SONGS, 2))]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def answers(folder, engine, statement):
    if engine == "duckdb":
        with chdir(folder), duckdb.connect() as base:
            return base.execute(statement).fetchall()
    with closing(sqlite3.connect(folder / "scores.db")) as base:
        base.execute("CREATE TEMP TABLE labels (track_id TEXT, rank INTEGER)")
        with (folder / "labels.csv").open() as file:
            base.executemany("INSERT INTO labels VALUES (?, ?)", list(csv.reader(file))[1:])
        return base.execute(statement).fetchall()


def test_the_page_asks_both():
    assert {engine for engine, *_ in QUERIES} == {"duckdb", "sqlite"}
    assert len(QUERIES) == len(re.findall(r"^SELECT", PAGE, flags=re.MULTILINE)) == 9


@pytest.mark.parametrize(("engine", "what", "statement"), QUERIES, ids=lambda text: text[:30])
def test_a_question_is_answered(catalogue, engine, what, statement):
    found = answers(catalogue, engine, statement)
    scores = {row["track_id"]: row["score"] for row in rows_of(catalogue / "scores.parquet")}
    there = {name: score for name, score in scores.items() if score is not None and name != f"t{SONGS}"}
    if what.startswith("the ten"):
        highest = sorted(there.values(), reverse=True)[:10]
        assert [score for *_, score in found] == highest
        assert all(there[name] == score for name, _, score in found)
    elif what == "scores beside labels":
        assert [(name, score, int(rank)) for name, score, rank in found] == [
            (f"t{seed:02}", scores[f"t{seed:02}"], seed) for seed in range(0, SONGS, 2)
        ]
    elif what.startswith("what was scored"):
        assert [Path(path).stem for path, *_ in found] == sorted({*there, f"t{SONGS}"})
        assert [Path(path).stem for path, _, vanished in found if vanished] == [f"t{SONGS}"]
    elif what.startswith("what could not"):
        assert [(Path(path).name, error[:9]) for path, error in found] == [("bad.mp3", "not audio")]
    elif what.startswith("the songs"):
        assert [name for name, _ in found] == sorted({*there, f"t{SONGS}"})
    else:
        ((correlation,),) = found
        assert -1 <= correlation <= 1
