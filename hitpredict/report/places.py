"""What a page says of `explain --where` records: which parts of a song its score comes from."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from hitpredict.report.charts import CLOCK, ROW, Data, around, chart_of, coloured, heat_map, own_colour, rule
from hitpredict.report.draw import BAND, INK, MUTED, WIDTH, Plot
from hitpredict.report.records import Printed
from hitpredict.report.section import ROWS, SONGS, Section, called, left_out, minutes, origin

_MOST = 20
_TITLES = {
    "section": "Sections over time: what the score does without each",
    "band": "Bands: what the score does when nothing changes there over time",
    "block": "Sections of bands: what the score does without each, by a linear model",
    "gradient": "Integrated gradients: what the score does with the training mean in its place",
}


def section(records: Sequence[Printed]) -> Section | None:
    songs: dict[str, list[Printed]] = {}
    for each in records:
        songs.setdefault(each["path"], []).append(each)
    if not songs:
        return None
    return Section(
        "places",
        "Where the score comes from",
        "Parts of each song were taken away, and the song scored again: orange where the score falls without a part, "
        "blue where it rises. Grey is no more than noise, or than as much of the song from everywhere. This is the "
        "model's sensitivity: it says nothing of causes, and is no advice.",
        notes=left_out(len(songs), SONGS, "songs"),
        parts=[_song(own, number) for number, own in enumerate(list(songs.values())[:SONGS], 1)],
    )


def _song(records: Sequence[Printed], number: int) -> Section:
    first = records[0]
    by_kind = {kind: [each for each in records if each["kind"] == kind] for kind in _TITLES}
    notes, made = [], []
    for kind, own in by_kind.items():
        if own:
            fit = own[0].get("fit", {})
            notes += _fits(kind, fit)
            if fit.get("trusted", True):
                made.append(_plot(kind, own, number))
    meant = [each for each in records if each["significant"]]
    notes += [] if meant else ["No part moves the score by more than noise."]
    header = ("part", "kind", "change", "p", "more than noise")
    table = [header] + [
        (
            _part(each),
            each["kind"],
            f"{each['change']:+.2f}",
            f"{each['p_value']:.3g}",
            "blind" if each["blind"] else "yes" if each["significant"] else "no",
        )
        for each in records[:ROWS]
    ]
    facts = [("Score", f"{first['base_score']:.1f} unchanged"), *origin(first)]
    return Section(f"places-{number}", called(first), "", facts, notes, first.get("warnings", []), made, table=table)


def _fits(kind: str, fit: Printed) -> list[str]:
    if kind == "block" and not fit.get("trusted", True):
        return ["What blocks do together is not the sum of what each does, so they have no picture."]
    if fit.get("r2") is not None:
        return [f"The linear model of blocks explains {fit['r2']:.0%} on masks held out (R²)."]
    if "completeness" in fit:
        return [f"The gradients leave {fit['completeness']:.2%} of the way from the training mean unaccounted for."]
    return []


def _plot(kind: str, records: Sequence[Printed], number: int) -> Plot:
    largest = sorted(records, key=lambda each: -abs(each["change"]))[:6]
    shown = "; ".join(f"{_part(each)} {each['change']:+.1f}" for each in largest)
    timed = all("begin" in each and "low" in each for each in records)
    if kind == "section":
        chart = timeline_of_sections(records)
    elif kind in ("block", "gradient") and timed:
        chart = _blocks(records)
    else:
        chart = _bars(sorted(records, key=lambda each: -each["low"]) if kind == "band" else records[:_MOST])
    return Plot(f"{kind}s-{number:02}", _TITLES[kind], f"From the largest: {shown}.", chart)


def timeline_of_sections(records: Data) -> Any:
    """Sections from left to right with their letters, as high as the change of the score without them."""
    rows = [
        {
            "begin": each["begin"],
            "end": each["end"],
            "middle": (each["begin"] + each["end"]) / 2,
            "label": each["label"],
            "change": each["change"],
            "zero": 0.0,
            "colour": coloured(each["change"], each["significant"]),
        }
        for each in records
    ]
    x = alt.X(
        "begin:Q", axis=alt.Axis(title=None, labelExpr=CLOCK, grid=False, tickMinStep=1), scale=alt.Scale(nice=False)
    )
    scale = alt.Scale(domain=around(rows, "change", 1.3))
    y = alt.Y("change:Q", scale=scale, axis=alt.Axis(title="change", tickCount=4))
    noise = max((each.get("noise", {}).get("scale", 0.0) for each in records), default=0.0)
    band = chart_of([{"a": -1.96 * noise, "b": 1.96 * noise}]).mark_rect(color=BAND, clip=True)
    shade = band.encode(y=alt.Y("a:Q", scale=scale), y2="b:Q")
    bars = chart_of(rows).mark_bar(stroke=None).encode(x=x, x2="end:Q", y=y, y2="zero:Q", color=own_colour())
    letters = chart_of(rows).mark_text(color=INK, fontWeight="bold")
    named = letters.encode(x=alt.X("middle:Q"), y=alt.value(8), text="label:N")
    edges = chart_of(rows).mark_rule(color=MUTED, strokeDash=[2, 3]).encode(x=alt.X("begin:Q"))
    return alt.layer(shade, bars, edges, rule(0.0, "y", dash=False), named).properties(width=WIDTH, height=150)


def _bars(records: Data) -> Any:
    rows = [
        {
            "part": _part(each),
            "change": each["change"],
            "label": f"{each['change']:+.1f}",
            "colour": coloured(each["change"], each["significant"]),
        }
        for each in records
    ]
    y = alt.Y("part:N", sort=None, axis=alt.Axis(title=None, labelColor=INK))
    x = alt.X("change:Q", scale=alt.Scale(domain=around(rows, "change", 1.4)), axis=alt.Axis(title="change"))
    base = chart_of(rows).encode(y=y, x=x)
    bars = base.mark_bar(size=13).encode(color=own_colour())
    right = base.transform_filter("datum.change >= 0").mark_text(align="left", dx=5, color=MUTED).encode(text="label:N")
    left = base.transform_filter("datum.change < 0").mark_text(align="right", dx=-5, color=MUTED).encode(text="label:N")
    return alt.layer(bars, right, left, rule(0.0, dash=False)).properties(width=WIDTH - 130, height=alt.Step(ROW))


def _blocks(records: Data) -> Any:
    """Sections by bands, low bands below."""
    columns = {each["begin"]: f"{minutes(each['begin'])} {each['label'].split(' · ')[0]}" for each in records}
    rows = {each["low"]: each["label"].split(" · ")[-1] for each in records}
    cells = [
        {
            "row": rows[each["low"]],
            "column": columns[each["begin"]],
            "value": each["change"],
            "meant": each["significant"],
        }
        for each in records
    ]
    largest = max((abs(each["change"]) for each in records), default=1.0)
    return heat_map(
        cells, [columns[at] for at in sorted(columns)], [rows[at] for at in sorted(rows, reverse=True)], largest, "+.1f"
    )


def _part(record: Printed) -> str:
    return f"{record['label']} at {minutes(record['begin'])}" if "begin" in record else str(record["label"])
