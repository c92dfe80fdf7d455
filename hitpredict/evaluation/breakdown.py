"""Is a model as good for every region, year or genre? Each figure by the values of a column, and which of them differ
from the rest by more than chance.

The standard error of a difference is that of a bootstrap over whole groups, which may have songs in several values,
times the root of G / (G - 1), G being the groups of the side that has fewer; its p-value is Student's t with G - 1
degrees of freedom. All p-values of a table are corrected together by Benjamini and Hochberg (1995, J. R. Stat. Soc. B
57:289), so that of the differences called clear 5 % are chance on average.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, t

from hitpredict.errors import UsageError
from hitpredict.evaluation.metrics import Statistic, group_resamples
from hitpredict.evaluation.paired import bins_of
from hitpredict.files.arrays import Floats

OTHERS, NONE = "(others)", "(none)"
FEWEST_SONGS, FEWEST_GROUPS = 30, 10
_RESAMPLES = 200
_MANY = 12
_RATE = 0.05
# What depends on how many songs there are, and so differs between values that the model knows equally well.
_BY_SIZE = ("ndcg@100", "recall@100")
_DATE = re.compile(r"(\d{4})-\d{2}")


def broken_down(
    column: NDArray[Any], name: str, statistics: Mapping[str, Statistic], groups: NDArray[Any]
) -> dict[str, Any]:
    """The statistics by value of a column (N,), the most frequent first.

    Values with fewer than 30 songs or 10 groups are pooled as `(others)`; of a column of more than 12 numbers its
    fifths are taken, of dates their years. Each of `values` has its `metrics`, with intervals, and `differences` from
    all other songs, with `interval`, `p`, `q` (the p-value after the correction) and `verdict`; not of metrics that
    depend on the number of songs, nor where a bootstrap has no spread.
    Raises `UsageError` where no two values have songs enough.
    """
    values = _pooled(column_values(column), groups)
    names, counts = np.unique(values, return_counts=True)
    names = names[np.argsort(-counts, kind="stable")]
    names = np.concatenate([names[names != OTHERS], names[names == OTHERS]])
    if len(names) < 2 or list(names) == [OTHERS]:
        raise UsageError(
            f"`by` {name}: no two of its values have {FEWEST_SONGS} songs of {FEWEST_GROUPS} groups; nothing to compare"
        )
    masks = [values == each for each in names]
    found = [_of_value(str(each), mask, groups) for each, mask in zip(names, masks, strict=True)]
    for metric, statistic in statistics.items():
        for part, mask, drawn in zip(found, masks, _drawn(statistic, masks, groups), strict=True):
            _measure(part, metric, statistic, mask, drawn)
    _correct(found)
    return {"column": name, "values": found}


def column_values(column: NDArray[Any]) -> NDArray[np.str_]:
    """A column's values as text, (N,): of many numbers their fifths, of many dates their years."""
    texts = np.array([NONE if str(value) in ("None", "", "nan") else str(value) for value in column])
    known = texts != NONE
    if len(np.unique(texts[known])) <= _MANY:
        return texts
    if all(_DATE.match(text) for text in texts[known]):
        return np.array([text[:4] if text != NONE else text for text in texts])
    if all(isinstance(value, int | float) for value in column[known]):
        numbers, rows = column[known].astype(np.float64), np.flatnonzero(known)
        result = texts.astype(object)
        for part in bins_of(numbers, 5):
            result[rows[part]] = f"{numbers[part].min():g} to {numbers[part].max():g}"
        return result.astype(str)
    return texts


def _pooled(values: NDArray[np.str_], groups: NDArray[Any]) -> NDArray[np.str_]:
    result = values.astype(object)
    for name in np.unique(values):
        inside = values == name
        if inside.sum() < FEWEST_SONGS or len(np.unique(groups[inside])) < FEWEST_GROUPS:
            result[inside] = OTHERS
    return result.astype(str)


def _of_value(name: str, mask: NDArray[np.bool_], groups: NDArray[Any]) -> dict[str, Any]:
    inside, rest = (len(np.unique(groups[rows])) for rows in (mask, ~mask))
    return {"value": name, "rows": int(mask.sum()), "groups": inside, "others": rest, "metrics": {}, "differences": {}}


def _drawn(
    statistic: Statistic, masks: list[NDArray[np.bool_]], groups: NDArray[Any]
) -> Iterator[tuple[Floats, Floats]]:
    """Of each mask the statistic of its rows and of the rest in every resample, NaN where it is not defined."""
    draws = list(group_resamples(groups, _RESAMPLES))
    for mask in masks:
        sides = [[_number(statistic, rows[mask[rows] == side]) for rows in draws] for side in (True, False)]
        yield np.array(sides[0]), np.array(sides[1])


def _number(statistic: Statistic, rows: NDArray[np.intp]) -> float:
    if len(rows) < 2:
        return float("nan")
    try:
        return statistic(rows)
    except ValueError:
        return float("nan")


def _measure(
    part: dict[str, Any], metric: str, statistic: Statistic, mask: NDArray[np.bool_], drawn: tuple[Floats, Floats]
) -> None:
    inside, rest = (_number(statistic, np.flatnonzero(rows)) for rows in (mask, ~mask))
    entry = _entry(inside, drawn[0])
    if entry is None:
        return
    part["metrics"][metric] = entry
    changes = drawn[0] - drawn[1]
    difference, degrees = _entry(inside - rest, changes), min(part["groups"], part["others"]) - 1
    few = part["rows"] < FEWEST_SONGS or min(part["groups"], part["others"]) < FEWEST_GROUPS
    # Where a side never varies (no song is above a cut, say) the resamples cannot tell how sure it is.
    fixed = any(np.nanstd(side) == 0 for side in drawn)
    if difference is None or few or fixed or metric in _BY_SIZE:
        return
    # Resamples of few groups vary by too little.
    error = float(np.nanstd(changes, ddof=1)) * np.sqrt((degrees + 1) / degrees)
    part["differences"][metric] = difference | {"p": 2 * float(t.sf(abs(inside - rest) / error, degrees))}


def _entry(value: float, drawn: Floats) -> dict[str, Any] | None:
    if not np.isfinite(value) or np.isfinite(drawn).sum() < 2:
        return None
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return {"value": round(value, 5), "interval": [round(float(low), 5), round(float(high), 5)]}


def _correct(found: list[dict[str, Any]]) -> None:
    """Give all differences of the table their corrected p-values and their verdicts."""
    differences = [each for part in found for each in part["differences"].values()]
    if not differences:
        return
    for each, q in zip(differences, false_discovery_control([each["p"] for each in differences]), strict=True):
        side = "higher" if each["value"] > 0 else "lower"
        numbers = {"p": float(f"{each['p']:.3g}"), "q": float(f"{q:.3g}")}
        each.update(numbers, verdict=side if q <= _RATE else "no clear difference")
