"""Measuring two commands side by side, so that a noisy machine troubles both alike."""

import datetime
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass


def machine() -> str:
    """Where and when something is measured: what a section ends with."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {datetime.date.today():%Y-%m-%d}."


@dataclass(frozen=True)
class Cost:
    """One run of a command, with all processes that it starts.

    wall: seconds. cpu: user and system seconds. peak_mb: memory of its largest process. faults: pages of memory asked
    of the system.
    """

    wall: float
    cpu: float
    peak_mb: float
    faults: int


# A process starts with the peak of the one that starts it, so a small one does.
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
nothing = subprocess.DEVNULL
child = subprocess.Popen(sys.argv[1:], stdin=nothing, stdout=nothing)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
wall = time.perf_counter() - start
cpu = usage.ru_utime + usage.ru_stime
print(json.dumps([child.returncode, wall, cpu, usage.ru_maxrss / 1024, usage.ru_minflt]))
"""


def process(command: Sequence[object]) -> Cost:
    """Run a command to its end; its output goes nowhere. Raises RuntimeError, with what it said, when it fails."""
    words = [str(word) for word in command]
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *words], capture_output=True, text=True, check=True
    )
    code, *cost = json.loads(launched.stdout)
    if code:
        raise RuntimeError(f"{shlex.join(words)} ended with {code}\n{launched.stderr}")
    return Cost(*cost)


def memory_over(command: Sequence[object], pause: float = 0.25) -> list[float]:
    """The resident memory of a command and all that it starts, in MB, every so many seconds until its end."""
    import psutil

    found: list[float] = []
    child = psutil.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while child.poll() is None:
        total = 0
        for each in (child, *child.children(recursive=True)):
            with suppress(psutil.Error):
                total += each.memory_info().rss
        found.append(total / 2**20)
        time.sleep(pause)
    if child.returncode:
        raise RuntimeError(f"{command} ended with {child.returncode}")
    return found


def piped(*commands: Sequence[object]) -> list[str]:
    """The command that joins several by pipes, and fails where one does."""
    return ["bash", "-o", "pipefail", "-c", " | ".join(shlex.join(map(str, command)) for command in commands)]


@dataclass(frozen=True)
class Pairs:
    """Runs of ours and of the peer, taken in turn."""

    ours: list[Cost]
    peers: list[Cost]

    def median(self, side: str, what: str) -> float:
        return statistics.median(getattr(cost, what) for cost in getattr(self, side))

    def ratios(self, what: str) -> tuple[float, float, float]:
        """Minimum, median and maximum over the pairs of peer / ours."""
        values = sorted(getattr(b, what) / getattr(a, what) for a, b in zip(self.ours, self.peers, strict=True))
        return values[0], statistics.median(values), values[-1]


def in_turn(ours: Callable[[], Cost], peer: Callable[[], Cost], runs: int) -> Pairs:
    """One uncounted run of each, then `runs` of each: A B A B …; a single run is counted as it is."""
    if runs > 1:
        ours(), peer()
    both = [(ours(), peer()) for _ in range(runs)]
    return Pairs([a for a, _ in both], [b for _, b in both])
