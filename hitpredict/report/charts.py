"""What the pictures of all kinds of records are drawn with."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import altair as alt

from hitpredict.report.draw import DOWN, GRID, INK, MUTED, QUIET, UP, WIDTH

Data = Sequence[Mapping[str, Any]]
Scale = tuple[float, float]
ROW = 24
CLOCK = "floor(datum.value / 60) + ':' + (floor(datum.value) % 60 < 10 ? '0' : '') + floor(datum.value) % 60"
"""Seconds of an axis as minutes and seconds."""


def chart_of(rows: Data) -> Any:
    """A chart without marks, of rows that it holds."""
    return alt.Chart(alt.Data(values=list(rows)))  # type: ignore[no-untyped-call]


def rule(value: float, axis: str = "x", colour: str = MUTED, dash: bool = True) -> Any:
    """A rule across the whole picture at one value."""
    place = {axis: alt.datum(value)}
    return chart_of([{}]).mark_rule(color=colour, strokeDash=[4, 3] if dash else [1, 0]).encode(**place)


def own_colour() -> Any:
    """The colour that each row has as its `colour`."""
    return alt.Color("colour:N", scale=None, legend=None)


def coloured(change: float, meant: bool) -> str:
    """Of a change that is more than noise, or not."""
    return QUIET if not meant else UP if change > 0 else DOWN


def around(rows: Data, key: str, room: float = 1.15) -> list[float]:
    """A domain with 0 in its middle."""
    widest = max((abs(each[key]) for each in rows), default=1.0) or 1.0
    return [-room * widest, room * widest]


def roomy(values: Iterable[float], scale: Scale) -> Scale:
    """The values with some room, at least a quarter of the scale."""
    found = list(values)
    middle, least = (min(found) + max(found)) / 2, (scale[1] - scale[0]) / 8
    half = max((max(found) - min(found)) * 0.58, least)
    return middle - half, middle + half


def forest(rows: Data, label: str, value: str, scale: Any, title: str, width: int = WIDTH - 130) -> Any:
    """Points with intervals, one below the other in the order given."""
    rows = [{"colour": UP, **each} for each in rows]
    y = alt.Y(f"{label}:N", sort=None, axis=alt.Axis(title=None, labelColor=INK))
    axis = alt.Axis(title=title, gridColor=GRID, tickCount=max(3, width // 55))
    base = chart_of(rows).encode(y=y, color=own_colour())
    lines = base.mark_rule(size=3, strokeCap="round", opacity=0.55).encode(
        x=alt.X("from:Q", scale=scale, axis=axis), x2="to:Q"
    )
    points = base.mark_point(filled=True, size=75, opacity=1).encode(x=alt.X(f"{value}:Q", scale=scale))
    return alt.layer(lines, points).properties(width=width, height=alt.Step(ROW))


def heat_map(cells: Data, columns: Sequence[str], rows: Sequence[str], largest: float, form: str) -> Any:
    """Values as colour and number. cells: `row`, `column`, `value`, and perhaps whether it is `meant` to be more than
    noise. largest: the value of full colour."""
    data = [
        {
            **each,
            "strength": min(1.0, abs(each["value"]) / (largest or 1)),
            "colour": coloured(each["value"], each.get("meant", True)),
        }
        for each in cells
    ]
    step = max(22, min(46, (WIDTH + 60) // max(1, len(columns))))
    x = alt.X(
        "column:N",
        sort=list(columns),
        axis=alt.Axis(title=None, labelAngle=-50, orient="top", labelColor=INK, domain=False, ticks=False),
    )
    y = alt.Y("row:N", sort=list(rows), axis=alt.Axis(title=None, labelColor=INK))
    opacity = alt.Opacity("strength:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 0.5]), legend=None)
    base = chart_of(data).encode(x=x, y=y)
    squares = base.mark_rect(stroke=None).encode(color=own_colour(), opacity=opacity)
    layers = [squares]
    if step >= 30:
        layers.append(base.mark_text(color=INK, fontSize=10).encode(text=alt.Text("value:Q", format=form)))
    return alt.layer(*layers).properties(width=alt.Step(step), height=alt.Step(ROW))
