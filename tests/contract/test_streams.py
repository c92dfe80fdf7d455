"""Promises 2, 5, 16 and 17: data on one stream, words on the other, and what a terminal changes."""

import csv
import io
import json
import os
import re
import subprocess

import pyarrow.parquet
import pytest
import soundfile

from tests.helpers.commands import MUTATE, ON_INPUTS, SCORE
from tests.helpers.processes import environment, in_terminal, run, start
from tests.helpers.sounds import encoded, saved, tune

ESCAPE = b"\x1b["
MANY = 400


def test_standard_output_of_score_is_records_alone(tmp_path):
    good, bad = saved(tmp_path), tmp_path / "bad.mp3"
    bad.write_bytes(b"\xff\xfb\x90\x64" + bytes(range(256)) * 20)
    outcome = run("score", good, bad, good)
    assert [r["schema"] for r in outcome.records] == ["hitpredict.score/1"] * 2
    assert len(outcome.complaints) == 1


def test_libraries_words_do_not_leak(tmp_path):
    noisy, sound = tmp_path / "noisy.mp3", encoded(tune(4), "MP3")
    noisy.write_bytes(b"ID3\x04\x00\xff\x00\x00\x00\x40" + b"\xfe" * 64 + sound[:9000] + bytes(4000) + sound[9000:])
    for jobs in ("1", "2"):
        outcome = run("score", "-j", jobs, noisy, noisy)
        assert all(line.startswith(f"hitpredict: {noisy}: ") for line in outcome.complaints), outcome.err


def test_saying_more_tells_of_nothing_that_is_as_it_should_be(tmp_path):
    assert run("score", "-v", "--device", "cpu", saved(tmp_path)).err == ""


def test_sound_is_refused_by_a_terminal(tmp_path):
    outcome = in_terminal("mutate", saved(tmp_path), "--mono")
    assert outcome.code == 2
    assert "terminal" in outcome.err
    assert not outcome.out
    assert in_terminal("mutate", saved(tmp_path), "--mono", terminals="02").out.startswith(b"RIFF")


def test_parquet_is_refused_by_a_terminal(tmp_path):
    outcome = in_terminal("score", "-f", "parquet", saved(tmp_path))
    assert outcome.code == 2
    assert "Parquet" in outcome.err
    assert not outcome.out


@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_nothing_to_do_at_a_terminal_shows_help(command):
    outcome = in_terminal(*command.call())
    assert outcome.code == 2
    assert f"Usage: hitpredict {command}" in outcome.err


def test_the_program_alone_shows_help():
    outcome = run()
    assert outcome.code == 2
    assert "Usage: hitpredict" in outcome.out.decode() + outcome.err


@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_nothing_from_a_pipe_is_a_failed_input(command):
    outcome = run(*command.call())
    assert outcome.code == 1
    assert outcome.complaints == ["hitpredict: -: nothing came in (0 bytes)"]


def test_people_get_a_card_and_pipes_get_json(tmp_path):
    song = saved(tmp_path)
    card = in_terminal("score", song)
    assert card.code == 0
    assert not card.err
    assert ESCAPE in card.out
    assert "Score" in card.out.decode()
    assert in_terminal("score", song, terminals="02").out == run("score", song).out
    assert in_terminal("score", "-f", "jsonl", song).out.replace(b"\r", b"") == run("score", song).out


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=str)
def test_colour_can_be_declined(tmp_path, variables):
    outcome = in_terminal("score", saved(tmp_path), env=variables)
    assert outcome.code == 0
    assert b"Score" in outcome.out
    colours = outcome.out.replace(b"\x1b[1m", b"").replace(b"\x1b[2m", b"").replace(b"\x1b[0m", b"")
    assert ESCAPE not in (outcome.out if "TERM" in variables else colours)


def test_pretty_in_a_pipe_is_plain(tmp_path):
    outcome = run("score", "-f", "pretty", saved(tmp_path), saved(tmp_path, "two.flac"))
    assert ESCAPE not in outcome.out
    assert "tune" in outcome.out.decode()
    assert "two" in outcome.out.decode()


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """A folder that takes longer than progress is patient."""
    folder = tmp_path_factory.mktemp("crowd")
    song = saved(folder, "0000.wav", tune(20))
    for number in range(1, MANY):
        os.link(song, folder / f"{number:04}.wav")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("terminals", "options", "variables", "shown"),
    [
        ("2", (), {}, True),
        ("2", ("-q",), {}, False),
        ("2", (), {"TERM": "dumb"}, False),
        ("012", (), {}, False),
        ("01", (), {}, False),
    ],
)
def test_progress_is_for_people_who_wait(crowd, terminals, options, variables, shown):
    """Rows on the same screen show themselves how far the work is."""
    outcome = in_terminal("score", "-f", "jsonl", *options, crowd, terminals=terminals, env=variables)
    assert outcome.code == 0
    assert ("scored" in outcome.err) == shown
    assert shown or not outcome.err
    assert len(outcome.records) == MANY


@pytest.mark.slow
@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_progress_is_shown_where_rows_go_to_a_file(crowd, tmp_path, command):
    # Each is scored about twenty times to be explained.
    songs = sorted(crowd.iterdir())[: 40 if str(command) == "explain" else MANY]
    outcome = in_terminal(*command.call(*songs, "-j", "1", "-o", tmp_path / "out"))
    assert re.search(rf"\d/{len(songs)}", outcome.err)
    assert "a second" in outcome.err
    assert "left" in outcome.err


@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_work_for_a_file_ends_in_one_line_for_people(tmp_path, command):
    song, missing = saved(tmp_path), tmp_path / "missing.wav"
    to_file = command.call(song, missing, "-o", tmp_path / "out.d" / "out", "--failures", tmp_path / "failed")
    (tmp_path / "out.d").mkdir()
    shown, quiet = (in_terminal(*to_file, *more, terminals="02") for more in ((), ("-q", "--force")))
    done = {"score": "scored", "mutate": "variants written", "explain": "explained", "featurize": "described"}[
        str(command)
    ]
    assert shown.complaints[-1] == (
        f"hitpredict: 1 {done}, 1 failed (listed in {tmp_path / 'failed'}); {tmp_path / 'out.d' / 'out'}"
    )
    assert quiet.complaints == [f"hitpredict: {missing}: no such file or folder"]
    assert len(run(*to_file, "--force").complaints) == 1


def test_short_work_shows_no_progress(tmp_path):
    assert in_terminal("score", saved(tmp_path), terminals="2").err == ""


def test_quiet_keeps_failures_only(tmp_path):
    loud, missing = saved(tmp_path, "loud.wav"), tmp_path / "missing.wav"
    boosted = ("mutate", "--gain", "30", "--bits", "16", loud, missing, "-o", tmp_path / "out")
    noisy, quiet = run(*boosted), run(*boosted, "-q", "--force")
    assert [line for line in noisy.complaints if "full scale" in line]
    assert quiet.complaints == [f"hitpredict: {missing}: no such file or folder"]


def test_verbose_says_what_was_passed_over(tmp_path):
    folder = saved(tmp_path / "music").parent
    (folder / "cover.jpg").write_bytes(b"x")
    assert run("score", folder).err == ""
    assert f"{folder / 'cover.jpg'}: passed over" in run("score", "-v", folder).err


def test_each_row_is_there_before_the_next_input(tmp_path):
    song, fifo = saved(tmp_path), tmp_path / "later"
    os.mkfifo(fifo)
    process = start("score", "-j", "1", song, fifo)
    assert process.stdout is not None
    first = process.stdout.readline()
    fifo.write_bytes(song.read_bytes())
    rest, err = process.communicate(timeout=60)
    assert [json.loads(line)["path"] for line in (first, rest)] == [str(song), str(fifo)]
    assert (process.returncode, err) == (0, b"")


def test_each_variant_of_a_stream_is_scored_when_it_comes(tmp_path):
    tar = run("mutate", saved(tmp_path), "--gain", "-6,-3,0").out
    with start("score", "-j", "1", "-", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(tar[: len(tar) // 3 + 20_000])
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["path"] == "-/tune.gain-6.wav"
        process.stdin.write(tar[len(tar) // 3 + 20_000 :])
        process.stdin.close()
        assert len(process.stdout.readlines()) == 2
        assert process.stderr is not None
        assert process.stderr.read() == b""


@pytest.mark.parametrize(("form", "delimiter"), [("tsv", "\t"), ("csv", ",")])
def test_tables_have_a_header(tmp_path, form, delimiter):
    song = saved(tmp_path, "odd,\tname.wav")
    (expected,) = run("score", song).records
    header, *rows = csv.reader(io.StringIO(run("score", "-f", form, song, song).out.decode()), delimiter=delimiter)
    assert len(rows) == 2
    row = dict(zip(header, rows[0], strict=True))
    # A row of TSV has no tabs but those between its cells.
    assert row["path"] == (expected["path"].replace("\t", r"\t") if form == "tsv" else expected["path"])
    assert float(row["score"]) == expected["score"]
    assert [float(row["interval_low"]), float(row["interval_high"])] == expected["interval"]
    assert row["model_sha256"] == expected["model"]["sha256"]


@pytest.mark.parametrize("command", [("score",), ("featurize", "-k", "mfcc_stats")], ids=" ".join)
def test_a_row_of_tsv_is_a_line_whatever_names_hold(tmp_path, command):
    song = tmp_path / "two\nlines.flac"
    with soundfile.SoundFile(song, "w", 22050, 2, format="FLAC") as file:
        file.title = "first\nsecond"
        file.write(tune().samples.T)
    outcome = run(*command, "-f", "tsv", song, saved(tmp_path))
    lines = outcome.out.decode().splitlines()
    assert len(lines) == 3
    assert lines[1].split("\t")[0].endswith("two\\nlines.flac")
    assert len({line.count("\t") for line in lines}) == 1


def test_parquet_holds_the_same_rows(tmp_path):
    song = saved(tmp_path)
    (expected,) = run("score", "--segments", "1", song).records
    piped = run("score", "--segments", "1", "-f", "parquet", song, song).out
    assert run("score", "--segments", "1", "-o", tmp_path / "s.parquet", song, song).code == 0
    for stored in (io.BytesIO(piped), tmp_path / "s.parquet"):
        rows = pyarrow.parquet.read_table(stored).to_pylist()
        assert [row["score"] for row in rows] == [expected["score"]] * 2
        assert rows[0]["segments"] == expected["segments"]


def test_parquet_of_nothing_still_has_its_columns(tmp_path):
    outcome = run("score", "-f", "parquet", tmp_path / "missing.wav")
    assert outcome.code == 1
    assert "score" in pyarrow.parquet.read_table(io.BytesIO(outcome.out)).column_names


@pytest.mark.parametrize("command", [SCORE, MUTATE], ids=str)
def test_closed_streams_are_survived(tmp_path, command):
    """Started by a daemon, a process may have no standard input or standard error at all."""
    script = f'exec "$HITPREDICT_TESTS" -m hitpredict {" ".join(command.call())} "$1" <&- 2>&-'
    done = subprocess.run(
        ["bash", "-c", script, "-", saved(tmp_path)], stdout=subprocess.PIPE, env=environment(), check=False, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout == run(*command.call(saved(tmp_path))).out
