"""How good a model is on songs it has not seen: every metric with its interval, beside baselines, in one shape.

Conventions: scores and truth are on the model's target scale; of classifiers truth is the class number. Intervals
are 95 % percentile bootstraps over whole groups.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.evaluation import metrics
from hitpredict.evaluation.baselines import Baselines
from hitpredict.evaluation.curve_baselines import CurveBaselines
from hitpredict.evaluation.curves import curve_errors, measure_errors
from hitpredict.files.arrays import Floats
from hitpredict.model_folder.predictions import Predictions
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.inputs import WEEKS
from hitpredict.tables.join import TrainingData
from hitpredict.tables.label_inputs import REGION
from hitpredict.tables.targets import Target

SCHEMA = "hitpredict.evaluation/1"
Metric = Callable[[Floats, Floats], float]

REGRESSION: dict[str, Metric] = {
    "mae": metrics.mae,
    "mse": metrics.mse,
    "r2": metrics.r2,
    "spearman": metrics.spearman,
    "kendall": metrics.kendall,
    "ndcg@100": metrics.ndcg,
    "recall@100": metrics.recall,
}
CLASSES: dict[str, Metric] = {
    "accuracy": metrics.accuracy,
    "balanced_accuracy": metrics.balanced_accuracy,
    "macro_precision": metrics.macro_precision,
    "macro_recall": metrics.balanced_accuracy,
    "macro_f1": metrics.macro_f1,
}
RANKS = ("spearman", "kendall", "ndcg@100", "recall@100")
"""Metrics in which the units of the scores play no part."""
ERRORS = ("mae", "mse")
"""Metrics that are the better the lower they are."""
_FEW_GROUPS = 10


def evaluate(
    predictions: Predictions,
    data: TrainingData,
    target: Target,
    calibration: Calibration,
    baselines: Baselines,
    published: Mapping[str, Any],
    split: str,
) -> dict[str, Any]:
    """All metrics of predictions for the tracks of `data`, as plain data.

    `metrics` and each of `baselines` map a metric to its `value` and `interval`; `coverage` is of the calibrated
    interval; `published` is what the system's authors report. Of curves that the data do not hold to their end the sum
    is not known: metrics and coverage are of the other `scored_rows`. Of models that forecast curves, `curve` holds the
    errors by week, `charted` and `all` (see `curve_errors`), and of the `measures` (see `measure_errors`).
    """
    truth = target.truth(data.labels)
    known = np.flatnonzero(np.isfinite(truth))
    truth, groups, scored = truth[known], data.groups[known], predictions.take(known)
    others = {name: calibration.cut(scores) for name, scores in baselines.predict(data.summary).items()}
    result = {
        "schema": SCHEMA,
        "target": target.name,
        "rows": len(data),
        "groups": len(np.unique(data.groups)),
        "split": split,
        "metrics": measured(scored, truth, groups, target.classes),
        "baselines": {
            name: measured(Predictions(scores[known]), truth, groups, target.classes) for name, scores in others.items()
        },
        "coverage": _coverage(calibration, scored.score, truth, groups),
        "published": dict(published),
    }
    if len(known) < len(data):
        result["scored_rows"] = len(known)
    if predictions.curve is not None and baselines.curve is not None:
        result["curve"] = _curve(predictions.curve, data, baselines.curve)
    if split == "random":
        warn(result, "a random split puts songs of the same artists on both sides; these numbers are inflated")
    if (few := len(np.unique(groups))) < _FEW_GROUPS:
        warn(result, f"the intervals rest on {few} groups only; do not rely on them")
    return result


def evaluate_by_rank(
    predictions: Predictions, data: TrainingData, truth: Floats, target: Target, baselines: Baselines, split: str
) -> dict[str, Any]:
    """As `evaluate`, against a truth (N,) in other units than the model's target, which it only can order.

    `target` is the data's; `predicts` the model's own.
    """
    others = baselines.predict(data.summary)
    return {
        "schema": SCHEMA,
        "target": data.targets[0],
        "predicts": target.name,
        "by_rank": True,
        "rows": len(data),
        "groups": len(np.unique(data.groups)),
        "split": split,
        "metrics": measured(predictions, truth, data.groups, 0, by_rank=True),
        "baselines": {
            name: measured(Predictions(scores), truth, data.groups, 0, by_rank=True) for name, scores in others.items()
        },
        "published": {},
    }


def _coverage(calibration: Calibration, score: Floats, truth: Floats, groups: NDArray[Any]) -> dict[str, Any]:
    """Shares of rows, and of groups on average, whose interval holds the truth; None where no truth is known."""
    if not len(truth):
        return {"level": calibration.level, "rows": None, "groups": None}
    by_row, by_group = metrics.coverage(truth, *calibration.interval(score), groups)
    return {"level": calibration.level, "rows": round(by_row, 4), "groups": round(by_group, 4)}


def warn(result: dict[str, Any], text: str) -> None:
    """Add a warning to an evaluation."""
    result["warning"] = "; ".join([*([result["warning"]] if "warning" in result else []), text])


def _curve(forecast: Floats, data: TrainingData, baselines: CurveBaselines) -> dict[str, Any]:
    others = baselines.predict(len(data), data.named(WEEKS), data.named(REGION))
    forecasts = {"model": forecast, **others}
    return {
        "charted": curve_errors(forecasts, data.labels, data.groups),
        "all": curve_errors(forecasts, data.labels, data.groups, charted=False),
        "measures": measure_errors(forecast, data.labels, data.groups),
    }


def measured(
    predictions: Predictions, truth: Floats, groups: NDArray[Any], classes: int, by_rank: bool = False
) -> dict[str, Any]:
    """Metric name to `{"value", "interval"}`; a metric that is undefined on these rows is left out."""
    return with_intervals(statistics_of(predictions, truth, classes, by_rank), groups)


def with_intervals(statistics: Mapping[str, metrics.Statistic], groups: NDArray[Any]) -> dict[str, Any]:
    """`{"value", "interval"}` of each statistic that is defined on all rows, groups (N,)."""
    found = {}
    for name, statistic in statistics.items():
        with suppress(ValueError):
            found[name] = metrics.with_interval(statistic, groups)
    return found


def statistics_of(
    predictions: Predictions, truth: Floats, classes: int, by_rank: bool = False
) -> dict[str, metrics.Statistic]:
    """What is measured of predictions: metric name to its number of some rows. classes: 0 of regression. by_rank:
    only what the units of the scores play no part in."""
    names = RANKS if by_rank else tuple(REGRESSION)
    found = {name: _on(REGRESSION[name], truth, predictions.score) for name in names}
    if classes and not by_rank:
        chosen = class_numbers(predictions, classes)
        found |= {name: _on(metric, truth, chosen) for name, metric in CLASSES.items()}
        if classes == 2:
            found["roc_auc"] = _on(lambda t, s: metrics.auc(t > 0, s), truth, predictions.score)
        else:
            found["roc_auc_ovr"] = _on(metrics.auc_one_versus_rest, truth, class_scores(predictions, classes))
    return found


def _on(metric: Callable[[Floats, Any], float], truth: Floats, given: Floats) -> metrics.Statistic:
    return lambda rows: metric(truth[rows], given[rows])


def class_numbers(predictions: Predictions, classes: int) -> Floats:
    """The most probable class, or without probabilities the class nearest to the score."""
    if predictions.probabilities is not None:
        return np.asarray(predictions.probabilities.argmax(axis=1), np.float64)
    return np.clip(np.rint(predictions.score), 0, classes - 1)


def class_scores(predictions: Predictions, classes: int) -> Floats:
    """How much each row is of each class, (N, K): its probabilities, or without them how near its score is."""
    if predictions.probabilities is not None:
        return predictions.probabilities
    return -np.abs(predictions.score[:, None] - np.arange(classes))
