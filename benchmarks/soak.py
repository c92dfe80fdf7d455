"""Feed hitpredict for an hour, watch what its processes hold, and write benchmarks/results/soak.md.

    nice python benchmarks/soak.py [--minutes 60] [--quick]

Four commands run at the same time, each in one go, on the same few songs of several formats, a silent one and a broken
one again and again. Every few seconds the memory, open files and threads of all processes of a command and the files
in its folder for temporary ones are counted. --quick: a few seconds, only printed. Exit code 1 when something grows, or
when an answer is missing.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import IO

import numpy as np
import psutil
import soundfile
from measure import machine

HERE = Path(__file__).parent
PROGRAM = [sys.executable, "-m", "hitpredict"]
MUTATE = [*PROGRAM, "mutate", "--files-from", "-", "--gain=-1,-2", "-j", "1"]
VARIANTS = 2
# Questions that are under way at a time: a pipe would hold a thousand names.
AHEAD = 64
WATCHED = {"memory": "MB of memory", "files": "open files", "threads": "threads", "temporary": "temporary files"}
# What the last tenth may have more than the first. The names that failed are kept for the end, and each song has a
# moment with a file or a thread more.
ALLOWED = {"memory": 20.0, "files": 4, "threads": 4, "temporary": 4}


@dataclass(frozen=True)
class Sample:
    """What the processes of a command held at one moment. songs: fed by then. memory: resident MB."""

    songs: int
    memory: float
    files: int
    threads: int
    temporary: int


def songs(folder: Path) -> list[Path]:
    """Short songs in formats that libsndfile reads, one long enough to be copied to disk, a silent and a broken one."""
    random, made = np.random.default_rng(0), []
    for number, suffix in enumerate(("wav", "flac", "ogg", "mp3", "aiff", "opus")):
        rate = 48000 if suffix == "opus" else 44100
        tone = np.sin(2 * np.pi * 220 * (1 + number) * np.arange(2 * rate) / rate)
        samples = 0.3 * tone[:, None] * random.uniform(0.5, 1, (2 * rate, 2)).astype(np.float32)
        made.append(folder / f"song.{suffix}")
        form, subtype = ("OGG", "OPUS") if suffix == "opus" else (suffix.upper(), None)
        soundfile.write(made[-1], samples, rate, subtype, format=form)
    long, silent, broken = folder / "long.wav", folder / "silent.wav", folder / "broken.wav"
    soundfile.write(long, random.uniform(-0.5, 0.5, (8 * 44100, 2)), 44100)
    soundfile.write(silent, np.zeros((2 * 44100, 2)), 44100)
    broken.write_bytes(made[0].read_bytes()[:40] + b"nothing")
    return [*made, long, silent, broken]


@dataclass
class Feed:
    """One command that is given songs until the time is up.

    tar: they come as members of an archive, else as names. answers: rows and failures of one good song. renamed: each
    comes under a name of its own, as variants of equal names are refused.
    """

    name: str
    commands: list[list[str]]
    tar: bool = False
    answers: int = 1
    renamed: bool = False
    fed: int = 0
    rows: int = 0
    failures: int = 0
    expected: int = 0
    samples: list[Sample] = field(default_factory=list)
    codes: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._answered = threading.Condition()

    def run(self, given: Sequence[Path], deadline: float, pause: float, temporary: Path) -> None:
        """Start the command, feed it, watch it, and wait for its end."""
        temporary.mkdir()
        processes = list(self._started(temporary))
        readers = [threading.Thread(target=self._read, args=(process.stderr, "failures")) for process in processes]
        readers += [threading.Thread(target=self._read, args=(processes[-1].stdout, "rows"))]
        feeder = threading.Thread(target=self._feed, args=(processes[0].stdin, given, deadline))
        for thread in (*readers, feeder):
            thread.start()
        while feeder.is_alive():
            feeder.join(pause)
            # By then all processes have begun to work.
            if feeder.is_alive() and self.rows + self.failures > AHEAD:
                with suppress(psutil.Error):
                    self.samples.append(self._sample(processes, temporary))
        for thread in readers:
            thread.join()
        self.codes = [process.wait() for process in processes]

    def _started(self, temporary: Path) -> Iterator[subprocess.Popen[bytes]]:
        source: int | IO[bytes] = subprocess.PIPE
        for command in self.commands:
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(HERE.parent)},
            )
            if not isinstance(source, int):
                source.close()
            assert process.stdout
            source = process.stdout
            yield process

    def _feed(self, stdin: IO[bytes], given: Sequence[Path], deadline: float) -> None:
        # A reader that ends early is seen by the answers that are missing.
        with suppress(BrokenPipeError), stdin:
            put = _members(stdin) if self.tar else _names(stdin)
            for song in _renamed(given) if self.renamed else cycle(given):
                if time.monotonic() > deadline:
                    break
                put(song)
                with self._answered:
                    self.fed += 1
                    self.expected += 1 if song.stem.endswith("broken") else self.answers
                    while self.expected - self.rows - self.failures > AHEAD and time.monotonic() < deadline:
                        self._answered.wait(1)
            if self.tar:
                stdin.write(bytes(2 * tarfile.BLOCKSIZE))

    def _read(self, stream: IO[bytes], what: str) -> None:
        for _ in stream:
            with self._answered:
                setattr(self, what, getattr(self, what) + 1)
                self._answered.notify_all()

    def _sample(self, processes: Sequence[subprocess.Popen[bytes]], temporary: Path) -> Sample:
        tree = [psutil.Process(process.pid) for process in processes]
        tree += [child for process in tree for child in process.children(recursive=True)]
        return Sample(
            self.fed,
            sum(each.memory_info().rss for each in tree) / 1e6,
            sum(each.num_fds() for each in tree),
            sum(each.num_threads() for each in tree),
            sum(len(files) for _, _, files in os.walk(temporary)),
        )


def _renamed(given: Sequence[Path]) -> Iterator[Path]:
    """The songs again and again, as links that go when they are long done."""
    kept: deque[Path] = deque()
    for number, song in enumerate(cycle(given)):
        kept.append(song.with_name(f"{number}-{song.name}"))
        kept[-1].symlink_to(song)
        yield kept[-1]
        if len(kept) > 2 * AHEAD:
            kept.popleft().unlink()


def _names(stdin: IO[bytes]) -> Callable[[Path], None]:
    def put(song: Path) -> None:
        stdin.write(os.fsencode(song) + b"\n")
        stdin.flush()

    return put


def _members(stdin: IO[bytes]) -> Callable[[Path], None]:
    def put(song: Path) -> None:
        data, buffer = song.read_bytes(), io.BytesIO()
        member = tarfile.TarInfo(song.name)
        member.size = len(data)
        # Without an end marker, which `TarFile.close` alone writes.
        tarfile.open(fileobj=buffer, mode="w").addfile(member, io.BytesIO(data))  # noqa: SIM115
        stdin.write(buffer.getvalue())
        stdin.flush()

    return put


def feeds() -> list[Feed]:
    """The commands."""
    score = [*PROGRAM, "score", "-f", "jsonl"]
    return [
        Feed("`score -j 1 --files-from -`", [[*score, "-j", "1", "--files-from", "-"]]),
        Feed("`score -j 2 --files-from -`", [[*score, "-j", "2", "--files-from", "-"]]),
        Feed("an endless tar into `score -j 1 -`", [[*score, "-j", "1", "-"]], tar=True),
        Feed(
            "`mutate --files-from - --gain=-1,-2 \\| score -j 1 -`",
            [MUTATE, [*score, "-j", "1", "-"]],
            answers=VARIANTS,
            renamed=True,
        ),
    ]


def tenths(samples: Sequence[Sample], what: str) -> tuple[float, float]:
    """Medians of the first and of the last tenth."""
    size = max(1, len(samples) // 10)
    first, last = (
        statistics.median(getattr(each, what) for each in part) for part in (samples[:size], samples[-size:])
    )
    return first, last


def slope(samples: Sequence[Sample]) -> float:
    """KB of memory for each 1,000 songs, by least squares, after the first tenth."""
    later = samples[max(1, len(samples) // 10) :]
    if len({each.songs for each in later}) < 2:
        return 0.0
    fitted = statistics.linear_regression([each.songs for each in later], [each.memory for each in later])
    return fitted.slope * 1e6


def grown(samples: Sequence[Sample]) -> list[str]:
    """What a command holds more of in the end than in the beginning."""
    found = {what: tenths(samples, what) for what in ALLOWED}
    return [what for what, (first, last) in found.items() if last - first > ALLOWED[what]]


def verdict(feed: Feed) -> str:
    """Whether all is well, or what is not."""
    wrong = [f"more {WATCHED[what]}" for what in grown(feed.samples)] if feed.samples else ["it was not watched"]
    if feed.rows + feed.failures != feed.expected:
        wrong.append(f"{feed.rows + feed.failures:,} of {feed.expected:,} answers")
    if feed.codes != [1] * len(feed.codes[:-1]) + [1 if len(feed.codes) == 1 else 0]:
        wrong.append(f"exit codes {feed.codes}")
    return ", ".join(wrong) or "nothing grows"


def page(run: Sequence[Feed], minutes: float) -> str:
    """The section of benchmarks/README.md."""
    rows = []
    for feed in run:
        cells = [feed.name, f"{feed.fed:,}", f"{feed.rows:,} + {feed.failures:,}"]
        for what in WATCHED:
            first, last = tenths(feed.samples, what) if feed.samples else (0, 0)
            cells.append(f"{first:.0f} → {last:.0f}")
        rows.append("| " + " | ".join([*cells, f"{slope(feed.samples):+.0f} KB", verdict(feed)]) + " |")
    head = ["", "songs", "rows + failures", *WATCHED.values(), "memory per 1,000 songs", "verdict"]
    return "\n".join(
        [
            f"## Soak: four commands fed for {minutes:g} minutes",
            "",
            "Medians of the first tenth of the samples → of the last, over all processes of a command; every process "
            "counts memory that it shares with others. The slope is that after the first tenth. Nine songs again and "
            "again: WAV, FLAC, OGG, MP3, AIFF, Opus, one of 1.4 MB, a silent one, a broken one. Written by "
            "`python benchmarks/soak.py`, beside other work on the same machine.",
            "",
            "| " + " | ".join(head) + " |",
            "|---" * len(head) + "|",
            *rows,
            "",
            machine(),
            "",
        ]
    )


def main() -> None:
    """Run all commands at the same time and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--quick", action="store_true", help="a few seconds; print only")
    given = parser.parse_args()
    minutes, pause = (0.2, 0.2) if given.quick else (given.minutes, 5.0)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        run, made = feeds(), songs(Path(folder))
        deadline = time.monotonic() + 60 * minutes
        threads = [
            threading.Thread(target=feed.run, args=(made, deadline, pause, Path(folder, f"tmp{number}")))
            for number, feed in enumerate(run)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    text = page(run, minutes)
    print(text)
    if not given.quick:
        from run import publish

        publish("soak", text)
    sys.exit(any(verdict(feed) != "nothing grows" for feed in run))


if __name__ == "__main__":
    main()
