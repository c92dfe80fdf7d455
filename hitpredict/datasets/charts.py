"""Chart histories: many chart files to one tidy table, popularity measures, stream curves and a manifest."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hitpredict.datasets.chart_dates import PERIOD_DAYS, Period
from hitpredict.datasets.chart_readers import CHART_SUFFIXES, Chart
from hitpredict.datasets.manifest import Track
from hitpredict.datasets.popularity_measures import (
    CURVE_WEEKS,
    Curves,
    Histories,
    Integers,
    curves,
    measures,
    summed_over_regions,
)
from hitpredict.errors import InputError, UsageError
from hitpredict.tables.label_inputs import ALL_REGIONS

_USUAL_SIZES = (100, 200)
_EPOCH = date(1970, 1, 1)
_WORLD = "global"
_TOGETHER = re.compile(r",\s+|\s+(?:featuring|feat\.?|ft\.?|with|and|x|&)\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Window:
    """What the charts can show: since, until are the first and the last day; None for as far as the data goes."""

    since: date | None = None
    until: date | None = None


@dataclass(frozen=True)
class Charts:
    """Chart rows without duplicates, ordered by region, track and day; names are sorted, codes point into them.

    region, track: codes. day: days since 1970-01-01. rank: 1 is best. streams: NaN where unknown. size: places of
    each region's chart. duplicates, nameless: rows left out because the same track was there already that day (the
    better place was kept), or had no id.
    """

    regions: Sequence[str]
    tracks: Sequence[str]
    region: Integers
    track: Integers
    day: Integers
    rank: Integers
    streams: np.ndarray[Any, np.dtype[np.float64]]
    size: Integers
    period: Period
    window: Window
    duplicates: int
    nameless: int
    names: dict[str, tuple[str | None, str | None]]

    @cached_property
    def span(self) -> tuple[Integers, Integers]:
        """For each region, the first days of the first and the last chart there is."""
        first, last = np.full(len(self.regions), np.iinfo(np.int64).max), np.zeros(len(self.regions), np.int64)
        np.minimum.at(first, self.region, self.day)
        np.maximum.at(last, self.region, self.day)
        return first, last

    @cached_property
    def visible(self) -> tuple[Integers, Integers]:
        """For each region, the first days of the first and the last chart that could be seen: the window's."""
        since, until = self.window.since, self.window.until
        first, last = self.span
        return (
            np.full_like(first, _days(since)) if since else first,
            np.full_like(last, _days(until) + 1 - PERIOD_DAYS[self.period]) if until else last,
        )

    @cached_property
    def histories(self) -> Histories:
        """The rows cut into the histories of one track in one region."""
        new = (np.diff(self.region, prepend=-1) != 0) | (np.diff(self.track, prepend=-1) != 0)
        start = np.flatnonzero(new)
        region = self.region[start]
        first, last = self.visible
        days = PERIOD_DAYS[self.period]
        return Histories(self.day, self.rank, self.streams, start, first[region], last[region], self.size[region], days)

    def missing(self) -> dict[str, int]:
        """How many charts are absent between the first and the last of each region that has gaps."""
        charts = np.unique(np.stack([self.region, self.day]), axis=1)[0]
        there = np.bincount(charts, minlength=len(self.regions))
        first, last = self.span
        absent = (last - first) // PERIOD_DAYS[self.period] + 1 - there
        return {name: int(count) for name, count in zip(self.regions, absent, strict=True) if count > 0}


def files(inputs: Iterable[str], passed_over: Callable[[Path], None] = lambda _: None) -> Iterator[Path]:
    """The files that the inputs name: files as they are, folders searched for chart files, in sorted order."""
    for name in inputs:
        path = Path(name)
        if not path.is_dir():
            yield path
            continue
        for found in sorted(path.rglob("*")):
            if found.suffix.lower() in CHART_SUFFIXES:
                yield found
            elif found.is_file():
                passed_over(found)


def tidy(charts: Sequence[Chart], window: Window = Window(), chart_size: int | None = None) -> Charts:
    """Join charts into one. chart_size: places of every chart; None takes, for the regions of each format, 100 or
    200, whichever holds the lowest place seen in that format, or that place where it is beyond 200.

    Rows outside the window are left out, as are charts that end after `until`. Raises `InputError` when nothing is
    left, and `UsageError` for daily and weekly charts together or a place beyond `chart_size`.
    """
    periods = {chart.period for chart in charts}
    if len(periods) > 1:
        raise UsageError("daily and weekly charts cannot share a table; run this once for each")
    period = periods.pop() if periods else "weekly"
    table = pa.concat_tables([chart.table for chart in charts]) if charts else None
    if table is None or not len(table):
        raise InputError("no chart rows in the inputs")
    named = pc.and_(pc.is_valid(table["track_id"]), pc.not_equal(table["track_id"], ""))
    kept = table.filter(pc.and_(named, _inside(table["date"], window, PERIOD_DAYS[period])))
    if not len(kept):
        raise InputError("no chart rows between the dates of `since` and `until`")
    return _sorted(kept, period, window, len(table) - pc.sum(named).as_py(), _sizes(charts, chart_size))


def _inside(days: Any, window: Window, period: int) -> Any:
    latest = (window.until or date.max) - timedelta(days=period - 1)
    return pc.and_(pc.greater_equal(days, window.since or date.min), pc.less_equal(days, latest))


def _sizes(charts: Sequence[Chart], chart_size: int | None) -> dict[str, int]:
    """Places of each region's chart."""
    lowest: Counter[str] = Counter()
    for chart in charts:
        lowest[chart.kind] = max(lowest[chart.kind], pc.max(chart.table["rank"]).as_py() or 0)
    deepest = max(lowest.values())
    if chart_size is not None and deepest > chart_size:
        raise UsageError(f"`chart_size` {chart_size}: the charts go down to place {deepest}")
    sizes: Counter[str] = Counter()
    for chart in charts:
        usual = next((size for size in _USUAL_SIZES if size >= lowest[chart.kind]), lowest[chart.kind])
        for region in pc.unique(chart.table["region"]).to_pylist():
            sizes[region] = max(sizes[region], chart_size or usual)
    return sizes


def _sorted(table: Any, period: Period, window: Window, nameless: int, sizes: dict[str, int]) -> Charts:
    regions, region = _coded(table["region"])
    tracks, track = _coded(table["track_id"])
    day = table["date"].cast(pa.int32()).to_numpy().astype(np.int64)
    rank = table["rank"].to_numpy().astype(np.int64)
    streams = table["streams"].cast(pa.float64()).to_numpy()
    order = np.lexsort((rank, day, track, region))
    same = np.ones(order.size, bool)
    for column in (region, track, day):
        same[1:] &= column[order][1:] == column[order][:-1]
    same[0] = False
    kept = order[~same]
    size = np.array([sizes[name] for name in regions])
    return Charts(
        regions,
        tracks,
        *(region[kept], track[kept], day[kept], rank[kept], streams[kept]),
        size,
        period,
        window,
        duplicates=int(same.sum()),
        nameless=nameless,
        names=_names(table, tracks, track),
    )


def _coded(column: Any) -> tuple[list[str], Integers]:
    """The sorted distinct values, and for each row the place of its value among them."""
    encoded = pc.dictionary_encode(column.combine_chunks())
    order = pc.sort_indices(encoded.dictionary)
    place = np.empty(len(order), np.int64)
    place[order.to_numpy()] = np.arange(len(order))
    return encoded.dictionary.take(order).to_pylist(), place[encoded.indices.to_numpy()]


def _names(table: Any, tracks: Sequence[str], track: Integers) -> dict[str, tuple[str | None, str | None]]:
    """Title and artist of each track, from the first row that has a title."""
    titled = np.flatnonzero(pc.is_valid(table["title"]).to_numpy(zero_copy_only=False))
    codes, first = np.unique(track[titled], return_index=True)
    rows = table.select(["title", "artist"]).take(pa.array(titled[first]))
    return {tracks[c]: (t, a) for c, t, a in zip(codes, *(rows[n].to_pylist() for n in rows.column_names), strict=True)}


def charts_table(charts: Charts) -> Any:
    """`charts.parquet`: region, date (first day of the chart), track_id, rank, streams, in that order."""
    order = np.lexsort((charts.track, charts.rank, charts.day, charts.region))
    streams = charts.streams[order]
    known = ~np.isnan(streams)
    return pa.table(
        {
            "region": _named(charts.regions, charts.region[order]),
            "date": _dates(charts.day[order]),
            "track_id": _named(charts.tracks, charts.track[order]),
            "rank": pa.array(charts.rank[order], pa.int32()),
            "streams": pa.array(np.where(known, streams, 0).astype(np.int64), mask=~known),
        }
    )


def measures_table(charts: Charts) -> Any:
    """`measures.parquet`: one row for each region and track; see `popularity_measures.measures`.

    Undefined skewness and kurtosis are null. first_date, last_date: first days of its first and last chart;
    chart_size: the N of the rank score.
    """
    histories, found = charts.histories, measures(charts.histories)
    columns = {name: pa.array(values, from_pandas=values.dtype.kind == "f") for name, values in found.items()}
    last = histories.start + histories.length - 1
    return pa.table(
        {
            "region": _named(charts.regions, charts.region[histories.start]),
            "track_id": _named(charts.tracks, charts.track[histories.start]),
            **columns,
            "first_date": _dates(charts.day[histories.start]),
            "last_date": _dates(charts.day[last]),
            "chart_size": pa.array(histories.size, pa.int32()),
        }
    )


def curves_table(charts: Charts, weeks: int = CURVE_WEEKS) -> Any:
    """`curves.parquet`: one row for each region and track with streams; see `popularity_measures.Curves`.

    artist_ids: as in the manifest, to split by. log_sum, log_debut: log10 of the curve's whole and of its first
    week's streams, null where the charts do not show them. Charts of several regions have one more row for each track,
    of region `all`: the sum over its regions (a chart of the whole world, `global`, apart).
    """
    histories = charts.histories
    found = curves(histories, weeks)
    region = charts.region[histories.start[found.history]]
    table = _curve_rows(charts, found, _named(charts.regions, region))
    summed = np.array([name.casefold() != _WORLD for name in charts.regions])[region]
    if len(np.unique(region[summed])) < 2:
        return table
    found = Curves(*(part[summed] for part in vars(found).values()))
    track = charts.track[histories.start[found.history]]
    total = summed_over_regions(found, track, histories.last[found.history] + histories.period)
    return pa.concat_tables([table, _curve_rows(charts, total, pa.array([ALL_REGIONS] * len(total.start)))])


def _curve_rows(charts: Charts, found: Curves, region: Any) -> Any:
    rows = charts.histories.start[found.history]
    offsets = pa.array(np.arange(len(rows) + 1, dtype=np.int32) * found.curve.shape[1])
    credited = [credited_names(charts.names.get(name, (None, None))[1]) for name in charts.tracks]
    return pa.table(
        {
            "region": region,
            "track_id": _named(charts.tracks, charts.track[rows]),
            "artist_ids": pa.array([credited[track] for track in charts.track[rows]], pa.list_(pa.string())),
            "start": _dates(found.start),
            "curve": pa.ListArray.from_arrays(offsets, pa.array(found.curve.ravel())),
            "observed": pa.ListArray.from_arrays(offsets, pa.array(found.observed.ravel())),
            "observed_weeks": pa.array(found.observed.sum(axis=1), pa.int16()),
            "available_weeks": pa.array(found.available, pa.int16()),
            "complete": pa.array(found.complete),
            "censored_left": pa.array(found.censored_left),
            "log_debut": pa.array(found.log_debut.astype(np.float32), from_pandas=True),
            "log_sum": pa.array(found.log_sum.astype(np.float32), from_pandas=True),
        }
    )


def manifest(charts: Charts, retrieved: str) -> Iterator[Track]:
    """One row for each track: its names, and over all regions how many it charted in, its best and its summed score."""
    histories, found = charts.histories, measures(charts.histories)
    track = charts.track[histories.start]
    best = np.zeros(len(charts.tracks))
    np.maximum.at(best, track, found["max"])
    total = np.bincount(track, found["sum"], len(charts.tracks)).tolist()
    regions = np.bincount(track, minlength=len(charts.tracks)).tolist()
    for name, *labels in zip(charts.tracks, regions, best.tolist(), total, strict=True):
        if labels[0]:
            title, artist = charts.names.get(name, (None, None))
            values = dict(zip(("chart_regions", "chart_max", "chart_sum"), labels, strict=True))
            ids = tuple(credited_names(artist))
            yield Track(name, "charts", retrieved, title=title, artist=artist, artist_ids=ids, labels=values)


def credited_names(credit: str | None) -> list[str]:
    """The names in a credit line, in lower case: too many rather than too few, because splits keep them together."""
    return [part.strip().casefold() for part in _TOGETHER.split(credit or "") if part.strip()]


def _named(names: Sequence[str], codes: Integers) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names, pa.string())).cast(pa.string())


def _dates(days: Integers) -> Any:
    return pa.array(days.astype(np.int32), pa.int32()).cast(pa.date32())


def _days(day: date) -> int:
    return (day - _EPOCH).days
