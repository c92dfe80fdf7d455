"""What a page says of `explain --corpus` records, and of the effects of several songs: what they have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from hitpredict.report.charts import Data, chart_of, coloured, forest, heat_map, rule
from hitpredict.report.draw import BAND, Plot
from hitpredict.report.records import Printed, songs_of
from hitpredict.report.section import PARAMETERS, ROWS, Section, between, change

_NOTHING_COMMON = "Over these songs no effect is clearly more than noise; more songs may show some."


def section(records: Sequence[Printed], effects: Sequence[Printed]) -> Section | None:
    songs = songs_of(effects)
    if not records and len(songs) < 2:
        return None
    ranked = sorted(records, key=lambda each: each["rank"])[:PARAMETERS]
    made, table = [], []
    if ranked:
        told = "; ".join(f"{each['parameter']} {change(each['mean_effect'], 2)}" for each in ranked[:6])
        made.append(
            Plot(
                "corpus",
                "Mean effects with their intervals; the band is noise",
                f"From the largest: {told}.",
                mean_effects(ranked),
            )
        )
        table = [("parameter", "mean effect", "interval", "songs that move the same way")] + [
            (
                each["parameter"],
                change(each["mean_effect"], 2),
                between(each["interval"], "+.2f"),
                f"{each['share_same_sign']:.0%}",
            )
            for each in ranked
        ]
    if len(songs) > 1:
        made.append(_heat_of_songs(songs, [each["parameter"] for each in ranked]))
    names = {each["parameter"] for each in ranked}
    if any(names & set(each.get("correlations", {})) for each in ranked):
        made.append(_heat_of_parameters(ranked))
    return Section(
        "corpus",
        "What songs have in common",
        "Over all songs: what raises (blue) and lowers (orange) predicted popularity in this model; grey is not clear. "
        "No causes, no advice.",
        notes=[_NOTHING_COMMON] if records and not any(each.get("significant", True) for each in records) else [],
        plots=made,
        table=table,
    )


def _heat_of_songs(songs: Mapping[str, Sequence[Printed]], ranked: Sequence[str]) -> Plot:
    chosen = list(songs.values())[:ROWS]
    names = [f"{number}. {own[0]['name']}" for number, own in enumerate(chosen, 1)]
    parameters = ranked or list(dict.fromkeys(each["parameter"] for own in chosen for each in own))[:PARAMETERS]
    cells = [
        {"row": name, "column": each["parameter"], "value": each["largest_change"]}
        for name, own in zip(names, chosen, strict=True)
        for each in own
        if each["parameter"] in parameters
    ]
    largest = max((abs(each["value"]) for each in cells), default=1.0)
    shown = f"The largest change of the score, {len(names)} songs by {len(parameters)} parameters, up to {largest:.1f}."
    chart = heat_map(cells, parameters, names, largest, "+.1f")
    return Plot("songs-by-parameters", "The largest change in each song", shown, chart)


def _heat_of_parameters(ranked: Sequence[Printed]) -> Plot:
    names = [each["parameter"] for each in ranked]
    cells = [
        {"row": each["parameter"], "column": other, "value": value}
        for each in ranked
        for other, value in each.get("correlations", {}).items()
        if other in names
    ]
    shown = f"Correlations between the effects of {len(names)} parameters over songs."
    return Plot("correlations", "How effects go together over songs", shown, heat_map(cells, names, names, 1.0, "+.1f"))


def mean_effects(records: Data) -> Any:
    """Mean effects over many songs with their intervals, from the first in rank."""
    rows = [
        {
            "parameter": each["parameter"],
            "effect": each["mean_effect"],
            "from": each["interval"][0],
            "to": each["interval"][1],
            "colour": coloured(
                each["mean_effect"], each.get("significant", not each["interval"][0] <= 0 <= each["interval"][1])
            ),
        }
        for each in records
    ]
    noise = max((each.get("noise", 0.0) for each in records), default=0.0)
    chart = forest(rows, "parameter", "effect", alt.Scale(), "mean effect on the score")
    band = chart_of([{"a": -noise, "b": noise}]).mark_rect(color=BAND).encode(x=alt.X("a:Q"), x2="b:Q")
    return alt.layer(band, rule(0.0, dash=False), chart)
