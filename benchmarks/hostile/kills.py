"""SIGKILL at random moments of every command that writes: what is resumed equals what was never interrupted.

    python benchmarks/hostile/kills.py [--count 200] [--seed 0]

Half of the kills hit the command alone, half all of its processes. Between a kill and the next run inputs may change,
other inputs may be asked for, and a second run may be started beside the first. A quarter of the cases are trainings,
which may replace an older model, and after a kill begin anew or go on with --resume.
"""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from common import PROGRAM, Ended, Tally, command, each, environment, program, random_of, scratch
from sounds import tone

COUNT = 200
_SONGS, _LONG_SONGS = 160, 12
_LIMIT_SECONDS = 300
_ORPHANS_SECONDS = 20
_SCORE = ("score", "-q", "-j", 2)
_FEATURIZE = ("featurize", "-q", "-j", 2, "-k", "mfcc_stats")
_MUTATE = ("mutate", "-q", "-j", 2, "--gain=-1,-2")
# One that needs all its epochs, one that stops early, one that pre-trains in stages, and one without epochs.
_TRAIN: dict[str, tuple[object, ...]] = {
    "train mlp": ("-r", "mlp", "--set", "epochs=40", "--set", "patience=100"),
    "train mlp that stops": ("-r", "mlp", "--set", "learning_rate=0.02", "--set", "patience=4"),
    "train hmn": ("-r", "hmn", "--set", "network.compression=2", "--set", "autoencoder_epochs=8", "--set", "epochs=12"),
    "train linear": (
        "-r",
        "linear",
    ),
}


def attack(count: int, seed: int, deadline: float) -> Tally:
    """Every case by itself; the inputs and the outputs of uninterrupted runs are made once."""
    with scratch() as folder:
        made = subprocess.run(
            [sys.executable, __file__, "--make", folder], env=environment(), capture_output=True, text=True, check=False
        )
        if made.returncode:
            return Tally(faults=[f"the references could not be made: {made.stderr[-2000:]}"])
        return each(partial(_case, folder), range(count), seed, deadline)


def _songs(folder: Path, count: int, seconds: float, first: int = 0) -> None:
    folder.mkdir()
    for number in range(count):
        soundfile.write(folder / f"s{number:03}.wav", tone(seconds, 16000, 1, first + number), 16000)


def _make(folder: Path) -> None:
    """Songs, the outputs of uninterrupted runs, and how long those took."""
    _songs(folder / "a", _SONGS, 1.0)
    _songs(folder / "b", 30, 1.0, 1000)
    (folder / "a" / "s007.wav").write_bytes(b"RIFF no sound")
    _songs(folder / "few", _LONG_SONGS, 4.0)
    for name in ("a", "b"):
        with tarfile.open(folder / f"{name}.tar", "w") as tar:
            for path in sorted((folder / name).iterdir()):
                tar.addfile(_member(path), io.BytesIO(path.read_bytes()))
    random = np.random.default_rng(0)
    rows = "".join(
        json.dumps({"track_id": f"s{number:03}", "popularity": 100 * random.random(), "artist": f"a{number // 2}"})
        + "\n"
        for number in range(_SONGS)
    )
    (folder / "labels.jsonl").write_text(rows)
    _reference(folder, (*_FEATURIZE, folder / "a"), "features.csv", (0, 1))
    times = {}
    (folder / "done").mkdir()
    for name, (arguments, output, stdin) in _jobs(folder).items():
        start = time.monotonic()
        _reference(folder, arguments, f"done/{output}", (0, 1), stdin)
        times[name] = time.monotonic() - start
    for form in ("jsonl", "csv", "parquet"):
        _reference(folder, (*_SCORE, folder / "b"), f"done/other.{form}", (0,))
    _reference(folder, (*_jobs(folder)["train linear"][0], "--seed", 1), "done/older", (0,))
    (folder / "times.json").write_text(json.dumps(times))


def _member(path: Path) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path.name)
    info.size = path.stat().st_size
    return info


def _jobs(folder: Path) -> dict[str, tuple[tuple[object, ...], str, Path | None]]:
    """Arguments, output and standard input of everything that is interrupted."""
    jobs: dict[str, tuple[tuple[object, ...], str, Path | None]] = {}
    for form in ("jsonl", "csv", "parquet"):
        jobs[f"score {form}"] = ((*_SCORE, folder / "a"), f"s.{form}", None)
        jobs[f"featurize {form}"] = ((*_FEATURIZE, folder / "a"), f"f.{form}", None)
    jobs["score tar"] = ((*_SCORE, folder / "a.tar"), "t.jsonl", None)
    jobs["score stream"] = ((*_SCORE, "-"), "u.jsonl", folder / "a.tar")
    jobs["mutate folder"] = ((*_MUTATE, folder / "few"), "variants/", None)
    jobs["mutate tar"] = ((*_MUTATE, folder / "few"), "variants.tar", None)
    tables = ("--features", folder / "features.csv", "--labels", folder / "labels.jsonl")
    for number, (name, recipe) in enumerate(_TRAIN.items()):
        jobs[name] = (("train", "-q", *recipe, "--target", "popularity", *tables), f"model{number}", None)
    return jobs


def _reference(
    folder: Path, arguments: tuple[object, ...], output: str, codes: tuple[int, ...], stdin: Path | None = None
) -> None:
    failures = () if arguments[0] == "train" else ("--failures", folder / f"{output.rstrip('/')}.failed")
    ended = program(
        *arguments, "-o", f"{folder}/{output}", *failures, stdin=stdin.read_bytes() if stdin else b"", seconds=600
    )
    if ended.code not in codes:
        raise RuntimeError(f"{arguments}: {ended.code} {ended.err}")


class _Place:
    """Where one case writes, with a folder for temporary files of its own."""

    def __init__(self, folder: Path, job: str, seeds: Path, inputs: Path | None = None):
        arguments, output, stdin = _jobs(seeds)[job]
        if inputs is not None:
            arguments = (*arguments[:-1], inputs)
        self.job, self.arguments, self.output, self.stdin = job, arguments, output.rstrip("/"), stdin
        self.reference = seeds / "done" / self.output
        self.folder, self.tmp = folder / "out", folder / "tmp"
        self.folder.mkdir()
        self.tmp.mkdir()
        self.path = self.folder / self.output
        self.failures = () if job in _TRAIN else ("--failures", self.folder / f"{self.output}.failed")
        self.seconds = json.loads((seeds / "times.json").read_text())[job]
        self.end = "/" if output.endswith("/") else ""

    def command(self, *more: object) -> list[object]:
        return [*self.arguments, "-o", f"{self.path}{self.end}", *self.failures, *more]

    def start(self, *more: object) -> subprocess.Popen[bytes]:
        """In a process group of its own."""
        return subprocess.Popen(
            [*PROGRAM, *map(str, self.command(*more))],
            stdin=self.stdin.open("rb") if self.stdin else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=environment(TMPDIR=str(self.tmp)),
            start_new_session=True,
        )

    def run(self, *more: object) -> Ended:
        """To the end."""
        data = self.stdin.read_bytes() if self.stdin else b""
        return program(*self.command(*more), stdin=data, seconds=_LIMIT_SECONDS, env={"TMPDIR": str(self.tmp)})

    @property
    def again(self) -> tuple[str, ...]:
        """What the command that takes up a killed one says besides."""
        if self.job == "mutate folder":
            return ("--skip-existing",)
        return ("--resume",) if self.job in _TRAIN else ()


def _killed(place: _Place, random: np.random.Generator, tally: Tally, *more: object) -> bool:
    """Start, and kill at a random moment; whether it was still at work then."""
    process = place.start(*more)
    if place.job in _TRAIN and random.random() < 0.75:
        # Most of its time goes by before it writes anything.
        work, deadline = place.folder / f".{place.path.name}.partial", time.monotonic() + _LIMIT_SECONDS
        while process.poll() is None and not work.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(float(random.uniform(0, 0.6)) * place.seconds)
    else:
        time.sleep(float(random.uniform(0.02, 1.1)) * place.seconds)
    return _kill(process, random, tally, place.job)


def _kill(process: "subprocess.Popen[bytes]", random: np.random.Generator, tally: Tally, job: str) -> bool:
    ended = process.poll() is not None
    if not ended and random.random() < 0.5:
        process.kill()
    elif not ended:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    tally.counts["kills" if not ended else "ended before the kill"] += 1
    tally.counts["kills of train"] += int(job in _TRAIN and not ended)
    deadline = time.monotonic() + _ORPHANS_SECONDS
    while _alive(process.pid):
        if time.monotonic() > deadline:
            tally.fault(f"{job}: processes of a killed command still live after {_ORPHANS_SECONDS} s")
            os.killpg(process.pid, signal.SIGKILL)
            break
        time.sleep(0.02)
    return not ended


def _alive(group: int) -> bool:
    """Whether any process of a group is left that is more than a zombie."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, found = stat.read_text().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(found) == group and state != "Z":
            return True
    return False


def _finish(place: _Place, tally: Tally, *more: object) -> Ended | None:
    """Take up what was killed and check that it ends well."""
    if place.path.is_file() or (place.job in _TRAIN and place.path.exists()):
        # It was killed after its output had come into its place.
        tally.counts["killed when the output was there"] += 1
        ended = place.run(*more, "--force")
    else:
        ended = place.run(*more, *place.again)
    clean = tally.check(ended, [0, 1], f"{place.job}: the run after the kill", place.folder)
    return ended if clean else None


def _same(place: _Place, reference: Path, tally: Tally, what: str) -> None:
    """Output and list of failures are those of the uninterrupted run, and nothing else is left."""
    tally.counts["outputs compared"] += 1
    for found, expected in ((place.path, reference), (Path(f"{place.path}.failed"), Path(f"{reference}.failed"))):
        if not expected.exists():
            continue
        if not found.exists():
            tally.fault(f"{what}: {found.name} is missing", place.folder)
        elif _bytes(found) != _bytes(expected):
            tally.fault(f"{what}: {found.name} differs from that of an uninterrupted run", place.folder, expected)
    known = {place.path.name, f"{place.path.name}.failed"}
    left = [path.name for path in (*place.folder.iterdir(), *place.tmp.iterdir()) if path.name not in known]
    # torch makes itself a folder there, whatever it is used for.
    left = [name for name in left if not name.startswith("torchinductor_")]
    if left:
        tally.fault(f"{what}: {left} are left behind", place.folder)


def _bytes(path: Path) -> dict[str, bytes]:
    """The contents of a file, or of all files in a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {str(each.relative_to(path)): each.read_bytes() for each in path.rglob("*") if each.is_file()}


def _repeatedly(seeds: Path, folder: Path, random: np.random.Generator, tally: Tally, job: str) -> None:
    """Killed once, twice or three times, then taken up."""
    place = _Place(folder, job, seeds)
    for turn in range(int(random.integers(1, 4))):
        if not _killed(place, random, tally, *(place.again if turn else ())):
            _same(place, place.reference, tally, f"{job}, ended before the kill")
            return
        if place.path.is_file():
            # Killed after its output had come into its place; another run would only be refused.
            break
    if _finish(place, tally):
        _same(place, place.reference, tally, job)


def _trained(seeds: Path, folder: Path, random: np.random.Generator, tally: Tally, job: str) -> None:
    """Killed once, twice or three times, perhaps while it replaces a model; then begun anew, or gone on with."""
    place = _Place(folder, job, seeds)
    older = place.reference.with_name("older")
    force: tuple[str, ...] = ("--force",) if random.random() < 0.4 else ()
    if force:
        shutil.copytree(older, place.path)
        tally.counts["older models replaced"] += 1
    for _ in range(int(random.integers(1, 4))):
        if not _killed(place, random, tally, *force, *(place.again if random.random() < 0.5 else ())):
            _same(place, place.reference, tally, f"{job}, ended before the kill")
            return
        if place.path.exists() and _bytes(place.path) not in (_bytes(older), _bytes(place.reference)):
            tally.fault(f"{job}: a part of a model after the kill", place.folder)
        if place.path.exists() and not force:
            tally.counts["killed when the output was there"] += 1
            force = ("--force",)
    resume = place.again if random.random() < 0.5 else ()
    tally.counts["train --resume" if resume else "train anew"] += 1
    ended = place.run(*force, *resume)
    if tally.check(ended, [0], f"{job}: the run after the kill {' '.join(resume)}", place.folder):
        _same(place, place.reference, tally, job)


def _changed(seeds: Path, folder: Path, random: np.random.Generator, tally: Tally, job: str) -> None:
    """Songs are replaced between the kill and the next run, with the size and the times of those before."""
    songs = folder / "songs"
    shutil.copytree(seeds / "a", songs)
    place = _Place(folder, job, seeds, songs)
    if not _killed(place, random, tally):
        return
    for number in random.choice(60, 5, replace=False):
        path = songs / f"s{number:03}.wav"
        before = path.stat()
        soundfile.write(path, tone(1.0, 16000, 1, 5000 + int(number)), 16000)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    if not _finish(place, tally):
        return
    reference = folder / "reference" / place.output
    reference.parent.mkdir()
    program(*place.arguments, "-o", reference, "--failures", f"{reference}.failed", seconds=_LIMIT_SECONDS)
    _same(place, reference, tally, f"{job}, changed inputs")


def _other(seeds: Path, folder: Path, random: np.random.Generator, tally: Tally, job: str) -> None:
    """The next run for the same output is asked for other songs."""
    place = _Place(folder, job, seeds)
    if not _killed(place, random, tally):
        return
    place.arguments = (*_SCORE, seeds / "b")
    if _finish(place, tally):
        _same(place, seeds / "done" / f"other{place.path.suffix}", tally, f"{job}, other inputs")


def _two(seeds: Path, folder: Path, random: np.random.Generator, tally: Tally, job: str) -> None:
    """A second run for the same output is refused, with the name of the first, which goes on, or is killed."""
    place = _Place(folder, job, seeds)
    first = place.start()
    deadline = time.monotonic() + 60
    while not any(place.folder.glob(".*")) and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    # Past the moment at which the first has only just made its files.
    time.sleep(0.15)
    second = place.run()
    if first.poll() is None:
        if second.code not in (2, 3) or str(first.pid) not in second.err or len(second.lines) != 1:
            tally.fault(f"{job}: the second run ended with {second.code}: {second.err[-300:]!r}", place.folder)
        tally.counts["second runs refused"] += 1
    else:
        tally.counts["second runs that came too late"] += 1
    killed = random.random() < 0.5 and _kill(first, random, tally, job)
    if killed and not _finish(place, tally):
        return
    first.wait()
    _same(place, place.reference, tally, f"{job}, two at once")


_Way = Callable[[Path, Path, np.random.Generator, Tally, str], None]
_WAYS: dict[str, tuple[float, _Way, tuple[str, ...]]] = {
    "score": (0.2, _repeatedly, ("score jsonl", "score csv", "score parquet")),
    "score of archives": (0.08, _repeatedly, ("score tar", "score stream")),
    "featurize": (0.11, _repeatedly, ("featurize jsonl", "featurize csv", "featurize parquet")),
    "mutate to a folder": (0.07, _repeatedly, ("mutate folder",)),
    "mutate to a tar": (0.05, _repeatedly, ("mutate tar",)),
    "train": (0.25, _trained, tuple(_TRAIN)),
    "changed inputs": (0.09, _changed, ("score jsonl", "score csv", "featurize csv")),
    "other inputs": (0.06, _other, ("score jsonl", "score csv", "score parquet")),
    "two at once": (0.09, _two, ("score jsonl", "score parquet", "featurize csv", "train mlp")),
}


def _case(seeds: Path, seed: int, number: int) -> Tally:
    tally, random = Tally(), random_of(seed, number)
    name = str(random.choice(list(_WAYS), p=[share for share, _, _ in _WAYS.values()]))
    _, way, jobs = _WAYS[name]
    job = str(random.choice(jobs))
    with scratch() as folder:
        way(seeds, folder, random, tally, job)
    tally.counts += Counter({name: 1})
    tally.faults = [f"case {number}: {text}" for text in tally.faults]
    return tally


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        _make(Path(sys.argv[2]))
    else:
        command("kills", attack, COUNT, __doc__)
