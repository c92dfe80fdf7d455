"""Comparisons as a person reads them."""

import sys
from pathlib import PurePath
from typing import IO

from rich.console import Console
from rich.table import Table

from hitpredict.cli.pretty import clock, titled
from hitpredict.cli.pretty_answers import safe
from hitpredict.scoring.records import ComparedSegment, CompareRecord, MeasuredProperty, Side
from hitpredict.scoring.scorer import ScoreScale

_BAR_CELLS = 15
_SEGMENTS, _DESCRIPTORS = 12, 5
_LEAST_STEPS = 0.5


class ComparisonPrinter:
    """Print comparisons as they come, on the scale of the model's target."""

    def __init__(self, target: ScoreScale, stream: IO[str] | None = None):
        self._console = Console(file=stream or sys.stdout, highlight=False)
        self._target, self._shown = target, False

    def card(self, record: CompareRecord) -> None:
        """Two songs, what they differ by, whether that means anything, where, and in what they sound different."""
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="dim", no_wrap=True)
        rows.add_column(ratio=1)
        for label, side in zip(("First", "Second"), record.songs, strict=True):
            rows.add_row(label, f"[bold]{side.matched:.1f}[/]  {_named(side)}")
        low, high = record.interval
        verdict = (
            f"[bold cyan]{'higher' if record.difference > 0 else 'lower'}, clearly[/]"
            if record.clear
            else ("[bold]no clear difference[/]")
        )
        rows.add_row("Difference", f"{record.difference:+.1f}  {verdict}")
        level = f"{record.interval_level:.0%}"
        rows.add_row("", f"{low:+.1f} to {high:+.1f} ({level}): changes that nobody hears make that much")
        rows.add_row("Compared", _how(record))
        for number, line in enumerate(_course(record.segments)):
            rows.add_row("" if number else "Over time", line)
        heard = [each for each in record.descriptors if each.steps >= _LEAST_STEPS][:_DESCRIPTORS]
        for number, each in enumerate(heard):
            rows.add_row("" if number else "Sound", _described(each))
        if not heard:
            rows.add_row("Sound", "no measured property differs by half a step")
        for label, side in zip(("first", "second"), record.songs, strict=True):
            for warning in side.warnings:
                rows.add_row("[yellow]Warning[/]", f"{label}: {safe(warning)}")
        self._console.print(rows)
        self._console.print()
        self._shown = True

    def legend(self) -> None:
        """What a difference means; call once after the last card."""
        if self._shown:
            self._console.print(
                "[dim]A clear difference is one that the model makes of the sound; it says nothing of causes and is no "
                f"advice. A score is {safe(self._target.meaning)}.[/]"
            )


def _named(side: Side) -> str:
    record = side.record
    return f"{titled(record)}  [dim]{clock(record.duration)}  {safe(PurePath(record.path).name)}[/]"


def _how(record: CompareRecord) -> str:
    """What was done to make the two comparable."""
    quieter = [side.gain for side in record.songs]
    turned = (
        "at their own loudness, which is one"
        if min(quieter) > -0.05
        else (
            f"at one loudness (the {'first' if quieter[0] < quieter[1] else 'second'} turned by {min(quieter):+.1f} dB)"
        )
    )
    if record.alignment is None:
        return f"as wholes, {turned}: not mixes of one song, or at another tempo, so no moments to compare"
    lag, correlation = record.alignment
    moved = (
        "from the same moment on"
        if not round(lag, 3)
        else (f"aligned (the {'second' if lag > 0 else 'first'} begins {abs(lag):.3f} s later)")
    )
    return f"{moved}, {turned}; onsets agree to {correlation:.2f}"


def _course(segments: tuple[ComparedSegment, ...]) -> list[str]:
    """The difference in each segment, or in those where it is largest, as bars from a middle line."""
    if len(segments) < 2:
        return []
    widest = max(abs(_change(each)) for each in segments) or 1.0
    chosen = sorted(sorted(segments, key=lambda each: -abs(_change(each)))[:_SEGMENTS], key=lambda each: each.start)
    return [
        f"{clock(each.start):>5}  {_bar(_change(each) / widest)}  {_change(each):+6.1f}"
        f"{'' if each.clear else '  [dim]not clear[/]'}"
        for each in chosen
    ]


def _change(segment: ComparedSegment) -> float:
    return segment.scores[1] - segment.scores[0]


def _bar(share: float) -> str:
    bar, empty = "█" * round(abs(share) * _BAR_CELLS), " " * _BAR_CELLS
    return f"{empty}│{bar.ljust(_BAR_CELLS)}" if share > 0 else f"{bar.rjust(_BAR_CELLS)}│{empty}"


def _described(each: MeasuredProperty) -> str:
    before, after = each.values
    return f"{each.name}  {_number(before)} → {_number(after)} {each.unit}  ({_signed(after - before)})"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def _signed(value: float) -> str:
    return f"{value:+.0f}" if abs(value) >= 100 else f"{value:+.1f}"
