"""What the calibration songs say of a model's answers: intervals, probabilities, bands."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.evaluation.metrics import group_bootstrap
from hitpredict.files.arrays import Floats
from hitpredict.model_folder.predictions import Predictions
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.classes import ClassOutput
from hitpredict.scoring.curve import CurveOutput
from hitpredict.scoring.inputs import WEEKS
from hitpredict.scoring.outputs import Outputs, TargetOutput
from hitpredict.scoring.spread import Spread, interval_score
from hitpredict.tables.join import TrainingData
from hitpredict.tables.label_inputs import named
from hitpredict.tables.splits import group_folds, train_and_held_out
from hitpredict.tables.targets import Target

_FEWEST_ROWS, _FEWEST_GROUPS = 200, 40


def fit_spread(truth: Floats, score: Floats, groups: NDArray[Any]) -> Spread | None:
    """How far off scores are at each height, from rows (N,) that neither the fit nor the calibration has seen; None,
    for intervals of one width, where that is not clearly better.

    Better is a lower interval score, mean over rows, of intervals that are fitted and calibrated on one half of the
    groups and measured on the other, in turn: the 95 % bootstrap interval of the difference leaves 0 out. With fewer
    than 200 rows or 40 groups it is not tried.
    """
    if len(truth) < _FEWEST_ROWS or len(np.unique(groups)) < _FEWEST_GROUPS:
        return None
    error, gain = np.abs(truth - score), np.zeros(len(truth))
    ends = {"low": float(min(truth.min(), score.min())), "high": float(max(truth.max(), score.max()))}
    for seen, other in train_and_held_out(group_folds(groups, 2)):
        plain, spread = (
            Calibration.fit(truth[seen], score[seen], groups[seen], **ends, spread=each)
            for each in (None, Spread.fit(score[seen], error[seen]))
        )
        old, new = (interval_score(truth[other], *each.interval(score[other]), each.level) for each in (plain, spread))
        gain[other] = old - new
    low, _ = group_bootstrap(lambda rows: float(gain[rows].mean()), groups)
    return Spread.fit(score, error) if low > 0 else None


def fit_outputs(
    target: Target,
    predictions: Predictions,
    data: TrainingData,
    train: NDArray[np.intp],
    rows: NDArray[np.intp],
    calibration: Calibration,
) -> Outputs:
    """Calibrate all answers of a model on `rows`, which neither the fit nor the choice of weights saw.

    train: the rows whose values are the scales of targets and curves. calibration: of the score, the first target.
    """
    found, part = predictions.take(rows), data.take(rows)
    classes, curve, foretold = None, None, None
    if found.probabilities is not None:
        truth = target.truth(part.labels)
        classes = ClassOutput.fit(found.probabilities, truth, target.class_names, target.edges)
    if found.curve is not None:
        weeks = named([each.kind for each in data.inputs if each.kind], WEEKS)
        first, high = int(weeks["count"]) + 1 if weeks else 1, float(np.nanmax(data.labels[train]))
        curve = CurveOutput.fit(part.labels, found.curve, part.groups, high, first)
    if found.foretold is not None:
        error = np.abs(target.truth(part.labels) - found.score)
        foretold = round(float(error.mean() / max(found.foretold.mean(), 1e-12)), 6)
    targets: tuple[TargetOutput, ...] = ()
    if found.targets is not None:
        ranges = target.by_column(data.labels)[train]
        sides = zip(target.by_column(part.labels).T, found.targets.T, ranges.T, strict=True)
        fits = [
            Calibration.fit(truth, told, part.groups, low=float(known.min()), high=float(known.max()))
            for truth, told, known in sides
        ]
        named_ = zip(target.columns, target.units, [calibration, *fits[1:]], strict=True)
        targets = tuple(TargetOutput(*each) for each in named_)
    return Outputs(targets, classes, curve, foretold)
