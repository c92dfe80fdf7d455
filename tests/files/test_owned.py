"""Locks that say who holds them, scratch folders, and what a killed process leaves behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from pkgutil import resolve_name

import pytest

from hitpredict.cli.signals import unwinding
from hitpredict.errors import EnvironmentProblem
from hitpredict.files.owned import atomic, locked, opened, scratch_folder, sweep
from tests.helpers.processes import environment

HOLD = """
import sys
from pathlib import Path
from hitpredict.files.owned import atomic
from hitpredict.files.owned import locked, scratch_folder
target = Path(sys.argv[1])
with locked(target), scratch_folder(target.parent) as folder, atomic(target) as file:
    Path(folder, "sound").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that writes `tmp_path / "out"`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "out")]
    process = subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline()
    yield process
    process.stdin.close()
    process.wait()
    process.stdout.close()


def test_a_lock_says_who_holds_it(tmp_path, holder):
    with pytest.raises(EnvironmentProblem) as refused, locked(tmp_path / "out"):
        pass
    assert f"(process {holder.pid} on {socket.gethostname()}, since 20" in str(refused.value)


def test_a_lock_goes_with_its_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    with locked(tmp_path / "out"):
        assert (tmp_path / ".out.lock").exists()
    assert not (tmp_path / ".out.lock").exists()


def test_only_what_the_dead_left_is_swept(tmp_path, holder):
    mine = {tmp_path / name for name in ("hitpredict-songs", "hitpredict-scratch-notes123", "x.tmp-abcdefgh.part")}
    for path in mine:
        path.mkdir()
    before = {*tmp_path.iterdir()}
    sweep(tmp_path)
    assert {*tmp_path.iterdir()} == before
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    sweep(tmp_path)
    assert {*tmp_path.iterdir()} == mine | {tmp_path / ".out.lock"}


def test_another_run_sweeps_both_places(tmp_path, holder, monkeypatch):
    holder.kill()
    holder.wait()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert list(tmp_path.glob(".out.tmp-*.part"))
    assert list(tmp_path.glob("hitpredict-scratch-*/sound"))
    with scratch_folder() as folder, atomic(tmp_path / "other") as file:
        file.write(b"x")
        assert [*tmp_path.glob("hitpredict-scratch-*")] == [Path(folder)]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".out.lock", "other"]


@pytest.mark.parametrize("trap", ["link", "dangling", "hard", "pipe"])
def test_names_that_can_be_foreseen_lead_nowhere_else(tmp_path, trap):
    victim, name = tmp_path / "victim", tmp_path / ".out.lock"
    victim.write_text("precious")
    {
        "link": lambda: name.symlink_to(victim),
        "dangling": lambda: name.symlink_to(tmp_path / "made"),
        "hard": lambda: name.hardlink_to(victim),
        "pipe": lambda: os.mkfifo(name),
    }[trap]()
    with pytest.raises(EnvironmentProblem, match=r"\.out\.lock: is a link, no regular file"), locked(tmp_path / "out"):
        pass
    with pytest.raises(EnvironmentProblem):
        opened(name)
    assert victim.read_text() == "precious"
    assert not (tmp_path / "made").exists()


def test_files_appear_whole_with_usual_permissions(tmp_path):
    with pytest.raises(ZeroDivisionError), atomic(tmp_path / "a") as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert not [*tmp_path.iterdir()]
    with atomic(tmp_path / "a") as file:
        file.write(b"whole")
    os.umask(umask := os.umask(0))
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~umask
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize(
    ("place", "held"),
    [
        ("socket.gethostname", locked),
        ("tempfile.mkstemp", atomic),
        ("tempfile.mkdtemp", lambda target: scratch_folder(target.parent)),
        ("hitpredict.files.owned.suppress", locked),
    ],
)
def test_signals_wait_while_something_is_made_or_removed(tmp_path, monkeypatch, place, held):
    """Its end is seen to before the program's."""
    done = resolve_name(place)

    def interrupted(*given, **named):
        found = done(*given, **named)
        os.kill(os.getpid(), signal.SIGTERM)
        return found

    with monkeypatch.context() as patch, pytest.raises(SystemExit) as ended, unwinding():
        patch.setattr(place, interrupted)
        with held(tmp_path / "out"):
            time.sleep(0 if place == "hitpredict.files.owned.suppress" else 10)
        time.sleep(10)
    assert ended.value.code == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
