"""How good a model's other answers are: each of several targets, its probabilities, its curve's band, the error that
it foretells of itself.

Conventions are those of `evaluate`; entries are `{"value", "interval"}`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.evaluation import metrics
from hitpredict.evaluation.evaluate import measured
from hitpredict.files.arrays import Floats
from hitpredict.model_folder.predictions import Predictions
from hitpredict.scoring.outputs import FORETOLD, Outputs
from hitpredict.tables.join import TrainingData
from hitpredict.tables.targets import Target

_BINS = 10
_RESAMPLES = 300


def measured_outputs(predictions: Predictions, data: TrainingData, target: Target, outputs: Outputs) -> dict[str, Any]:
    """Plain data to add to an evaluation of these tracks.

    `targets`: by name `unit`, `metrics` as of the score, and `coverage`, the share of rows whose interval holds the
    truth. `probabilities`: the `method`, and `before` and `after` calibration `ece` (see `calibration_error`), `brier`
    (the sum of squares over the classes) and `accuracy`. `band`: of curves the `level` and the `coverage` of the known
    weeks. `foretold_error`: the rank correlation (`spearman`) with the error that there was, its mean (`foretold`) and
    that of the true error (`true`), and `true_by_tenth`, the true mean error from the tenth of the songs with the least
    foretold to the tenth with the most.
    """
    found: dict[str, Any] = {}
    if outputs.targets and predictions.targets is not None:
        found["targets"] = _targets(predictions.targets, data, target, outputs)
    if outputs.classes and predictions.probabilities is not None:
        own, truth = predictions.probabilities, target.truth(data.labels).astype(np.int64)
        sides = {"before": own, "after": outputs.classes.calibrated(own)}
        found["probabilities"] = {"method": outputs.classes.method} | {
            side: _of_probabilities(shares, truth, data.groups) for side, shares in sides.items()
        }
    if outputs.curve and predictions.curve is not None:
        low, high = outputs.curve.band(predictions.curve)
        known = np.isfinite(data.labels)
        held = (low <= data.labels) & (data.labels <= high)
        found["band"] = {"level": outputs.curve.level, "coverage": round(float(held[known].mean()), 4)}
    if outputs.foretold is not None and predictions.foretold is not None:
        error = np.abs(target.truth(data.labels) - predictions.score)
        found[FORETOLD] = _of_foretold(outputs.foretold * predictions.foretold, error, data.groups)
    return found


def calibration_error(probabilities: Floats, truth: NDArray[np.int64]) -> float:
    """The expected calibration error (Guo et al. 2017, arXiv:1706.04599) of probabilities (N, K) for classes (N,).

    Songs are binned by the probability of their likeliest class, ten bins of equal width; it is the mean difference of
    that probability and the share that is right, bins weighing as many songs as they hold.
    """
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((sure * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(place, sure - right, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def _targets(answers: Floats, data: TrainingData, target: Target, outputs: Outputs) -> dict[str, Any]:
    found = {}
    for each, truth, values in zip(outputs.targets, target.by_column(data.labels).T, answers.T, strict=True):
        told = each.calibration.cut(values)
        by_row, by_group = metrics.coverage(truth, *each.calibration.interval(told), data.groups)
        coverage = {"level": each.calibration.level, "rows": round(by_row, 4), "groups": round(by_group, 4)}
        scored = measured(Predictions(told), truth, data.groups, 0)
        found[each.name] = {"unit": each.unit, "metrics": scored, "coverage": coverage}
    return found


def _of_probabilities(shares: Floats, truth: NDArray[np.int64], groups: NDArray[Any]) -> dict[str, Any]:
    wanted = np.eye(shares.shape[1])[truth]
    return {
        "ece": _entry(lambda rows: calibration_error(shares[rows], truth[rows]), groups),
        "brier": _entry(lambda rows: float(np.square(shares[rows] - wanted[rows]).sum(axis=1).mean()), groups),
        "accuracy": _entry(lambda rows: float((shares[rows].argmax(axis=1) == truth[rows]).mean()), groups),
    }


def _of_foretold(foretold: Floats, error: Floats, groups: NDArray[Any]) -> dict[str, Any]:
    tenths = np.array_split(error[np.argsort(foretold, kind="stable")], 10)
    return {
        "spearman": _entry(lambda rows: metrics.spearman(error[rows], foretold[rows]), groups),
        "foretold": _entry(lambda rows: float(foretold[rows].mean()), groups),
        "true": _entry(lambda rows: float(error[rows].mean()), groups),
        "true_by_tenth": [round(float(part.mean()), 4) if len(part) else None for part in tenths],
    }


def _entry(statistic: Callable[[NDArray[np.intp]], float], groups: NDArray[Any]) -> dict[str, Any] | None:
    """A value and its interval; None where it is undefined on these rows."""
    try:
        low, high = metrics.group_bootstrap(statistic, groups, _RESAMPLES)
    except ValueError:
        return None
    return {"value": round(statistic(np.arange(len(groups))), 5), "interval": [round(low, 5), round(high, 5)]}
