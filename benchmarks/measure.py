"""Measuring two things side by side, so that a noisy machine troubles both alike."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """One run: wall and CPU seconds, and for a process its peak memory in MB."""

    wall: float
    cpu: float
    peak_mb: float = 0.0


# A process starts with the peak of the one that starts it, so a small one does.
_LAUNCHER = """
import json, os, subprocess, sys, time
start = time.perf_counter()
nothing = subprocess.DEVNULL
child = subprocess.Popen(sys.argv[1:], stdin=nothing, stdout=nothing, stderr=nothing)
_, status, usage = os.wait4(child.pid, 0)
child.returncode = os.waitstatus_to_exitcode(status)
wall = time.perf_counter() - start
print(json.dumps([child.returncode, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024]))
"""


def process(command: Sequence[str]) -> Cost:
    """Run a command to its end. Raises RuntimeError when it fails."""
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _LAUNCHER, *command], stdout=subprocess.PIPE, check=True
    )
    code, *cost = json.loads(launched.stdout)
    if code:
        raise RuntimeError(f"{' '.join(command)} ended with {code}")
    return Cost(*cost)


def call(function: Callable[[], object]) -> Cost:
    """Run a function in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


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
    """One uncounted run of each, then `runs` of each: A B A B …"""
    ours(), peer()
    both = [(ours(), peer()) for _ in range(runs)]
    return Pairs([a for a, _ in both], [b for _, b in both])
