"""Forecasts of stream curves that need no network, and how any forecast is compared with them. NumPy only.

Conventions: `first` (N, K) is log10 of the weekly streams in the first K weeks; a forecast (N, T) is the same for the
T weeks that follow; in a true curve 0 is a week off the charts and NaN a week after the data end.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitpredict.files.arrays import Floats


def persistence(first: ArrayLike, weeks: int) -> Floats:
    """The last known week again and again."""
    last = np.asarray(first, np.float64)[:, -1:]
    return np.repeat(last, weeks, axis=1)


def mean_curve(rest: ArrayLike, regions: ArrayLike, wanted: ArrayLike, charted: bool = True) -> Floats:
    """The mean of the training songs of the same region, week by week.

    rest: (M, T), the training songs' curves after their first weeks; regions: (M,); wanted: (N,), the regions to
    forecast. charted: whether only weeks on the charts count, or those off them too, as 0. A week that no song of
    the region has takes the mean over all regions, and one that no song has at all the mean over all weeks.
    """
    curves, names = np.asarray(rest, np.float64), np.asarray(regions)
    counted = curves > 0 if charted else ~np.isnan(curves)
    overall = _mean(curves, counted, np.full(curves.shape[1], curves[counted].mean()))
    by_region = {name: _mean(curves[names == name], counted[names == name], overall) for name in np.unique(names)}
    return np.stack([by_region.get(name, overall) for name in np.asarray(wanted)])


def mean_change(first: ArrayLike, rest: ArrayLike, start: ArrayLike) -> Floats:
    """The last known week, and on top of it how far training songs had moved from theirs by each week, on average.

    first: (M, K) and rest: (M, T) of the training songs, of which the weeks on the charts count; start: (N, K).
    """
    curves = np.asarray(rest, np.float64)
    charted = curves > 0
    change = np.where(charted, curves - np.asarray(first, np.float64)[:, -1:], 0.0)
    average = _mean(change, charted, np.full(curves.shape[1], change.sum() / max(charted.sum(), 1)))
    return np.asarray(start, np.float64)[:, -1:] + average


def decay_rate(first: ArrayLike, rest: ArrayLike) -> float:
    """Decades of streams a week that training songs lose after their last known week, by least squares.

    first: (M, K); rest: (M, T), of which the weeks on the charts count.
    """
    ahead = np.arange(1, np.shape(rest)[1] + 1, dtype=np.float64)
    curves = np.asarray(rest, np.float64)
    charted = curves > 0
    change = np.where(charted, curves - np.asarray(first, np.float64)[:, -1:], 0.0)
    return -float((change * ahead).sum() / (charted * ahead**2).sum())


def exponential_decay(first: ArrayLike, weeks: int, rate: float | None = None) -> Floats:
    """Streams that shrink by the same factor every week: log10 falls by `rate` a week from the last known week on.

    rate: such as `decay_rate` gives; None fits each song's own by least squares over its K ≥ 2 first weeks.
    Not below 0.
    """
    known = np.asarray(first, np.float64)
    rates: Floats = np.full(len(known), rate, np.float64) if rate is not None else -_slopes(known)
    ahead = np.arange(1, weeks + 1)
    return np.maximum(known[:, -1:] - rates[:, None] * ahead, 0.0)


def _slopes(known: Floats) -> Floats:
    week = np.arange(known.shape[1]) - (known.shape[1] - 1) / 2
    slopes: Floats = known @ week / (week @ week)
    return slopes


def _mean(curves: Floats, counted: NDArray[np.bool_], otherwise: Floats) -> Floats:
    total, count = np.where(counted, curves, 0.0).sum(axis=0), counted.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), otherwise)


@dataclass(frozen=True)
class CurveBaselines:
    """The forecasts of this module, fitted on training curves (M, T); arrays as plain lists, for JSON.

    charted, every: the mean curve of each region (of all, without regions), over the weeks on the charts and over all
    weeks. change: mean change by week, rate: of the decay; None where no first weeks are known.
    """

    charted: list[list[float]]
    every: list[list[float]]
    change: list[float] | None = None
    rate: float | None = None

    @classmethod
    def fit(cls, rest: ArrayLike, first: ArrayLike | None = None, regions: ArrayLike | None = None) -> "CurveBaselines":
        """rest: (M, T); first: (M, K), the weeks before; regions: (M, R), one-hot."""
        curves = np.asarray(rest, np.float64)
        names, wanted = _numbers(regions, len(curves)), np.arange(np.shape(regions)[1] if regions is not None else 1)
        charted, every = (mean_curve(curves, names, wanted, only).tolist() for only in (True, False))
        if first is None:
            return cls(charted, every)
        change = mean_change(first, curves, np.zeros((1, 1)))[0]
        return cls(charted, every, change.tolist(), decay_rate(first, curves))

    def predict(
        self, count: int, first: ArrayLike | None = None, regions: ArrayLike | None = None
    ) -> dict[str, Floats]:
        """The forecasts of `count` songs, (N, T) each."""
        names = _numbers(regions, count)
        found = {
            "mean curve": np.array(self.charted)[names],
            "mean curve, 0 off the charts": np.array(self.every)[names],
        }
        if first is None or self.change is None:
            return found
        weeks = len(self.change)
        return found | {
            "persistence": persistence(first, weeks),
            "mean change": np.asarray(first, np.float64)[:, -1:] + np.array(self.change),
            "exponential decay": exponential_decay(first, weeks, self.rate),
            "exponential decay, own rate": exponential_decay(first, weeks),
        }


def _numbers(regions: ArrayLike | None, count: int) -> NDArray[np.intp]:
    return np.zeros(count, np.intp) if regions is None else np.asarray(regions).argmax(axis=1)
