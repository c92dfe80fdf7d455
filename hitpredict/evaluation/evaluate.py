"""How good a model is on songs it has not seen: every metric with its interval, beside baselines, in one shape.

Conventions: scores and truth are on the model's target scale; of classifiers truth is the class number. Intervals
are 95 % percentile bootstraps over whole groups.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
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
    "macro_f1": metrics.macro_f1,
}
# The lower the better.
ERRORS = (metrics.mae, metrics.mse)
_RESAMPLES = 300
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


def measured(predictions: Predictions, truth: Floats, groups: NDArray[Any], classes: int) -> dict[str, Any]:
    """Metric name to `{"value", "interval"}`; a metric that is undefined on these rows is left out."""
    score = predictions.score
    found = {name: _with_interval(metric, truth, score, groups) for name, metric in REGRESSION.items()}
    if classes:
        chosen = class_numbers(predictions, classes)
        found |= {name: _with_interval(metric, truth, chosen, groups) for name, metric in CLASSES.items()}
        if classes == 2:
            found["roc_auc"] = _with_interval(lambda t, s: metrics.auc(t > 0, s), truth, score, groups)
    return {name: entry for name, entry in found.items() if entry is not None}


def class_numbers(predictions: Predictions, classes: int) -> Floats:
    """The most probable class, or without probabilities the class nearest to the score."""
    if predictions.probabilities is not None:
        return np.asarray(predictions.probabilities.argmax(axis=1), np.float64)
    return np.clip(np.rint(predictions.score), 0, classes - 1)


def _with_interval(metric: Metric, truth: Floats, score: Floats, groups: NDArray[Any]) -> dict[str, Any] | None:
    try:
        value = metric(truth, score)
        interval = metrics.group_bootstrap(lambda rows: metric(truth[rows], score[rows]), groups, _RESAMPLES)
    except ValueError:
        return None
    return {"value": round(value, 5), "interval": [round(end, 5) for end in interval]}


def compared(
    first: Predictions, second: Predictions, truth: Floats, groups: NDArray[Any], classes: int
) -> dict[str, Any]:
    """Paired differences, first minus second, of each metric, with intervals from the same resamples; rows whose truth
    (N,) is NaN, because it is not known, do not count.

    verdict: which is clearly higher. better: `first`, `second` or None where there is no clear difference.
    """
    known = np.flatnonzero(np.isfinite(truth))
    first, second, truth, groups = first.take(known), second.take(known), truth[known], groups[known]
    scores = first.score, second.score
    chosen = class_numbers(first, classes), class_numbers(second, classes)
    table = {name: (metric, scores) for name, metric in REGRESSION.items()}
    table |= {name: (metric, chosen) for name, metric in CLASSES.items()} if classes else {}
    return {name: _difference(metric, truth, *pair, groups) for name, (metric, pair) in table.items()}


def _difference(metric: Metric, truth: Floats, a: Floats, b: Floats, groups: NDArray[Any]) -> dict[str, Any]:
    def difference(rows: NDArray[np.intp]) -> float:
        return metric(truth[rows], a[rows]) - metric(truth[rows], b[rows])

    try:
        low, high = metrics.group_bootstrap(difference, groups, _RESAMPLES)
    except ValueError as error:
        count = len(np.unique(groups))
        raise UsageError(
            f"`compare`: {len(truth)} rows in {count} groups that both have not seen are too few"
        ) from error
    verdict = "no clear difference" if low <= 0 <= high else ("first is higher" if low > 0 else "second is higher")
    better = None if low <= 0 <= high else ("first" if (low > 0) != (metric in ERRORS) else "second")
    value = difference(np.arange(len(truth)))
    return {"value": round(value, 5), "interval": [round(low, 5), round(high, 5)], "verdict": verdict, "better": better}
