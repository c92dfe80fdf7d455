"""From a model folder to one `.onnx` file that holds everything scoring needs, checked against the model itself."""

import io
import json
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import HitpredictError, UsageError
from hitpredict.model_folder import ModelFolder
from hitpredict.runtime import MODEL_SCHEMA, quiet_onnxruntime

TOLERANCE = 1e-4
_BATCHES = (1, 3)


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
    if (folder.folder / "estimator.onnx").exists():
        graph = (folder.folder / "estimator.onnx").read_bytes()
    else:
        graph = _network_graph(folder)
    if folder.recipe["estimator"].get("name") == "random-normal":
        raise UsageError(f"{folder.folder}: random-normal draws anew for every song; there is no model to export")
    data = _with_metadata(_half(graph) if fp16 else graph, metadata_of(folder))
    difference = _difference(folder, data, samples)
    limit = 100 * TOLERANCE if fp16 else TOLERANCE
    if not difference <= limit:
        raise ParityError(f"{folder.folder}: the ONNX model differs by {difference:.2g} (limit {limit:g}); not written")
    return Exported(data, difference)


def metadata_of(folder: ModelFolder) -> dict[str, str]:
    """The `hitpredict.*` metadata of a model folder: texts, and JSON."""
    config, target = folder.config, folder.target
    if any(each["kind"] is None for each in config["features"]):
        raise UsageError(
            f"{folder.folder}: was trained on a table of unknown features, which cannot be made from audio; train on "
            "a table that `hitpredict featurize` wrote"
        )
    calibration = folder.calibration
    low, high = (0, target.classes - 1) if target.classes else (target.scaled["low"], target.scaled["high"])
    spearman = json.loads((folder.folder / "metrics.json").read_text())["metrics"].get("spearman", {}).get("value")
    known = f"rank correlation {spearman:.2f} on its test tracks" if spearman is not None else "not measured"
    parts = {
        "frontend": [each["kind"] for each in config["features"]],
        "windows": folder.windows,
        "target": {
            "name": target.name,
            "low": low,
            "high": high,
            "definition": target.name,
            "meaning": f"{config['recipe']['name']}'s guess at {target.name} from sound alone ({known})",
        },
        "calibration": calibration.to_json(),
        "domain": folder.domain.to_json(),
        "reference": config["reference"],
        "trained_on": sorted(folder.seen),
        "baselines": config["baselines"],
        "label_target": config["target"],
        "published": config["recipe"]["published"],
    }
    texts = {"schema": MODEL_SCHEMA, "name": config["recipe"]["name"], "version": "1"}
    texts["card"] = (folder.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    texts |= {key: json.dumps(part, ensure_ascii=False, sort_keys=True) for key, part in parts.items()}
    return {f"hitpredict.{key}": text for key, text in texts.items()}


def _network_graph(folder: ModelFolder) -> bytes:
    import torch

    model = folder.network
    names = _input_names(folder)
    example = tuple(torch.as_tensor(batch) for batch in _random_inputs(folder, 2, seed=0))
    batch = torch.export.Dim("N", min=1, max=2**20)
    outputs = ["score", "probabilities"][: 2 if folder.target.classes else 1]
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
    # What tracing leaves behind names files of the machine it ran on.
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return bytes(proto.SerializeToString(deterministic=True))


def _Positional(model: Any) -> Any:  # noqa: N802 - makes a module
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
            scaler = folder.network.scalers[number]
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
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    proto = convert_float_to_float16(onnx.load_from_string(graph), keep_io_types=True)
    return bytes(proto.SerializeToString(deterministic=True))


def quantized(data: bytes) -> bytes:
    """The model with 8-bit weights (dynamic quantization of ONNX Runtime); metadata kept."""
    import tempfile

    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.onnx"), Path(folder, "after.onnx")
        before.write_bytes(data)
        quantize_dynamic(before, after, weight_type=QuantType.QInt8)
        proto = onnx.load(after)
    return bytes(proto.SerializeToString(deterministic=True))


def run(data: bytes, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Scores of an exported model for a batch of each input."""
    onnxruntime = quiet_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
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
        return run((folder.folder / "estimator.onnx").read_bytes(), [np.concatenate(inputs, axis=1)])
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
