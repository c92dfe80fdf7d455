"""`score -o FILE.db`: what is in the database, several models and writers, and files that are something else."""

import json
import os
import signal
import sqlite3
from contextlib import closing

import pytest

from tests.helpers.calls import call
from tests.helpers.catalogues import by_name, rows_of
from tests.helpers.made_models import linear_on_mfcc
from tests.helpers.processes import finished, start, until
from tests.helpers.sounds import encoded, saved, tune


def asked(database, statement, *values):
    with closing(sqlite3.connect(database)) as base:
        return base.execute(statement, values).fetchall()


@pytest.fixture
def songs(tmp_path):
    for seed in range(3):
        saved(tmp_path, f"music/{seed}.wav", tune(0.5, 22050, 1, seed))
    return tmp_path


def test_a_database_says_what_records_say(songs):
    assert call("score", "music", "-o", "s.jsonl", "--segments", "1", "-j", "1", cwd=songs).code == 0
    assert call("score", "music", "-o", "s.db", "--segments", "1", "-j", "1", cwd=songs).code == 0
    assert sorted(path.name for path in songs.iterdir()) == ["music", "s.db", "s.jsonl"]
    for row, record in zip(rows_of(songs / "s.db"), rows_of(songs / "s.jsonl"), strict=True):
        assert row["path"] == str(songs / record["path"])
        for name in ("name", "duration", "score", "percentile", "interval_level", "reference", "device"):
            assert row[name] == record[name]
        assert [row["interval_low"], row["interval_high"]] == record["interval"]
        assert json.loads(row["segments"]) == record["segments"]
        assert json.loads(row["warnings"]) == record["warnings"]
        assert json.loads(row["answers"]) == {"noise_floor": record["noise_floor"]}
        assert (row["artist"], row["variant"], row["vanished"], row["error"]) == (None, None, None, None)
    ((name, version, sha256, settings),) = asked(songs / "s.db", "SELECT name, version, sha256, settings FROM models")
    assert {"name": name, "version": version, "sha256": sha256} == record["model"]
    assert settings == "segments=1"
    assert asked(songs / "s.db", "PRAGMA user_version") == [(1,)]
    assert asked(songs / "s.db", "PRAGMA application_id") == [(int.from_bytes(b"hitp", "big"),)]
    assert asked(songs / "s.db", "PRAGMA integrity_check") == [("ok",)]
    view = asked(songs / "s.db", "SELECT track_id, score, model FROM tracks ORDER BY track_id")
    assert view == [(row["track_id"], row["score"], "zalo2019-mfcc") for row in rows_of(songs / "s.db")]


def test_what_tracks_and_scores_are_looked_up_by_has_an_index(songs):
    call("score", "music", "-o", "s.db", "-j", "1", cwd=songs)
    for statement in ("SELECT * FROM inputs WHERE track_id = '1'", "SELECT * FROM scores ORDER BY score LIMIT 3"):
        assert "USING INDEX" in asked(songs / "s.db", f"EXPLAIN QUERY PLAN {statement}")[0][3]


def test_a_database_may_hold_several_models_and_settings(songs):
    (songs / "made.onnx").write_bytes(linear_on_mfcc({"mfcc_0_mean": 1.0}))
    for more in ((), ("--segments", "1"), ("-m", "made.onnx")):
        assert call("score", "--update", "music", "-o", "s.db", "-j", "1", *more, cwd=songs).code == 0
    assert asked(songs / "s.db", "SELECT count(*), count(DISTINCT model_id), count(DISTINCT input_id) FROM scores") == [
        (9, 3, 3)
    ]
    saved(songs, "music/1.wav", tune(0.5, 22050, 1, 7))
    outcome = call("score", "--update", "music", "-o", "s.db", "-j", "1", cwd=songs)
    assert outcome.lines == ["hitpredict: s.db: 0 new, 1 changed, 2 unchanged, 0 vanished, 0 failed"]
    outcome = call("score", "--update", "music", "-o", "s.db", "-j", "1", "-m", "made.onnx", cwd=songs)
    assert outcome.lines == ["hitpredict: s.db: 0 new, 1 changed, 2 unchanged, 0 vanished, 0 failed"]


def test_an_existing_database_is_in_the_way_without_update_or_force(songs):
    call("score", "music", "-o", "s.db", "-j", "1", cwd=songs)
    before = (songs / "s.db").read_bytes()
    outcome = call("score", "music/0.wav", "-o", "s.db", cwd=songs)
    assert outcome.code == 2
    assert "use --force to replace it" in outcome.lines[0]
    assert call("score", "music/0.wav", "-o", "s.db", "--skip-existing", cwd=songs).code == 0
    assert (songs / "s.db").read_bytes() == before
    assert call("score", "music/0.wav", "-o", "s.db", "--force", cwd=songs).code == 0
    assert set(by_name(songs / "s.db")) == {"0.wav"}


def foreign(what, path):
    if what == "text":
        path.write_text("dear diary")
    else:
        with closing(sqlite3.connect(path)) as base:
            if what == "in WAL mode":
                base.execute("PRAGMA journal_mode = WAL")
            if what == "of a later version":
                base.execute(f"PRAGMA application_id = {int.from_bytes(b'hitp', 'big')}")
                base.execute("PRAGMA user_version = 99")
            base.execute("CREATE TABLE diary (day TEXT)")
            base.commit()


@pytest.mark.parametrize("what", ["text", "a database", "in WAL mode", "of a later version"])
def test_a_file_that_is_something_else_is_left_alone(songs, what):
    foreign(what, songs / "s.db")
    before, stated = (songs / "s.db").read_bytes(), (songs / "s.db").stat()
    outcome = call("score", "--update", "music", "-o", "s.db", cwd=songs)
    assert outcome.code == 2
    (line,) = outcome.lines
    assert (
        "of a later version of hitpredict" if "later" in what else "no database that `hitpredict score` made"
    ) in line
    assert (songs / "s.db").read_bytes() == before
    assert (songs / "s.db").stat().st_mtime_ns == stated.st_mtime_ns
    assert sorted(path.name for path in songs.iterdir()) == ["music", "s.db"]


@pytest.mark.parametrize("option", ["--sort=score", "--top=3"])
def test_a_database_has_no_order(songs, option):
    outcome = call("score", "music", "-o", "s.db", option, cwd=songs)
    assert (outcome.code, len(outcome.lines)) == (2, 1)
    assert "ordered when they are read" in outcome.lines[0]


def test_standard_input_goes_into_a_new_database(songs):
    with (songs / "music/0.wav").open("rb") as song:
        outcome = finished(start("score", "-", "-o", "s.db", cwd=songs, stdin=song.fileno()))
    assert outcome.code == 0
    ((path, size),) = asked(songs / "s.db", "SELECT path, size FROM scores s JOIN inputs i ON i.id = s.input_id")
    assert (path, size) == ("-", (songs / "music/0.wav").stat().st_size)


def test_a_full_disk_is_one_line_and_loses_nothing(songs, monkeypatch):
    call("score", "--update", "music/0.wav", "-o", "s.db", cwd=songs)
    before = rows_of(songs / "s.db")
    saved(songs, "music/many.wav", tune(0.5, 22050, 1, 9))

    class Full(sqlite3.Connection):
        def execute(self, statement, *values):
            if "INTO scores" in statement:
                raise sqlite3.OperationalError("database or disk is full")
            return super().execute(statement, *values)

    with monkeypatch.context() as patch:
        connect = sqlite3.connect
        patch.setattr(sqlite3, "connect", lambda *given, **named: connect(*given, factory=Full, **named))
        outcome = call("score", "--update", "music", "-o", "s.db", "-j", "1", cwd=songs)
    assert (outcome.code, outcome.lines) == (3, ["hitpredict: s.db: database or disk is full"])
    assert rows_of(songs / "s.db") == before
    assert call("score", "--update", "music", "-o", "s.db", "-j", "1", cwd=songs).code == 0
    assert len(by_name(songs / "s.db")) == 4


def test_two_writers_both_finish_and_no_row_is_lost_or_doubled(tmp_path):
    """Both begin where no database is; what one has, the other has as well, or has alone."""
    for seed in range(6):
        saved(tmp_path, f"{'both' if seed < 2 else 'first' if seed < 4 else 'second'}/{seed}.wav", tune(0.5, seed=seed))
    writers = [
        start("score", "--update", "both", own, "-o", "s.db", "-j", "1", cwd=tmp_path) for own in ("first", "second")
    ]
    outcomes = [finished(writer) for writer in writers]
    assert [outcome.code for outcome in outcomes] == [0, 0], [outcome.err for outcome in outcomes]
    rows = rows_of(tmp_path / "s.db")
    assert sorted(row["track_id"] for row in rows) == [str(seed) for seed in range(6)]
    assert all(row["score"] is not None and row["vanished"] is None for row in rows)
    assert asked(tmp_path / "s.db", "PRAGMA integrity_check") == [("ok",)]
    assert asked(tmp_path / "s.db", "SELECT count(*) FROM models") == [(1,)]
    last = call("score", "--update", "both", "first", "second", "-o", "s.db", "-j", "1", cwd=tmp_path)
    assert last.lines == ["hitpredict: s.db: 0 new, 0 changed, 6 unchanged, 0 vanished, 0 failed"]


def waiting(folder, output):
    """A run that has one row, and waits for a pipe that nobody writes into."""
    if not (folder / "pipe").exists():
        os.mkfifo(folder / "pipe")
    work = folder / (output if output.endswith(".db") else f".{output}.update")
    process = start("score", "--update", "music/0.wav", "pipe", "-o", output, "-j", "1", cwd=folder)

    def has_a_row():
        try:
            return asked(work, "SELECT count(*) FROM scores") == [(1,)]
        except sqlite3.OperationalError:
            return False

    until(has_a_row, process)
    return process


@pytest.mark.parametrize("form", ["db", "csv"])
def test_a_killed_run_has_lost_nothing(songs, form):
    output = songs / f"s.{form}"
    process = waiting(songs, output.name)
    process.kill()
    finished(process)
    outcome = call("score", "--update", "music", "-o", output.name, "-j", "1", cwd=songs)
    assert outcome.lines[-1] == f"hitpredict: s.{form}: 2 new, 0 changed, 1 unchanged, 0 vanished, 0 failed"
    assert sorted(row["track_id"] for row in rows_of(output)) == ["0", "1", "2"]
    assert sorted(path.name for path in songs.iterdir()) == ["music", "pipe", output.name]


def test_work_in_progress_lies_in_one_file_from_its_beginning(songs):
    """SQLite deletes the journal of a new file of the same name, when somebody still looks into the old one."""
    work = songs / ".s.csv.update"
    with work.open("wb") as held:
        process = waiting(songs, "s.csv")
        process.kill()
        finished(process)
        assert os.fstat(held.fileno()).st_nlink == 1


def test_an_interrupted_run_says_how_to_go_on(songs):
    process = waiting(songs, "s.csv")
    process.send_signal(signal.SIGINT)
    outcome = finished(process)
    assert (outcome.code, len(outcome.complaints)) == (130, 1)
    assert "all results so far are kept, and the same command does the rest" in outcome.err


def test_a_table_has_one_writer(songs):
    process = waiting(songs, "s.csv")
    outcome = call("score", "--update", "music", "-o", "s.csv", cwd=songs)
    process.kill()
    finished(process)
    assert outcome.code == 3
    assert "is being written by another run" in outcome.lines[0]


def test_a_song_that_changes_while_it_is_scored_is_scored_again(songs, monkeypatch):
    """Its hash is that of the bytes before, so that the next run finds others."""
    from hitpredict.scoring.scorer import Scorer

    score, song = Scorer.score, songs / "music/0.wav"

    def slowly(*given, **named):
        song.write_bytes(encoded(tune(0.5, 22050, 1, 8)))
        os.utime(song, (5, 5))
        return score(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(Scorer, "score", slowly)
        call("score", "--update", song, "-o", "s.db", cwd=songs)
    outcome = call("score", "--update", song, "-o", "s.db", cwd=songs)
    assert outcome.lines == ["hitpredict: s.db: 0 new, 1 changed, 0 unchanged, 0 vanished, 0 failed"]
