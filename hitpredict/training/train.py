"""From a run to a model folder: fit, check, calibrate, measure, write."""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import CheckpointError, HitpredictError, UsageError
from hitpredict.evaluation.baselines import Baselines
from hitpredict.evaluation.card import card_of
from hitpredict.evaluation.evaluate import evaluate, warn
from hitpredict.evaluation.outputs import measured_outputs
from hitpredict.files.arrays import Floats
from hitpredict.files.owned import atomic, locked
from hitpredict.model_folder.config import ModelConfig, ScoreReference, Split
from hitpredict.model_folder.predictions import Predictions
from hitpredict.model_folder.replace import (
    CHECKPOINTS,
    CONFIG,
    FOLDS,
    REQUEST,
    check_replaceable,
    check_work,
    clear_work,
    put_in_place,
)
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.domain import Domain
from hitpredict.scoring.outputs import Outputs
from hitpredict.tables import label_inputs
from hitpredict.tables.join import TrainingData, filled
from hitpredict.tables.splits import CALIBRATION, TEST, TRAIN, usual_folds
from hitpredict.training.calibrate import fit_outputs
from hitpredict.training.calibrated import calibrated
from hitpredict.training.checks import crossing, other_input
from hitpredict.training.folds import cross_validated, fold_numbers
from hitpredict.training.run import FittedModel, Prepared, TrainingRun, prepare

_REFERENCE_QUANTILES = 201


def train(run: TrainingRun, folder: Path) -> dict[str, Any]:
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
        prepared = prepare(run)
        if run.folds:
            fold_numbers(run.data, run.folds, run.seed)
        work = folder.with_name(f".{folder.name}.partial")
        _begin(work, prepared)
        try:
            result = _trained(prepared, work)
        except CheckpointError:
            raise
        except KeyboardInterrupt as stop:
            stop.add_note("the same command with `resume` goes on")
            raise
        except HitpredictError:
            clear_work(work)
            raise
        _finish(work, folder)
    return result


def _begin(work: Path, prepared: Prepared) -> None:
    """Make the folder of a run, or take up the one that was left. Raises `UsageError` when that was another run."""
    run, asked = prepared.run, work / REQUEST
    # The request goes first of all that a finished run removes: without it what is left is not whole.
    if run.resume and asked.exists():
        check_work(work)
    else:
        clear_work(work)
    work.mkdir(parents=True, exist_ok=True)
    request = json.dumps(request_of(run, prepared.split))
    if asked.exists() and asked.read_text(encoding="utf-8") != request:
        raise UsageError(
            f"`resume`: {work} is of a run with another recipe, seed, split or table; give the same options, or leave "
            "out `resume` to begin anew"
        )
    with atomic(asked) as file:
        file.write(request.encode())


def request_of(run: TrainingRun, split: Iterable[str]) -> list[Any]:
    """What two runs must have in common for one to go on with what the other left. split: the part of each row."""
    data = run.data
    rows = hashlib.sha256(data.labels.tobytes() + "\0".join([*data.track_ids, *split]).encode()).hexdigest()
    tables = [[Path(each.path).name, each.kind] for each in data.inputs]
    return [run.recipe.to_json(), run.seed, tables, rows, run.precision, run.devices, run.folds]


def _trained(prepared: Prepared, work: Path) -> dict[str, Any]:
    """Fit, check, calibrate and measure; all files of the model are in `work` then."""
    run, rows = prepared.run, prepared.rows
    model = calibrated(prepared, work)
    predictions = model.fitted.predictions
    outputs = fit_outputs(prepared.target, predictions, run.data, rows[TRAIN], rows[CALIBRATION], model.calibration)
    config = _config(prepared, model.fitted, predictions.score, model.baselines)
    _dump(work / "calibration.json", model.calibration.to_json())
    _dump(work / "outputs.json", outputs.to_json())
    _dump(work / "domain.json", _domain(run.data, rows[TRAIN]).to_json())
    _dump(work / CONFIG, config.to_json())
    result = _evaluation(prepared, predictions, model.calibration, outputs, model.baselines, config.input_note)
    if run.folds:
        result["cross_validation"] = cross_validated(run, work)
    _dump(work / "metrics.json", result)
    (work / "MODEL_CARD.md").write_text(card_of(config, result), encoding="utf-8")
    return result


def _config(prepared: Prepared, fitted: FittedModel, score: Floats, baselines: Baselines) -> ModelConfig:
    run, data = prepared.run, prepared.run.data
    ids = {name: tuple(data.track_ids[row] for row in rows) for name, rows in prepared.rows.items()}
    return ModelConfig(
        recipe=run.recipe,
        features=prepared.features,
        target=prepared.target,
        outputs=prepared.outputs,
        split=Split(run.split, run.seed, **ids),
        target_range=fitted.target_range,
        target_ranges=fitted.target_ranges,
        reference=_reference(data, score, prepared.rows[CALIBRATION]),
        baselines=baselines.to_json(),
        labels=data.labels_name,
        input_note=other_input(run.recipe, data),
        notes=fitted.notes,
        network_state=fitted.network_state,
        parameters=fitted.parameters,
    )


def _reference(data: TrainingData, score: Floats, rows: NDArray[np.intp]) -> ScoreReference:
    """The scores of these rows, and of those of them in each region."""

    def of(found: NDArray[np.intp], where: str = "") -> ScoreReference:
        name = f"{len({data.track_ids[row] for row in found}):,} calibration tracks of {data.labels_name}{where}"
        return ScoreReference(name, tuple(np.quantile(score[found], np.linspace(0, 1, _REFERENCE_QUANTILES)).tolist()))

    everywhere, regions = of(rows), data.named(label_inputs.REGION)
    if regions is None:
        return everywhere
    names = next(each.columns or () for each in data.inputs if each.name == label_inputs.REGION)
    own = {name: rows[regions[rows, number] > 0] for number, name in enumerate(names)}
    by_region = {name: of(found, f" in {name}") for name, found in own.items() if len(found)}
    return ScoreReference(everywhere.name, everywhere.scores, by_region)


def _domain(data: TrainingData, rows: NDArray[np.intp]) -> Domain:
    features = data.inputs[0]
    table, _ = filled(data.vectors(0)[rows])
    # Deviations come second in summaries of arrays and in the MFCC statistics; logarithms make them symmetric.
    halves = not features.is_vector or features.name == "mfcc_stats"
    log_from = table.shape[1] // 2 if halves else table.shape[1]
    groups = data.groups[rows]
    return Domain.fit(table, log_from, data.durations[rows], groups, usual_folds(groups))


def _evaluation(
    prepared: Prepared,
    predictions: Predictions,
    calibration: Calibration,
    outputs: Outputs,
    baselines: Baselines,
    note: str | None,
) -> dict[str, Any]:
    run, data, rows = prepared.run, prepared.run.data, prepared.rows[TEST]
    known = data.take(rows), prepared.target, calibration, baselines
    result = evaluate(predictions.take(rows), *known, run.recipe.published, run.split)
    result |= measured_outputs(predictions.take(rows), data.take(rows), prepared.target, outputs)
    if note:
        warn(result, note)
    if run.split != "random" and (shared := crossing(data.groups, prepared.split)):
        warn(result, f"{shared} groups of artists are on more than one side of this split; these numbers are inflated")
    return result


def _dump(path: Path, data: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False), encoding="utf-8")


def _finish(work: Path, folder: Path) -> None:
    """Put the finished folder in its place; what only `resume` needs goes."""
    (work / REQUEST).unlink()
    for name in (CHECKPOINTS, FOLDS):
        shutil.rmtree(work / name, ignore_errors=True)
    put_in_place(work, folder)
