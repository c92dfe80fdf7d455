"""What a page says of `compare` records: by how much songs differ, and where."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from hitpredict.report.charts import CLOCK, Data, around, chart_of, coloured, forest, own_colour, rule
from hitpredict.report.draw import WIDTH, Plot
from hitpredict.report.records import Printed
from hitpredict.report.section import ROWS, SONGS, Section, between, called, change, figure, left_out, minutes, origin


def section(records: Sequence[Printed]) -> Section | None:
    if not records:
        return None
    several = [
        Plot(
            "differences",
            "Differences from the first song, with what noise makes of them",
            "; ".join(
                f"{each['songs'][1]['name']}: {change(each['difference'])}, {each['verdict']}"
                for each in records[:ROWS]
            ),
            differences(records[:ROWS]),
        )
    ]
    return Section(
        "comparisons",
        "Comparisons",
        "Mixes of one song are compared from the same moment on, and all at one loudness. A clear difference is one "
        "that changes which nobody hears do not make.",
        notes=left_out(len(records), SONGS, "comparisons"),
        plots=several if len(records) > 1 else [],
        parts=[_compared(each, number) for number, each in enumerate(records[:SONGS], 1)],
    )


def _compared(record: Printed, number: int) -> Section:
    first, second = record["songs"]
    facts = [
        (
            "Difference",
            f"{change(record['difference'])} ({between(record['interval'], '+.1f')}): {record['verdict']}",
        ),
        ("First", f"{called(first)}: {figure(first['matched_score'])}"),
        ("Second", f"{called(second)}: {figure(second['matched_score'])}"),
        ("Same song", "yes, aligned" if record.get("same_song") else "no, or at another tempo: compared as wholes"),
        *origin(record),
    ]
    made = []
    if record["segments"]:
        most = max(record["segments"], key=lambda each: abs(each["difference"]))
        made = [
            Plot(
                f"comparison-{number:02}",
                "Over time: how much higher (blue) or lower (orange) the second is scored; grey is not clear",
                f"{len(record['segments'])} segments; the largest difference is {change(most['difference'])} from "
                f"{minutes(most['start'])}.",
                changes_over_time(record),
            )
        ]
    rows = [
        (
            each["name"],
            *(figure(value) for value in each["values"]),
            change(each["difference"]),
            each["unit"],
        )
        for each in record["descriptors"][:8]
    ]
    table = [("in the sound", "first", "second", "difference", "unit"), *rows] if rows else []
    warnings = [f"{side['name']}: {text}" for side in record["songs"] for text in side.get("warnings", [])]
    title = f"{second['name']} against {first['name']}"
    return Section(f"comparison-{number}", title, facts=facts, warnings=warnings, plots=made, table=table)


def differences(records: Data) -> Any:
    """Each compared song against its first, with what noise makes of the difference."""
    rows = [
        {
            "song": f"{place}. {record['songs'][1]['name']}",
            "difference": record["difference"],
            "from": record["interval"][0],
            "to": record["interval"][1],
            "colour": coloured(record["difference"], record["verdict"] == "clear"),
        }
        for place, record in enumerate(records, 1)
    ]
    chart = forest(rows, "song", "difference", alt.Scale(), "difference of the scores")
    return alt.layer(rule(0.0), chart)


def changes_over_time(record: Printed) -> Any:
    """How much higher or lower each segment of the second song is scored."""
    rows = [
        {**each, "colour": coloured(each["difference"], each["verdict"] == "clear"), "zero": 0.0}
        for each in record["segments"]
    ]
    x = alt.X(
        "start:Q", axis=alt.Axis(title=None, labelExpr=CLOCK, grid=False, tickMinStep=1), scale=alt.Scale(nice=False)
    )
    y = alt.Y(
        "difference:Q",
        axis=alt.Axis(title="difference", tickCount=4),
        scale=alt.Scale(domain=around(rows, "difference")),
    )
    bars = chart_of(rows).mark_bar(stroke=None).encode(x=x, x2="end:Q", y=y, y2="zero:Q", color=own_colour())
    return alt.layer(bars, rule(0.0, "y", dash=False)).properties(width=WIDTH, height=130)
