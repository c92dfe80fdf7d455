"""Popularity measures of a track's life in a chart, and its weekly stream curve, for millions of rows at once."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.files.arrays import Floats

CURVE_WEEKS = 104

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Histories:
    """Chart rows in the order of region, track and day, cut into histories: one track in one region.

    day: first day of each chart, in days since 1970-01-01. rank: 1 is best. streams: NaN where unknown.
    start: index of each history's first row. first, last: for each history, the first days of the first and
    last chart of its region that could be seen. size: places in that region's chart. period: days a chart covers.
    """

    day: Integers
    rank: Integers
    streams: Floats
    start: Integers
    first: Integers
    last: Integers
    size: Integers
    period: int

    @property
    def length(self) -> Integers:
        """Charts each history appears in; weeks (days of a daily chart) away from the chart do not count."""
        return np.diff(np.append(self.start, self.day.size))


def measures(histories: Histories) -> dict[str, NDArray[Any]]:
    """The measures of Lee & Lee 2018 (IEEE TMM 20(11):3173), from the rank score N + 1 - rank of a top-N chart.

    For each history: debut (score of its first chart), max, mean, std (population), length (charts), sum, skewness
    (third standardised population moment) and kurtosis (fourth, minus 3: Fisher's, 0 for a normal distribution);
    the last two are NaN where std is 0, so for a single chart too. censored_left: in the region's first chart, so
    that an earlier life is cut off; censored_right: in its last, so that a later one is.
    """
    length = histories.length
    score = np.repeat(histories.size, length) + 1.0 - histories.rank
    total = np.add.reduceat(score, histories.start)
    mean = total / length
    centred = score - np.repeat(mean, length)
    second, third, fourth = (np.add.reduceat(centred**power, histories.start) / length for power in (2, 3, 4))
    varied = np.maximum.reduceat(score, histories.start) > np.minimum.reduceat(score, histories.start)
    spread = np.where(varied, second, np.nan)
    day, end = histories.day[histories.start], histories.day[histories.start + length - 1]
    left = day < histories.first + histories.period
    right = end + histories.period > histories.last
    return {
        "debut": score[histories.start],
        "max": np.maximum.reduceat(score, histories.start),
        "mean": mean,
        "std": np.sqrt(np.where(varied, second, 0.0)),
        "length": length,
        "sum": total,
        "skewness": third / spread**1.5,
        "kurtosis": fourth / spread**2 - 3.0,
        "censored": left | right,
        "censored_left": left,
        "censored_right": right,
    }


@dataclass(frozen=True)
class Curves:
    """Weekly stream curves of the histories with streams. history: which ones; arrays have a row for each.

    start: first day with streams. curve: float32 (count, W), log10 of the streams in each week from there, 0 in
    weeks off the chart. observed: bool (count, W), on the chart that week. available: how many of the W weeks
    the region's charts reach. complete: the curve starts at least W + 1 weeks before their end. censored_left: it
    starts in the region's first chart, so that the true start is unknown.
    """

    history: Integers
    start: Integers
    curve: NDArray[np.float32]
    observed: NDArray[np.bool_]
    available: Integers
    complete: NDArray[np.bool_]
    censored_left: NDArray[np.bool_]

    @property
    def log_sum(self) -> Floats:
        """log10 of the whole curve's streams; NaN where the charts do not show the whole, from its start to its end."""
        total = np.log10(np.where(self.observed, 10.0**self.curve, 0.0).sum(axis=1))
        return np.where(self.complete & ~self.censored_left, total, np.nan)

    @property
    def log_debut(self) -> Floats:
        """log10 of the first week's streams; NaN where the start is unknown."""
        return np.where(self.censored_left, np.nan, self.curve[:, 0])


def curves(histories: Histories, weeks: int = CURVE_WEEKS) -> Curves:
    """Stream curves as the model MP3 trains on them (github.com/bhbbbbb/MPPP): leading zeros gone, 104 weeks.

    Weeks are counted from a track's first day with streams; the days of a daily chart are summed.
    """
    known = np.flatnonzero(histories.streams > 0)
    owner = np.repeat(np.arange(histories.start.size), histories.length)[known]
    history, begin = np.unique(owner, return_index=True)
    start = histories.day[known][begin]
    row = np.searchsorted(history, owner)
    week = (histories.day[known] - start[row]) // 7
    curve, observed = _summed(row, week, histories.streams[known], history.size, weeks)
    span = histories.last[history] + histories.period - start
    left = start < histories.first[history] + histories.period
    return Curves(history, start, curve, observed, np.clip(span // 7, 0, weeks), span >= 7 * (weeks + 1), left)


def summed_over_regions(found: Curves, track: Integers, end: Integers) -> Curves:
    """The curves of each track added up over its regions, week by week of the calendar, from its first start anywhere.

    track: codes (count,) of the curves' tracks; end: (count,) day after the last chart of their regions. A region
    counts 0 before the track starts there, and the sum is known as far as all of the track's regions are.
    censored_left: it starts in the first chart of the region where it starts first. `history`: of that region.
    """
    weeks = found.curve.shape[1]
    order = np.lexsort((found.start, track))
    first = order[np.flatnonzero(np.diff(track[order], prepend=-1))]
    place = np.searchsorted(track[first], track)
    start = found.start[first]
    row, week = np.nonzero(found.observed)
    shifted = week + (found.start - start[place])[row] // 7
    curve, observed = _summed(place[row], shifted, 10.0 ** found.curve[row, week].astype(float), len(first), weeks)
    span, left = np.full(len(first), np.iinfo(np.int64).max), np.zeros(len(first), bool)
    np.minimum.at(span, place, end - start[place])
    np.logical_or.at(left, place, found.censored_left & (found.start == start[place]))
    available = np.clip(span // 7, 0, weeks)
    return Curves(found.history[first], start, curve, observed, available, span >= 7 * (weeks + 1), left)


def _summed(
    row: Integers, week: Integers, streams: Floats, count: int, weeks: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """log10 of the streams by row and week, (count, weeks), 0 where there are none, and where there are some."""
    inside = week < weeks
    total = np.bincount(row[inside] * weeks + week[inside], streams[inside], count * weeks).reshape(count, weeks)
    observed = total > 0
    return np.log10(np.where(observed, total, 1.0)).astype(np.float32), observed
