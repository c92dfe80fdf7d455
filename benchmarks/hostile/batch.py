"""A batch of 10,000 small files: workers are killed in the middle of it, then a node of a cluster, then the whole run.

    python benchmarks/hostile/batch.py [--count 10000] [--seed 0]

Each killed worker may cost the file that it had; every other file has one row, in its place, and no file has two. A
killed node, of a Ray cluster on this machine, costs nothing. The output of the resumed run has them all.
"""

import io
import json
import os
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import soundfile
from common import PROGRAM, Tally, command, environment, random_of, scratch

COUNT = 10_000
_KILLS, _LIMIT_SECONDS = 20, 3000
_JOURNAL, _OUTPUT = ".rows.jsonl.partial", "rows.jsonl"


def attack(count: int, seed: int, deadline: float) -> Tally:
    """All kinds of kills, on the same files."""
    tally, random = Tally(), random_of(seed, 0)
    with scratch() as folder:
        names = _made(folder, count, random)
        _killed_workers(folder, names, random, tally)
        _killed_run(folder, names, random, tally)
        _killed_node(folder, names, tally)
    tally.counts = Counter(tally.counts)
    return tally


def _made(folder: Path, count: int, random: np.random.Generator) -> list[str]:
    """Files of a second, 8 kHz."""
    buffer = io.BytesIO()
    soundfile.write(buffer, random.uniform(-0.3, 0.3, 8000), 8000, format="WAV", subtype="PCM_U8")
    names = [f"s{number:05}.wav" for number in range(count)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(buffer.getvalue()[:-4] + number.to_bytes(4, "little"))
    return names


def _begun(folder: Path, names: list[str], *options: object) -> subprocess.Popen[bytes]:
    (folder / "names").write_text("".join(f"{name}\n" for name in names))
    return subprocess.Popen(
        [*PROGRAM, "score", "-j", "2", "--files-from", "names", "-o", _OUTPUT, *map(str, options)],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _done(folder: Path) -> int:
    """How many rows the journal has."""
    with suppress(OSError):
        return (folder / _JOURNAL).read_bytes().count(b"\n") - 1
    return 0


def _workers(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.Error):
        children = psutil.Process(process.pid).children()
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]
    return []


def _wait(folder: Path, process: subprocess.Popen[bytes], rows: int) -> bool:
    end = time.monotonic() + _LIMIT_SECONDS
    while _done(folder) < rows and process.poll() is None and time.monotonic() < end:
        time.sleep(0.05)
    return process.poll() is None


def _ended(folder: Path, process: subprocess.Popen[bytes], tally: Tally, what: str) -> tuple[list[str], list[str]]:
    """The paths of the rows, and the lines on standard error."""
    _, err = process.communicate(timeout=_LIMIT_SECONDS)
    lines = err.decode().splitlines()
    if process.returncode not in (0, 1):
        tally.fault(f"{what}: exit code {process.returncode}: {lines[-3:]}")
        return [], lines
    return [json.loads(line)["path"] for line in (folder / _OUTPUT).read_text().splitlines()], lines


def _check(names: list[str], rows: list[str], lost: list[str], tally: Tally, what: str) -> None:
    twice = [name for name, times in Counter(rows).items() if times > 1]
    if twice:
        tally.fault(f"{what}: twice: {twice[:5]}")
    if rows != [name for name in names if name not in set(lost)]:
        missing = set(names) - set(rows) - set(lost)
        tally.fault(f"{what}: {len(missing)} files have neither row nor failure, or rows are out of order")


def _killed_workers(folder: Path, names: list[str], random: np.random.Generator, tally: Tally) -> None:
    """A worker now and then; each costs at most the file that it had."""
    process, killed = _begun(folder, names, "--failures", "failed"), 0
    for rows in sorted(random.integers(0, int(0.95 * len(names)), _KILLS).tolist()):
        if not _wait(folder, process, rows):
            break
        if workers := _workers(process):
            with suppress(psutil.Error):
                workers[int(random.integers(len(workers)))].kill()
                killed += 1
    rows, lines = _ended(folder, process, tally, "killed workers")
    lost = (folder / "failed").read_text().splitlines()
    if len(lost) > killed or any("SIGKILL" not in line for line in lines):
        tally.fault(f"killed workers: {killed} killed, {len(lost)} files lost: {lines[:3]}")
    _check(names, rows, lost, tally, "killed workers")
    tally.counts.update(
        {"workers killed": killed, "files that died with them": len(lost), "rows beside them": len(rows)}
    )
    (folder / _OUTPUT).unlink(missing_ok=True)


def _killed_run(folder: Path, names: list[str], random: np.random.Generator, tally: Tally) -> None:
    """The whole run three times, then to its end."""
    for rows in sorted(random.integers(1, int(0.9 * len(names)), 3).tolist()):
        process = _begun(folder, names)
        if not _wait(folder, process, rows):
            tally.fault(f"killed runs: ended by itself with {process.returncode}")
            return
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        tally.counts.update({"runs killed": 1, "rows that they left": _done(folder)})
    process = _begun(folder, names)
    rows, lines = _ended(folder, process, tally, "killed runs")
    if not lines or "taking up an interrupted run" not in lines[0]:
        tally.fault(f"killed runs: nothing was taken up: {lines[:3]}")
    _check(names, rows, [], tally, "killed runs")
    tally.counts.update({"rows of the resumed run": len(rows)})
    left = sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
    if left:
        tally.fault(f"killed runs: left behind: {left[:5]}")


def _killed_node(folder: Path, names: list[str], tally: Tally) -> None:
    """One of two, in the middle: what its worker had is done by the other."""
    from ray.cluster_utils import Cluster

    os.environ.update(environment())
    (folder / _OUTPUT).unlink(missing_ok=True)
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        second = nodes.add_node(num_cpus=1)
        process = _begun(folder, names, "--engine", "ray", "--ray-address", nodes.address)
        if _wait(folder, process, len(names) // 2):
            nodes.remove_node(second, allow_graceful=False)
            tally.counts.update({"nodes killed": 1})
        rows, lines = _ended(folder, process, tally, "killed node")
    finally:
        nodes.shutdown()
    if lines:
        tally.fault(f"killed node: it is told of: {lines[:3]}")
    _check(names, rows, [], tally, "killed node")
    tally.counts.update({"rows of the run that lost it": len(rows)})


if __name__ == "__main__":
    command("batch", attack, COUNT, __doc__)
