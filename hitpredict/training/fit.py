"""Fitting a network: what it learns, on what scale, its stages of pre-training, then the main training."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save
from torch import Tensor

from hitpredict.errors import UsageError
from hitpredict.files.arrays import Floats
from hitpredict.files.owned import atomic
from hitpredict.model_folder.predictions import predict_network
from hitpredict.model_folder.replace import CHECKPOINTS
from hitpredict.networks.model import NetworkModel, Scaler
from hitpredict.networks.registry import build_network
from hitpredict.recipes.recipe import Training
from hitpredict.scoring.windows import placed
from hitpredict.tables.join import TrainingData
from hitpredict.tables.splits import TRAIN, VALIDATION
from hitpredict.training.batches import Tracks
from hitpredict.training.loop import fit_loop
from hitpredict.training.losses import balanced_weights, make_loss
from hitpredict.training.run import FittedModel, Prepared


def fit_network(prepared: Prepared, folder: Path) -> FittedModel:
    """Fit the recipe's network, write its weights and the log of its epochs to `folder`, and predict every row."""
    run, target = prepared.run, prepared.target
    torch.manual_seed(run.seed)
    shapes, kinds = zip(*((each.shape, each.kind_name) for each in prepared.features), strict=True)
    network = build_network(run.recipe.network, shapes, prepared.outputs, kinds)
    scaled, ranges = _target_range(prepared), _target_ranges(prepared)
    model = NetworkModel(network, _scalers(prepared), run.recipe.task, target.classes, scaled, ranges)
    _fit(model, prepared, _learnt(prepared, scaled, ranges), folder / CHECKPOINTS)
    model = model.cpu()
    # Not by safetensors' own way to write files, which nobody else may read.
    with atomic(folder / "model.safetensors") as file:
        file.write(save({key: value.contiguous().clone() for key, value in model.state_dict().items()}))
    shutil.copy(folder / CHECKPOINTS / "main" / "training.csv", folder / "training.csv")
    predictions = predict_network(model, run.data, [each.window for each in prepared.features])
    weights = sum(parameter.numel() for parameter in network.parameters())
    return FittedModel(predictions, scaled, ranges, None, dict(getattr(network, "network_state", {})), weights)


def _fit(model: NetworkModel, prepared: Prepared, learnt: NDArray[Any], folder: Path) -> None:
    """Fit the model's network in place. learnt: (N,) or (N, K), for every row. folder: where checkpoints go."""
    run, rows = prepared.run, prepared.rows
    network: Any = model.network
    recipe, training = run.recipe, run.recipe.training
    assert training is not None
    loss = _loss(prepared, learnt[rows[TRAIN]])

    def tracks(chosen: NDArray[np.intp], augmented: bool = True) -> Tracks:
        windows = [each.window for each in prepared.features]
        augment = recipe.augment if augmented else ()
        return Tracks(run.data, chosen, learnt[chosen], windows, run.seed, augment, augmented)

    train, validation = tracks(rows[TRAIN]), tracks(rows[VALIDATION], augmented=False)
    # The leaky originals pre-trained on the held-out songs too.
    seen = tracks(np.arange(len(run.data))) if recipe.scaling.leak else train
    for number, stage in enumerate(network.stages() if hasattr(network, "stages") else []):
        spec = Training(stage.epochs, stage.batch_size or training.batch_size, stage.lr, patience=stage.patience)

        def stage_loss(inputs: tuple[Tensor, ...], target: Tensor, stage: Any = stage) -> Tensor:
            return stage.loss(model.prepared(*inputs), target).mean()  # type: ignore[no-any-return]

        place = folder / f"{number}-{stage.name}"
        fit_loop(model, list(stage.parameters()), stage_loss, spec, seen, validation, run, place)
        if stage.freeze:
            for parameter in stage.parameters():
                parameter.requires_grad_(False)

    def main_loss(inputs: tuple[Tensor, ...], target: Tensor) -> Tensor:
        ready = model.prepared(*inputs)
        if hasattr(network, "training_loss"):
            return network.training_loss(ready, target, loss)  # type: ignore[no-any-return]
        return loss(network(*ready), target).mean()

    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    refresh = partial(_refresh, model, train, learnt[rows[TRAIN]]) if hasattr(network, "finish_training") else None
    watch = partial(_watched, run.watch, model) if run.watch else None
    fit_loop(model, trainable, main_loss, training, train, validation, run, folder / "main", refresh, watch)
    if refresh is not None:
        refresh()


def _watched(watch: Callable[[int, NetworkModel], None], model: NetworkModel, epoch: int) -> None:
    watch(epoch, model)


def _refresh(model: NetworkModel, train: Tracks, targets: NDArray[np.float32]) -> None:
    """Show the network all training songs, as it asks for."""
    network: Any = model.network
    with torch.no_grad():
        inputs, _ = train.__getitems__(list(range(len(train))))
        network.finish_training(model.prepared(*inputs), torch.as_tensor(targets))


def _loss(prepared: Prepared, learnt: NDArray[Any]) -> Callable[[Tensor, Tensor], Tensor]:
    """The recipe's loss, with what it takes from the training rows."""
    spec, classes = dict(prepared.run.recipe.loss), prepared.target.classes
    if len(factors := spec.get("weights", ())) not in (0, classes):
        raise UsageError(f"loss.weights={list(factors)}: there are {classes} classes")
    if spec.pop("balanced", False):
        spec["weights"] = balanced_weights(torch.as_tensor(learnt), classes)
    if spec["name"] == "hit-weighted":
        # The spread of the targets in the weights is that of the training songs.
        spec.setdefault("sd", float(np.std(learnt)))
    return make_loss(**spec)


def _scalers(prepared: Prepared) -> list[Scaler]:
    run, scalers = prepared.run, []
    # The leaky originals scaled with the held-out songs too.
    known = np.arange(len(run.data)) if run.recipe.scaling.leak else prepared.rows[TRAIN]
    for number, each in enumerate(prepared.features):
        scaler = Scaler(each.scaling, each.width)
        scaler.fit(_scaling_sample(run.data, number, known, each.window), run.data.inputs[number].full_scale)
        scalers.append(scaler)
    return scalers


def _scaling_sample(
    data: TrainingData, number: int, rows: NDArray[np.intp], window: Mapping[str, Any] | None
) -> NDArray[Any]:
    """The training values of an input, of arrays at most a million numbers spread over the tracks.

    window: how arrays are cut.
    """
    features = data.inputs[number]
    if features.is_vector:
        return data.vectors(number)[rows]
    shown = (placed(features.values[row], window) for row in data.rows[number][rows])
    arrays = [np.asarray(array, np.float32).ravel() for array in shown]
    step = max(1, sum(array.size for array in arrays) // 1_000_000)
    return np.concatenate([array[::step] for array in arrays])


def _learnt(prepared: Prepared, scaled: tuple[float, float], ranges: tuple[tuple[float, float], ...]) -> NDArray[Any]:
    """What the network learns, for every row: class numbers, curves, several standardised targets, or one number."""
    target, labels = prepared.target, prepared.run.data.labels
    if target.classes:
        return target.class_of(prepared.values)
    if target.combine == "log-sum":
        return labels.astype(np.float32)
    if ranges:
        # Each column by its own range; the first is the score.
        shift, scale = np.array(ranges).T
        return np.asarray((target.by_column(labels) - shift) / scale, np.float32)
    return np.asarray((prepared.values - scaled[0]) / scaled[1], np.float32)


def _target_range(prepared: Prepared) -> tuple[float, float]:
    """Shift and scale from what the network learns to the target scale."""
    target = prepared.target
    kind = "none" if target.classes or target.combine == "log-sum" else prepared.run.recipe.target.learnt or "zscore"
    return _range(kind, *(target.scaled[key] for key in ("mean", "deviation", "low", "high")))


def _target_ranges(prepared: Prepared) -> tuple[tuple[float, float], ...]:
    """The same of each of several targets; none where there is one."""
    target = prepared.target
    if target.combine != "first" or target.classes or len(target.columns) < 2:
        return ()
    kind = prepared.run.recipe.target.learnt or "zscore"
    columns = target.by_column(prepared.run.data.labels)[prepared.rows[TRAIN]]
    ranges = (_range(kind, *_spread(column)) for column in columns.T)
    return tuple((shift, scale if scale > 0 else 1.0) for shift, scale in ranges)


def _spread(values: Floats) -> tuple[float, float, float, float]:
    return float(values.mean()), float(values.std()), float(values.min()), float(values.max())


def _range(kind: str, mean: float, deviation: float, low: float, high: float) -> tuple[float, float]:
    if kind == "zscore":
        return mean, deviation
    return (low, high - low) if kind == "minmax" else (0.0, 1.0)
