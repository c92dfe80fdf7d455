"""What each command holds at most: memory of all its processes, and scratch space, on a small and on a large input.

    python benchmarks/limits.py [--hours 2] [--quick]

The large inputs are a song of so many hours (WAV, stereo, 44.1 kHz; a quarter of an hour for what takes no longer one),
a catalogue of 2,000 songs of a second, and tables of 20,000 rows. Memory is the resident memory of the command and all
that it starts, and scratch what lies in its own TMPDIR, sampled ten times a second. Writes
benchmarks/results/limits.md. --quick: minutes in place of hours and small tables; print only.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import soundfile
from measure import machine
from run import long_song, publish

HERE = Path(__file__).parent
HITPREDICT = [sys.executable, "-m", "hitpredict"]


def held(command: Sequence[object], scratch: Path, ends: tuple[int, ...] = (0,)) -> tuple[float, float, float]:
    """The most memory and scratch space of a command, in MB, and its processor seconds."""
    scratch.mkdir(exist_ok=True)
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": str(HERE.parent)}
    child = psutil.Popen(
        [*map(str, [*HITPREDICT, *command])],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
    )
    memory = space = seconds = 0.0
    while child.poll() is None:
        resident = 0
        with suppress(psutil.Error):
            for each in (child, *child.children(recursive=True)):
                with suppress(psutil.Error):
                    resident += each.memory_info().rss
            seconds = sum(child.cpu_times()[:4])
        memory, space = max(memory, resident), max(space, sum(map(size, scratch.rglob("*"))))
        time.sleep(0.1)
    if child.returncode not in ends:
        raise RuntimeError(f"{command} ended with {child.returncode}: {child.stderr.read().decode()}")
    return memory / 2**20, space / 2**20, seconds


def size(path: Path) -> int:
    """Bytes of a file that may be gone by now."""
    with suppress(OSError):
        return path.stat().st_size if path.is_file() else 0
    return 0


def catalogue(folder: Path, count: int) -> Path:
    """Songs of a second, all different."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        soundfile.write(folder / f"{number:05}.wav", 0.1 * random.standard_normal((22050, 1)), 22050)
    return folder


def tables(folder: Path, rows: int) -> tuple[Path, Path]:
    """Features and labels of so many tracks."""
    random = np.random.default_rng(0)
    values = random.standard_normal((rows, 40))
    features, labels = folder / f"features{rows}.csv", folder / f"labels{rows}.csv"
    names = ",".join(f"f{number}" for number in range(40))
    lines = (f"t{row}," + ",".join(f"{value:.4f}" for value in each) for row, each in enumerate(values))
    features.write_text(f"track_id,{names}\n" + "\n".join(lines) + "\n")
    truth = values[:, 0] + random.standard_normal(rows)
    told = (f"t{row},a{row // 4},{value:.4f}" for row, value in enumerate(truth))
    labels.write_text("track_id,artist,y\n" + "\n".join(told) + "\n")
    return features, labels


def measured(folder: Path, hours: float, count: int, rows: int) -> list[str]:
    """A row of the table for each command."""
    short = long_song(folder / "short.wav", 30)
    long, middle = (
        long_song(folder / "long.wav", hours * 3600),
        long_song(folder / "middle.wav", min(900, hours * 3600)),
    )
    music, records = catalogue(folder / "music", count), folder / "scores.jsonl"
    few, many = tables(folder, max(400, rows // 50)), tables(folder, rows)
    out, lines = folder / "out", []

    def add(name: str, small: tuple[str, list[object]], large: tuple[str, list[object]]) -> None:
        a, b = (held(command, folder / "scratch") for _, command in (small, large))
        lines.append(
            f"| {name} | {small[0]} | {a[0]:.0f} MB | {a[1]:.0f} MB | {large[0]} | {b[0]:.0f} MB | {b[1]:.0f} MB | "
            f"{b[2]:.0f} s |"
        )

    clip, whole = "30 s", f"{hours:g} h"
    part = f"{middle.stat().st_size / 176400 / 60:.0f} min"
    for name, words in (
        ("`score`", ["score", "-f", "jsonl"]),
        ("`score --segments 10`", ["score", "-f", "jsonl", "--segments", "10"]),
        ("`mutate --gain -3`", ["mutate", "--gain", "-3", "-o", f"{out}.wav", "--force"]),
        ("`mutate --reverse`", ["mutate", "--reverse", "-o", f"{out}.wav", "--force"]),
        ("`featurize -k mfcc_stats`", ["featurize", "-k", "mfcc_stats"]),
        ("`featurize -k logmel -o x.arrow`", ["featurize", "-k", "logmel", "-o", f"{out}.arrow", "--force"]),
    ):
        add(name, (clip, [*words, short]), (whole, [*words, long]))
    for name, words in (
        ("`mutate --pitch 2`", ["mutate", "--pitch", "2", "-o", f"{out}.wav", "--force"]),
        ("`explain --params gain,eq`", ["explain", "--params", "gain,eq", "-f", "jsonl"]),
    ):
        add(name, (clip, [*words, short]), (part, [*words, middle]))
    add("`compare`", (clip, ["compare", short, short]), (part, ["compare", middle, middle]))
    listed = ["score", "-q", "--force", music]
    one = ["score", "-q", "--force", short]
    add("`score -o x.jsonl`", ("1 song", [*one, "-o", records]), (f"{count:,} songs", [*listed, "-o", records]))
    add(
        "`score --update -o x.db`",
        ("1 song", ["score", "-q", short, "--update", "-o", f"{out}1.db"]),
        (f"{count:,} songs", ["score", "-q", music, "--update", "-o", f"{out}.db"]),
    )
    single = folder / "one.jsonl"
    single.write_text(records.read_text().splitlines(True)[0])
    page = ["report", "-o", f"{out}.html", "--force"]
    add("`report`", ("1 record", [*page, single]), (f"{count:,} records", [*page, records]))
    for name, recipe in (("`train -r linear`", "linear"), ("`train -r mlp`, 2 epochs", "mlp")):
        sets = ["--set", "training.epochs=2"] if recipe == "mlp" else []
        both = [
            [
                "train",
                "-q",
                "-r",
                recipe,
                "--features",
                f,
                "--labels",
                t,
                "--target",
                "y",
                *sets,
                "-o",
                f"{out}-{recipe}{n}",
            ]
            for n, (f, t) in enumerate((few, many))
        ]
        add(name, (f"{max(400, rows // 50):,} rows", both[0]), (f"{rows:,} rows", both[1]))
    judge = [
        ["evaluate", "-q", f"{out}-linear{n}", "--features", f, "--labels", t] for n, (f, t) in enumerate((few, many))
    ]
    add("`evaluate`", (f"{max(400, rows // 50):,} rows", judge[0]), (f"{rows:,} rows", judge[1]))
    return lines


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--quick", action="store_true", help="minutes and small tables; print only")
    given = parser.parse_args()
    sizes = (0.02, 5, 500) if given.quick else (given.hours, 2000, 20_000)
    with tempfile.TemporaryDirectory() as folder:
        rows = measured(Path(folder), *sizes)
    text = "\n".join(
        [
            "## Limits: the most memory (RSS of all processes) and scratch space of each command",
            "",
            "| command | on | memory | scratch | on | memory | scratch | CPU |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            machine(),
            "",
        ]
    )
    print(text)
    if not given.quick:
        publish("limits", text)


if __name__ == "__main__":
    main()
