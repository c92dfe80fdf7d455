"""Attacks on what is written: journals of other runs, two runs at once, planted links, outputs that are inputs."""

import io
import os
import random
import signal
import socket
import tarfile
import time
from pathlib import Path

import pytest

from hitpredict.datasets.collection import Collection
from hitpredict.datasets.manifest import Track, now
from hitpredict.errors import EnvironmentProblem
from hitpredict.files.owned import locked
from tests.helpers.processes import finished, python, run, start, until
from tests.helpers.sounds import encoded, saved, tune

COMMANDS = [("score",), ("featurize", "--kind", "mfcc_stats")]
OUTPUT, JOURNAL = "out.csv", ".out.csv.partial"


def waiting(folder: Path, *asked: object, records: int, stdin: int = -3):
    """A run in a folder that has done what was asked for, and waits for a pipe that nobody writes into."""
    pipe, journal = folder / "pipe", folder / JOURNAL
    if not pipe.exists():
        os.mkfifo(pipe)
    process = start(*asked, pipe.name, "-j", "1", "-o", OUTPUT, cwd=folder, stdin=stdin)
    until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > records, process)
    return process


def killed(folder: Path, *asked: object, records: int, stdin: int = -3) -> None:
    """A run that has left a journal of so many records."""
    process = waiting(folder, *asked, records=records, stdin=stdin)
    process.kill()
    finished(process)


def fresh(folder: Path, *asked: object, stdin: bytes = b"") -> bytes:
    """What the same command writes where nothing was before."""
    outcome = run(*asked, "-o", "fresh.csv", "--force", cwd=folder, stdin=stdin)
    assert outcome.code == 0
    return (folder / "fresh.csv").read_bytes()


@pytest.fixture
def songs(tmp_path) -> Path:
    for seed, name in enumerate(("a.wav", "b.wav", "c.wav")):
        saved(tmp_path, name, tune(seed=seed))
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_records_of_inputs_that_nobody_asked_for_are_dropped(songs, command):
    killed(songs, *command, "a.wav", "b.wav", records=2)
    outcome = run(*command, "c.wav", "b.wav", "-o", OUTPUT, cwd=songs)
    assert outcome.code == 0
    assert "1 records of the interrupted run are taken up, 1 dropped" in outcome.err
    assert (songs / OUTPUT).read_bytes() == fresh(songs, *command, "c.wav", "b.wav")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_a_changed_input_is_done_again_in_its_place(songs, command):
    killed(songs, *command, "a.wav", "b.wav", records=2)
    before = (songs / "a.wav").stat()
    (songs / "a.wav").write_bytes(encoded(tune(seed=9)))
    os.utime(songs / "a.wav", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (songs / "a.wav").stat().st_size == before.st_size
    outcome = run(*command, "a.wav", "b.wav", "-o", OUTPUT, cwd=songs)
    assert "taking up an interrupted run with 2 of its records" in outcome.err
    assert "1 records of the interrupted run are taken up, 1 dropped" in outcome.err
    assert (songs / OUTPUT).read_bytes() == fresh(songs, *command, "a.wav", "b.wav")
    assert not (songs / JOURNAL).exists()


def tar_of(*seeds: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number, seed in enumerate(seeds):
            data = encoded(tune(seed=seed))
            member = tarfile.TarInfo(f"{number}.wav")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[0])
def test_another_tar_on_standard_input_is_another(tmp_path, command):
    (tmp_path / "first.tar").write_bytes(tar_of(1, 2))
    with (tmp_path / "first.tar").open("rb") as first:
        killed(tmp_path, *command, "-", records=2, stdin=first.fileno())
    outcome = run(*command, "-", "-o", OUTPUT, cwd=tmp_path, stdin=tar_of(3, 2))
    assert "1 records of the interrupted run are taken up, 1 dropped" in outcome.err
    assert (tmp_path / OUTPUT).read_bytes() == fresh(tmp_path, *command, "-", stdin=tar_of(3, 2))


def test_an_input_named_twice_is_there_twice(songs):
    killed(songs, "score", "a.wav", records=1)
    assert run("score", "a.wav", "a.wav", "b.wav", "a.wav", "-o", OUTPUT, cwd=songs).code == 0
    assert (songs / OUTPUT).read_bytes() == fresh(songs, "score", "a.wav", "a.wav", "b.wav", "a.wav")


def test_failures_before_a_good_member_of_the_same_name_do_not_shift_it(tmp_path):
    double = io.BytesIO()
    with tarfile.open(fileobj=double, mode="w") as tar:
        for data in (b"RIFF" + bytes(60), encoded(tune())):
            member = tarfile.TarInfo("same.wav")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (tmp_path / "t.tar").write_bytes(double.getvalue())
    with (tmp_path / "t.tar").open("rb") as tar_file:
        killed(tmp_path, "score", "-", records=1, stdin=tar_file.fileno())
    outcome = run("score", "-", "-o", OUTPUT, cwd=tmp_path, stdin=double.getvalue())
    assert outcome.code == 1
    assert "-/same.wav: " in outcome.err
    assert (tmp_path / OUTPUT).read_bytes().count(b"\n") == 2


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


def test_records_of_other_options_are_dropped(songs):
    killed(songs, "score", "--segments", "1", "a.wav", records=1)
    outcome = run("score", "a.wav", "-o", OUTPUT, cwd=songs)
    assert "1 records of a run with other options are dropped" in outcome.err
    assert (songs / OUTPUT).read_bytes() == fresh(songs, "score", "a.wav")


@pytest.mark.parametrize("cut", [1, 40, "header"])
def test_torn_journals_are_mended(songs, cut):
    killed(songs, "score", "a.wav", "b.wav", records=2)
    journal = songs / JOURNAL
    whole = journal.read_bytes()
    journal.write_bytes(whole[:30] if cut == "header" else whole[:-cut])
    outcome = run("score", "a.wav", "b.wav", "-o", OUTPUT, cwd=songs)
    assert ("with 1 of its records" in outcome.err) == (cut != "header")
    assert (songs / OUTPUT).read_bytes() == fresh(songs, "score", "a.wav", "b.wav")


@pytest.mark.parametrize("trap", ["words", "link", "folder"])
def test_planted_journals_are_left_alone(songs, trap):
    victim, journal = songs / "victim", songs / JOURNAL
    victim.write_text("precious\n")
    {
        "words": lambda: journal.write_text("mine\n"),
        "link": lambda: journal.symlink_to(victim),
        "folder": journal.mkdir,
    }[trap]()
    outcome = run("score", "a.wav", "-o", OUTPUT, cwd=songs)
    assert (outcome.code, len(outcome.complaints)) == (3, 1)
    assert JOURNAL in outcome.err
    assert victim.read_text() == "precious\n"
    assert trap != "words" or journal.read_text() == "mine\n"


def test_the_same_command_after_an_interruption_replaces_its_own_list_of_failures(songs):
    asked = ("score", "a.wav", "missing.wav", "--failures", "failed")
    process = waiting(songs, *asked, records=1)
    process.send_signal(signal.SIGINT)
    assert finished(process).code == 130
    assert (songs / "failed").read_text() == "missing.wav\n"
    again = run(*asked, "b.wav", "-o", OUTPUT, cwd=songs)
    assert again.code == 1
    assert (songs / "failed").read_text() == "missing.wav\n"


@pytest.mark.slow
def test_kills_at_random_moments_lose_and_add_nothing(tmp_path):
    random_moment = random.Random(0)
    for number in range(12):
        saved(tmp_path / "music", f"{number:02}.ogg", tune(10, seed=number))
    for jobs in ("1", "2"):
        asked = ("score", "music", "-j", jobs)
        whole = fresh(tmp_path, *asked)
        for _ in range(5):
            output = tmp_path / OUTPUT
            for _ in range(3):
                process = start(*asked, "-o", OUTPUT, cwd=tmp_path)
                time.sleep(random_moment.uniform(0.2, 4))
                os.killpg(process.pid, signal.SIGKILL)
                finished(process)
                assert not output.exists() or output.read_bytes() == whole
                output.unlink(missing_ok=True)
            assert run(*asked, "-o", OUTPUT, cwd=tmp_path).code == 0
            assert output.read_bytes() == whole
            output.unlink()
            assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh.csv", "music"]


SONGS = ("a.wav", "b.wav")
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
