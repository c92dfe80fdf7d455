"""Attacks on how the program ends: signals at any moment, readers that go, disks that fill up, kills."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.folders import names_in
from tests.helpers.marks import few_by_default
from tests.helpers.processes import PROGRAM, environment, finished, run, shell, start
from tests.helpers.sounds import saved, tune

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def begun(*arguments: object, cwd: Path | None = None, **extra: str) -> subprocess.Popen[bytes]:
    """A process that has just said what it does with signals: the first thing that the program does."""
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(**extra),
        cwd=cwd,
        start_new_session=True,
    )
    status, bit = Path(f"/proc/{process.pid}/status"), 1 << (signal.SIGHUP - 1)
    while process.poll() is None:
        caught = [line for line in status.read_text().splitlines() if line.startswith("SigCgt")]
        if int(caught[0].split()[1], 16) & bit:
            break
    return process


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks at /proc")
@pytest.mark.parametrize("end", few_by_default(CODES), ids=lambda end: end.name)
def test_signals_while_it_starts_are_silent(tmp_path, end):
    moments = random.Random(0)
    song = saved(tmp_path, "a.wav", tune(60))
    for number in range(12):
        process = begun("score", *[song] * 50, "-j", "1")
        time.sleep(moments.uniform(0, 0.1 * (1 + number)))
        process.send_signal(end)
        outcome = finished(process)
        assert outcome.code == CODES[end], outcome.err
        assert outcome.complaints in ([], ["hitpredict: interrupted"])


@pytest.mark.parametrize("arguments", [("--help",), ("score", "--help"), ("--version",), ("recipes",)], ids=" ".join)
def test_help_into_what_takes_nothing(arguments):
    read, write = os.pipe()
    os.close(read)
    gone = subprocess.run([*PROGRAM, *arguments], stdout=write, stderr=subprocess.PIPE, env=environment(), check=False)
    os.close(write)
    assert (gone.returncode, gone.stderr) == (141, b"")
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        lost = subprocess.run(
            [*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, env=environment(), check=False
        )
    assert lost.returncode == 3
    assert lost.stderr.startswith(b"hitpredict: ")
    assert (lost.stderr.count(b"\n"), b"No space left" in lost.stderr) == (1, True)


def test_a_closed_standard_output_matters_only_to_what_writes_there(tmp_path):
    saved(tmp_path, "a.wav")
    assert shell("hitpredict score a.wav -o f.jsonl >&-", tmp_path).code == 0
    assert (tmp_path / "f.jsonl").read_bytes().count(b"\n") == 1
    lost = shell("hitpredict score a.wav >&-", tmp_path)
    assert (lost.code, len(lost.complaints)) == (3, 1)
    assert "defect" not in lost.err


FORMATS = ["x.tar", "x.wav", "x.flac", "x.ogg", "x.mp3"]


@pytest.mark.parametrize("output", few_by_default(FORMATS))
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT], ids=lambda end: end.name)
def test_signals_while_variants_are_written(tmp_path, output, end):
    song = saved(tmp_path, "a.wav", tune(240))
    process = start("mutate", "--gain", "-1", song, "-o", tmp_path / output)
    while not any(path.stat().st_size > 4096 for path in tmp_path.glob(".x.*.part")):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.002)
    process.send_signal(end)
    outcome = finished(process)
    assert outcome.code in (CODES[end], 0)
    assert outcome.complaints in ([], ["hitpredict: interrupted"])
    left = names_in(tmp_path)
    if output in left:
        # The signal came when all was written and in its place.
        (tmp_path / "whole").mkdir()
        assert run("mutate", "--gain", "-1", song, "-o", tmp_path / "whole" / output).code == 0
        assert (tmp_path / output).read_bytes() == (tmp_path / "whole" / output).read_bytes()
    assert [name for name in left if name != output] == ["a.wav"]


@pytest.mark.parametrize("output", [*FORMATS, "folder"])
def test_full_disks_are_one_line(tmp_path, output):
    saved(tmp_path, "a.wav", tune(60))
    form = " -f flac" if output == "folder" else ""
    outcome = shell(f"ulimit -f 64; trap '' XFSZ; hitpredict mutate --gain -1 a.wav -o {output}{form}", tmp_path)
    assert (outcome.code, len(outcome.complaints)) == (3, 1), outcome.err
    assert "File too large" in outcome.err
    left = [path.name for path in tmp_path.rglob("*") if path.is_file() and ".program" not in path.parts]
    assert left == ["a.wav"]


def test_hangups_clean_up_and_kills_are_cleaned_up_after(tmp_path):
    place = tmp_path / "tmp"
    place.mkdir()
    song = saved(tmp_path, "a.wav", tune(60))
    for end, left in ((signal.SIGHUP, 0), (signal.SIGTERM, 0), (signal.SIGKILL, 1), (signal.SIGKILL, 1)):
        process = begun("score", *[song] * 50, "-j", "2", TMPDIR=str(place))
        assert process.stdout is not None
        assert process.stdout.readline()
        os.killpg(process.pid, end)
        assert finished(process).code == CODES.get(end, -9)
        assert len(list(place.iterdir())) == left
    assert run("score", song, env={"TMPDIR": str(place)}).code == 0
    assert not list(place.iterdir())


def test_ignored_hangups_stay_ignored(tmp_path):
    song = saved(tmp_path, "a.wav", tune(20))
    script = f"trap '' HUP; exec {sys.executable} -m hitpredict score {song} {song} {song} {song} -j 1"
    process = subprocess.Popen(
        ["bash", "-c", script], env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    outcome = finished(process)
    assert (outcome.code, outcome.out.count(b"\n")) == (0, 3)
