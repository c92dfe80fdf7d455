"""`explain --where`: which parts of a song carry its score, as records and on a terminal."""

from collections.abc import Callable, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from hitpredict.audio.source import Source
from hitpredict.cli.answers import Asked, Question
from hitpredict.cli.formats import Record, Table
from hitpredict.cli.pretty_effects import CAUTION, SongPrinter, change_bar, grid_of, safe_text, verdict_of
from hitpredict.errors import UsageError, needs, unknown
from hitpredict.explanation.where_records import WHERE_COLUMNS, flat_where

if TYPE_CHECKING:
    from hitpredict.explanation.where import Gradients
    from hitpredict.scoring.scorer import Scorer

_WIDTH, _MOST = 72, 12
_TITLES = {
    "section": "sections {how}: what the score does without them",
    "band": "bands levelled: what the score does when nothing changes there over time",
    "block": "sections of bands levelled, by a linear model: what the score does",
    "gradient": "integrated gradients: what the score does with the training mean in their place",
}


def where_question(text: str, asked: Asked) -> Question:
    """What is asked, as the options say it. Raises `UsageError`."""
    from hitpredict.explanation.where import Locator

    kinds, batch = _kinds(text), asked.batch
    gradients = _gradients(asked.models[0]) if "gradients" in kinds else None

    def answer(source: Source, scorers: "tuple[Scorer, ...]") -> list[Record]:
        locator = Locator(kinds, scorers[0], gradients)
        return [each.to_json() for each in locator.located(source, batch.jobs, batch.timeout, batch.messages.note)]

    return Question(Table(WHERE_COLUMNS, flat_where), {"mode": "where", "kinds": list(kinds)}, answer, PlacePrinter)


def _kinds(text: str) -> tuple[str, ...]:
    from hitpredict.explanation.where import WHERE_KINDS

    kinds = tuple(dict.fromkeys(each.strip() for each in text.split(",") if each.strip()))
    for kind in kinds:
        if kind not in WHERE_KINDS:
            raise UsageError(unknown("--where", kind, WHERE_KINDS))
    if not kinds:
        raise UsageError(f"--where: give some of {', '.join(WHERE_KINDS)}")
    return kinds


def _gradients(folder: str | None) -> "Gradients":
    if folder is None or not Path(folder).is_dir():
        raise UsageError("--where gradients: needs the network itself; name its folder with -m FOLDER")
    with needs("train", f"model {folder}: gradients need"):
        from hitpredict.evaluation.gradients import NetworkGradients
        from hitpredict.model_folder.folder import ModelFolder
    return NetworkGradients(ModelFolder(Path(folder)))


class PlacePrinter(SongPrinter):
    """Where a score comes from, as a person reads it: a timeline of sections, and bars."""

    def song(self, records: Sequence[Record]) -> None:
        """Each kind of part of one song."""
        self.heading(records[0])
        for kind, found in groupby(records, lambda record: record["kind"]):
            own = list(found)
            self.say(f"[dim]{_TITLES[kind].format(how=own[0]['how'])}[/]")
            self._fit(own[0].get("fit", {}))
            if kind == "section":
                self._timeline(sorted(own, key=lambda record: record["begin"]))
            if own[0].get("fit", {}).get("trusted", True):
                self._parts(own)

    def _fit(self, fit: Record) -> None:
        """How well what is told of blocks, or of gradients, fits."""
        if "completeness" in fit:
            self.say(f"[dim]{100 * fit['completeness']:.2g} % of the way from the mean is not accounted for[/]")
        if "masks" in fit:
            told = "the score stands still" if fit["r2"] is None else f"R² {fit['r2']:.2f} on held-out masks"
            self.say(f"[dim]{told}; {fit['masks']} masks[/]")
            if not fit["trusted"]:
                self.say("[yellow]what blocks do together is not the sum of what each does: no ranking is shown[/]")

    def _timeline(self, records: Sequence[Record]) -> None:
        """The song from left to right, letters where sections begin."""
        total = records[-1]["end"]
        cells = [*(round(_WIDTH * each["begin"] / total) for each in records), _WIDTH]
        widths = [stop - start for start, stop in pairwise(cells)]
        colours = [("green" if each["change"] > 0 else "red") if each["significant"] else "dim" for each in records]
        letters = [each["label"][:width].ljust(width) for each, width in zip(records, widths, strict=True)]
        bars = ["▇" * max(0, width - 1) + " " * min(1, width) for width in widths]
        for line in (letters, bars):
            self.say("".join(f"[{colour}]{part}[/]" for colour, part in zip(colours, line, strict=True) if part))

    def _parts(self, records: Sequence[Record]) -> None:
        """The parts with bars: sections in their order, bands from high to low, others by rank."""
        orders: dict[str, Callable[[Record], float]] = {
            "section": lambda each: each["begin"],
            "band": lambda each: -each["low"],
        }
        kind = records[0]["kind"]
        shown = sorted(records, key=orders[kind]) if kind in orders else records[:_MOST]
        furthest = max(*(abs(each["change"]) for each in records), 2 * max(each["noise"]["scale"] for each in records))
        rows = grid_of("part", "falls · rises", "change", "")
        for each in shown:
            seen = change_bar(each["change"] / furthest, each["significant"]), f"{each['change']:+.1f}"
            unlike = "[yellow] unlike training songs[/]" if each["unlike_training"] else ""
            still = "", "[dim]does not move it[/]"
            rows.add_row(_named(each), *(still if each["blind"] else seen), verdict_of(each) + unlike)
        self.say(rows)
        if len(shown) < len(records):
            self.say(f"[dim]and {len(records) - len(shown)} more, of smaller changes[/]")

    def legend(self) -> None:
        """What the bars are and are not."""
        self.close(
            "In colour is what moves the score by more than noise, and sections and bands by more than as much of the "
            f"song from everywhere (5 % false discoveries among parts of a kind). {CAUTION}"
        )


def _named(record: Record) -> str:
    """Such as `B at 0:48–1:12 (most repeated)`, or `354–707 Hz`."""
    remark = f" ({record['remark']})" if record["remark"] else ""
    at = f" at {_clock(record['begin'])}–{_clock(record['end'])}" if "begin" in record else ""
    return f"{safe_text(record['label'])}{at}{remark}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
