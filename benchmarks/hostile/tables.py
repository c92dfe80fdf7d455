"""Damaged tables, recipes, lists and model folders through the commands that read them: one line, or success.

    python benchmarks/hostile/tables.py [--count 2000] [--seed 0]

Nearly all run in forks of a process that has loaded torch, one in twenty-five as a process of its own.
"""

import gzip
import importlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from common import PROGRAM, Tally, command, each, environment, forked, program, random_of, scratch
from oddities import ODD, ODD_TEXTS, with_odd_leaf
from sounds import DAMAGE, tone

COUNT = 2_000
_REAL = 25
_TRACKS = 40
_LIMIT_SECONDS = 120
_PEAK_MB = 2500
_ADDRESS_SPACE = 24 * 2**30
_SLOW_TO_LOAD = (
    *(
        "skl2onnx",
        "sklearn.linear_model",
        "hitpredict.training.estimators",
        "hitpredict.training.train",
        "hitpredict.export.export",
    ),
    *(
        "torch",
        "lightning",
        "safetensors.torch",
        "hitpredict.training.fit",
        "hitpredict.networks.model",
        "hitpredict.export.waveform",
    ),
    *("hitpredict.evaluation.evaluate", "hitpredict.evaluation.models", "hitpredict.tables.join"),
)
_FORMATS = ("csv", "tsv", "parquet", "jsonl", "csv.gz")


def attack(count: int, seed: int, deadline: float) -> Tally:
    """Every case in a folder of its own with copies of what it needs."""
    with scratch() as folder:
        made = subprocess.run(
            [sys.executable, __file__, "--make", folder], env=environment(), capture_output=True, text=True, check=False
        )
        if made.returncode:
            return Tally(faults=[f"the seeds could not be made: {made.stderr[-2000:]}"])
        return each(partial(_case, folder), range(count), seed, deadline)


def _make(folder: Path) -> None:
    """Tables of features and labels, two model folders, and what a killed training leaves."""
    random, songs = np.random.default_rng(0), folder / "songs"
    songs.mkdir()
    for number in range(_TRACKS):
        quiet = 0.2 + 0.8 * random.random()
        soundfile.write(songs / f"t{number}.wav", quiet * tone(0.5, 16000, 1, number), 16000)
    rows = [
        {
            "track_id": f"t{number}",
            "path": f"songs/t{number}.wav",
            "popularity": round(100 * float(random.random()), 2),
            "artists": [f"a{number // 2}", f"b{number % 15}"],
            "artist": f"a{number // 2}",
            "year": 2000 + number % 20,
            "split": ("training", "validation", "test", "calibration")[number % 4],
        }
        for number in range(_TRACKS)
    ]
    (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    names = [name for name in rows[0] if name != "artists"]
    lines = [names, *([row[name] for name in names] for row in rows)]
    (folder / "labels.csv").write_text("".join(",".join(map(str, line)) + "\n" for line in lines))
    (folder / "tracks.jsonl").write_text((folder / "labels.jsonl").read_text())
    (folder / "list.txt").write_text("".join(f"songs/t{number}.wav\n" for number in range(4)))
    (folder / "changes.json").write_text('{"steps": [{"op": "gain", "db": -1}]}\n{"steps": [{"op": "reverse"}]}\n')
    for form in ("csv", "tsv", "parquet", "jsonl"):
        _must("featurize", "-k", "mfcc_stats", "songs", "-o", f"features.{form}", cwd=folder)
    (folder / "features.csv.gz").write_bytes(gzip.compress((folder / "features.csv").read_bytes()))
    _must("featurize", "-k", "logmel", "--set", "n_mels=16", "songs", "-o", "arrays.parquet", cwd=folder)
    for recipe, more in (("linear", []), ("mlp", ["--set", "epochs=2"])):
        _must(
            *_TRAIN,
            "-r",
            recipe,
            *more,
            "--features",
            "features.csv",
            "--labels",
            "labels.jsonl",
            "-o",
            recipe,
            cwd=folder,
        )
    (folder / "recipe.toml").write_bytes(program("recipes", "linear").out)
    _killed(folder)


_TRAIN = ("train", "-q", "--target", "popularity")
_TABLES = ("--features", "features.csv", "--labels", "labels.jsonl")
_LONG = (*_TRAIN, "-r", "mlp", "--set", "epochs=60", "--set", "patience=60", *_TABLES, "-o", "killed/m")


def _killed(folder: Path) -> None:
    """What a killed training leaves, with checkpoints."""
    place = folder / "killed"
    place.mkdir()
    process = subprocess.Popen([*PROGRAM, *_LONG], cwd=folder, env=environment(), start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(place.rglob("*.ckpt")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()


def _must(*arguments: object, cwd: Path) -> None:
    ended = program(*arguments, cwd=cwd)
    if ended.code:
        raise RuntimeError(f"{arguments}: {ended.err}")


Damage = Callable[[bytes, np.random.Generator], bytes]


def _raw(data: bytes, random: np.random.Generator) -> bytes:
    """Bytes damaged without regard to what they mean."""
    changed = bytearray(data)
    list(DAMAGE.values())[int(random.integers(len(DAMAGE)))](changed, random)
    return bytes(changed)


def _odd_text(random: np.random.Generator) -> str:
    odd = ODD_TEXTS[int(random.integers(len(ODD_TEXTS)))]
    more = (
        "5",
        "null",
        '"text"',
        "[unknown]",
        "[1, 2",
        "inf",
        "-1e400",
        '"',
        '""",',
        "\0",
        "=1+1",
        ",,,,",
        "\ud800",
        "{}",
    )
    return more[int(random.integers(len(more)))] if random.random() < 0.6 else odd


def _cell(data: bytes, random: np.random.Generator) -> bytes:
    """Some cells of lines of text become something else; often a whole column."""
    separator = b"\t" if b"\t" in data[:200] else b","
    lines = [line.split(separator) for line in data.split(b"\n")]
    odd = _odd_text(random).encode(errors="surrogatepass")
    column = int(random.integers(len(lines[0])))
    for line in lines if random.random() < 0.4 else [lines[int(random.integers(len(lines)))]]:
        if column < len(line):
            line[column] = odd
    return b"\n".join(separator.join(line) for line in lines)


def _header(data: bytes, random: np.random.Generator) -> bytes:
    """A column is named twice, lost from some lines, or left with a name alone."""
    separator = b"\t" if b"\t" in data[:200] else b","
    lines = [line.split(separator) for line in data.split(b"\n")]
    first, column, way = lines[0], int(random.integers(len(lines[0]))), int(random.integers(5))
    if way == 0:
        first[column] = first[int(random.integers(len(first)))]
    elif way == 1:
        lines = [line[:column] + line[column + 1 :] for line in lines]
    elif way == 2:
        lines = lines[:1]
    elif way == 3:
        lines = [[*line, *line] for line in lines]
    else:
        lines = lines[1:]
    return b"\n".join(separator.join(line) for line in lines)


def _line(data: bytes, random: np.random.Generator) -> bytes:
    """A line becomes something else, is lost, or comes again."""
    lines = data.split(b"\n")
    place, way = int(random.integers(len(lines))), int(random.integers(4))
    if way == 0:
        del lines[place]
    elif way == 1:
        lines[place:place] = [lines[place]] * int(random.choice([1, 50]))
    else:
        lines[place] = _odd_text(random).encode(errors="surrogatepass")
    return b"\n".join(lines)


def _object(data: bytes, random: np.random.Generator) -> bytes:
    """A value inside one of the JSON objects of a file; often the same in all of them."""
    lines = data.decode().splitlines()
    try:
        parsed = [json.loads(line) for line in lines]
    except ValueError:
        lines, parsed = [data.decode()], [json.loads(data)]
    place = int(random.integers(len(lines)))
    if len(parsed) > 1 and random.random() < 0.3 and isinstance(parsed[place], dict):
        key = list(parsed[place])[int(random.integers(len(parsed[place])))]
        odd = ODD[int(random.integers(len(ODD)))]
        parsed = [{**each, key: odd} for each in parsed]
    else:
        parsed[place] = with_odd_leaf(parsed[place], random)
    return "\n".join(json.dumps(each) for each in parsed).encode() + b"\n"


def _whole(data: bytes, random: np.random.Generator) -> bytes:
    """Nothing of it is left."""
    others = (
        b"",
        b"\0" * 5000,
        b"\xff\xfe",
        b"\xef\xbb\xbf" + data,
        data[:1],
        b"\n" * 100,
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"PAR1",
    )
    if random.random() < 0.5:
        return _odd_text(random).encode(errors="surrogatepass")
    return others[int(random.integers(len(others)))]


_TEXT: tuple[Damage, ...] = (_cell, _header, _line, _raw, _whole)
_JSON: tuple[Damage, ...] = (_object, _object, _object, _line, _raw, _whole)
_BINARY: tuple[Damage, ...] = (_raw, _raw, _raw, _whole)


def _ways(path: Path) -> tuple[Damage, ...]:
    if path.suffix in (".json", ".jsonl"):
        return _JSON
    return _TEXT if path.suffix in (".csv", ".tsv", ".txt", ".toml", ".md") else _BINARY


def _damage(path: Path, random: np.random.Generator) -> str:
    """Damage a file in place; the way it was done."""
    ways = _ways(path)
    way = ways[int(random.integers(len(ways)))]
    path.write_bytes(way(path.read_bytes(), random))
    return way.__name__.strip("_")


def _features(random: np.random.Generator) -> str:
    return "arrays.parquet" if random.random() < 0.1 else f"features.{random.choice(_FORMATS)}"


def _labels(random: np.random.Generator) -> str:
    return str(random.choice(["labels.jsonl", "labels.csv"]))


def _training(folder: Path, random: np.random.Generator) -> tuple[str, list[str]]:
    features, labels = _features(random), _labels(random)
    broken = str(random.choice([features, labels]))
    way = _damage(folder / broken, random)
    split = str(random.choice(["groups", "column:split", "temporal:year", "random"]))
    options = ["-r", "linear", "--split", split, "--features", features, "--labels", labels, "-o", "new"]
    return f"{broken} {way}", [*_TRAIN, *options]


def _evaluation(folder: Path, random: np.random.Generator) -> tuple[str, list[str]]:
    features, labels = f"features.{random.choice(_FORMATS)}", _labels(random)
    broken = str(random.choice([features, labels]))
    way = _damage(folder / broken, random)
    options = ["--all", "-f", "json", "--features", features, "--labels", labels]
    return f"{broken} {way}", ["evaluate", "-q", str(random.choice(["linear", "mlp"])), *options]


def _model(folder: Path, random: np.random.Generator) -> tuple[str, list[str]]:
    model = str(random.choice(["linear", "mlp"]))
    files = sorted(path for path in (folder / model).iterdir() if path.is_file())
    # The configuration holds most of what is read.
    weights = np.array([5.0 if path.name == "config.json" else 1.0 for path in files])
    file = files[int(random.choice(len(files), p=weights / weights.sum()))]
    way = "lost" if random.random() < 0.1 else _damage(file, random)
    if way == "lost":
        file.unlink()
    commands = (
        ["evaluate", "-q", model, "--all", "-f", "json", "--features", "features.csv", "--labels", "labels.jsonl"],
        ["export-onnx", "-q", model, "-o", "new.onnx"],
        ["score", "-q", "-m", model, "songs/t1.wav"],
    )
    return f"{model}/{file.name} {way}", commands[int(random.integers(3))]


def _resumed(folder: Path, random: np.random.Generator) -> tuple[str, list[str]]:
    files = sorted(path for path in (folder / "killed").rglob("*") if path.is_file())
    file = files[int(random.integers(len(files)))]
    way = _damage(file, random)
    return f"{file.name} {way}", [*_LONG, "--resume"]


def _recipe(folder: Path, random: np.random.Generator) -> tuple[str, list[str]]:
    way = _damage(folder / "recipe.toml", random)
    tables = ("--features", "features.csv", "--labels", "labels.jsonl", "-o", "new")
    return f"recipe.toml {way}", [*_TRAIN, "-r", "recipe.toml", *tables]


def _manifest(folder: Path, random: np.random.Generator) -> tuple[str, list[str]]:
    way = _damage(folder / "tracks.jsonl", random)
    return f"tracks.jsonl {way}", ["featurize", "-q", "-j", "1", "-k", "mfcc_stats", "tracks.jsonl", "-o", "new.csv"]


def _list(folder: Path, random: np.random.Generator) -> tuple[str, list[str]]:
    way = _damage(folder / "list.txt", random)
    return f"list.txt {way}", ["score", "-q", "-j", "1", "--files-from", "list.txt", "-o", "new.jsonl"]


def _changes(folder: Path, random: np.random.Generator) -> tuple[str, list[str]]:
    way = _damage(folder / "changes.json", random)
    return f"changes.json {way}", ["mutate", "-q", "songs/t1.wav", "--recipe", "changes.json", "-o", "new/"]


_KINDS: dict[str, tuple[float, Callable[[Path, np.random.Generator], tuple[str, list[str]]]]] = {
    "train": (0.34, _training),
    "evaluate": (0.17, _evaluation),
    "model folder": (0.26, _model),
    "train --resume": (0.03, _resumed),
    "recipe": (0.05, _recipe),
    "manifest": (0.06, _manifest),
    "list": (0.04, _list),
    "mutate --recipe": (0.05, _changes),
}
# What works on many inputs says one line for each that fails.
_BATCHES = ("manifest", "list")


def _case(seeds: Path, seed: int, number: int) -> Tally:
    for module in _SLOW_TO_LOAD:
        importlib.import_module(module)
    tally, random = Tally(), random_of(seed, number)
    kind = str(random.choice(list(_KINDS), p=[share for share, _ in _KINDS.values()]))
    with scratch() as folder:
        work = folder / f"{number:05}"
        shutil.copytree(seeds, work)
        what, arguments = _KINDS[kind][1](work, random)
        run = program if number % _REAL == 0 else forked
        ended = run(*arguments, cwd=work, seconds=_LIMIT_SECONDS, address_space=_ADDRESS_SPACE)
        tally.counts += Counter({kind: 1, f"{kind}: exit {ended.code}": 1, "processes": int(run is program)})
        told = f"{number} {kind}: {what}: {' '.join(arguments[:4])}"
        clean = tally.check(ended, [0, 1, 2, 3], told, work)
        if clean and ended.code and len(ended.lines) != 1 and kind not in _BATCHES:
            tally.fault(f"{told}: exit {ended.code} with {len(ended.lines)} lines: {ended.err[:300]!r}", work)
        if clean and ended.peak_mb > _PEAK_MB:
            tally.fault(f"{told}: took {ended.peak_mb:.0f} MB", work)
        if clean and any(not character.isprintable() for line in ended.lines for character in line):
            tally.fault(f"{told}: control characters: {ended.err[:300]!r}", work)
        if clean and ended.code and (work / "new").exists() and kind in ("train", "recipe"):
            tally.fault(f"{told}: exit {ended.code} and yet a model", work)
    return tally


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        _make(Path(sys.argv[2]))
    else:
        command("tables", attack, COUNT, __doc__)
