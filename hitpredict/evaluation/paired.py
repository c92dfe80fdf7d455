"""Two models on the same songs: which one is nearer to the truth, how often, where, and whether that is chance.

Conventions: `first` and `second` are predictions for the same rows, on the same scale as the truth (N,); rows whose
truth is NaN, because it is not known, do not count. Intervals are 95 % bootstraps over whole groups (N,), the same
groups drawn for both models.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
from hitpredict.evaluation import metrics
from hitpredict.evaluation.evaluate import ERRORS, statistics_of, with_intervals
from hitpredict.files.arrays import Floats
from hitpredict.model_folder.predictions import Predictions

_BANDS = 5


def compared(
    first: Predictions, second: Predictions, truth: Floats, groups: NDArray[Any], classes: int, by_rank: bool = False
) -> dict[str, Any]:
    """Paired differences, first minus second, of each metric.

    verdict: which is clearly higher. better: `first`, `second` or None where there is no clear difference. by_rank:
    only of metrics in which the units of the scores play no part.
    """
    first, second, truth, groups = _known(first, second, truth, groups)
    pairs = [statistics_of(each, truth, classes, by_rank) for each in (first, second)]
    if not classes:
        for found, each in zip(pairs, (first, second), strict=True):
            found["roc_auc"] = _upper_half(truth, each.score)
    return {name: _difference(name, pairs[0][name], pairs[1][name], groups) for name in pairs[0]}


def _known(
    first: Predictions, second: Predictions, truth: Floats, groups: NDArray[Any]
) -> tuple[Predictions, Predictions, Floats, NDArray[Any]]:
    known = np.flatnonzero(np.isfinite(truth))
    return first.take(known), second.take(known), truth[known], groups[known]


def _upper_half(truth: Floats, score: Floats) -> metrics.Statistic:
    """AUC of being above the median of all these rows."""
    upper = truth > np.median(truth) if len(truth) else truth > 0
    return lambda rows: metrics.auc(upper[rows], score[rows])


def _difference(name: str, first: metrics.Statistic, second: metrics.Statistic, groups: NDArray[Any]) -> dict[str, Any]:
    try:
        found = metrics.with_interval(lambda rows: first(rows) - second(rows), groups)
    except ValueError as error:
        count = len(np.unique(groups))
        raise UsageError(
            f"`compare`: {len(groups)} rows in {count} groups that both have not seen are too few"
        ) from error
    low, high = found["interval"]
    verdict = "no clear difference" if low <= 0 <= high else ("first is higher" if low > 0 else "second is higher")
    better = None if low <= 0 <= high else ("first" if (low > 0) != (name in ERRORS) else "second")
    return found | {"verdict": verdict, "better": better}


def nearer(first: Predictions, second: Predictions, truth: Floats, groups: NDArray[Any]) -> dict[str, Any]:
    """On which share of the songs the second model is nearer to the truth than the first.

    `share` is of the songs on which the two are not equally near, with its `interval`; `songs` counts those on which
    the `first`, the `second` and neither (`ties`) is nearer. Songs of one group are not independent, so the exact test
    asks the groups: in how many the first is nearer on more songs, and in how many the second; `p_value` is that of a
    two-sided sign test over them, ties left out, which takes no more than that groups are independent.
    """
    first, second, truth, groups = _known(first, second, truth, groups)
    gain = np.sign(np.abs(first.score - truth) - np.abs(second.score - truth))
    _, inverse = np.unique(groups, return_inverse=True)
    votes = np.sign(np.bincount(inverse, weights=gain)) if len(gain) else gain

    def counted(signs: Floats) -> dict[str, int]:
        return {"first": int((signs < 0).sum()), "second": int((signs > 0).sum()), "ties": int((signs == 0).sum())}

    def share(rows: NDArray[np.intp]) -> float:
        wins, losses = int((gain[rows] > 0).sum()), int((gain[rows] < 0).sum())
        if not wins + losses:
            raise ValueError("no song on which one is nearer")
        return wins / (wins + losses)

    found = with_intervals({"share": share}, groups).get("share", {"value": None, "interval": None})
    by_group = counted(votes)
    p_value = metrics.sign_test(by_group["second"], by_group["first"])
    return {
        "share": found["value"],
        "interval": found["interval"],
        "songs": counted(gain),
        "groups": by_group,
        "p_value": float(f"{p_value:.4g}"),
    }


def error_by_band(
    first: Predictions, second: Predictions, truth: Floats, groups: NDArray[Any], classes: int
) -> list[dict[str, Any]]:
    """Mean absolute error of both by band of the truth: its fifths, equal values together, or the classes.

    Each band has its ends `from` and `to`, `songs`, the errors `first` and `second`, and their paired `difference`.
    """
    first, second, truth, groups = _known(first, second, truth, groups)
    wrong = np.abs(first.score - truth), np.abs(second.score - truth)
    bands = [np.flatnonzero(truth == name) for name in np.unique(truth)] if classes else bins_of(truth, _BANDS)

    def mean(values: Floats) -> metrics.Statistic:
        return lambda rows: float(values[rows].mean())

    return [
        {"from": float(truth[rows].min()), "to": float(truth[rows].max()), "songs": len(rows)}
        | with_intervals(
            {
                "first": mean(wrong[0][rows]),
                "second": mean(wrong[1][rows]),
                "difference": mean((wrong[0] - wrong[1])[rows]),
            },
            groups[rows],
        )
        for rows in bands
    ]


def bins_of(values: Floats, count: int = 10) -> list[NDArray[np.intp]]:
    """Row numbers of `count` parts of about equal size, by rising value; equal values stay together."""
    edges = np.unique(np.quantile(values, np.arange(1, count) / count)) if len(values) else np.empty(0)
    places = np.searchsorted(edges, values, side="right")
    return [np.flatnonzero(places == place) for place in range(len(edges) + 1) if (places == place).any()]
