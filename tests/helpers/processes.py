"""The program as its users run it: real processes with pipes, files or terminals as their standard streams."""

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import hitpredict

PROGRAM = (sys.executable, "-m", "hitpredict")
_HOME = str(Path(hitpredict.__file__).parent.parent)
_PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Outcome:
    """What a process left behind. out: standard output. err: standard error, decoded."""

    code: int
    out: bytes
    err: str

    @property
    def records(self) -> list[dict[str, Any]]:
        """Standard output as JSON Lines."""
        return [json.loads(line) for line in self.out.decode().splitlines()]

    @property
    def complaints(self) -> list[str]:
        """The lines on standard error."""
        return self.err.splitlines()


def environment(**extra: str) -> dict[str, str]:
    """This process's environment, with the package under test and nothing that changes how terminals are seen."""
    unwanted = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "TERM", "PYTHONWARNINGS")
    kept = {key: value for key, value in os.environ.items() if key not in unwanted}
    return {**kept, "TERM": "xterm-256color", "PYTHONPATH": _HOME, "HITPREDICT_TESTS": sys.executable, **extra}


def run(
    *arguments: object,
    stdin: bytes | IO[bytes] | int = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    program: Iterable[str] = PROGRAM,
) -> Outcome:
    """Run to the end with pipes. stdin: bytes to feed, or a file."""
    feed = {"input": stdin} if isinstance(stdin, bytes) else {"stdin": stdin}
    done = subprocess.run(
        [*program, *map(str, arguments)],
        capture_output=True,
        cwd=cwd,
        env=environment(**(env or {})),
        timeout=_PATIENCE_SECONDS,
        check=False,
        **feed,  # type: ignore[call-overload]
    )
    return Outcome(done.returncode, done.stdout, done.stderr.decode())


def start(
    *arguments: object, cwd: Path | None = None, stdin: int = subprocess.DEVNULL, env: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start and go on, with pipes for standard output and standard error; in a process group of its own.

    The pipes have no buffers: `finished` would not see what a `readline` had taken besides its line.
    """
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        bufsize=0,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=environment(**(env or {})),
        start_new_session=True,
    )


def finished(process: subprocess.Popen[bytes]) -> Outcome:
    """Wait for a started process."""
    out, err = process.communicate(timeout=_PATIENCE_SECONDS)
    return Outcome(process.returncode, out, err.decode())


def until(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Wait, while a started process runs, for something to become true."""
    while not condition():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def python(code: str, *arguments: object, cwd: Path | None = None) -> Outcome:
    """Run a few lines of Python in a fresh process."""
    return run(*arguments, cwd=cwd, program=(sys.executable, "-c", code))


FORKS = """
import json, os, sys
from hitpredict.cli.app import main

streams, stdout = sys.argv[2:]
for number, arguments in enumerate(json.loads(sys.argv[1])):
    def opened(kind):
        return os.open(f"{streams}/{number}.{kind}", os.O_CREAT | os.O_WRONLY)
    if not os.fork():
        if stdout == "gone":
            reader, out = os.pipe()
            os.close(reader)
        else:
            out = os.open("/dev/full", os.O_WRONLY) if stdout == "full" else opened("out")
        os.dup2(out, 1)
        os.dup2(opened("err"), 2)
        if stdout == "closed":
            os.close(1)
            sys.stdout = None
        sys.argv[:] = ["hitpredict", *arguments]
        try:
            main()
        finally:
            os.write(opened("modules"), " ".join({name.split(".")[0] for name in sys.modules}).encode())
    os.write(opened("code"), str(os.waitstatus_to_exitcode(os.wait()[1])).encode())
"""


@dataclass(frozen=True)
class Forked(Outcome):
    """modules: the packages that the process had imported by its end."""

    modules: frozenset[str]


def forked(calls: Iterable[Sequence[str]], folder: Path, stdout: str = "file", **env: str) -> list[Forked]:
    """Run the program for each list of arguments, one after another in `folder`; what all import is loaded once.

    stdout: a `file`, or `gone` for a pipe that nobody reads, `full` for a full disk, `closed` for none at all.
    """
    calls = list(calls)
    with tempfile.TemporaryDirectory() as streams:
        program = (sys.executable, "-c", FORKS, json.dumps(calls), streams, stdout)
        done = run(cwd=folder, env=env, program=program)
        assert done.code == 0, done.err

        def left(number: int, kind: str) -> bytes:
            path = Path(streams, f"{number}.{kind}")
            return path.read_bytes() if path.exists() else b""

        def outcome(number: int) -> Forked:
            code, out, err, modules = (left(number, kind) for kind in ("code", "out", "err", "modules"))
            return Forked(int(code), out, err.decode(), frozenset(modules.decode().split()))

        return [outcome(number) for number in range(len(calls))]


def shell(script: str, cwd: Path, **env: str) -> Outcome:
    """Run a bash script in which `hitpredict` is the program under test."""
    folder = cwd / ".program"
    folder.mkdir(exist_ok=True)
    program = folder / "hitpredict"
    program.write_text('#!/bin/sh\nexec "$HITPREDICT_TESTS" -m hitpredict "$@"\n')
    program.chmod(0o755)
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return run("-c", script, cwd=cwd, env={"PATH": path, **env}, program=("bash",))


def in_terminal(
    *arguments: object,
    terminals: str = "012",
    stdin: bytes | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Outcome:
    """Run with the standard streams whose digits are in `terminals` on pseudo-terminals of 100 columns.

    The others are pipes; `stdin`, where given, is fed through one, or else it is empty.
    """
    ours, theirs = {}, {}
    for number in range(3):
        if str(number) in terminals:
            ours[number], theirs[number] = pty.openpty()
            fcntl.ioctl(theirs[number], termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        elif number:
            ours[number], theirs[number] = os.pipe()
        else:
            theirs[number], ours[number] = os.pipe()
    command = [*PROGRAM, *map(str, arguments)]
    process = subprocess.Popen(
        command, stdin=theirs[0], stdout=theirs[1], stderr=theirs[2], cwd=cwd, env=environment(**(env or {}))
    )
    for descriptor in theirs.values():
        os.close(descriptor)
    if "0" not in terminals:
        with os.fdopen(ours[0], "wb") as pipe:
            pipe.write(stdin or b"")
    collected = _drained({ours[1], ours[2]})
    code = process.wait(_PATIENCE_SECONDS)
    for descriptor in ours.values():
        if descriptor != ours[0] or "0" in terminals:
            os.close(descriptor)
    return Outcome(code, collected[ours[1]], collected[ours[2]].decode())


def _drained(descriptors: set[int]) -> dict[int, bytes]:
    """Everything that comes out of each descriptor until its other end is closed."""
    collected = dict.fromkeys(descriptors, b"")
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while descriptors and time.monotonic() < deadline:
        for descriptor in select.select(list(descriptors), [], [], 1)[0]:
            try:
                data = os.read(descriptor, 2**16)
            except OSError:  # a terminal whose last process has gone
                data = b""
            collected[descriptor] += data
            if not data:
                descriptors = descriptors - {descriptor}
    return collected


MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
sys.stderr.write(f"{usage.ru_maxrss} {usage.ru_utime + usage.ru_stime} {usage.ru_minflt}\\n")
sys.exit(os.waitstatus_to_exitcode(status))
"""


@dataclass(frozen=True)
class Usage:
    """What one process used.

    peak: resident memory in MB (10⁶ bytes). seconds: of processor time. faults: pages of memory asked for.
    """

    peak: float
    seconds: float
    faults: int


def measured(*arguments: object, cwd: Path | None = None) -> tuple[Outcome, Usage]:
    """Run, and measure that process alone.

    A small process in between, because a child's peak begins with the memory of whoever forked it.
    """
    outcome = python(MEASURE, *PROGRAM, *arguments, cwd=cwd)
    kilobytes, seconds, faults = outcome.complaints[-1].split()
    return outcome, Usage(int(kilobytes) * 1024 / 1e6, float(seconds), int(faults))
