"""A fit with all that makes its answers honest: checked for collapse, calibrated, and baselines beside it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hitpredict.evaluation.baselines import Baselines
from hitpredict.files.arrays import Floats
from hitpredict.model_folder.predictions import Predictions, estimator_session, predict_estimator
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.spread import Spread
from hitpredict.tables.splits import CALIBRATION, TEST, TRAIN, VALIDATION
from hitpredict.training.calibrate import fit_spread
from hitpredict.training.checks import check_collapse
from hitpredict.training.run import FittedModel, Prepared


@dataclass(frozen=True)
class CalibratedModel:
    """fitted: its predictions, of every row, are held to the target's scale. truth: (N,), NaN where not known."""

    fitted: FittedModel
    truth: Floats
    calibration: Calibration
    baselines: Baselines


def fitted_to(prepared: Prepared, folder: Path) -> FittedModel:
    """Fit the recipe's network or estimator, and write its weights to `folder`."""
    if prepared.run.recipe.estimator:
        return _fit_estimator(prepared, folder)
    from hitpredict.training.fit import fit_network

    return fit_network(prepared, folder)


def calibrated(prepared: Prepared, folder: Path) -> CalibratedModel:
    """Fit, check and calibrate; the weights are in `folder` then. Raises `TrainingError` for a fit that collapsed."""
    run, rows, target = prepared.run, prepared.rows, prepared.target
    data = run.data
    fitted = fitted_to(prepared, folder)
    held_out = np.concatenate([rows[CALIBRATION], rows[TEST]])
    check_collapse(run.recipe, fitted.predictions.score[held_out], prepared.values, target)
    low, high = (0.0, target.classes - 1.0) if target.classes else (target.scaled["low"], target.scaled["high"])
    fitted = replace(fitted, predictions=fitted.predictions.cut(low, high))
    truth = target.truth(data.labels)
    # Of curves that the data do not hold to their end the sum is not known.
    known = rows[CALIBRATION][np.isfinite(truth[rows[CALIBRATION]])]
    scored = truth[known], fitted.predictions.score[known], data.groups[known]
    spread = _spread(prepared, fitted.predictions, truth)
    calibration = Calibration.fit(*scored, low=low, high=high, spread=spread)
    baselines = Baselines.fit(data.take(rows[TRAIN]), truth[rows[TRAIN]], run.seed, run.recipe.task == "curve")
    return CalibratedModel(fitted, truth, calibration, baselines)


def _spread(prepared: Prepared, predictions: Predictions, truth: Floats) -> Spread | None:
    """What the validation songs say of the width of intervals; estimators have none, nor classes a scale for it."""
    rows = prepared.rows[VALIDATION]
    rows = rows[np.isfinite(truth[rows])]
    if prepared.target.classes or not prepared.run.recipe.network:
        return None
    return fit_spread(truth[rows], predictions.score[rows], prepared.run.data.groups[rows])


def _fit_estimator(prepared: Prepared, folder: Path) -> FittedModel:
    from hitpredict.training import estimators

    run, data, target = prepared.run, prepared.run.data, prepared.target
    names = [
        name
        for number, each in enumerate(data.inputs)
        for name in each.columns or [f"{number}.{place}" for place in range(data.vectors(number).shape[1])]
    ]
    rows, classes = prepared.rows[TRAIN], target.classes
    learnt = target.class_of(prepared.values) if classes else prepared.values
    fitted = estimators.fit(run.recipe.estimator, data.summary[rows], learnt[rows], classes, names, run.seed)
    (folder / "estimator.onnx").write_bytes(fitted.onnx)
    predictions: Predictions = predict_estimator(estimator_session(fitted.onnx), data)
    return FittedModel(predictions, notes=fitted.notes)
