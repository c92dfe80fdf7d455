"""Hostile model files through `score` and `models show`: one line and exit code 3, or an ordinary answer.

    python benchmarks/hostile/models.py [--count 1000] [--seed 0]

Nine of ten run in forks of a process that has loaded the program, the tenth as a process of its own.
"""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import soundfile
from common import Ended, Tally, command, each, forked, program, random_of, scratch
from oddities import ODD_TEXTS, with_odd_leaf
from onnx import TensorProto, helper
from sounds import tone

COUNT = 1_000
_REAL = 10
_SECONDS = 2.0
_LIMIT_SECONDS = 90
_TIMEOUT = 5
_PEAK_MB = 1500
_ADDRESS_SPACE = 16 * 2**30


def attack(count: int, seed: int, deadline: float) -> Tally:
    """Every model by itself."""
    return each(_case, range(count), seed, deadline)


@cache
def _song() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(_SECONDS, 22050, 1), 22050, format="WAV")
    return buffer.getvalue()


@cache
def _seeds() -> dict[str, bytes]:
    """The bundled model, and one for each front-end that gives the mean of what it is given."""
    from hitpredict.frontends import FRONTENDS
    from hitpredict.scoring.session import ModelFile

    models = {"bundled": ModelFile.find(None).data}
    for name in FRONTENDS:
        models[name] = _of_frontend(name)
    return models


def _of_frontend(name: str) -> bytes:
    from hitpredict.audio.clip import Clip
    from hitpredict.frontends import FRONTENDS, compute, to_json
    from hitpredict.scoring.domain import Domain
    from hitpredict.scoring.windows import summary_of

    frontend = FRONTENDS[name]()
    array = compute(frontend, Clip(np.ascontiguousarray(tone(_SECONDS, 22050, 1).T), 22050, "song"))
    size = len(summary_of(array))
    random = np.random.default_rng(0)
    region = Domain.fit(random.random((60, size)), size, np.full(60, 2.0), np.arange(60) % 20, np.arange(60) % 10)
    values = {
        "frontend": to_json(frontend),
        "windows": [None if array.ndim == 1 and len(array) < 8192 else {"length": max(2, len(array) // 2)}],
        "domain": region.to_json(),
    }
    model = _graph(array.ndim, [helper.make_node("Identity", ["mean"], ["score"])])
    for entry in onnx.load_from_string(_seeds_bundled()).metadata_props:
        key = entry.key.removeprefix("hitpredict.")
        if key != "trained_on":
            entry.value = json.dumps(values[key]) if key in values else entry.value
            model.metadata_props.append(entry)
    return model.SerializeToString()


def _seeds_bundled() -> bytes:
    from hitpredict.scoring.session import ModelFile

    return ModelFile.find(None).data


def _graph(ndim: int, rest: list[Any]) -> Any:
    """A network (N, …) whose `mean` the other nodes turn into `score`, (N,)."""
    shape = ["N", *(f"d{axis}" for axis in range(1, ndim + 1))]
    axes = helper.make_tensor("axes", TensorProto.INT64, [ndim], list(range(1, ndim + 1)))
    nodes = [helper.make_node("ReduceMean", ["features", "axes"], ["mean"], keepdims=0), *rest]
    graph = helper.make_graph(
        nodes,
        "hostile",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, None)],
        [axes],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _entries(model: Any) -> list[Any]:
    return [entry for entry in model.metadata_props if entry.key != "hitpredict.trained_on"]


def _text(model: Any, random: np.random.Generator) -> None:
    """A whole entry becomes something else."""
    entries = _entries(model)
    entries[int(random.integers(len(entries)))].value = ODD_TEXTS[int(random.integers(len(ODD_TEXTS)))]


def _leaf(model: Any, random: np.random.Generator) -> None:
    """One value inside an entry becomes something else; numbers may also become near or far numbers."""
    entries = [entry for entry in _entries(model) if entry.value[:1] in "{["]
    entry = entries[int(random.integers(len(entries)))]
    entry.value = json.dumps(with_odd_leaf(json.loads(entry.value), random))


def _dropped(model: Any, random: np.random.Generator) -> None:
    del model.metadata_props[int(random.integers(len(model.metadata_props)))]


def _added(model: Any, random: np.random.Generator) -> None:
    entry = model.metadata_props.add()
    entry.key = ("hitpredict.waveform", "hitpredict.name", "hitpredict.\x1b[2J", "x" * 100_000)[int(random.integers(4))]
    entry.value = ODD_TEXTS[int(random.integers(len(ODD_TEXTS)))]


def _words(model: Any, random: np.random.Generator) -> None:
    """Words that people read, with what would drive their terminal."""
    for entry in _entries(model):
        if entry.key.removeprefix("hitpredict.") in ("card", "name", "version"):
            entry.value = f"\x1b]0;owned\x07{entry.value[:200]}\x1b[2J\x9b1m\r\u202e"
        elif entry.key in ("hitpredict.target", "hitpredict.reference"):
            told = json.loads(entry.value)
            entry.value = json.dumps({**told, "name": "\x1b[2Jname\r\x07"})


def _with_graph(nodes: Callable[[], list[Any]]) -> Callable[[Any, np.random.Generator], None]:
    def change(model: Any, random: np.random.Generator) -> None:
        ndim = len(model.graph.input[0].type.tensor_type.shape.dim) - 1
        model.CopyFrom(_merged(model, _graph(ndim, nodes())))

    return change


def _merged(model: Any, other: Any) -> Any:
    other.metadata_props.extend(model.metadata_props)
    return other


def _endless() -> list[Any]:
    """A loop of 2^62 rounds."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Mul", ["value", "value"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
        ],
    )
    rounds = helper.make_tensor("rounds", TensorProto.INT64, [], [2**62])
    return [
        helper.make_node("Constant", [], ["rounds"], value=rounds),
        helper.make_node("Constant", [], ["begin"], value=helper.make_tensor("b", TensorProto.BOOL, [], [True])),
        helper.make_node("Loop", ["rounds", "begin", "mean"], ["score"], body=body),
    ]


def _not_a_number() -> list[Any]:
    return [helper.make_node("Sub", ["mean", "mean"], ["zero"]), helper.make_node("Div", ["zero", "zero"], ["score"])]


def _gigantic() -> list[Any]:
    """A tensor of 24 GB made from a shape of three numbers."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [2000, 1000, 3000])
    return [
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("ConstantOfShape", ["shape"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "mean"], ["score"]),
    ]


def _other_shape() -> list[Any]:
    axes = helper.make_tensor("more", TensorProto.INT64, [2], [0, 1])
    return [
        helper.make_node("Constant", [], ["more"], value=axes),
        helper.make_node("Unsqueeze", ["mean", "more"], ["score"]),
    ]


def _other_type() -> list[Any]:
    return [helper.make_node("Cast", ["mean"], ["score"], to=TensorProto.STRING)]


def _unknown_operator() -> list[Any]:
    return [helper.make_node("Run\x1b[2J", ["mean"], ["score"], domain="evil")]


def _external(model: Any, random: np.random.Generator) -> None:
    """A tensor that says it lies in another file."""
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../../../etc/passwd"), ("offset", "0"), ("length", "100")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value


def _dimensions(model: Any, random: np.random.Generator) -> None:
    tensor = model.graph.initializer[int(random.integers(len(model.graph.initializer)))]
    dims = [(2**40,), (-1,), (0,), (2**31, 2**31), (1,) * 9][int(random.integers(5))]
    del tensor.dims[:]
    tensor.dims.extend(dims)


PARSED: dict[str, Callable[[Any, np.random.Generator], None]] = {
    "leaf": _leaf,
    "text": _text,
    "dropped": _dropped,
    "added": _added,
    "words": _words,
    "external": _external,
    "dimensions": _dimensions,
    "endless": _with_graph(_endless),
    "nan": _with_graph(_not_a_number),
    "gigantic": _with_graph(_gigantic),
    "other-shape": _with_graph(_other_shape),
    "other-type": _with_graph(_other_type),
    "unknown-operator": _with_graph(_unknown_operator),
}
_OFTEN = {"leaf": 30, "text": 20, "bits": 12, "truncated": 6, "bytes": 8, "dropped": 4, "words": 3}


def _hostile(seed: int, number: int) -> tuple[str, bytes]:
    random = random_of(seed, number)
    seeds = _seeds()
    data = seeds[list(seeds)[int(random.integers(len(seeds)))]]
    kinds = [*PARSED, "bits", "bytes", "truncated"]
    weights = np.array([_OFTEN.get(kind, 1) for kind in kinds], float)
    kind = str(random.choice(kinds, p=weights / weights.sum()))
    if kind in PARSED:
        model = onnx.load_from_string(data)
        PARSED[kind](model, random)
        return kind, model.SerializeToString()
    changed = bytearray(data)
    if kind == "truncated":
        return kind, bytes(changed[: int(random.integers(len(changed)))])
    for _ in range(int(random.integers(1, 20))):
        # Half of the damage goes where the structure is, not into the weights.
        place = int(random.integers(len(changed) if random.random() < 0.5 else min(3000, len(changed))))
        changed[place] = (
            changed[place] ^ (1 << int(random.integers(8))) if kind == "bits" else int(random.integers(256))
        )
    return kind, bytes(changed)


def _case(seed: int, number: int) -> Tally:
    import onnxruntime  # noqa: F401 - forks need not load it

    tally = Tally()
    kind, data = _hostile(seed, number)
    with scratch() as folder:
        model, song = folder / f"{number:05}-{kind}.onnx", folder / "song.wav"
        model.write_bytes(data)
        song.write_bytes(_song())
        form = ("jsonl", "pretty", "csv", "tsv")[number % 4]
        options = ["--segments", "1"] if number % 3 == 0 else []
        run = program if number % _REAL == 0 else forked
        scored = ["score", "-m", model.name, song.name, "-f", form, *_timeout(), *options]
        _score(tally, run(*scored, cwd=folder, **_LIMITS), form, model)
        shown = ["models", "show", model.name, *(["--json"] if number % 2 else [])]
        _show(tally, run(*shown, cwd=folder, **_LIMITS), model)
    tally.counts += Counter({"models": 1, "commands as processes": 2 * (run is program)})
    return tally


_LIMITS: dict[str, Any] = {"seconds": _LIMIT_SECONDS, "address_space": _ADDRESS_SPACE}


@cache
def _timeout() -> tuple[str, ...]:
    helped = forked("score", "--help")
    return ("--timeout", str(_TIMEOUT)) if b"--timeout" in helped.out else ()


def _score(tally: Tally, ended: Ended, form: str, model: Path) -> None:
    what = f"score -f {form} {model.name}"
    tally.counts[f"score: exit {ended.code}"] += 1
    if not tally.check(ended, [0, 1, 3], what, model) or not _quiet(tally, ended, what, model):
        return
    if ended.code and len(ended.lines) != 1:
        tally.fault(f"{what}: {len(ended.lines)} lines: {ended.err[:300]!r}", model)
    if ended.code == 0 and form == "jsonl":
        (record,) = map(json.loads, ended.out.splitlines())
        numbers = [record[key] for key in ("score", "percentile", "duration")] + record["interval"]
        if not all(isinstance(each, int | float) and math.isfinite(each) for each in numbers):
            tally.fault(f"{what}: gives {numbers}", model)
    if ended.code == 0 and form in ("csv", "tsv"):
        (row,) = csv.DictReader(io.StringIO(ended.out.decode()), delimiter="," if form == "csv" else "\t")
        if not all(math.isfinite(float(row[key])) for key in ("score", "percentile", "interval_low", "interval_high")):
            tally.fault(f"{what}: prints {row}", model)
    if ended.code and ended.out.count(b"\n") > 1:
        tally.fault(f"{what}: exit code {ended.code} and yet rows: {ended.out[:200]!r}", model)


def _show(tally: Tally, ended: Ended, model: Path) -> None:
    what = f"models show {model.name}"
    tally.counts[f"models show: exit {ended.code}"] += 1
    if not tally.check(ended, [0, 3], what, model) or not _quiet(tally, ended, what, model):
        return
    if ended.code and (len(ended.lines) != 1 or ended.out):
        tally.fault(f"{what}: {len(ended.lines)} lines: {ended.err[:300]!r}", model)


def _quiet(tally: Tally, ended: Ended, what: str, model: Path) -> bool:
    """Whether no control character came out, and memory stayed bounded."""
    text = ended.out.decode(errors="replace") + ended.err
    controls = {character for character in text if not character.isprintable()} - set("\n\t\ufffd")
    controls = {each for each in controls if ord(each) < 0xA0}
    if controls:
        tally.fault(f"{what}: control characters {sorted(controls)} came through", model)
    if ended.peak_mb > _PEAK_MB:
        tally.fault(f"{what}: took {ended.peak_mb:.0f} MB", model)
    return not controls


if __name__ == "__main__":
    command("models", attack, COUNT, __doc__)
