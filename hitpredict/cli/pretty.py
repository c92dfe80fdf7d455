"""Scores as a person reads them: a card for one song, a line for each of many."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import IO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hitpredict.cli.pretty_answers import answer_rows, blocks, safe
from hitpredict.scoring.records import ScoreRecord, Segment, variant_steps
from hitpredict.scoring.scorer import ScoreScale

_BAR_CELLS = 41
_ROW_CELLS = 21
_HELD_OUT = ", out of fold"
_UNRELIABLE = "do not rely on"
_NEARLY = 0.5


class ScorePrinter:
    """Print records as they come, on the scale of the model's target."""

    def __init__(self, target: ScoreScale, stream: IO[str] | None = None):
        self._console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=False)
        self._target = target
        self._first: ScoreRecord | None = None
        self._titles: set[str] = set()

    def card(self, record: ScoreRecord) -> None:
        """One song, with its interval, its course over time, warnings and meaning."""
        low, high = record.interval
        title = f"[bold]{titled(record)}[/]  [dim]{clock(record.duration)}  {safe(_file(record))}[/]"
        colour = _colour(record)
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="dim", no_wrap=True)
        rows.add_column(ratio=1)
        rows.add_row("Score", f"[{colour}]{record.score:.1f}[/] {self._scale()}")
        if record.noise_floor is not None:
            rows.add_row("", f"differences below ±{record.noise_floor:g} mean nothing: inaudible changes make as much")
        rows.add_row("Place", f"{_place(record.percentile)} {safe(record.reference.removesuffix(_HELD_OUT))}")
        rows.add_row(f"{_percent(record.interval_level)} range", self._bar(record, _BAR_CELLS))
        rows.add_row("", f"{low:.0f} to {high:.0f}: where {record.interval_level * 100:.0f} in 100 such songs fall")
        for label, text in answer_rows(record.answers, colour.removeprefix("bold ")):
            rows.add_row(label, text)
        if record.segments and len(record.segments) > 1:
            line = sparkline(record.segments, self._target.low, self._target.high)
            rows.add_row("Over time", f"[{colour.removeprefix('bold ')}]{line}[/] {self._scale()}")
            rows.add_row("", _extremes(record.segments))
        for warning in record.warnings:
            rows.add_row("[yellow]Warning[/]", safe(warning))
        rows.add_row("Meaning", safe(self._target.meaning))
        rows.add_row("Model", f"{safe(record.model.name)} {safe(record.model.version)} on {record.device}")
        self._console.print(title)
        self._console.print(rows)

    def line(self, record: ScoreRecord) -> None:
        """One song among many."""
        if not self._first:
            low, high = f"{self._target.low:g}", f"{self._target.high:g}"
            scale = low + high.rjust(_ROW_CELLS - len(low), "·")
            self._console.print(f"[dim]score  {scale}  place  name[/]")
            self._first = record
        codes = ", ".join(warning.split(":")[0] for warning in record.warnings)
        mark, told = ("[yellow]![/] ", f"  [yellow]{codes}[/]") if codes else ("", "")
        text = Text.from_markup(
            f"[{_colour(record)}]{record.score:5.1f}[/]  {self._bar(record, _ROW_CELLS)}  "
            f"{record.percentile:3.0f} %  {mark}{self._named(record)}{told}"
        )
        self._console.print(text, no_wrap=True, overflow="ellipsis", crop=self._console.is_terminal)

    def legend(self) -> None:
        """What the columns of `line` mean; call once after the last."""
        if first := self._first:
            self._console.print(
                f"[dim]● score, ├─┤ {_percent(first.interval_level)} range, place: how many in 100 of "
                f"{safe(first.reference.removesuffix(_HELD_OUT))} score lower\n"
                f"{safe(self._target.meaning)}[/]"
            )

    def _named(self, record: ScoreRecord) -> str:
        """Title and file; first what tells it from others of its title, for the end of a line may be cut off."""
        if record.variant:
            steps = " ".join(variant_steps(record.variant))
            return f"{safe(steps)}  [dim]{titled(record)}[/]"
        parts = [titled(record), *([f"[dim]{safe(file)}[/]"] if (file := _file(record)) else [])]
        again = parts[0] in self._titles
        self._titles.add(parts[0])
        return "  ".join(reversed(parts) if again else parts)

    def _scale(self) -> str:
        low, high = self._target.low, self._target.high
        return f"of {high:g}" if low == 0 else f"on a scale of {low:g} to {high:g}"

    def _bar(self, record: ScoreRecord, cells: int) -> str:
        """The interval and the score on the model's whole scale."""
        span = (cells - 1) / (self._target.high - self._target.low)
        low, point, high = (
            min(cells - 1, max(0, round((value - self._target.low) * span)))
            for value in (record.interval[0], record.score, record.interval[1])
        )
        cell = ["·"] * cells
        cell[low : high + 1] = "─" * (high + 1 - low)
        cell[low], cell[high], cell[point] = "├", "┤", "●"
        return f"[{_colour(record).removeprefix('bold ')}]{''.join(cell)}[/]"


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """An aligned table on standard output, as wide as the terminal; long words of the last column wrap."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, title in enumerate(header, 1):
        table.add_column(title, no_wrap=number < len(header), style="bold cyan" if number == 1 else "")
    for row in rows:
        table.add_row(*map(safe, row))
    Console(file=sys.stdout, highlight=False).print(table)


def sparkline(segments: Sequence[Segment], low: float, high: float) -> str:
    """Segment scores over time as block characters, on the model's whole scale from `low` to `high`.

    A scale of its own would make mountains of what an inaudible change does to a score.
    """
    return blocks([segment.score for segment in segments], low, high)


def _extremes(segments: Sequence[Segment]) -> str:
    low, high = min(segments, key=lambda s: s.score), max(segments, key=lambda s: s.score)
    return (
        f"lowest {low.score:.1f} from {clock(low.start)}, highest {high.score:.1f} from {clock(high.start)} "
        f"(windows of {segments[0].end - segments[0].start:g} s, scored by a model of whole songs: "
        "read the course, not the values)"
    )


def _colour(record: ScoreRecord) -> str:
    """Grey where a warning says not to rely on the score."""
    return "bright_black" if any(_UNRELIABLE in warning for warning in record.warnings) else "bold cyan"


def titled(record: ScoreRecord) -> str:
    artist = f"{_plain(record.artist)} – " if record.artist else ""
    return safe(f"{artist}{_plain(record.name)}")


def _file(record: ScoreRecord) -> str:
    """The file's name, where the title is another."""
    path = PurePath(record.path)
    told = record.path == "-" or record.name in (path.name, path.stem) or record.variant is not None
    return "" if told else _plain(path.name)


def _place(percentile: float) -> str:
    if percentile < _NEARLY or percentile > 100 - _NEARLY:
        return f"{'lower' if percentile < _NEARLY else 'higher'} than nearly all of"
    return f"higher than {percentile:.0f} in 100 of"


def _percent(share: float) -> str:
    return f"{share * 100:g} %"


def clock(seconds: float) -> str:
    whole = int(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _plain(name: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in name)
