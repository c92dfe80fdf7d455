"""What each kind of record looks like."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np

from hitpredict.report.draw import BAND, DOWN, GRID, INK, MUTED, QUIET, UP, WIDTH
from hitpredict.report.records import Printed

_Rows = Sequence[Mapping[str, Any]]
Scale = tuple[float, float]
_ROW = 24
_BINS = 50
_CLOCK = "floor(datum.value / 60) + ':' + (floor(datum.value) % 60 < 10 ? '0' : '') + floor(datum.value) % 60"
_LOGARITHMIC = ("Hz", "kbit/s")


def _chart(rows: _Rows) -> Any:
    return alt.Chart(alt.Data(values=list(rows)))  # type: ignore[no-untyped-call]


def _line(value: float, axis: str = "x", colour: str = MUTED, dash: bool = True) -> Any:
    """A rule across the whole picture at one value."""
    place = {axis: alt.datum(value)}
    return _chart([{}]).mark_rule(color=colour, strokeDash=[4, 3] if dash else [1, 0]).encode(**place)


def gauge(record: Printed, scale: Scale, reference: Sequence[float] | None) -> Any:
    """The score on the model's scale, its interval, what differences mean nothing, and where other songs are."""
    low, high = scale
    x = alt.X("at:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(title=None, grid=False))
    score, (start, end), top = record["score"], record["interval"], 92 if reference else 16
    point = {"at": score, "from": start, "to": end}
    layers = []
    if reference:
        edges = np.linspace(low, high, _BINS + 1)
        below = np.interp(edges, reference, np.linspace(0, 1, len(reference)), left=0, right=1)
        shares = zip(pairwise(edges), pairwise(below), strict=True)
        bars = [{"at": a, "to": b, "share": d - c, "none": 0.0} for (a, b), (c, d) in shares]
        height = alt.Y("share:Q", axis=None, scale=alt.Scale(range=[top - 16, 0]))
        drawn = _chart(bars).mark_bar(color=BAND, stroke=None, binSpacing=0)
        layers.append(drawn.encode(x=x, x2="to:Q", y=height, y2="none:Q"))
    here, y = _chart([point]), alt.value(top)
    layers.append(here.mark_rule(color=QUIET, size=6, strokeCap="round").encode(x=alt.X("from:Q"), x2="to:Q", y=y))
    if floor := record.get("noise_floor"):
        near = _chart([{"from": max(low, score - floor), "to": min(high, score + floor)}])
        layers.append(near.mark_rule(color=UP, size=6).encode(x="from:Q", x2="to:Q", y=y))
    layers.append(here.mark_rule(color=UP, size=2).encode(x=x, y=alt.value(0), y2=alt.value(top)))
    layers.append(here.mark_point(color=UP, fill=UP, size=110, opacity=1).encode(x=x, y=y))
    return alt.layer(*layers).properties(width=WIDTH, height=top + 14).resolve_scale(y="independent")


def timeline(record: Printed, scale: Scale) -> Any:
    """Segments over time, on a part of the scale that does not make mountains of noise."""
    segments, score = record["segments"], record["score"]
    floor = record.get("noise_floor") or 0.0
    low, high = _domain([score, *(each["score"] for each in segments)], scale)
    y = alt.Y("score:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(title="score", tickCount=4))
    x = alt.X(
        "start:Q", axis=alt.Axis(title=None, labelExpr=_CLOCK, grid=False, tickMinStep=1), scale=alt.Scale(nice=False)
    )
    band = _chart([{"a": score - floor, "b": score + floor}]).mark_rect(color=BAND, clip=True)
    steps = _chart(segments).mark_rule(color=UP, size=4, strokeCap="round").encode(x=x, x2="end:Q", y=y)
    layers = [band.encode(y=alt.Y("a:Q", scale=alt.Scale(domain=[low, high])), y2="b:Q"), _line(score, "y"), steps]
    return alt.layer(*layers).properties(width=WIDTH, height=130)


def ranking(records: _Rows, scale: Scale) -> Any:
    """Songs from the highest score, each with its interval."""
    rows = [
        {
            "song": f"{place}. {record['name']}",
            "score": record["score"],
            "from": record["interval"][0],
            "to": record["interval"][1],
        }
        for place, record in enumerate(records, 1)
    ]
    return _forest(rows, "song", "score", alt.Scale(domain=list(scale), nice=False), "score")


def differences(records: _Rows) -> Any:
    """Each compared song against its first, with what noise makes of the difference."""
    rows = [
        {
            "song": f"{place}. {record['songs'][1]['name']}",
            "difference": record["difference"],
            "from": record["interval"][0],
            "to": record["interval"][1],
            "colour": _coloured(record["difference"], record["verdict"] == "clear"),
        }
        for place, record in enumerate(records, 1)
    ]
    chart = _forest(rows, "song", "difference", alt.Scale(), "difference of the scores")
    return alt.layer(_line(0.0), chart)


def changes_over_time(record: Printed) -> Any:
    """How much higher or lower each segment of the second song is scored."""
    rows = [
        {**each, "colour": _coloured(each["difference"], each["verdict"] == "clear"), "zero": 0.0}
        for each in record["segments"]
    ]
    x = alt.X(
        "start:Q", axis=alt.Axis(title=None, labelExpr=_CLOCK, grid=False, tickMinStep=1), scale=alt.Scale(nice=False)
    )
    y = alt.Y(
        "difference:Q",
        axis=alt.Axis(title="difference", tickCount=4),
        scale=alt.Scale(domain=_around(rows, "difference")),
    )
    bars = _chart(rows).mark_bar(stroke=None).encode(x=x, x2="end:Q", y=y, y2="zero:Q", color=_own_colour())
    return alt.layer(bars, _line(0.0, "y", dash=False)).properties(width=WIDTH, height=130)


def effects(records: _Rows) -> Any:
    """The largest change that each parameter makes, with what means nothing."""
    rows = [
        {
            "parameter": each["parameter"],
            "change": each["largest_change"],
            "label": f"{each['largest_change']:+.1f} at {each['largest_change_at']:g} {each['unit']}".strip()
            if "largest_change_at" in each
            else f"{each['largest_change']:+.1f}",
            "colour": _coloured(each["largest_change"], each["significant"]),
        }
        for each in records
        if not each["blind"]
    ]
    noise = max((_noise_of(each) for each in records), default=0.0)
    low, high = _around(rows, "change", room=1.7)
    scale = alt.Scale(domain=[low, high])
    y = alt.Y("parameter:N", sort=None, axis=alt.Axis(title=None, labelColor=INK))
    x = alt.X("change:Q", scale=scale, axis=alt.Axis(title="largest change of the score"))
    base = _chart(rows).encode(y=y, x=x)
    bars = base.mark_bar(size=13).encode(color=_own_colour())
    right = base.transform_filter("datum.change >= 0").mark_text(align="left", dx=5, color=MUTED).encode(text="label:N")
    left = base.transform_filter("datum.change < 0").mark_text(align="right", dx=-5, color=MUTED).encode(text="label:N")
    band = _chart([{"a": -noise, "b": noise}]).mark_rect(color=BAND).encode(x=alt.X("a:Q", scale=scale), x2="b:Q")
    return alt.layer(band, bars, right, left, _line(0.0, dash=False)).properties(
        width=WIDTH - 130, height=alt.Step(_ROW)
    )


def response(record: Printed, domain: Scale) -> Any:
    """Scores over the values of one parameter, the unchanged song's dashed, what means nothing as a band."""
    rows = [{"value": v, "score": s} for v, s in zip(record["values"], record["scores"], strict=True)]
    base, noise, values = record["base_score"], _noise_of(record), record["values"]
    wide = record["unit"] in _LOGARITHMIC and min(values) > 0 and max(values) > min(values)
    kind = alt.Scale(type="log", base=2, nice=False) if wide else alt.Scale(zero=False, nice=False)
    ticks = (
        {"values": values, "format": "~s" if max(values) >= 1000 else "~r"} if len(values) <= 5 else {"tickCount": 5}
    )
    x = alt.X(
        "value:Q", scale=kind, axis=alt.Axis(title=record["unit"][:40] or None, grid=False, **ticks, labelOverlap=True)
    )
    y = alt.Y("score:Q", scale=alt.Scale(domain=list(domain), nice=False), axis=alt.Axis(title=None, tickCount=4))
    colour = _coloured(record["largest_change"], record["significant"])
    band = _chart([{"a": base - noise, "b": base + noise}]).mark_rect(color=BAND, clip=True)
    line = _chart(rows).mark_line(color=colour, size=2).encode(x=x, y=y)
    points = _chart(rows).mark_point(color=colour, fill=colour, opacity=1, size=34).encode(x=x, y=y)
    shade = band.encode(y=alt.Y("a:Q", scale=alt.Scale(domain=list(domain))), y2="b:Q")
    return alt.layer(shade, _line(base, "y"), line, points).properties(width=205, height=120)


def corpus(records: _Rows) -> Any:
    """Mean effects over many songs with their intervals, from the first in rank."""
    rows = [
        {
            "parameter": each["parameter"],
            "effect": each["mean_effect"],
            "from": each["interval"][0],
            "to": each["interval"][1],
            "colour": _coloured(
                each["mean_effect"], each.get("significant", not each["interval"][0] <= 0 <= each["interval"][1])
            ),
        }
        for each in records
    ]
    noise = max((each.get("noise", 0.0) for each in records), default=0.0)
    chart = _forest(rows, "parameter", "effect", alt.Scale(), "mean effect on the score")
    band = _chart([{"a": -noise, "b": noise}]).mark_rect(color=BAND).encode(x=alt.X("a:Q"), x2="b:Q")
    return alt.layer(band, _line(0.0, dash=False), chart)


def heat_map(cells: _Rows, columns: Sequence[str], rows: Sequence[str], largest: float, form: str) -> Any:
    """Values as colour and number. cells: `row`, `column`, `value`. largest: the value of full colour."""
    data = [
        {**each, "strength": min(1.0, abs(each["value"]) / (largest or 1)), "colour": _coloured(each["value"], True)}
        for each in cells
    ]
    step = max(22, min(46, (WIDTH + 60) // max(1, len(columns))))
    x = alt.X(
        "column:N",
        sort=list(columns),
        axis=alt.Axis(title=None, labelAngle=-50, orient="top", labelColor=INK, domain=False, ticks=False),
    )
    y = alt.Y("row:N", sort=list(rows), axis=alt.Axis(title=None, labelColor=INK))
    opacity = alt.Opacity("strength:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.6]), legend=None)
    base = _chart(data).encode(x=x, y=y)
    squares = base.mark_rect(stroke=None).encode(color=_own_colour(), opacity=opacity)
    layers = [squares]
    if step >= 30:
        layers.append(base.mark_text(color=INK, fontSize=10).encode(text=alt.Text("value:Q", format=form)))
    return alt.layer(*layers).properties(width=alt.Step(step), height=alt.Step(_ROW))


def metric(rows: _Rows, name: str) -> Any:
    """One metric of a model beside its baselines."""
    return _forest(rows, "system", "value", alt.Scale(zero=False), name, width=230)


def _forest(rows: _Rows, label: str, value: str, scale: Any, title: str, width: int = WIDTH - 130) -> Any:
    """Points with intervals, one below the other in the order given."""
    rows = [{"colour": UP, **each} for each in rows]
    y = alt.Y(f"{label}:N", sort=None, axis=alt.Axis(title=None, labelColor=INK))
    axis = alt.Axis(title=title, gridColor=GRID)
    base = _chart(rows).encode(y=y, color=_own_colour())
    lines = base.mark_rule(size=3, strokeCap="round", opacity=0.55).encode(
        x=alt.X("from:Q", scale=scale, axis=axis), x2="to:Q"
    )
    points = base.mark_point(filled=True, size=75, opacity=1).encode(x=alt.X(f"{value}:Q", scale=scale))
    return alt.layer(lines, points).properties(width=width, height=alt.Step(_ROW))


def _own_colour() -> Any:
    return alt.Color("colour:N", scale=None, legend=None)


def _coloured(change: float, meant: bool) -> str:
    return QUIET if not meant else UP if change > 0 else DOWN


def _noise_of(record: Printed) -> float:
    noise = record.get("noise", {})
    return max(float(noise.get("floor", 0.0)), 1.96 * float(noise.get("scale", 0.0)))


def _around(rows: _Rows, key: str, room: float = 1.15) -> list[float]:
    """A domain with 0 in its middle."""
    widest = max((abs(each[key]) for each in rows), default=1.0) or 1.0
    return [-room * widest, room * widest]


def _domain(values: Iterable[float], scale: Scale) -> Scale:
    """The values with some room, at least a quarter of the scale."""
    found = list(values)
    middle, least = (min(found) + max(found)) / 2, (scale[1] - scale[0]) / 8
    half = max((max(found) - min(found)) * 0.58, least)
    return middle - half, middle + half


def shared_domain(records: Iterable[Printed]) -> Scale:
    """What the curves of one song are all drawn on."""
    found = [score for each in records for score in (*each["scores"], each["base_score"])]
    room = max(0.06 * (max(found) - min(found)), math.ulp(1.0), 0.5)
    return min(found) - room, max(found) + room
