"""What a page says of `score` records: where songs are on the scale, and how the score goes over time."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any

import altair as alt
import numpy as np

from hitpredict.errors import EnvironmentProblem
from hitpredict.report.charts import CLOCK, Data, Scale, chart_of, forest, roomy, rule
from hitpredict.report.draw import BAND, QUIET, UP, WIDTH, Plot
from hitpredict.report.records import Printed
from hitpredict.report.section import ROWS, SONGS, Section, between, called, figure, left_out, minutes, origin
from hitpredict.report.sounds import FoundSong, Sounds
from hitpredict.scoring.scorer import Scorer
from hitpredict.scoring.session import bundled

_BINS = 50


@dataclass(frozen=True)
class Known:
    """What a model file says of its scale: its ends, what a score means, and quantiles of the reference songs."""

    scale: tuple[float, float]
    meaning: str = ""
    reference: Sequence[float] = field(default_factory=tuple)


def section(records: Sequence[Printed], model: str | None, sounds: Sounds) -> Section | None:
    """The section of scored songs, if there are any."""
    if not records:
        return None
    best = sorted(records, key=lambda record: -record["score"])
    songs = [_song(record, number, _scale_of([record], model), sounds) for number, record in enumerate(best[:SONGS], 1)]
    known = _scale_of(best, model)
    meaning = f"A score is {known.meaning}." if known.meaning else ""
    shown = best[:ROWS]
    ranked = [
        Plot(
            "scores",
            "Scores with their intervals",
            f"{len(shown)} songs from the highest score, {best[0]['name']} with {best[0]['score']:.1f}, to the lowest "
            f"shown, {shown[-1]['name']} with {shown[-1]['score']:.1f}. Dots are scores, lines their intervals.",
            ranking(shown, known.scale),
        )
    ]
    return Section(
        "scores",
        "Scores" if len(records) > 1 else "Score",
        meaning,
        notes=left_out(len(records), SONGS, "songs"),
        plots=ranked if len(records) > 1 else [],
        table=_score_table(shown) if len(records) > 1 else (),
        parts=songs,
    )


@cache
def _known(model: str | None, sha256: str) -> Known | None:
    """What a model says, if its hash is this one."""
    for name in [model] if model else bundled():
        scorer = Scorer(name, "cpu")
        if scorer.session.file.sha256 == sha256:
            return Known((scorer.target.low, scorer.target.high), scorer.target.meaning, scorer.reference.scores)
    return None


def _scale_of(records: Sequence[Printed], model: str | None) -> Known:
    """Of the model that made the records, or else as wide as they are."""
    for sha256 in {record["model"]["sha256"] for record in records if "model" in record}:
        if found := _known(model, sha256):
            return found
    if model:
        raise EnvironmentProblem(f"model {model}: is not the one that made these records; name that one, or none")
    values = [value for record in records for value in (record["score"], *record["interval"])]
    low, high = min(values), max(values)
    return Known((0.0, 100.0) if low >= 0 and high <= 100 else (low - 0.5, high + 0.5))


def _score_table(records: Sequence[Printed]) -> Sequence[Sequence[str]]:
    header = ("song", "score", "interval", "place", "file")
    return [header] + [
        (called(each), f"{figure(each['score'])}", between(each["interval"]), _place(each), each["path"])
        for each in records
    ]


def _song(record: Printed, number: int, known: Known, sounds: Sounds) -> Section:
    facts = [
        ("Score", f"{figure(record['score'])} on a scale of {known.scale[0]:g} to {known.scale[1]:g}"),
        (f"{record.get('interval_level', 0.8):.0%} interval", between(record["interval"])),
    ]
    if place := _place(record):
        facts.append(("Place", f"{place} {record.get('reference', 'reference songs')}"))
    if "noise_floor" in record:
        facts.append(("Noise", f"differences below {figure(record['noise_floor'], 'g')} mean nothing"))
    facts += origin(record)
    seen = f"Score {figure(record['score'])}, interval {between(record['interval'])}"
    made = [
        Plot(
            f"score-{number:02}",
            "Where the score is: its interval in grey, what means nothing in blue"
            + (", other songs' scores above" if known.reference else ""),
            f"{seen}, on a scale of {known.scale[0]:g} to {known.scale[1]:g}.",
            gauge(record, known.scale, known.reference),
        )
    ]
    segments = record.get("segments", [])
    if len(segments) > 1:
        made.append(_over_time(record, number, known.scale, sounds.of(record)))
    return Section(f"song-{number}", called(record), facts=facts, warnings=record.get("warnings", []), plots=made)


def _over_time(record: Printed, number: int, scale: Scale, song: FoundSong | None) -> Plot:
    segments = record["segments"]
    low, high = (choose(segments, key=lambda each: each["score"]) for choose in (min, max))
    return Plot(
        f"timeline-{number:02}",
        "Over time: segments against the score of the whole (dashed); differences inside the band mean nothing"
        + ("; the waveform below" if song else ""),
        f"{len(segments)} segments; lowest {figure(low['score'])} from {minutes(low['start'])}, highest "
        f"{figure(high['score'])} from {minutes(high['start'])}.",
        timeline(record, scale, song),
    )


def _place(record: Printed) -> str:
    return f"higher than {figure(record['percentile'], '.0f')} in 100 of" if "percentile" in record else ""


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
        drawn = chart_of(bars).mark_bar(color=BAND, stroke=None, binSpacing=0)
        layers.append(drawn.encode(x=x, x2="to:Q", y=height, y2="none:Q"))
    here, y = chart_of([point]), alt.value(top)
    layers.append(here.mark_rule(color=QUIET, size=6, strokeCap="round").encode(x=alt.X("from:Q"), x2="to:Q", y=y))
    if floor := record.get("noise_floor"):
        near = chart_of([{"from": max(low, score - floor), "to": min(high, score + floor)}])
        layers.append(near.mark_rule(color=UP, size=6).encode(x="from:Q", x2="to:Q", y=y))
    layers.append(here.mark_rule(color=UP, size=2).encode(x=x, y=alt.value(0), y2=alt.value(top)))
    layers.append(here.mark_point(color=UP, fill=UP, size=110, opacity=1).encode(x=x, y=y))
    return alt.layer(*layers).properties(width=WIDTH, height=top + 14).resolve_scale(y="independent")


def timeline(record: Printed, scale: Scale, song: FoundSong | None = None) -> Any:
    """Segments over time, on a part of the scale that does not make mountains of noise, over the song's waveform."""
    segments, score = record["segments"], record["score"]
    floor = record.get("noise_floor") or 0.0
    low, high = roomy([score, *(each["score"] for each in segments)], scale)
    y = alt.Y("score:Q", scale=alt.Scale(domain=[low, high], nice=False), axis=alt.Axis(title="score", tickCount=4))
    end = max(segments[-1]["end"], song.sound.duration if song else 0.0)
    times = alt.Scale(nice=False, domain=[0.0, end])
    axis = alt.Axis(title=None, labelExpr=CLOCK, grid=False, tickMinStep=1)
    x = alt.X("start:Q", axis=None if song else axis, scale=times)
    band = chart_of([{"a": score - floor, "b": score + floor}]).mark_rect(color=BAND, clip=True)
    steps = chart_of(segments).mark_rule(color=UP, size=4, strokeCap="round").encode(x=x, x2="end:Q", y=y)
    layers = [band.encode(y=alt.Y("a:Q", scale=alt.Scale(domain=[low, high])), y2="b:Q"), rule(score, "y"), steps]
    course = alt.layer(*layers).properties(width=WIDTH, height=130)
    return alt.vconcat(course, waveform(song, times, axis), spacing=4, bounds="flush") if song else course


def waveform(song: FoundSong, times: Any, axis: Any) -> Any:
    """The lowest and highest samples over time, by the peak of the song."""
    count, peak = len(song.lows), float(max(np.abs(song.lows).max(), np.abs(song.highs).max())) or 1.0
    places = np.linspace(0, song.sound.duration, count + 1)[:-1]
    rows = [
        {"at": round(float(at), 3), "low": round(float(low) / peak, 3), "high": round(float(high) / peak, 3)}
        for at, low, high in zip(places, song.lows, song.highs, strict=True)
    ]
    x = alt.X("at:Q", axis=axis, scale=times)
    y = alt.Y("low:Q", axis=None, scale=alt.Scale(domain=[-1, 1]))
    return (
        chart_of(rows)
        .mark_area(color=QUIET, line=False)
        .encode(x=x, y=y, y2="high:Q")
        .properties(width=WIDTH, height=44)
    )


def ranking(records: Data, scale: Scale) -> Any:
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
    return forest(rows, "song", "score", alt.Scale(domain=list(scale), nice=False), "score")
