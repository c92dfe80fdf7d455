"""What a page says of each kind of record: facts, sentences, pictures and tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hitpredict.errors import EnvironmentProblem
from hitpredict.report import plots
from hitpredict.report.draw import Plot
from hitpredict.report.records import Printed, Records, songs_of
from hitpredict.scoring.scorer import Scorer
from hitpredict.scoring.session import bundled

_SONGS, _ROWS, _PARAMETERS, _CURVES = 24, 60, 40, 12
"""Songs with pictures of their own, rows of a ranking, parameters and curves of a song: what one reads of a page."""
_NOTHING_COMMON = "Over these songs no effect is clearly more than noise; more songs may show some."
_ERRORS = {"mae", "mse"}


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it. facts: name and value, a row each. table: a header, then rows.

    notes: sentences; warnings: those to be seen first. small: pictures that stand beside each other.
    """

    anchor: str
    title: str
    lead: str = ""
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    small: Sequence[Plot] = ()
    table: Sequence[Sequence[str]] = ()
    parts: Sequence["Section"] = ()


@dataclass(frozen=True)
class Known:
    """What a model file says of its scale: its ends, what a score means, and quantiles of the reference songs."""

    scale: tuple[float, float]
    meaning: str = ""
    reference: Sequence[float] = field(default_factory=tuple)


def sections_of(records: Records, model: str | None = None) -> list[Section]:
    """What the page holds, by kind of record. model: a file or name for the scale and the reference songs.

    Without one, bundled models are known by their hash; of others the scale is what the records show.
    """
    found = [
        _scores(records.scores, model),
        _comparisons(records.comparisons),
        _corpus(records.corpus, records.effects),
        _explained(records.effects),
        _evaluations(records.evaluations),
    ]
    return [part for part in found if part is not None]


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


def _scores(records: Sequence[Printed], model: str | None) -> Section | None:
    if not records:
        return None
    best = sorted(records, key=lambda record: -record["score"])
    songs = [_song(record, number, _scale_of([record], model)) for number, record in enumerate(best[:_SONGS], 1)]
    known = _scale_of(best, model)
    meaning = f"A score is {known.meaning}." if known.meaning else ""
    shown = best[:_ROWS]
    ranked = [
        Plot(
            "scores",
            "Scores with their intervals",
            f"{len(shown)} songs from the highest score, {best[0]['name']} with {best[0]['score']:.1f}, to the lowest "
            f"shown, {shown[-1]['name']} with {shown[-1]['score']:.1f}. Dots are scores, lines their intervals.",
            plots.ranking(shown, known.scale),
        )
    ]
    return Section(
        "scores",
        "Scores" if len(records) > 1 else "Score",
        meaning,
        notes=_left_out(len(records), _SONGS, "songs"),
        plots=ranked if len(records) > 1 else [],
        table=_score_table(shown) if len(records) > 1 else (),
        parts=songs,
    )


def _score_table(records: Sequence[Printed]) -> Sequence[Sequence[str]]:
    header = ("song", "score", "interval", "place", "file")
    return [header] + [
        (_named(each), f"{each['score']:.1f}", _between(each["interval"]), _place(each), each["path"])
        for each in records
    ]


def _song(record: Printed, number: int, known: Known) -> Section:
    facts = [
        ("Score", f"{record['score']:.1f} on a scale of {known.scale[0]:g} to {known.scale[1]:g}"),
        (f"{record.get('interval_level', 0.8):.0%} interval", _between(record["interval"])),
    ]
    if place := _place(record):
        facts.append(("Place", f"{place} {record.get('reference', 'reference songs')}"))
    if "noise_floor" in record:
        facts.append(("Noise", f"differences below {record['noise_floor']:g} mean nothing"))
    facts += _origin(record)
    seen = f"Score {record['score']:.1f}, interval {_between(record['interval'])}"
    made = [
        Plot(
            f"score-{number:02}",
            "Where the score is: its interval in grey, what means nothing in blue"
            + (", other songs' scores above" if known.reference else ""),
            f"{seen}, on a scale of {known.scale[0]:g} to {known.scale[1]:g}.",
            plots.gauge(record, known.scale, known.reference),
        )
    ]
    segments = record.get("segments", [])
    if len(segments) > 1:
        low, high = (choose(segments, key=lambda each: each["score"]) for choose in (min, max))
        made.append(
            Plot(
                f"timeline-{number:02}",
                "Over time: segments against the score of the whole (dashed); differences inside the band mean nothing",
                f"{len(segments)} segments; lowest {low['score']:.1f} from {_clock(low['start'])}, highest "
                f"{high['score']:.1f} from {_clock(high['start'])}.",
                plots.timeline(record, known.scale),
            )
        )
    return Section(f"song-{number}", _named(record), facts=facts, warnings=record.get("warnings", []), plots=made)


def _comparisons(records: Sequence[Printed]) -> Section | None:
    if not records:
        return None
    several = [
        Plot(
            "differences",
            "Differences from the first song, with what noise makes of them",
            "; ".join(
                f"{each['songs'][1]['name']}: {each['difference']:+.1f}, {each['verdict']}" for each in records[:_ROWS]
            ),
            plots.differences(records[:_ROWS]),
        )
    ]
    return Section(
        "comparisons",
        "Comparisons",
        "Mixes of one song are compared from the same moment on, and all at one loudness. A clear difference is one "
        "that changes which nobody hears do not make.",
        notes=_left_out(len(records), _SONGS, "comparisons"),
        plots=several if len(records) > 1 else [],
        parts=[_compared(each, number) for number, each in enumerate(records[:_SONGS], 1)],
    )


def _compared(record: Printed, number: int) -> Section:
    first, second = record["songs"]
    facts = [
        ("Difference", f"{record['difference']:+.1f} ({_between(record['interval'], '+.1f')}): {record['verdict']}"),
        ("First", f"{_named(first)}: {first['matched_score']:.1f}"),
        ("Second", f"{_named(second)}: {second['matched_score']:.1f}"),
        ("Same song", "yes, aligned" if record.get("same_song") else "no, or at another tempo: compared as wholes"),
        *_origin(record),
    ]
    made = []
    if record["segments"]:
        most = max(record["segments"], key=lambda each: abs(each["difference"]))
        made = [
            Plot(
                f"comparison-{number:02}",
                "Over time: how much higher (blue) or lower (orange) the second is scored; grey is not clear",
                f"{len(record['segments'])} segments; the largest difference is {most['difference']:+.1f} from "
                f"{_clock(most['start'])}.",
                plots.changes_over_time(record),
            )
        ]
    rows = [
        (each["name"], *(f"{value:.1f}" for value in each["values"]), f"{each['difference']:+.1f}", each["unit"])
        for each in record["descriptors"][:8]
    ]
    table = [("in the sound", "first", "second", "difference", "unit"), *rows] if rows else []
    warnings = [f"{side['name']}: {text}" for side in record["songs"] for text in side.get("warnings", [])]
    title = f"{second['name']} against {first['name']}"
    return Section(f"comparison-{number}", title, facts=facts, warnings=warnings, plots=made, table=table)


def _explained(records: Sequence[Printed]) -> Section | None:
    songs = songs_of(records)
    if not songs:
        return None
    parts = [_effects(own, number) for number, own in enumerate(list(songs.values())[:_SONGS], 1)]
    return Section(
        "explanations",
        "What moves the score",
        "Each property of the sound was changed by itself and the song scored again. This is the model's sensitivity: "
        "it says nothing of causes, and is no advice. Grey is no more than noise.",
        notes=_left_out(len(songs), _SONGS, "songs"),
        parts=parts,
    )


def _effects(records: Sequence[Printed], number: int) -> Section:
    seen, blind = ([each for each in records if each["blind"] is is_blind] for is_blind in (False, True))
    meant = [each for each in seen if each["significant"]]
    seen = seen[:_PARAMETERS]
    notes = [f"The model is blind to {', '.join(each['parameter'] for each in blind)}."] if blind else []
    notes += [] if meant else ["No change moves the score by more than noise."]
    made, small = [], []
    if seen:
        told = "; ".join(f"{each['parameter']} {each['largest_change']:+.1f}" for each in (meant or seen)[:6])
        shown = f"{len(meant)} of {len(records)} parameters are more than noise. Largest changes: {told}."
        made = [Plot(f"effects-{number:02}", "The largest change that each makes", shown, plots.effects(seen))]
        domain = plots.shared_domain(seen[:_CURVES])
        small = [
            Plot(
                f"curve-{number:02}-{place:02}",
                each["parameter"] + ("" if each["significant"] else " (noise)"),
                "; ".join(
                    f"{value:g}: {score:.1f}" for value, score in zip(each["values"], each["scores"], strict=True)
                ),
                plots.response(each, domain),
            )
            for place, each in enumerate(seen[:_CURVES], 1)
        ]
    first = records[0]
    facts = [("Score", f"{first['base_score']:.1f} unchanged"), *_origin(first)]
    header = ("parameter", "largest change", "slope", "p", "more than noise")
    table = [header] + [
        (
            each["parameter"],
            f"{each['largest_change']:+.2f}",
            "" if each.get("slope") is None else f"{each['slope']:+.3g} per {each.get('slope_unit', each['unit'])}",
            f"{each['p_value']:.3g}" if "p_value" in each else "",
            "blind" if each["blind"] else "yes" if each["significant"] else "no",
        )
        for each in records
    ]
    return Section(
        f"explained-{number}", _named(first), "", facts, notes, first.get("warnings", []), made, small, table
    )


def _corpus(records: Sequence[Printed], effects: Sequence[Printed]) -> Section | None:
    songs = songs_of(effects)
    if not records and len(songs) < 2:
        return None
    ranked = sorted(records, key=lambda each: each["rank"])[:_PARAMETERS]
    made, table = [], []
    if ranked:
        told = "; ".join(f"{each['parameter']} {each['mean_effect']:+.2f}" for each in ranked[:6])
        made.append(
            Plot(
                "corpus",
                "Mean effects with their intervals; the band is noise",
                f"From the largest: {told}.",
                plots.corpus(ranked),
            )
        )
        table = [("parameter", "mean effect", "interval", "songs that move the same way")] + [
            (
                each["parameter"],
                f"{each['mean_effect']:+.2f}",
                _between(each["interval"], "+.2f"),
                f"{each['share_same_sign']:.0%}",
            )
            for each in ranked
        ]
    if len(songs) > 1:
        made.append(_heat_of_songs(songs, [each["parameter"] for each in ranked]))
    if any(each.get("correlations") for each in ranked):
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
    chosen = list(songs.values())[:_ROWS]
    names = [f"{number}. {own[0]['name']}" for number, own in enumerate(chosen, 1)]
    parameters = ranked or list(dict.fromkeys(each["parameter"] for own in chosen for each in own))[:_PARAMETERS]
    cells = [
        {"row": name, "column": each["parameter"], "value": each["largest_change"]}
        for name, own in zip(names, chosen, strict=True)
        for each in own
        if each["parameter"] in parameters
    ]
    largest = max((abs(each["value"]) for each in cells), default=1.0)
    shown = (
        f"The largest change of the score, {len(names)} songs by {len(parameters)} parameters, at most {largest:.1f}."
    )
    chart = plots.heat_map(cells, parameters, names, largest, "+.1f")
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
    return Plot(
        "correlations", "How effects go together over songs", shown, plots.heat_map(cells, names, names, 1.0, "+.1f")
    )


def _evaluations(records: Sequence[Printed]) -> Section | None:
    if not records:
        return None
    return Section(
        "evaluations",
        "Evaluation",
        "Measured on tracks that the model was not fitted on, unless a warning says otherwise; lines are 95 % "
        "intervals.",
        parts=[_evaluation(each, number) for number, each in enumerate(records[:_SONGS], 1)],
    )


def _evaluation(record: Printed, number: int) -> Section:
    name = record.get("model", "model")
    systems = {name: record["metrics"], **record.get("baselines", {})}
    small = []
    for place, metric in enumerate(record["metrics"], 1):
        rows = [
            {"system": system, "value": found["value"], "from": found["interval"][0], "to": found["interval"][1]}
            for system, metrics in systems.items()
            if (found := metrics.get(metric))
        ]
        if rows:
            better = "lower" if metric in _ERRORS else "higher"
            told = "; ".join(f"{each['system']}: {each['value']:.3g}" for each in rows)
            title = f"{metric} ({better} is better)"
            small.append(Plot(f"metric-{number:02}-{place:02}", title, told, plots.metric(rows, metric)))
    header = ("system", *record["metrics"])
    table = [header] + [
        (system, *(_measure(metrics.get(metric)) for metric in record["metrics"]))
        for system, metrics in systems.items()
    ]
    facts = [(key.capitalize(), str(record[key])) for key in ("target", "rows", "groups", "split") if key in record]
    warnings = [str(record["warning"])] if "warning" in record else []
    return Section(f"evaluation-{number}", name, facts=facts, warnings=warnings, small=small, table=table)


def _measure(found: Mapping[str, Any] | None) -> str:
    return f"{found['value']:.3f} ({_between(found['interval'], '.3f')})" if found else "–"


def _origin(record: Printed) -> list[tuple[str, str]]:
    """What file and model a record is of."""
    facts = [("File", record["path"])] if "path" in record else []
    if "duration" in record:
        facts.append(("Length", _clock(record["duration"])))
    if found := record.get("model"):
        facts.append(("Model", f"{found['name']} {found['version']} ({found['sha256'][:12]})"))
    return facts


def _named(record: Printed) -> str:
    return f"{record['artist']} – {record['name']}" if record.get("artist") else str(record["name"])


def _place(record: Printed) -> str:
    return f"higher than {record['percentile']:.0f} in 100 of" if "percentile" in record else ""


def _between(interval: Sequence[float], form: str = ".1f") -> str:
    return f"{interval[0]:{form}} to {interval[1]:{form}}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def _left_out(count: int, most: int, what: str) -> list[str]:
    return [f"Of {count} {what} the first {most} have pictures of their own."] if count > most else []
