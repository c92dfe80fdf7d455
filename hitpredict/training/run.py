"""From a recipe and data to a model folder: split, fit, check, calibrate, measure, write."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hitpredict import __version__
from hitpredict.errors import CheckpointError, HitpredictError, UsageError
from hitpredict.evaluation.baselines import Baselines
from hitpredict.evaluation.evaluate import evaluate, warn
from hitpredict.evaluation.report import card_of
from hitpredict.files.owned import atomic, locked
from hitpredict.frontends import maker_of, zero_of
from hitpredict.model_folder.folder import SCHEMA, ModelFolder
from hitpredict.model_folder.predictions import Predictions, predict_network
from hitpredict.model_folder.replace import (
    CHECKPOINTS,
    REQUEST,
    check_replaceable,
    check_work,
    clear_work,
    put_in_place,
)
from hitpredict.recipes import Recipe
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.domain import Domain
from hitpredict.scoring.windows import placed
from hitpredict.tables import label_inputs, targets
from hitpredict.tables.join import TrainingData, filled
from hitpredict.tables.splits import CALIBRATION, TEST, TRAIN, VALIDATION, usual_folds
from hitpredict.training.checks import check_collapse, check_tables, crossing, other_input, split_of

_REFERENCE_QUANTILES = 201
_FEWEST_GROUPS = 5


@dataclass(frozen=True)
class Request:
    """What to train. split: `groups`, `random`, `fma`, `temporal:COLUMN` or `column:COLUMN`. labels: their table."""

    recipe: Recipe
    labels: Path
    split: str = "groups"
    seed: int = 0
    resume: bool = False
    accelerator: str = "cpu"
    devices: int = 1
    precision: str = "32-true"
    progress: bool = False


@dataclass(frozen=True)
class _Work:
    """What a fit goes by.

    sides: of the split, for each row; parts: the rows of each side. values: the targets of all rows. config is
    completed, and weights are written to `folder`.
    """

    request: Request
    data: TrainingData
    sides: NDArray[np.str_]
    parts: Mapping[str, NDArray[np.intp]]
    target: targets.Target
    values: NDArray[np.float64]
    folder: Path
    config: dict[str, Any]


def train(request: Request, data: TrainingData, folder: Path) -> dict[str, Any]:
    """Train and write the model folder, which appears whole; returns the evaluation on the test rows.

    Raises `UsageError` for data that cannot be learnt from, before anything is written or what an earlier run left is
    touched, and `TrainingError` when the fit fails, or its predictions collapse to a constant (unless the recipe is
    one); then nothing stays behind. A model that is there is replaced in the end; anything else is a `UsageError`, and
    a folder that another run is at an `EnvironmentProblem`. A kill leaves what `resume` needs; raises `CheckpointError`
    when that is damaged.
    """
    folder = folder.resolve()
    check_replaceable(folder)
    with locked(folder):
        work = _prepared(request, data, folder)
        try:
            result = _trained(work)
        except CheckpointError:
            raise
        except KeyboardInterrupt as stop:
            stop.add_note("the same command with `resume` goes on")
            raise
        except HitpredictError:
            clear_work(work.folder)
            raise
        _finish(work.folder, folder)
    return result


def _prepared(request: Request, data: TrainingData, folder: Path) -> _Work:
    """Check all that can be checked beforehand, then make the folder of the run, or take up the one that was left."""
    recipe = request.recipe
    check_tables(recipe, data)
    chooses = not recipe.estimator
    sides = split_of(data, request.split, request.seed, chooses)
    few = len(np.unique(data.groups[sides == TRAIN]))
    if few < _FEWEST_GROUPS:
        raise UsageError(f"the training part has {few} groups of artists; it needs {_FEWEST_GROUPS} at least")
    parts = {side: np.flatnonzero(sides == side) for side in (TRAIN, VALIDATION, CALIBRATION, TEST)}
    if empty := [side for side, rows in parts.items() if not len(rows) and (chooses or side != VALIDATION)]:
        raise UsageError(f"`split` {request.split}: leaves no rows for {empty[0]}")
    uncut = recipe.task == "classification" and not recipe.target.cut_by
    spec = msgspec.structs.replace(recipe.target, classes=3) if uncut else recipe.target
    target = targets.fit(data.labels[parts[TRAIN]], data.targets, spec)
    config = _config(request, data, parts, target)
    work = folder.with_name(f".{folder.name}.partial")
    _begin(work, request, data, sides)
    return _Work(request, data, sides, parts, target, target.values(data.labels), work, config)


def _trained(work: _Work) -> dict[str, Any]:
    """Fit, check, calibrate and measure; all files of the model are in `work.folder` then."""
    request, data, parts, target = work.request, work.data, work.parts, work.target
    recipe, values, config = request.recipe, work.values, work.config
    predictions = _fit(work)
    held_out = np.concatenate([parts[CALIBRATION], parts[TEST]])
    check_collapse(recipe, predictions.score[held_out], values, target)
    low, high = _ends(target, config)
    predictions = predictions.cut(low, high)
    truth = target.truth(data.labels)
    # Of curves that the data do not hold to their end the sum is not known.
    known = parts[CALIBRATION][np.isfinite(truth[parts[CALIBRATION]])]
    calibration = Calibration.fit(
        truth[known],
        predictions.score[known],
        data.groups[known],
        low=low,
        high=high,
    )
    config["reference"] = {
        "name": _reference(data, parts[CALIBRATION], request.labels),
        "scores": _quantiles(predictions.score[parts[CALIBRATION]]),
    }
    regions = data.named(label_inputs.REGION)
    if regions is not None:
        config["reference"]["by_region"] = _by_region(data, regions, predictions, parts[CALIBRATION], request.labels)
    baselines = Baselines.fit(data.take(parts[TRAIN]), truth[parts[TRAIN]], request.seed, recipe.task == "curve")
    config["baselines"] = baselines.to_json()
    _dump(work.folder / "calibration.json", calibration.to_json())
    _dump(work.folder / "domain.json", _domain(data, parts[TRAIN]).to_json())
    _dump(work.folder / "config.json", config)
    test = data.take(parts[TEST])
    result = evaluate(
        predictions.take(parts[TEST]), test, target, calibration, baselines, recipe.published, request.split
    )
    if note := config["input_note"]:
        warn(result, note)
    if request.split != "random" and (shared := crossing(data.groups, work.sides)):
        warn(result, f"{shared} groups of artists are on more than one side of this split; these numbers are inflated")
    _dump(work.folder / "metrics.json", result)
    (work.folder / "MODEL_CARD.md").write_text(card_of(config, result), encoding="utf-8")
    return result


def _begin(work: Path, request: Request, data: TrainingData, sides: NDArray[np.str_]) -> None:
    """Make the folder of a run, or take up the one that was left. Raises `UsageError` when that was another run."""
    asked = work / REQUEST
    # The request goes first of all that a finished run removes: without it what is left is not whole.
    if request.resume and asked.exists():
        check_work(work)
    else:
        clear_work(work)
    work.mkdir(parents=True, exist_ok=True)
    rows = hashlib.sha256(data.labels.tobytes() + "\0".join([*data.track_ids, *sides]).encode()).hexdigest()
    tables = [[Path(each.path).name, each.kind] for each in data.inputs]
    run = json.dumps([request.recipe.to_json(), request.seed, tables, rows, request.precision, request.devices])
    if asked.exists() and asked.read_text(encoding="utf-8") != run:
        raise UsageError(
            f"`resume`: {work} is of a run with another recipe, seed, split or table; give the same options, or leave "
            "out `resume` to begin anew"
        )
    with atomic(asked) as file:
        file.write(run.encode())


def _quantiles(scores: NDArray[np.float64]) -> list[float]:
    return list(np.quantile(scores, np.linspace(0, 1, _REFERENCE_QUANTILES)).tolist())


def _reference(data: TrainingData, rows: NDArray[np.intp], labels: Path) -> str:
    return f"{len({data.track_ids[row] for row in rows}):,} calibration tracks of {labels.name}"


def _by_region(
    data: TrainingData, regions: NDArray[np.float32], predictions: Predictions, rows: NDArray[np.intp], labels: Path
) -> dict[str, dict[str, Any]]:
    """The reference of each region that some of these rows are in."""
    names = next(each.columns or () for each in data.inputs if each.name == label_inputs.REGION)
    own = {name: rows[regions[rows, number] > 0] for number, name in enumerate(names)}
    return {
        name: {"name": f"{_reference(data, found, labels)} in {name}", "scores": _quantiles(predictions.score[found])}
        for name, found in own.items()
        if len(found)
    }


def _config(
    request: Request, data: TrainingData, parts: Mapping[str, NDArray[np.intp]], target: targets.Target
) -> dict[str, Any]:
    recipe = request.recipe
    windows = msgspec.to_builtins(recipe.scaling.windows or ())
    features = []
    for each, window in zip_longest(data.inputs, windows[: len(data.inputs)]):
        spec = window if window and not each.is_vector else None
        if spec and spec.get("pad", "zero") == "zero" and (zero := zero_of(maker_of(each.kind))):
            # The systems on scaled features padded them before they scaled them.
            spec["pad"] = zero
        from_labels = each.name in label_inputs.NAMES
        shape = (len(each.columns),) if each.columns is not None else _shape(each.values, spec)
        features.append(
            {
                "kind": dict(each.kind) if each.kind else None,
                "columns": list(each.columns) if each.columns is not None else None,
                "shape": list(shape),
                "window": spec,
                "scaling": "none" if from_labels else recipe.scaling.inputs or "zscore",
                "width": shape[0] if each.is_vector else 1,
            }
        )
    return {
        "schema": SCHEMA,
        "hitpredict": __version__,
        "recipe": recipe.to_json(),
        "features": features,
        "input_note": other_input(recipe, data),
        "target": target.to_json(),
        "labels": request.labels.name,
        "outputs": target.classes or (data.labels.shape[1] if target.combine != "pca" else 1),
        "split": {
            "name": request.split,
            "seed": request.seed,
            **{side: [data.track_ids[row] for row in rows] for side, rows in parts.items()},
        },
    }


def _shape(arrays: Any, window: Mapping[str, Any] | None) -> tuple[int, ...]:
    shapes = set(arrays.shapes)
    if window is not None:
        shapes = {(int(window["length"]), *shape[1:]) for shape in shapes}
    if len(shapes) > 1:
        raise UsageError(
            f"the feature arrays have different shapes (such as {sorted(shapes)[0]} and {sorted(shapes)[-1]}); "
            "set scaling.windows in the recipe"
        )
    return tuple(shapes.pop())


def _fit(work: _Work) -> Predictions:
    """Fit the recipe's estimator or network, write its weights, and predict every row."""
    recipe, data, config, classes = work.request.recipe, work.data, work.config, work.target.classes
    if recipe.estimator:
        from hitpredict.training import estimators

        widths = [data.vectors(number).shape[1] for number in range(len(data.inputs))]
        names = [
            name
            for number, (each, width) in enumerate(zip(data.inputs, widths, strict=True))
            for name in (each.columns or [f"{number}.{place}" for place in range(width)])
        ]
        learnt, rows = work.target.class_of(work.values) if classes else work.values, work.parts[TRAIN]
        fitted = estimators.fit(recipe.estimator, data.summary[rows], learnt[rows], classes, names, work.request.seed)
        (work.folder / "estimator.onnx").write_bytes(fitted.onnx)
        config["notes"] = fitted.notes
        config["target_range"] = [0.0, 1.0]
        _dump(work.folder / "config.json", config)
        return ModelFolder(work.folder).predict(data)
    return _fit_network(work)


def _fit_network(work: _Work) -> Predictions:
    import torch
    from safetensors.torch import save

    from hitpredict.networks.model import NetworkModel, Scaler
    from hitpredict.networks.registry import build_network
    from hitpredict.training import fit as training
    from hitpredict.training.losses import balanced_weights, make_loss

    request, data, target, config = work.request, work.data, work.target, work.config
    recipe, rows = request.recipe, work.parts[TRAIN]
    torch.manual_seed(request.seed)
    network = build_network(recipe.network, [tuple(each["shape"]) for each in config["features"]], config["outputs"])
    scalers = []
    for number, each in enumerate(config["features"]):
        scaler = Scaler(each["scaling"], each["width"])
        # The leaky originals scaled with the held-out songs too.
        known = np.arange(len(data)) if recipe.scaling.leak else rows
        scaler.fit(_scaling_sample(data, number, known, each["window"]), data.inputs[number].full_scale)
        scalers.append(scaler)
    config["target_range"] = _target_range(recipe, target)
    model = NetworkModel(network, scalers, recipe.task, target.classes, config["target_range"])
    learnt = _learnt(work, config["target_range"])
    options = training.Options(
        work.folder / "checkpoints",
        request.seed,
        request.resume,
        request.accelerator,
        request.devices,
        request.precision,
        request.progress,
    )
    loss = dict(recipe.loss)
    if len(factors := loss.get("weights", ())) not in (0, target.classes):
        raise UsageError(f"loss.weights={list(factors)}: there are {target.classes} classes")
    if loss.pop("balanced", False):
        loss["weights"] = balanced_weights(torch.as_tensor(learnt[rows]), target.classes)
    if loss["name"] == "hit-weighted":
        # The spread of the targets in the weights is that of the training songs.
        loss.setdefault("sd", float(np.std(learnt[rows])))
    windows = [each["window"] for each in config["features"]]
    training.fit(model, data, work.parts, learnt, recipe, make_loss(**loss), windows, options)
    model = model.cpu()
    config["network_state"] = dict(getattr(network, "network_state", {}))
    config["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    # Not by safetensors' own way to write files, which nobody else may read.
    with atomic(work.folder / "model.safetensors") as file:
        file.write(save({key: value.contiguous().clone() for key, value in model.state_dict().items()}))
    shutil.copy(work.folder / "checkpoints" / "main" / "training.csv", work.folder / "training.csv")
    return predict_network(model, data, windows)


def _learnt(work: _Work, scaled: list[float]) -> NDArray[Any]:
    """What the network learns, for every row: class numbers, curves, several standardised targets, or one number."""
    target, labels = work.target, work.data.labels
    if target.classes:
        return target.class_of(work.values)
    if target.combine == "log-sum":
        return labels.astype(np.float32)
    if target.combine == "first":
        # Each column by its own range; the first is the score.
        columns = target.by_column(labels)
        kind = work.request.recipe.target.learnt or "zscore"
        ranges = [_range(kind, *_spread(column)) for column in columns[work.parts[TRAIN]].T]
        shift, scale = np.array(ranges).T
        return np.asarray((columns - shift) / np.where(scale > 0, scale, 1.0), np.float32)
    return np.asarray((work.values - scaled[0]) / scaled[1], np.float32)


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


def _target_range(recipe: Recipe, target: targets.Target) -> list[float]:
    """Shift and scale from what the network learns to the target scale."""
    kind = "none" if target.classes or target.combine == "log-sum" else recipe.target.learnt or "zscore"
    scaled = target.scaled
    return _range(kind, scaled["mean"], scaled["deviation"], scaled["low"], scaled["high"])


def _spread(values: NDArray[np.float64]) -> tuple[float, float, float, float]:
    return float(values.mean()), float(values.std()), float(values.min()), float(values.max())


def _range(kind: str, mean: float, deviation: float, low: float, high: float) -> list[float]:
    if kind == "zscore":
        return [mean, deviation]
    return [low, high - low] if kind == "minmax" else [0.0, 1.0]


def _ends(target: targets.Target, config: Mapping[str, Any]) -> tuple[float, float]:
    if target.classes:
        return 0.0, float(target.classes - 1)
    return target.scaled["low"], target.scaled["high"]


def _domain(data: TrainingData, rows: NDArray[np.intp]) -> Domain:
    features = data.inputs[0]
    table, _ = filled(data.vectors(0)[rows])
    # Deviations come second in summaries of arrays and in the MFCC statistics; logarithms make them symmetric.
    halves = not features.is_vector or features.name == "mfcc_stats"
    log_from = table.shape[1] // 2 if halves else table.shape[1]
    groups = data.groups[rows]
    return Domain.fit(table, log_from, data.durations[rows], groups, usual_folds(groups))


def _dump(path: Path, data: Any) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")


def _finish(work: Path, folder: Path) -> None:
    """Put the finished folder in its place; what only `resume` needs goes."""
    (work / REQUEST).unlink()
    shutil.rmtree(work / CHECKPOINTS, ignore_errors=True)
    put_in_place(work, folder)
