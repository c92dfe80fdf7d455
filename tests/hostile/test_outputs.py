"""Outputs that mean harm, or are meant by two: inputs, lists of failures, locks."""

import os
import signal
import socket

import pytest

from hitpredict.datasets.collection import Collection
from hitpredict.datasets.manifest import Track, now
from hitpredict.errors import EnvironmentProblem
from hitpredict.files.owned import locked
from tests.helpers.interrupted import COMMANDS, OUTPUT, fresh, waiting
from tests.helpers.processes import finished, python, run
from tests.helpers.sounds import saved


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_second_run_is_told_who_is_at_it(songs, command):
    first = waiting(songs, *command, "a.wav", records=1)
    second = run(*command, "b.wav", "-o", OUTPUT, cwd=songs)
    assert (second.code, len(second.complaints)) == (3, 1)
    assert f"(process {first.pid} on {socket.gethostname()}, since 20" in second.err
    first.kill()
    finished(first)
    assert run(*command, "b.wav", "-o", OUTPUT, cwd=songs).code == 0
    assert (songs / OUTPUT).read_bytes() == fresh(songs, *command, "b.wav")
    assert not [path for path in songs.iterdir() if path.name.startswith(".out")]


CLASHES = [
    ("score", "--failures", "a.wav", "b.wav"),
    ("score", "--failures", "a.wav", "a.wav", "--force"),
    ("score", "--failures", "./a.wav", ".", "--force"),
    ("score", "-f", "jsonl", "-o", "a.wav", "a.wav", "--force"),
    ("score", "-f", "jsonl", "-o", "hard.wav", "a.wav", "--force"),
    ("score", "-f", "jsonl", "-o", "new", "--failures", "new", "a.wav"),
    ("score", "-f", "jsonl", "-o", "new", "--failures", "../{here}/new", "a.wav"),
    ("score", "-f", "jsonl", "-o", "list", "--files-from", "list", "--force"),
    ("score", "--failures", "list", "--files-from", "list", "--force"),
    ("score", "--failures", "a.wav", "--files-from", "list", "--force"),
    ("featurize", "--kind", "mfcc_stats", "--failures", "list", "b.wav"),
    ("featurize", "--kind", "mfcc_stats", "-o", "b.wav", "b.wav", "--force"),
    ("mutate", "--gain", "-1", "a.wav", "-o", "a.wav", "--force"),
    ("mutate", "--gain", "-1", "a.wav", "-o", "x.wav", "--failures", "x.wav"),
    ("mutate", "--gain", "-1", "a.wav", "-o", "x.wav", "--failures", "b.wav"),
    ("mutate", "--recipe", "list", "a.wav", "-o", "x.wav", "--failures", "list", "--force"),
    ("mutate", "--gain", "-1", "a.wav", "a.gain-1.wav", "-o", ".", "--force"),
]


@pytest.mark.parametrize("arguments", CLASHES, ids=" ".join)
def test_outputs_are_never_inputs_nor_each_other(songs, arguments):
    (songs / "list").write_text("a.wav\n")
    (songs / "hard.wav").hardlink_to(songs / "a.wav")
    saved(songs, "a.gain-1.wav")
    before = {path.name: path.read_bytes() for path in songs.iterdir()}
    outcome = run(*(word.format(here=songs.name) for word in arguments), cwd=songs)
    assert (outcome.code, outcome.out, len(outcome.complaints)) == (2, b"", 1)
    assert {path.name: path.read_bytes() for path in songs.iterdir()} == before


def test_lists_of_failures_follow_the_rule_of_outputs(songs):
    asked = ("score", "missing.wav", "--failures", "failed")
    assert run(*asked, cwd=songs).code == 1
    assert run(*asked, cwd=songs).code == 2
    assert run(*asked, "--force", cwd=songs).code == 1
    (songs / "failed").write_text("")
    assert run(*asked, cwd=songs).code == 1
    assert (songs / "failed").read_text() == "missing.wav\n"


def test_songs_of_others_are_not_replaced_by_made_ones(tmp_path):
    (tmp_path / "audio").mkdir()
    for name in ("tracks.jsonl", "audio/synth_pop.mp3"):
        (tmp_path / name).write_text("precious")
    outcome = run("fetch", "synth", "-n", "1", "--seconds", "2", "-o", tmp_path, "--force")
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
    assert {path.read_text() for path in tmp_path.rglob("*") if path.is_file()} == {"precious"}


def test_a_second_fetch_into_a_folder_is_told_who_is_at_it(tmp_path):
    tracks = Collection(tmp_path, {}, ["1"], lambda key: Track(key, "test", now())).run()
    with locked(tmp_path / "tracks.jsonl"), pytest.raises(EnvironmentProblem, match=f"process {os.getpid()} on "):
        next(tracks)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("name", ["reliability.svg", "predicted-versus-true.png"])
def test_pictures_follow_the_rule_of_outputs(tmp_path, name):
    (tmp_path / name).write_text("precious")
    outcome = run("evaluate", "zalo2019-mfcc", "--labels", "l.csv", "--features", "f.csv", "--plots", ".", cwd=tmp_path)
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
    assert f"{name}: exists already; use --force" in outcome.err
    assert (tmp_path / name).read_text() == "precious"


KILLED_AT = """
import os, signal, sys
from pathlib import Path
from hitpredict.cli.app import main
moment, place = sys.argv[1], Path.replace
def replace(self, target):
    last = Path(target).name.startswith("out.")
    if last and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    place(self, target)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
Path.replace = replace
del sys.argv[1]
main()
"""
LISTING = [*((*words, "-o", OUTPUT) for words in COMMANDS), ("mutate", "--gain", "-1", "-o", "out.tar")]


@pytest.mark.parametrize("asked", LISTING, ids=lambda words: words[0])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_output_that_exists_has_its_list_of_failures(songs, asked, moment):
    asked = (*asked, "a.wav", "missing.wav", "b.wav", "-j", "1", "--failures", "failed")
    output = songs / asked[asked.index("-o") + 1]
    assert python(KILLED_AT, moment, *asked, cwd=songs).code == -signal.SIGKILL
    assert output.exists() == (moment == "after")
    assert (songs / "failed").read_text() == "missing.wav\n"
    again = run(*asked, *(["--force"] if moment == "after" or asked[0] == "mutate" else []), cwd=songs)
    assert again.code == 1
    assert (songs / "failed").read_text() == "missing.wav\n"
    names = {"a.wav", "b.wav", "c.wav", "failed", output.name}
    assert {path.name for path in songs.iterdir()} == names


@pytest.mark.parametrize("ask", [(), ("--skip-existing",)], ids=str)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_locks_of_the_dead_go_also_where_nothing_is_to_be_done(songs, command, ask):
    asked = (*command, "a.wav", "-o", OUTPUT)
    assert python(KILLED_AT, "after", *asked, cwd=songs).code == -signal.SIGKILL
    assert (songs / ".out.csv.lock").exists()
    assert run(*asked, *ask, cwd=songs).code == (0 if ask else 2)
    assert not (songs / ".out.csv.lock").exists()


def test_locks_of_the_living_stay(songs):
    process = waiting(songs, "score", "a.wav", records=1)
    (songs / OUTPUT).write_text("precious")
    assert run("score", "a.wav", "-o", OUTPUT, "--skip-existing", cwd=songs).code == 0
    assert (songs / ".out.csv.lock").exists()
    process.kill()
    finished(process)
