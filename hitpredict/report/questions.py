"""What a page says of pairs of changes, of stems, and of small changes that raise a score."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hitpredict.report.draw import Plot
from hitpredict.report.explanations import effects
from hitpredict.report.records import Printed
from hitpredict.report.section import SONGS, Section, called, left_out, listing, minutes, origin

_ROWS = 40
_SENSITIVITY = "This is the model's sensitivity: it says nothing of causes, and is no advice."
_NO_EFFECT = "None is more than noise."


def interactions_section(records: Sequence[Printed]) -> Section | None:
    """What pairs of changes do beyond the sum of each."""
    lead = f"Two changes together, against the sum of each alone. {_SENSITIVITY} Grey is no more than noise."
    return _of_songs("interactions", "Pairs of changes", lead, records, _interactions)


def stems_section(records: Sequence[Printed]) -> Section | None:
    """What each stem does."""
    lead = f"One stem at a time is changed, and the whole song scored again. {_SENSITIVITY} Grey is no more than noise."
    return _of_songs("stems", "What the stems do", lead, records, _stems)


def suggestions_section(records: Sequence[Printed]) -> Section | None:
    """The smallest changes that raise a score."""
    lead = f"The smallest changes that raise the score by more than noise, of all that were tried. {_SENSITIVITY}"
    return _of_songs("suggestions", "Small changes that raise the score", lead, records, _suggestions)


def _of_songs(
    anchor: str, title: str, lead: str, records: Sequence[Printed], part: Callable[[Sequence[Printed], int], Section]
) -> Section | None:
    songs: dict[str, list[Printed]] = {}
    for each in records:
        songs.setdefault(each["path"], []).append(each)
    if not songs:
        return None
    parts = [part(own, number) for number, own in enumerate(list(songs.values())[:SONGS], 1)]
    return Section(anchor, title, lead, notes=left_out(len(songs), SONGS, "songs"), parts=parts)


def _song(anchor: str, record: Printed, **more: Any) -> Section:
    facts = [("Score", f"{record['base_score']:.1f} unchanged"), *origin(record)]
    return Section(anchor, called(record), facts=facts, warnings=record.get("warnings", []), **more)


def _bars(slug: str, title: str, rows: Sequence[Mapping[str, Any]], axis: str) -> Plot:
    """rows: `label`, `change`, and of the record `significant` and `noise`."""
    told = "; ".join(f"{each['label']}: {each['change']:+.1f}" for each in rows[:6])
    drawn = [
        {**each, "parameter": each["label"], "largest_change": each["change"], "unit": "", "blind": False}
        for each in rows[:_ROWS]
    ]
    return Plot(slug, title, f"{len(rows)} in all. The first: {told}.", effects(drawn, axis))


def _row(record: Printed, label: str, change: float) -> Mapping[str, Any]:
    return {"label": label, "change": change, "significant": record["significant"], "noise": record.get("noise", {})}


def _interactions(records: Sequence[Printed], number: int) -> Section:
    seen = [each for each in records if not (each["blind"] or each["at_end"])]
    rows = [_row(each, " + ".join(each["parameters"]), each["interaction"]) for each in seen]
    axis = "change of the score beyond the sum"
    plots = [_bars(f"interactions-{number:02}", "What pairs do beyond the sum of each", rows, axis)] if rows else []
    table = [("pair", "values", "alone", "together", "beyond the sum", "p", "more than noise")] + [
        (
            " + ".join(each["parameters"]),
            " and ".join(
                f"{value:g} {unit}".strip() for value, unit in zip(each["values"], each["units"], strict=True)
            ),
            " and ".join(f"{change:+.2f}" for change in each["alone"]),
            f"{each['together']:+.2f}",
            f"{each['interaction']:+.2f}",
            f"{each['p_value']:.3g}",
            "blind" if each["blind"] else "at the end of the scale" if each["at_end"] else _yes(each),
        )
        for each in records
    ]
    notes = [] if any(each["significant"] for each in records) else [_NO_EFFECT]
    return _song(f"interactions-{number}", records[0], notes=notes, plots=plots, table=table)


def _values(record: Printed) -> str:
    both = zip(record["values"], record["units"], strict=True)
    return " and ".join(f"{value:g} {unit}".strip() for value, unit in both)


def _stems(records: Sequence[Printed], number: int) -> Section:
    places = {each["section"]: (each["start"], -each["end"]) for each in records}
    muted = [each for each in records if each["change"] == "mute" and not (each["silent"] or each["blind"])]
    plots = []
    for place, section in enumerate(sorted(places, key=places.__getitem__), 1):
        own = sorted((each for each in muted if each["section"] == section), key=lambda each: -abs(each["effect"]))
        if own:
            title = f"Without each stem, {section} ({minutes(own[0]['start'])} to {minutes(own[0]['end'])})"
            rows = [_row(each, each["stem"], each["effect"]) for each in own]
            plots.append(_bars(f"stems-{number:02}-{place:02}", title, rows, "change of the score of the song"))
    blind = dict.fromkeys(f"{each['stem']} ({each['change']})" for each in records if each["blind"])
    notes = [f"The model is blind to {listing(list(blind))}."] if blind else []
    notes += [] if any(each["significant"] for each in records) else [_NO_EFFECT]
    if "residual" in records[0]:
        notes.append(f"What the stems lack of the mix is {records[0]['residual']:.1f} dB of it, and stays as it is.")
    table = [("stem", "change", "where", "effect", "p", "more than noise")] + [
        (
            each["stem"],
            each["change"],
            each["section"],
            f"{each['effect']:+.2f}",
            f"{each['p_value']:.3g}",
            "silent" if each["silent"] else "blind" if each["blind"] else _yes(each),
        )
        for each in records
    ]
    return _song(f"stems-{number}", records[0], notes=notes, plots=plots, table=table)


def _suggestions(records: Sequence[Printed], number: int) -> Section:
    found = [each for each in records if each["found"] and "effect" in each]
    notes = [f"{records[0]['tried']} changes were tried."]
    if not found:
        notes.append("Nothing small helps: no change within the limits raises the score by more than noise.")
        return _song(f"suggestions-{number}", records[0], notes=notes)
    rows = [_row(each, _steps(each), each["effect"]) for each in found]
    plots = [_bars(f"suggestions-{number:02}", "What they add to the score, the smallest first", rows, "effect")]
    table = [("change", "effect", "p", "signs", "command")] + [
        (
            _steps(each),
            f"{each['effect']:+.2f}",
            f"{each['p_value']:.3g}",
            f"{each['agreeing']} {each['agreement']} agree" if each.get("agreeing") else "not checked",
            each.get("command", ""),
        )
        for each in found
    ]
    return _song(f"suggestions-{number}", records[0], notes=notes, plots=plots, table=table)


def _steps(record: Printed) -> str:
    """Such as `eq 4000 +3`."""
    values = (
        " ".join([step["op"], *(f"{value:g}" if isinstance(value, int | float) else str(value) for value in rest)])
        for step in record["steps"]
        for rest in [[value for key, value in step.items() if key not in ("op", "q")]]
    )
    return ", ".join(values)


def _yes(record: Printed) -> str:
    return "yes" if record["significant"] else "no"
