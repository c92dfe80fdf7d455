"""What the attacks share: the program under limits, the case that a number stands for, and the count of what came."""

import argparse
import datetime
import json
import os
import platform
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import IO, Any

import numpy as np

HERE = Path(__file__).parent
HOME = HERE.parent.parent
RESULTS = HERE / "results"
# Whatever is installed, forks run the tree that this file belongs to.
sys.path.insert(0, str(HOME))
PROGRAM = (sys.executable, "-m", "hitpredict")
# The kernel's account of a child's peak begins with the peak of whoever started it, so a small process does.
_LAUNCHER = """
import os, resource, sys
where, address_space, *command = sys.argv[1:]
if int(address_space):
    resource.setrlimit(resource.RLIMIT_AS, (int(address_space), int(address_space)))
pid = os.posix_spawn(command[0], command, os.environ)
_, status, usage = os.wait4(pid, 0)
with open(where, "w") as file:
    file.write(str(usage.ru_maxrss))
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""
_WORST = ("Traceback", "this is a defect", "unexpected ", "-v shows where")


@dataclass(frozen=True)
class Ended:
    """A run of the program. peak_mb: the largest of its processes. hung: it had to be killed at the limit."""

    code: int
    out: bytes
    err: str
    seconds: float
    peak_mb: float
    hung: bool = False

    @property
    def lines(self) -> list[str]:
        """What it said on standard error."""
        return self.err.splitlines()

    def faults(self, codes: Iterable[int]) -> Iterator[str]:
        """What no run may do, whatever it was given: hang, show a traceback, drive the terminal, end otherwise."""
        if self.hung:
            yield f"hung for {self.seconds:.0f} s"
        elif self.code not in codes:
            yield f"exit code {self.code}"
        yield from (f"says {word.strip()!r}" for word in _WORST if word in self.err)
        if "\x1b" in self.err or b"\x1b" in self.out:
            yield "an escape sequence came through"


def environment(**extra: str) -> dict[str, str]:
    """This process's environment, with the tree that this file belongs to."""
    return {**os.environ, "PYTHONPATH": str(HOME), "TERM": "xterm", **extra}


def program(
    *arguments: object,
    stdin: bytes | IO[bytes] = b"",
    cwd: Path | None = None,
    seconds: float = 120,
    address_space: int = 0,
    env: dict[str, str] | None = None,
) -> Ended:
    """Run the program as its users do, with pipes; what it starts is killed with it after `seconds`."""
    with tempfile.NamedTemporaryFile("r") as peak:
        command = [sys.executable, "-I", "-S", "-c", _LAUNCHER, peak.name, str(address_space), *PROGRAM]
        feed = subprocess.PIPE if isinstance(stdin, bytes) else stdin
        start = time.monotonic()
        process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdin=feed,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment(**(env or {})),
            start_new_session=True,
        )
        hung = False
        try:
            out, err = process.communicate(stdin if isinstance(stdin, bytes) else None, seconds)
        except subprocess.TimeoutExpired:
            hung = True
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
        took = time.monotonic() - start
        return Ended(
            process.returncode, out, err.decode(errors="replace"), took, int(peak.read() or 0) * 1024 / 1e6, hung
        )


def forked(*arguments: object, cwd: Path | None = None, seconds: float = 120, address_space: int = 0) -> Ended:
    """Run the program in a fork of this process, which has loaded what is slow to load; else as `program`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.monotonic()
        if not (pid := os.fork()):
            _child(list(map(str, arguments)), cwd, out.fileno(), err.fileno(), address_space)
        done, hung = 0, False
        while not done:
            done, status, usage = os.wait4(pid, os.WNOHANG)
            if not done and not hung and time.monotonic() - start > seconds:
                hung = True
                os.killpg(pid, signal.SIGKILL)
            if not done:
                time.sleep(0.002)
        took = time.monotonic() - start
        texts = [(file.seek(0), file.read())[1] for file in (out, err)]
        code = os.waitstatus_to_exitcode(status)
        return Ended(code, texts[0], texts[1].decode(errors="replace"), took, usage.ru_maxrss * 1024 / 1e6, hung)


def _child(arguments: list[str], cwd: Path | None, out: int, err: int, address_space: int) -> None:
    code: Any = 70
    try:
        os.setsid()
        for target, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
            os.dup2(descriptor, target)
        if cwd:
            os.chdir(cwd)
        if address_space:
            resource.setrlimit(resource.RLIMIT_AS, (address_space, address_space))
        sys.argv = ["hitpredict", *arguments]
        from hitpredict.cli.app import main

        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        import traceback

        os.write(2, traceback.format_exc().encode(errors="replace"))
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except OSError:
                code = 3
        os._exit(code if isinstance(code, int) else 1)


@dataclass
class Tally:
    """What came of an attack. counts: by what happened. faults: what must not happen, one line each.

    peak_mb and longest: the most memory of one process, and the seconds of the longest run.
    """

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    peak_mb: float = 0
    longest: float = 0

    def ran(self, ended: Ended) -> None:
        """Take in what a run cost."""
        self.peak_mb, self.longest = max(self.peak_mb, ended.peak_mb), max(self.longest, ended.seconds)

    def fault(self, text: str, *evidence: Path) -> None:
        """Something that must not happen; what caused it is kept."""
        kept = [str(keep(path)) for path in evidence if path.exists()]
        self.faults.append(" ".join([text, *kept]))

    def check(self, ended: Ended, codes: Iterable[int], what: str, *evidence: Path) -> bool:
        """Take in a run and all that no run may do; whether it was clean."""
        self.ran(ended)
        found = "; ".join(ended.faults(codes))
        if found:
            self.fault(f"{what}: {found}: {ended.err[-300:].strip()!r}", *evidence)
        return not found

    def add(self, other: "Tally") -> None:
        """Take in all of another."""
        self.counts += other.counts
        self.faults += other.faults
        self.peak_mb, self.longest = max(self.peak_mb, other.peak_mb), max(self.longest, other.longest)


def keep(path: Path) -> Path:
    """A copy of what caused a fault, in a folder that outlives the run."""
    folder = Path(tempfile.gettempdir(), "hitpredict-hostile")
    folder.mkdir(exist_ok=True)
    place = folder / f"{os.getpid()}-{time.monotonic_ns()}-{path.name[-80:]}"
    if path.is_dir():
        shutil.copytree(path, place, symlinks=True)
    elif path.stat().st_size < 2**26:
        shutil.copy(path, place)
    return place


def random_of(seed: int, number: int) -> np.random.Generator:
    """The randomness of one case: the same whatever ran before it."""
    return np.random.default_rng([seed, number])


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is deleted at the end."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
        yield Path(folder)


Case = Callable[[int, int], Tally]


def each(case: Case, numbers: Iterable[int], seed: int, deadline: float, jobs: int = 2) -> Tally:
    """Run `case(seed, number)` for all numbers in processes of their own, `jobs` at a time, up to the deadline."""
    total = Tally()
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = {pool.submit(_in_time, case, seed, number, deadline) for number in numbers}
        for future in waiting:
            total.add(future.result())
    return total


def _in_time(case: Case, seed: int, number: int, deadline: float) -> Tally:
    if time.time() > deadline:
        return Tally(Counter({"left out for lack of time": 1}))
    try:
        return case(seed, number)
    except Exception as error:
        return Tally(faults=[f"case {number}: the attack itself failed: {type(error).__name__}: {error}"])


Attack = Callable[[int, int, float], Tally]


def measured(name: str, attack: Attack, count: int, seed: int, minutes: float) -> dict[str, Any]:
    """Run an attack; gives its tally as JSON, with when, where and how long."""
    start = time.time()
    tally = attack(count, seed, start + 60 * minutes)
    return {
        "name": name,
        "asked": count,
        "seed": seed,
        **vars(tally),
        "seconds": round(time.time() - start),
        "date": f"{datetime.datetime.now():%Y-%m-%d %H:%M}",
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}",
        "commit": _commit(),
    }


def _commit() -> str:
    found = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HOME, capture_output=True, text=True, check=False
    )
    return found.stdout.strip()


def command(name: str, attack: Attack, count: int, doc: str, minutes: float = 30) -> None:
    """The command line of one attack: print what came of it; exit code 1 when something must not have."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=minutes, help="stop taking up cases after this")
    parser.add_argument("--save", action="store_true", help="keep the result for run.py's page")
    given = parser.parse_args()
    result = measured(name, attack, given.count, given.seed, given.minutes)
    print(json.dumps(result, indent=1))
    if given.save:
        save(result)
    sys.exit(1 if result["faults"] else 0)


def save(result: dict[str, Any]) -> None:
    """Keep a result for the page."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{result['name']}.json").write_text(json.dumps(result, indent=1) + "\n")


def spelled(*arguments: object) -> str:
    """A command as typed."""
    return shlex.join(["hitpredict", *map(str, arguments)])
