"""Whether an exported model answers as the trained one does."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import HitpredictError
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.scoring.outputs import SCORE
from hitpredict.scoring.session import quiet_onnxruntime
from hitpredict.scoring.windows import summary_of

TOLERANCE = 1e-4
_BATCHES = (1, 3)


class ParityError(HitpredictError):
    """The exported model answers differently from the trained one."""


def random_inputs(folder: ModelFolder, size: int, seed: int) -> list[NDArray[np.float32]]:
    """Batches that look like the training data in location and spread."""
    random = np.random.default_rng(seed)
    batches = []
    for number, each in enumerate(folder.config.features):
        shape = (size, *each.shape)
        values = random.normal(size=shape)
        if not (folder.folder / "estimator.onnx").exists():
            from hitpredict.networks.model import Scaler

            scaler = folder.network.scalers[number]
            assert isinstance(scaler, Scaler)
            values = values * scaler.scale.numpy() + scaler.shift.numpy()
        batches.append(values.astype(np.float32))
    return batches


def answers(data: bytes, inputs: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """Scores of an exported model for a batch of each input."""
    return all_answers(data, inputs)[SCORE]


def all_answers(data: bytes, inputs: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
    """Every output of an exported model by name, for a batch of each input."""
    onnxruntime = quiet_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    names = [each.name for each in session.get_inputs()]
    outputs = [each.name for each in session.get_outputs()]
    found = session.run(outputs, dict(zip(names, inputs, strict=True)))
    return {name: np.asarray(values, np.float64) for name, values in zip(outputs, found, strict=True)}


def difference_of(folder: ModelFolder, data: bytes, samples: Sequence[NDArray[np.float32]] | None) -> float:
    """The largest difference between the model and its export in any output, relative to that one's size and spread."""
    batches = [random_inputs(folder, size, seed=size) for size in _BATCHES]
    if samples is not None:
        batches.append(list(samples))
    worst = 0.0
    for inputs in batches:
        found = all_answers(data, inputs)
        for name, expected in _expected(folder, inputs).items():
            if name not in found or found[name].shape != expected.shape:
                raise ParityError(f"{folder.folder}: the ONNX model does not answer {name}; not written")
            scale = max(float(np.abs(expected).max()), float(np.ptp(expected)), 1e-6)
            worst = max(worst, float(np.abs(found[name] - expected).max()) / scale)
    return worst


def _expected(folder: ModelFolder, inputs: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[np.float64]]:
    if (folder.folder / "estimator.onnx").exists():
        table = np.stack([np.concatenate([summary_of(x) for x in row]) for row in zip(*inputs, strict=True)])
        return all_answers((folder.folder / "estimator.onnx").read_bytes(), [table])
    import torch

    with torch.inference_mode():
        found = folder.network(*map(torch.as_tensor, inputs))
    return {name: each.numpy().astype(np.float64) for name, each in zip(folder.network.outputs, found, strict=True)}


def change_report(folder: ModelFolder, before: bytes, after: bytes, what: str) -> str:
    """One line on how much a smaller file changes the scores of a random sample of 256 inputs."""
    inputs = random_inputs(folder, 256, seed=7)
    first, second = answers(before, inputs), answers(after, inputs)
    spread = float(np.std(first)) or 1.0
    change = np.abs(first - second)
    return (
        f"{what}: scores change by {change.mean():.3g} on average and {change.max():.3g} at most "
        f"(their standard deviation is {spread:.3g}); {len(before) / 2**20:.2f} MB became {len(after) / 2**20:.2f} MB"
    )
