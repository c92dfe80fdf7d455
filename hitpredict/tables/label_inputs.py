"""Inputs that come with the labels and not from the sound: the charts' region, the first weeks on them, the season.

A recipe names them among its `inputs`; they follow the feature tables. `region` is a one-hot vector over the regions
of the label column `region`, and a track has a row for each of its regions. `weeks` are the first values of the target
curve, and what is to be learnt is then the rest of it; of other targets they are those of the label column `curve`.
`season` is the week of the year of the label column `start`, a date, as sine and cosine.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
from hitpredict.scoring.inputs import BESIDE, SEASON, WEEKS
from hitpredict.tables.read import Note

REGION = "region"
NAMES = (REGION, *BESIDE)
CURVE_COLUMN, START_COLUMN = "curve", "start"
_WEEKS_A_YEAR = 365.25 / 7
ALL_REGIONS = "all"
"""The region of rows that are of all regions together."""
LabelKind = Mapping[str, Any]


def kinds_of(inputs: Sequence[str], after: int | None = None) -> list[dict[str, Any]]:
    """What a recipe takes from the labels: of its `inputs`, and `after`, the number of weeks, of its target."""
    if WEEKS in inputs and (after or 0) < 1:
        raise UsageError("recipe: the input weeks needs target.after, the number of weeks that are known")
    made: dict[str, dict[str, Any]] = {name: {"name": name} for name in NAMES}
    made[WEEKS]["count"] = after
    return [made[name] for name in inputs if name in made]


def named(kinds: Sequence[LabelKind], name: str) -> LabelKind | None:
    """The kind of this name, if it is among them."""
    return next((kind for kind in kinds if kind["name"] == name), None)


def rows_that_serve(
    kinds: Sequence[LabelKind], table: Mapping[str, Sequence[Any]], numbers: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which label rows give these inputs, (N,): those of a known region and season, on the charts in each of the first
    weeks.

    table: the label columns; numbers: the curves, (N, C). Raises `UsageError` when a column is not there.
    """
    keep = np.ones(len(numbers), bool)
    if region := named(kinds, REGION):
        found = _regions(table)
        wanted = [region["only"]] if "only" in region else region.get("names")
        keep &= np.isin(found, wanted) if wanted is not None else (found != "") & (found != ALL_REGIONS)
    if weeks := named(kinds, WEEKS):
        count = int(weeks["count"])
        if numbers.shape[1] <= count:
            raise UsageError(f"target.after={count}: the target has {numbers.shape[1]} values; name a column of curves")
        keep &= (numbers[:, :count] > 0).all(axis=1) & np.isfinite(numbers[:, count:]).any(axis=1)
    if named(kinds, SEASON):
        keep &= np.isfinite(_seasons(table)).all(axis=1)
    return keep


def over_regions(
    ids: Sequence[str], table: Mapping[str, Sequence[Any]], numbers: NDArray[np.float64], curves: bool, note: Note
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Labels where the region is no input, and which rows hold them: of tracks with rows in several regions those of
    region `all`, or else the mean of the numbers over the track's rows, of which the first then serves.

    ids: of the tracks; numbers: (N, C). Tells `note` which it is. Raises `UsageError` for curves without such rows.
    """
    every = np.ones(len(ids), bool)
    if REGION not in table or len(set(zip(ids, _regions(table), strict=True))) == len(set(ids)):
        return numbers, every
    whole = _regions(table) == ALL_REGIONS
    if whole.any():
        note("the region is no input, so the labels are those of all regions together (region all)")
        return numbers, whole
    if curves:
        raise UsageError(
            "tracks have curves in several regions and none of all together: make the table anew with `hitpredict "
            "fetch charts`, or take the input region"
        )
    note("the region is no input, so each label is the mean over the regions of its track")
    _, track = np.unique(np.asarray(ids), return_inverse=True)
    known = np.isfinite(numbers)
    sums, counts = (np.zeros((track.max() + 1, numbers.shape[1])) for _ in range(2))
    np.add.at(sums, track, np.where(known, numbers, 0.0))
    np.add.at(counts, track, known)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)[track], every


def input_values(
    kind: LabelKind, table: Mapping[str, Sequence[Any] | NDArray[Any]], numbers: NDArray[np.float64]
) -> tuple[dict[str, Any], list[str], NDArray[np.float32]]:
    """The kind with all that it takes to make the input again, its column names, and its values, (N, D)."""
    if kind["name"] == WEEKS:
        count = int(kind["count"])
        return dict(kind), [f"week {week + 1}" for week in range(count)], numbers[:, :count].astype(np.float32)
    if kind["name"] == SEASON:
        return dict(kind), ["season sine", "season cosine"], _seasons(table).astype(np.float32)
    regions = _regions(table)
    names = list(kind.get("names") or np.unique(regions).tolist())
    return {"name": REGION, "names": names}, names, (regions[:, None] == np.array(names)).astype(np.float32)


def _regions(table: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.str_]:
    if REGION not in table:
        raise UsageError(f"the input region: the label table has no column region; it has {', '.join(table)}")
    return np.array(["" if value is None else str(value) for value in table[REGION]])


def _seasons(table: Mapping[str, Sequence[Any] | NDArray[Any]]) -> NDArray[np.float64]:
    """Sine and cosine of the week of the year, (N, 2), a year being a turn from January 1 on; NaN where not known."""
    if START_COLUMN not in table:
        raise UsageError(f"the input season: the label table has no column {START_COLUMN}; it has {', '.join(table)}")
    weeks = np.array([_week_of_year(value) for value in table[START_COLUMN]], np.float64)
    turn = 2 * np.pi * weeks / _WEEKS_A_YEAR
    return np.stack([np.sin(turn), np.cos(turn)], axis=1)


def _week_of_year(value: Any) -> float:
    """Whole weeks since January 1 of a date, or of text that begins with one."""
    try:
        day = value if isinstance(value, date) else date.fromisoformat(str(value)[:10])
    except ValueError:
        return float("nan")
    return float((day.timetuple().tm_yday - 1) // 7)
