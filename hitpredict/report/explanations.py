"""What a page says of `explain` records: which changes to the sound of a song move its score."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from hitpredict.report.charts import ROW, Data, Scale, around, chart_of, coloured, own_colour, rule
from hitpredict.report.draw import BAND, INK, MUTED, WIDTH, Plot
from hitpredict.report.players import Players
from hitpredict.report.records import Printed, songs_of
from hitpredict.report.section import PARAMETERS, SONGS, Section, called, change, figure, left_out, listing, origin
from hitpredict.report.sounds import Sounds
from hitpredict.report.wording import capitalised, change_of, moved, noise_of

_CURVES, _TOLD = 12, 6
_LOGARITHMIC = ("Hz", "kbit/s")


def section(records: Sequence[Printed], sounds: Sounds) -> Section | None:
    """The section of explained songs, if there are any."""
    songs = songs_of(records)
    if not songs:
        return None
    players = Players() if sounds.audio else None
    parts = [_explained(own, number, sounds, players) for number, own in enumerate(list(songs.values())[:SONGS], 1)]
    return Section(
        "explanations",
        "What moves the score",
        "Each property of the sound was changed by itself and the song scored again. This is the model's sensitivity: "
        "it says nothing of causes, and is no advice. Blue raises the score, orange lowers it, grey is no more than "
        "noise: ± is how far changes that nobody hears move it.",
        notes=left_out(len(songs), SONGS, "songs"),
        parts=parts,
    )


def _explained(records: Sequence[Printed], number: int, sounds: Sounds, players: Players | None) -> Section:
    seen, blind = ([each for each in records if each["blind"] is is_blind] for is_blind in (False, True))
    meant = [each for each in seen if each["significant"]]
    notes = [f"{capitalised(change_of(each))} {moved(each)}." for each in meant[:_TOLD]]
    notes += [] if meant else ["No change moves the score by more than noise."]
    notes += [f"The model is blind to {listing([each['parameter'] for each in blind])}."] if blind else []
    first, seen = records[0], seen[:PARAMETERS]
    playable = sounds.of(first) if players and meant else None
    heard, said = players.of(playable, meant) if players and playable else ([], [])
    return Section(
        f"explained-{number}",
        called(first),
        facts=[("Score", f"{figure(first['base_score'])} unchanged"), *origin(first)],
        notes=notes,
        warnings=first.get("warnings", []),
        plots=[_ranked(seen, len(meant), len(records), number)] if seen else [],
        small=_curves(seen[:_CURVES], number) if seen else [],
        table=_table(records),
        players=heard,
        heard=said,
    )


def _ranked(seen: Sequence[Printed], meant: int, count: int, number: int) -> Plot:
    told = "; ".join(f"{each['parameter']} {change(each['largest_change'])}" for each in seen[: meant or _TOLD][:_TOLD])
    shown = f"{meant} of {count} parameters are more than noise. Largest changes: {told}."
    return Plot(f"effects-{number:02}", "The largest change that each makes; the band is noise", shown, effects(seen))


def _curves(seen: Sequence[Printed], number: int) -> list[Plot]:
    domain = shared_domain(seen)
    return [
        Plot(
            f"curve-{number:02}-{place:02}",
            each["parameter"] + ("" if each["significant"] else " (noise)"),
            "; ".join(
                f"{figure(value, 'g')}: {figure(score)}"
                for value, score in zip(each["values"], each["scores"], strict=True)
            ),
            response(each, domain),
        )
        for place, each in enumerate(seen, 1)
    ]


def _table(records: Sequence[Printed]) -> Sequence[Sequence[str]]:
    header = ("parameter", "largest change", "slope", "p", "more than noise")
    return [header] + [
        (
            each["parameter"],
            change(each["largest_change"], 2),
            ""
            if each.get("slope") is None
            else f"{figure(each['slope'], '+.3g')} per {each.get('slope_unit', each['unit'])}",
            f"{each['p_value']:.3g}" if "p_value" in each else "",
            "blind" if each["blind"] else "yes" if each["significant"] else "no",
        )
        for each in records
    ]


def effects(records: Data, title: str = "largest change of the score") -> Any:
    """The largest change that each parameter makes, with what means nothing."""
    rows = [
        {
            "parameter": each["parameter"],
            "change": each["largest_change"],
            "label": change(each["largest_change"]) + _at(each),
            "colour": coloured(each["largest_change"], each["significant"]),
        }
        for each in records
        if not each["blind"]
    ]
    noise = max((noise_of(each) for each in records), default=0.0)
    low, high = around(rows, "change", room=1.7)
    scale = alt.Scale(domain=[low, high])
    y = alt.Y("parameter:N", sort=None, axis=alt.Axis(title=None, labelColor=INK))
    x = alt.X("change:Q", scale=scale, axis=alt.Axis(title=title))
    base = chart_of(rows).encode(y=y, x=x)
    bars = base.mark_bar(size=13).encode(color=own_colour())
    right = base.transform_filter("datum.change >= 0").mark_text(align="left", dx=5, color=MUTED).encode(text="label:N")
    left = base.transform_filter("datum.change < 0").mark_text(align="right", dx=-5, color=MUTED).encode(text="label:N")
    band = chart_of([{"a": -noise, "b": noise}]).mark_rect(color=BAND).encode(x=alt.X("a:Q", scale=scale), x2="b:Q")
    return alt.layer(band, bars, right, left, rule(0.0, dash=False)).properties(width=WIDTH - 130, height=alt.Step(ROW))


def _at(record: Printed) -> str:
    place = record.get("largest_change_at")
    return "" if place is None else f" at {figure(place, 'g')} {record['unit']}".rstrip()


def response(record: Printed, domain: Scale) -> Any:
    """Scores over the values of one parameter, the unchanged song's dashed, what means nothing as a band."""
    rows = [{"value": v, "score": s} for v, s in zip(record["values"], record["scores"], strict=True)]
    base, noise, values = record["base_score"], noise_of(record), record["values"]
    wide = record["unit"] in _LOGARITHMIC and min(values) > 0 and max(values) > min(values)
    kind = alt.Scale(type="log", base=2, nice=False) if wide else alt.Scale(zero=False, nice=False)
    ticks = (
        {"values": values, "format": "~s" if max(values) >= 1000 else "~r"} if len(values) <= 5 else {"tickCount": 5}
    )
    x = alt.X(
        "value:Q", scale=kind, axis=alt.Axis(title=record["unit"][:40] or None, grid=False, **ticks, labelOverlap=True)
    )
    y = alt.Y("score:Q", scale=alt.Scale(domain=list(domain), nice=False), axis=alt.Axis(title=None, tickCount=4))
    colour = coloured(record["largest_change"], record["significant"])
    band = chart_of([{"a": base - noise, "b": base + noise}]).mark_rect(color=BAND, clip=True)
    line = chart_of(rows).mark_line(color=colour, size=2).encode(x=x, y=y)
    points = chart_of(rows).mark_point(color=colour, fill=colour, opacity=1, size=34).encode(x=x, y=y)
    shade = band.encode(y=alt.Y("a:Q", scale=alt.Scale(domain=list(domain))), y2="b:Q")
    return alt.layer(shade, rule(base, "y"), line, points).properties(width=205, height=120)


def shared_domain(records: Iterable[Printed]) -> Scale:
    """What the curves of one song are all drawn on."""
    found = [score for each in records for score in (*each["scores"], each["base_score"])]
    room = max(0.06 * (max(found) - min(found)), math.ulp(1.0), 0.5)
    return min(found) - room, max(found) + room
