"""What a trained model answers for the rows of a table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.scoring.outputs import CURVE, FORETOLD, PROBABILITIES, SCORE, TARGETS
from hitpredict.scoring.session import quiet_onnxruntime
from hitpredict.scoring.windows import windows_in_common
from hitpredict.tables.join import TrainingData
from hitpredict.tables.read import Features

if TYPE_CHECKING:
    from hitpredict.networks.model import NetworkModel
_BATCH, _VECTORS = 32, 1024
Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Predictions:
    """score: (N,) on the target scale. probabilities: (N, K), a classifier's own. curve: (N, W) of a curve.
    targets: (N, K) of several targets, each in its unit. foretold: (N,), the error that the model expects of its score.
    None where the model gives no such thing.
    """

    score: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None = None
    curve: NDArray[np.float64] | None = None
    targets: NDArray[np.float64] | None = None
    foretold: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, answers: Mapping[str, NDArray[np.float64]]) -> "Predictions":
        """From a model's outputs by name."""
        others = (answers.get(name) for name in (PROBABILITIES, CURVE, TARGETS, FORETOLD))
        return cls(answers[SCORE], *others)

    def take(self, rows: NDArray[np.intp]) -> "Predictions":
        """The predictions of some rows."""
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        return replace(self, **{name: part[rows] for name, part in parts.items() if part is not None})

    def over(self, owners: NDArray[np.intp] | None, count: int) -> "Predictions":
        """The mean over the clips of each of `count` tracks; owners: number of each clip's, None where each has one."""
        if owners is None:
            return self
        parts = {each.name: getattr(self, each.name) for each in fields(self)}
        found = {name: by_owner(part, owners, count) for name, part in parts.items() if part is not None}
        return replace(self, **found)

    def cut(self, low: float, high: float) -> "Predictions":
        """The predictions with scores held to a scale from `low` to `high`."""
        return replace(self, score=np.clip(self.score, low, high))


def predict_network(
    model: "NetworkModel", data: TrainingData, windows: Sequence[Mapping[str, Any] | None]
) -> Predictions:
    """Run a network over all tracks: each window of each clip, then the mean by clip, and by track."""
    import torch

    clips, owners_of_clips = data.by_clip()
    found: list[list[NDArray[np.float64]]] = []
    with torch.inference_mode():
        for parts in in_parts(clips):
            inputs, owners = batches_of(parts, windows)
            outputs = [output.numpy().astype(np.float64) for output in model(*map(torch.as_tensor, inputs))]
            found.append([by_owner(output, owners, len(parts)) for output in outputs])
    whole = (np.concatenate(each) for each in zip(*found, strict=True))
    return Predictions.of(dict(zip(model.outputs, whole, strict=True))).over(owners_of_clips, len(data))


def estimator_session(onnx: bytes) -> Any:
    """An estimator's graph, ready for `predict_estimator`."""
    return quiet_onnxruntime().InferenceSession(onnx, providers=["CPUExecutionProvider"], enable_fallback=0)


def predict_estimator(session: Any, data: TrainingData) -> Predictions:
    """What an estimator answers for all tracks, of several clips the mean."""
    clips, owners = data.by_clip()
    outputs = session.run(None, {"features": clips.summary})
    names = (each.name for each in session.get_outputs())
    found = {name: np.asarray(output, np.float64) for name, output in zip(names, outputs, strict=True)}
    return Predictions.of(found).over(owners, len(data))


def in_parts(data: TrainingData) -> Iterator[TrainingData]:
    """The tracks, as many at once as go well through a network: few where the inputs are arrays."""
    size = _VECTORS if all(each.is_vector for each in data.inputs) else _BATCH
    for start in range(0, len(data), size):
        yield data.take(np.arange(start, min(start + size, len(data))))


def batches_of(
    data: TrainingData, windows: Sequence[Mapping[str, Any] | None]
) -> tuple[list[NDArray[np.float32]], NDArray[np.intp]]:
    """Every window of every track as one batch for each input, and the track number of each row."""
    by_track = [
        windows_in_common([_row(features, row) for features, row in zip(data.inputs, rows, strict=True)], windows)
        for rows in zip(*data.rows, strict=True)
    ]
    batches = [np.concatenate(parts) for parts in zip(*by_track, strict=True)]
    return batches, np.repeat(np.arange(len(data)), [len(parts[0]) for parts in by_track])


def by_owner(values: NDArray[Any], owners: NDArray[np.intp], count: int) -> NDArray[np.float64]:
    """The mean of the rows of each owner: (M, …) to (count, …)."""
    total = np.zeros((count, *values.shape[1:]))
    np.add.at(total, owners, values)
    sizes = np.bincount(owners, minlength=count).reshape(-1, *(1,) * (values.ndim - 1))
    return np.asarray(total / sizes)


def _row(features: Features, row: int) -> NDArray[Any]:
    return np.asarray(features.values[row], np.float32)
