"""From a model folder to one `.onnx` file that holds everything scoring needs, checked against the model itself."""

import io
import json
import logging
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict import label_inputs
from hitpredict.errors import HitpredictError, UsageError
from hitpredict.model_folder import ModelFolder
from hitpredict.owned import scratch_folder
from hitpredict.runtime import MODEL_SCHEMA, quiet_onnxruntime
from hitpredict.windows import summary_of

TOLERANCE = 1e-4
_BATCHES = (1, 3)
_LARGE = 64


class ParityError(HitpredictError):
    """The exported model answers differently from the trained one."""


@dataclass(frozen=True)
class Exported:
    """The file's bytes, and the largest difference from the trained model, relative to the spread of its scores."""

    data: bytes
    difference: float


def export(folder: ModelFolder, samples: Sequence[NDArray[np.float32]] | None = None, fp16: bool = False) -> Exported:
    """Export a model folder.

    samples: real inputs (a batch for each input) to compare on besides random ones. fp16: half-precision weights.
    Raises `ParityError` when scores differ by more than 1e-4 of their size or spread (1e-2 with fp16).
    """
    if folder.recipe["estimator"].get("name") == "random-normal":
        raise UsageError(f"{folder.folder}: random-normal draws anew for every song; there is no model to export")
    # First, for it tells what cannot be exported at all.
    metadata = metadata_of(folder)
    graph = _estimator_graph(folder) if (folder.folder / "estimator.onnx").exists() else _network_graph(folder)
    data = _with_metadata(_half(graph) if fp16 else graph, metadata)
    difference = _difference(folder, data, samples)
    limit = 100 * TOLERANCE if fp16 else TOLERANCE
    if not difference <= limit:
        raise ParityError(f"{folder.folder}: the ONNX model differs by {difference:.2g} (limit {limit:g}); not written")
    return Exported(data, difference)


def metadata_of(folder: ModelFolder) -> dict[str, str]:
    """The `hitpredict.*` metadata of a model folder: texts, and JSON."""
    config, target = folder.config, folder.target
    if label_inputs.named(folder.from_labels, label_inputs.WEEKS):
        raise UsageError(f"{folder.folder}: takes the first weeks on the charts, which cannot be made from audio")
    if folder.from_labels:
        names = ", ".join(folder.from_labels[0]["names"])
        raise UsageError(f"{folder.folder}: knows several regions; name one with --region: {names}")
    if any(each["kind"] is None for each in config["features"]):
        raise UsageError(
            f"{folder.folder}: was trained on a table of unknown features, which cannot be made from audio; train on "
            "a table that `hitpredict featurize` wrote"
        )
    calibration = folder.calibration
    low, high = (0, target.classes - 1) if target.classes else (target.scaled["low"], target.scaled["high"])
    spearman = folder.read("metrics.json", _spearman)
    known = f"rank correlation {spearman:.2f} on its test tracks" if spearman is not None else "not measured"
    name = target.name + (f" in {folder.region['only']}" if folder.region else "")
    parts = {
        "frontend": [each["kind"] for each in config["features"]],
        "windows": folder.windows,
        "target": {
            "name": name,
            "low": low,
            "high": high,
            "definition": name,
            "meaning": f"{config['recipe']['name']}'s guess at {name} from sound alone ({known})",
        },
        "calibration": calibration.to_json(),
        "domain": folder.domain.to_json(),
        "reference": folder.part("reference"),
        "trained_on": sorted(folder.seen),
        "baselines": folder.part("baselines"),
        "label_target": config["target"],
        "published": config["recipe"]["published"],
    }
    if folder.region:
        parts["region"] = folder.region
    texts = {"schema": MODEL_SCHEMA, "name": config["recipe"]["name"], "version": "1"}
    if note := config.get("input_note"):
        texts["input_note"] = note
    texts["card"] = folder.read("MODEL_CARD.md", lambda path: path.read_text(encoding="utf-8"))
    texts |= {key: json.dumps(part, ensure_ascii=False, sort_keys=True) for key, part in parts.items()}
    return {f"hitpredict.{key}": text for key, text in texts.items()}


def _spearman(path: Path) -> float | None:
    found = json.loads(path.read_text(encoding="utf-8"))["metrics"].get("spearman", {}).get("value")
    return None if found is None else float(found)


def _estimator_graph(folder: ModelFolder) -> bytes:
    """The estimator, preceded where needed by what makes its one vector of several inputs, or of arrays."""
    import onnx
    from onnx import TensorProto, helper

    proto = folder.read("estimator.onnx", onnx.load)
    shapes = [each["shape"] for each in folder.config["features"]]
    if [len(shape) for shape in shapes] == [1]:
        return bytes(proto.SerializeToString(deterministic=True))
    names, nodes = _input_names(folder), []
    vectors = []
    for name, shape in zip(names, shapes, strict=True):
        made, vector = _summary_nodes(name) if len(shape) > 1 else ([], name)
        nodes += made
        vectors.append(vector)
    nodes.append(helper.make_node("Concat", vectors, ["summary"], name="summary", axis=1))
    for node in proto.graph.node:
        node.input[:] = ["summary" if name == "features" else name for name in node.input]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])
        for name, shape in zip(names, shapes, strict=True)
    ]
    nodes += proto.graph.node
    del proto.graph.node[:], proto.graph.input[:]
    proto.graph.node.extend(nodes)
    proto.graph.input.extend(inputs)
    return bytes(proto.SerializeToString(deterministic=True))


def _summary_nodes(name: str) -> tuple[list[Any], str]:
    """Means and deviations over the first axis of an array, as `windows.summary_of` takes them, and their name."""
    from onnx import helper

    flat, mean, centred, square, variance, deviation, mean_row, both = (
        f"{name}/{part}"
        for part in ("flat", "mean", "centred", "square", "variance", "deviation", "mean_row", "summary")
    )
    shape = helper.make_node("Constant", [], [f"{name}/shape"], name=f"{name}/shape", value_ints=[0, 0, -1])
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        ("Reshape", [name, f"{name}/shape"], flat, {}),
        ("ReduceMean", [flat], mean, {"axes": [1], "keepdims": 1}),
        ("Sub", [flat, mean], centred, {}),
        ("Mul", [centred, centred], square, {}),
        ("ReduceMean", [square], variance, {"axes": [1], "keepdims": 0}),
        ("Sqrt", [variance], deviation, {}),
        ("ReduceMean", [mean], mean_row, {"axes": [1], "keepdims": 0}),
        ("Concat", [mean_row, deviation], both, {"axis": 1}),
    ]
    made = [helper.make_node(kind, inputs, [output], name=output, **more) for kind, inputs, output, more in steps]
    return [shape, *made], both


def _network_graph(folder: ModelFolder) -> bytes:
    import torch

    model = folder.network
    names = _input_names(folder)
    example = tuple(torch.as_tensor(batch) for batch in _random_inputs(folder, 2, seed=0))
    batch = torch.export.Dim("N", min=1, max=2**20)
    second = {"classification": ["probabilities"], "curve": ["curve"]}
    outputs = ["score", *second.get(folder.recipe["task"], [])]
    # It tells of packages that it could use and does not need.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Positional(model),
            example,
            input_names=names,
            output_names=outputs,
            dynamic_shapes=(tuple({0: batch} for _ in example),),
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _tidy(proto.graph)
    return bytes(proto.SerializeToString(deterministic=True))


def _tidy(graph: Any) -> None:
    """Remove what differs from one export of the same model to the next: numbering, order of weights, traces."""
    fixed = {each.name for each in (*graph.input, *graph.output)}
    weights = {each.name for each in graph.initializer}
    names: dict[str, str] = {}

    def renamed(name: str) -> str:
        if not name or name in fixed or name.startswith("model."):
            return name
        kind = "constant" if name in weights else "value"
        return names.setdefault(name, f"{kind}_{len(names)}")

    def visit(nodes: Any) -> None:
        for number, node in enumerate(nodes):
            # What tracing leaves behind names files of the machine it ran on.
            del node.metadata_props[:]
            node.doc_string, node.name = "", f"{node.op_type}_{number}"
            node.input[:] = [renamed(name) for name in node.input]
            for attribute in node.attribute:
                for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                    for each in (*inner.input, *inner.output, *inner.initializer):
                        each.name = renamed(each.name)
                    visit(inner.node)
            node.output[:] = [renamed(name) for name in node.output]

    visit(graph.node)
    for each in (graph, *graph.input, *graph.output, *graph.initializer):
        del each.metadata_props[:]
    for each in graph.initializer:
        each.name = renamed(each.name)
    ordered = sorted(graph.initializer, key=lambda each: each.name)
    del graph.initializer[:], graph.value_info[:]
    graph.initializer.extend(ordered)


def _Positional(model: Any) -> Any:
    import torch

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *inputs: torch.Tensor) -> Any:
            outputs = self.model(*inputs)
            return outputs[0] if len(outputs) == 1 else outputs

    return Positional().eval()


def _input_names(folder: ModelFolder) -> list[str]:
    count = len(folder.config["features"])
    return ["features"] if count == 1 else [f"features_{number}" for number in range(count)]


def _random_inputs(folder: ModelFolder, size: int, seed: int) -> list[NDArray[np.float32]]:
    """Batches that look like the training data in location and spread."""
    random = np.random.default_rng(seed)
    batches = []
    for number, each in enumerate(folder.config["features"]):
        shape = (size, *each["shape"])
        values = random.normal(size=shape)
        if not (folder.folder / "estimator.onnx").exists():
            from hitpredict.network_model import Scaler

            scaler = folder.network.scalers[number]
            assert isinstance(scaler, Scaler)
            values = values * scaler.scale.numpy() + scaler.shift.numpy()
        batches.append(values.astype(np.float32))
    return batches


def _with_metadata(graph: bytes, metadata: dict[str, str]) -> bytes:
    import onnx
    from onnx import helper

    proto = onnx.load_from_string(graph)
    proto.producer_name, proto.doc_string = "hitpredict", ""
    helper.set_model_props(proto, dict(sorted(metadata.items())))
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def _half(graph: bytes) -> bytes:
    """Large weights stored at half precision and widened when the file is loaded; all arithmetic stays as it is."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    proto = onnx.load_from_string(graph)
    casts: list[Any] = []
    for each in _large(proto):
        values = numpy_helper.to_array(each)
        if values.dtype != np.float32 or not np.abs(values).max() < np.finfo(np.float16).max:
            continue
        name = each.name
        each.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [each.name], [name], name=f"Widen_{len(casts)}", to=TensorProto.FLOAT))
    nodes = [*casts, *proto.graph.node]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    return bytes(proto.SerializeToString(deterministic=True))


def _large(proto: Any) -> list[Any]:
    """The weights that it pays to store smaller."""
    return [each for each in proto.graph.initializer if int(np.prod(each.dims)) >= _LARGE]


def quantized(data: bytes) -> bytes:
    """The model with 8-bit weights (dynamic quantization of ONNX Runtime); metadata kept.

    Linear models and trees, which hold no weight matrices, are given back as they are.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    if not any(each.data_type == onnx.TensorProto.FLOAT for each in _large(onnx.load_from_string(data))):
        return data
    level = logging.root.manager.disable
    with scratch_folder() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        before.write_bytes(data)
        # It advises steps that make no difference to these graphs.
        logging.disable(logging.WARNING)
        try:
            quantize_dynamic(before, after, weight_type=QuantType.QInt8)
        finally:
            logging.disable(level)
        proto = onnx.load(after)
    metadata = {each.key: each.value for each in onnx.load_from_string(data).metadata_props}
    onnx.helper.set_model_props(proto, metadata)
    return bytes(proto.SerializeToString(deterministic=True))


def run(data: bytes, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Scores of an exported model for a batch of each input."""
    onnxruntime = quiet_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    names = [each.name for each in session.get_inputs()]
    return np.asarray(session.run(["score"], dict(zip(names, inputs, strict=True)))[0], np.float64)


def _difference(folder: ModelFolder, data: bytes, samples: Sequence[NDArray[np.float32]] | None) -> float:
    """The largest difference between the model and its export, relative to the size and spread of the scores."""
    batches = [_random_inputs(folder, size, seed=size) for size in _BATCHES]
    if samples is not None:
        batches.append(list(samples))
    worst = 0.0
    for inputs in batches:
        expected = _expected(folder, inputs)
        scale = max(float(np.abs(expected).max()), float(np.ptp(expected)), 1e-6)
        worst = max(worst, float(np.abs(run(data, inputs) - expected).max()) / scale)
    return worst


def _expected(folder: ModelFolder, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    if (folder.folder / "estimator.onnx").exists():
        table = np.stack([np.concatenate([summary_of(x) for x in row]) for row in zip(*inputs, strict=True)])
        return run((folder.folder / "estimator.onnx").read_bytes(), [table])
    import torch

    with torch.inference_mode():
        return folder.network(*map(torch.as_tensor, inputs))[0].numpy().astype(np.float64)  # type: ignore[no-any-return]


def change_report(folder: ModelFolder, before: bytes, after: bytes, what: str) -> str:
    """One line on how much a smaller file changes the scores of a random sample of 256 inputs."""
    inputs = _random_inputs(folder, 256, seed=7)
    first, second = run(before, inputs), run(after, inputs)
    spread = float(np.std(first)) or 1.0
    change = np.abs(first - second)
    return (
        f"{what}: scores change by {change.mean():.3g} on average and {change.max():.3g} at most "
        f"(their standard deviation is {spread:.3g}); {len(before) / 2**20:.2f} MB became {len(after) / 2**20:.2f} MB"
    )
