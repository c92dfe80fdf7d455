"""How good forecasts of stream curves are: errors week by week, and the popularity measures they imply. NumPy only.

Conventions: curves (N, T) are log10 of weekly streams; in a true one 0 is a week off the charts and NaN a week that
is not known. Entries are `{"value", "interval"}`, the interval a 95 % bootstrap over groups.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hitpredict.evaluation.metrics import Statistic, mae, spearman, with_interval
from hitpredict.files.arrays import Floats
from hitpredict.scoring.curve import derive_measures


def curve_errors(
    forecasts: Mapping[str, ArrayLike], truth: ArrayLike, groups: ArrayLike, charted: bool = True
) -> dict[str, dict[str, Any]]:
    """`mae` and `rmse` of each forecast over the known weeks, and `mae_above_first`, its excess over the first one's.

    charted: whether only weeks on the charts count, or those off them too, as 0.
    """
    curve = np.asarray(truth, np.float64)
    scored = curve > 0 if charted else ~np.isnan(curve)
    count = scored.sum(axis=1)
    wrong = {
        name: np.where(scored, np.abs(np.asarray(forecast, np.float64) - np.nan_to_num(curve)), 0.0)
        for name, forecast in forecasts.items()
    }
    total = {name: error.sum(axis=1) for name, error in wrong.items()}
    squares = {name: (error**2).sum(axis=1) for name, error in wrong.items()}
    reference = total[next(iter(forecasts))]

    def mean(values: Floats) -> Statistic:
        return lambda rows: float(values[rows].sum() / count[rows].sum())

    def root(values: Floats) -> Statistic:
        return lambda rows: float(np.sqrt(values[rows].sum() / count[rows].sum()))

    return {
        name: {
            "mae": with_interval(mean(total[name]), groups),
            "rmse": with_interval(root(squares[name]), groups),
            "mae_above_first": with_interval(mean(total[name] - reference), groups),
        }
        for name in forecasts
    }


def measure_errors(forecast: ArrayLike, truth: ArrayLike, groups: ArrayLike) -> dict[str, dict[str, Any]]:
    """Of each of the eight measures of `derive_measures`: `spearman` and `mae` between the forecast's and the truth's.

    Weeks that are not known count in neither; songs for which a measure is undefined on either side are left out, and
    `songs` says how many remain. A measure that fewer than two songs have is left out.
    """
    known = ~np.isnan(np.asarray(truth, np.float64))
    found = derive_measures(np.where(known, forecast, 0.0))
    expected = derive_measures(np.where(known, truth, 0.0))
    result: dict[str, dict[str, Any]] = {}
    for name, values in expected.items():
        both = np.isfinite(values) & np.isfinite(found[name])
        if both.sum() < 2:
            continue
        sides, own, count = (values[both], found[name][both]), np.asarray(groups)[both], int(both.sum())
        result[name] = {metric.__name__: with_interval(_on_rows(metric, *sides), own) for metric in (spearman, mae)} | {
            "songs": count
        }
    return result


def _on_rows(metric: Callable[[ArrayLike, ArrayLike], float], truth: Floats, found: Floats) -> Statistic:
    return lambda rows: metric(truth[rows], found[rows])
