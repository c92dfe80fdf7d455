"""What was begun and went on: changed inputs, other options, torn and planted journals, kills."""

import io
import os
import random
import signal
import tarfile
import time
from pathlib import Path

import pytest

from tests.helpers.interrupted import COMMANDS, JOURNAL, OUTPUT, fresh, waiting
from tests.helpers.processes import finished, run, start
from tests.helpers.sounds import encoded, saved, tune


def killed(folder: Path, *asked: object, records: int, stdin: int = -3) -> None:
    """A run that has left a journal of so many records."""
    process = waiting(folder, *asked, records=records, stdin=stdin)
    process.kill()
    finished(process)


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
        for _ in range(2):
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
