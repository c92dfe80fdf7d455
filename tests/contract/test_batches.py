"""Promises 7 to 11 and 14: many inputs, dying workers, lists of names, one model, the same bytes, little memory."""

import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from hitpredict.audio.clip import Clip
from tests.helpers.archives import tar_of
from tests.helpers.commands import MUTATE, ON_INPUTS, SCORE
from tests.helpers.marks import few_by_default
from tests.helpers.processes import finished, measured, python, run, start
from tests.helpers.sounds import encoded, saved, tune

ODD_NAMES = ("plain.wav", "new\nline.wav", " spaces .wav", "-dash.wav", "uml\u00e4ut \u266b.wav", "quote'\".wav")
COUNTED = """
import sys
from hitpredict.scoring import session as runtime
from hitpredict.cli.app import main
load, loaded = runtime.Session.__init__, []
def counting(session, *arguments, **named):
    loaded.append(1)
    load(session, *arguments, **named)
runtime.Session.__init__ = counting
try:
    main()
finally:
    sys.stderr.write(f"loaded {len(loaded)} times\\n")
"""


def hours(path: Path, seconds: int, rate: int = 22050) -> Path:
    """A long silent WAV that takes no room on disk, with a second of music at its start."""
    size = 2 * rate * seconds
    header = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16) + b"data" + struct.pack("<I", size)
    music = encoded(tune(1, rate, 1))[44:]
    with path.open("wb") as file:
        file.write(b"RIFF" + struct.pack("<I", len(header) + size) + header + music)
        file.truncate(44 + size)
    return path


def workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The processes of the pool, not the helper that multiprocessing starts beside them."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if any("spawn_main" in word for word in child.cmdline())]


def worker_reading(process: subprocess.Popen[bytes], path: Path) -> psutil.Process:
    """The worker that has a file open."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for worker in workers(process):
            if any(opened.path == str(path) for opened in worker.open_files()):
                return worker
        time.sleep(0.02)
    raise AssertionError(f"no worker opened {path}")


def test_a_killed_worker_names_its_file(tmp_path):
    songs = [saved(tmp_path, f"{n}.wav") for n in range(5)]
    long = hours(tmp_path / "long.wav", 4 * 3600)
    process = start("score", "-j", "2", songs[0], songs[1], long, *songs[2:])
    worker_reading(process, long).send_signal(signal.SIGKILL)
    outcome = finished(process)
    assert outcome.code == 1
    assert [r["path"] for r in outcome.records] == [str(path) for path in songs]
    assert len(outcome.complaints) == 1
    assert outcome.err.startswith(f"hitpredict: {long}: ")
    assert "SIGKILL" in outcome.err


@pytest.mark.parametrize("jobs", ["1", "4"])
def test_the_model_is_loaded_once_in_a_process(tmp_path, jobs):
    songs = [saved(tmp_path, f"{n}.wav") for n in range(9)]
    outcome = python(COUNTED, "score", "-j", jobs, *songs)
    assert len(outcome.records) == len(songs)
    assert outcome.complaints == ["loaded 1 times"]


@pytest.mark.parametrize("form", few_by_default(["jsonl", "csv"]))
def test_jobs_do_not_change_a_byte(tmp_path, form):
    for n in range(9):
        saved(tmp_path, f"{n}.{('wav', 'mp3', 'ogg')[n % 3]}", tune(6 - n / 2, seed=n))
    (tmp_path / "4b.wav").write_bytes(b"broken")
    one, four, default = (run("score", "-f", form, *jobs, tmp_path) for jobs in (("-j", "1"), ("-j", "4"), ()))
    assert one == four == default
    assert one.code == 1
    assert one.out.count(b"\n") == 9 + (form == "csv")


def test_jobs_do_not_change_a_variant(tmp_path):
    song = saved(tmp_path)
    asked = ("mutate", song, "--noise", "20,30", "--pitch", "-1,1", "--quality", "draft")
    assert run(*asked, "-j", "1") == run(*asked, "-j", "4")


def test_the_same_command_gives_the_same_bytes(tmp_path):
    song = saved(tmp_path)
    for words in (("score", song), ("mutate", song, "--noise", "20"), ("mutate", song, "--gain", "-1,-2")):
        assert run(*words) == run(*words)


@pytest.mark.parametrize("null", [(), ("-0",)], ids=["lines", "null"])
def test_failures_can_be_retried(tmp_path, null):
    names = [name for name in ODD_NAMES if null or "\n" not in name]
    for name in names:
        (tmp_path / name).write_bytes(b"not yet music")
    good, failures = saved(tmp_path, "good.wav"), tmp_path / "failed.txt"
    first = run("score", *null, "--failures", failures, "--", good, *(tmp_path / name for name in names))
    assert first.code == 1
    assert len(first.records) == 1
    listed = failures.read_bytes().split(b"\0" if null else b"\n")
    assert listed == [*(os.fsencode(tmp_path / name) for name in names), b""]
    for name in names:
        (tmp_path / name).write_bytes(encoded(tune()))
    again = run("score", *null, "--files-from", failures)
    assert again.code == 0, again.err
    assert [r["path"] for r in again.records] == [str(tmp_path / name) for name in names]


@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_failures_of_members_can_be_retried(tmp_path, command):
    members = {"good.wav": encoded(tune()), "bad.wav": b"x" * 600}
    tar, failures = tmp_path / "songs.tar", tmp_path / "failed"
    tar.write_bytes(tar_of(members))
    output = ("-o", tmp_path / "out") if command is MUTATE else ()
    assert run(*command.call(tar, "--failures", failures, *output)).code == 1
    assert failures.read_text() == f"{tar}/bad.wav\n"
    tar.write_bytes(tar_of({**members, "bad.wav": members["good.wav"]}))
    again = run(*command.call("--files-from", failures, *output))
    assert again.code == 0, again.err


def test_a_run_without_failures_writes_an_empty_list(tmp_path):
    assert run("score", saved(tmp_path), "--failures", tmp_path / "failed").code == 0
    assert (tmp_path / "failed").read_bytes() == b""


@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_names_come_from_a_pipe(tmp_path, command):
    names = b"\0".join(os.fsencode(saved(tmp_path, name)) for name in ODD_NAMES)
    outcome = run(*command.call("--files-from", "-", "-0"), stdin=names)
    assert outcome.code == 0, outcome.err
    if command is SCORE:
        assert [Path(r["path"]).name for r in outcome.records] == list(ODD_NAMES)


@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_a_missing_list_is_one_line(tmp_path, command):
    outcome = run(*command.call("--files-from", tmp_path / "missing"))
    assert outcome.code == 1
    assert len(outcome.complaints) == 1
    assert str(tmp_path / "missing") in outcome.err


def test_names_that_are_not_unicode_pass_through(tmp_path):
    path = os.fsencode(tmp_path) + b"/caf\xe9.wav"
    Path(os.fsdecode(path)).write_bytes(encoded(tune()))
    outcome = run("score", tmp_path, tmp_path)
    assert outcome.code == 0, outcome.err
    assert {os.fsencode(r["path"]) for r in outcome.records} == {path}
    Path(os.fsdecode(path)).write_bytes(b"broken")
    assert run("score", tmp_path, "--failures", tmp_path / "failed").code == 1
    assert (tmp_path / "failed").read_bytes() == path + b"\n"


@pytest.mark.parametrize("rate", few_by_default([44100, 22050, 48000]))
def test_a_batch_keeps_its_memory_from_one_file_to_the_next(tmp_path, rate):
    """Memory that is given back to the system and asked for again costs as much as the work itself."""
    path = saved(tmp_path, "clip.wav", tune(30, rate))
    faults = [measured("score", "-j", 1, *[path] * count)[1].faults for count in (2, 12)]
    assert (faults[1] - faults[0]) / 10 < 1000


@pytest.mark.slow
def test_ten_thousand_files(tmp_path):
    folder = tmp_path / "many"
    originals = [saved(folder, f"{n:05}.wav", Clip(tune(0.25).samples, 8000)) for n in range(3)]
    for n in range(3, 10_000):
        os.link(originals[n % 3], folder / f"{n:05}.wav")
    outcome, used = measured("score", folder)
    assert outcome.code == 0
    assert [Path(r["path"]).name for r in outcome.records] == [f"{n:05}.wav" for n in range(10_000)]
    assert used.peak < 250


@pytest.mark.slow
def test_two_hours_fit_in_little_memory(tmp_path):
    path = hours(tmp_path / "long.wav", 7200)
    outcome, used = measured("score", "--segments", "30", path)
    assert outcome.records[0]["duration"] == 7200
    assert len(outcome.records[0]["segments"]) == 240
    assert used.peak < 400


def test_nothing_is_left_behind_and_nobody_is_told(tmp_path):
    """Not even by the libraries: no scratch file, no cache, no telemetry."""
    scratch, home = tmp_path / "scratch", tmp_path / "home"
    scratch.mkdir()
    home.mkdir()
    big = encoded(tune(200, 44100))
    assert len(big) > 16 * 2**20
    surroundings = {"TMPDIR": str(scratch), "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}
    outcome = run("score", "-", stdin=big, env=surroundings)
    assert outcome.code == 0
    assert not [*scratch.rglob("*"), *home.rglob("*")]
