"""Damaged sounds through `score`, `featurize` and `mutate`: every input is a row or a failure, and nothing else.

python benchmarks/hostile/audio.py [--count 25000] [--seed 0]
"""

import json
import math
import time
from pathlib import Path

from common import Ended, Tally, command, program, random_of, scratch
from sounds import damaged, seeds

COUNT = 25_000
_BATCH = 500
_LIMIT_SECONDS = 400
# Shares of the batches, one in so many: what else goes through `featurize` and through `mutate`.
_FEATURIZED, _MUTATED = 10, 10


def attack(count: int, seed: int, deadline: float) -> Tally:
    """Batches in folders, one process after the other with two workers each."""
    tally = Tally()
    with scratch() as folder:
        sounds = seeds(folder)
        for start in range(0, count, _BATCH):
            if time.time() > deadline:
                tally.counts["left out for lack of time"] += count - start
                break
            number = start // _BATCH
            batch = _batch(folder / f"batch{number}", sounds, seed, range(start, min(start + _BATCH, count)), tally)
            _scored(batch, tally)
            if number % _FEATURIZED == 1:
                _featurized(batch, tally)
            if number % _MUTATED == 2:
                _mutated(batch, tally)
            for path in batch.iterdir():
                path.unlink()
    return tally


def _batch(folder: Path, sounds: dict[str, bytes], seed: int, numbers: range, tally: Tally) -> Path:
    folder.mkdir()
    names, everything = list(sounds), list(sounds.values())
    for number in numbers:
        random = random_of(seed, number)
        name = names[int(random.integers(len(names)))]
        kind, data = damaged(sounds[name], everything, random)
        (folder / f"{number:06}-{kind}.{name}").write_bytes(data)
        tally.counts["files"] += 1
    return folder


def _accounted(what: str, folder: Path, rows: list[str], ended: Ended, failures: Path, tally: Tally) -> None:
    """Rows and failures are the inputs, each once; a line says why for every failure."""
    failed = failures.read_text().splitlines() if failures.exists() else []
    inputs = sorted(str(path) for path in folder.iterdir())
    tally.counts[f"{what}: rows"] += len(rows)
    tally.counts[f"{what}: failures"] += len(failed)
    if not tally.check(ended, [1 if failed else 0], what):
        _blame(what, folder, ended, tally)
    if sorted([*rows, *failed]) != inputs:
        odd = sorted(set(rows) ^ set(inputs) ^ set(failed))[:3]
        tally.fault(f"{what}: {len(rows)} rows and {len(failed)} failures of {len(inputs)} inputs, such as {odd}")
    for path in failed:
        if sum(line.startswith(f"hitpredict: {path}") for line in ended.lines) != 1:
            tally.fault(f"{what}: not one line for the failure of {path}", Path(path))


def _blame(what: str, folder: Path, ended: Ended, tally: Tally) -> None:
    for line in ended.lines:
        if "-v shows where" in line:
            path = Path(line.removeprefix("hitpredict: ").split(": ")[0])
            tally.fault(f"{what}: {line}", path if path.parent == folder else Path("/nowhere"))


def _scored(folder: Path, tally: Tally) -> None:
    out, failures = folder.with_suffix(".jsonl"), folder.with_suffix(".failed")
    ended = program("score", "-q", "-j", 2, folder, "-o", out, "--failures", failures, seconds=_LIMIT_SECONDS)
    records = [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []
    for record in records:
        numbers = [record[key] for key in ("score", "percentile", "duration")] + record["interval"]
        if not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers):
            tally.fault(f"score: not a number in the row of {record['path']}", Path(record["path"]))
    tally.counts["score: rows with warnings"] += sum(bool(record["warnings"]) for record in records)
    _accounted("score", folder, [record["path"] for record in records], ended, failures, tally)


def _featurized(folder: Path, tally: Tally) -> None:
    out, failures = folder.with_suffix(".features.jsonl"), folder.with_suffix(".features.failed")
    options = ("featurize", "-q", "-j", 2, "-k", "mfcc_stats", folder, "-o", out, "--failures", failures)
    ended = program(*options, seconds=_LIMIT_SECONDS)
    rows = [json.loads(line)["path"] for line in out.read_text().splitlines()] if out.exists() else []
    _accounted("featurize", folder, rows, ended, failures, tally)


def _mutated(folder: Path, tally: Tally) -> None:
    out, failures = folder.with_name(f"variants-{folder.name}"), folder.with_suffix(".variants.failed")
    options = ("mutate", "-q", "-j", 2, "--gain=-1", folder, "-o", f"{out}/", "--failures", failures)
    ended = program(*options, seconds=_LIMIT_SECONDS)
    made = {path.name[:6] for path in out.iterdir()} if out.is_dir() else set()
    rows = [str(path) for path in folder.iterdir() if path.name[:6] in made]
    _accounted("mutate", folder, rows, ended, failures, tally)
    for path in out.iterdir() if out.is_dir() else ():
        path.unlink()


if __name__ == "__main__":
    command("audio", attack, COUNT, __doc__)
