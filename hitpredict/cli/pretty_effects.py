"""Effects as a person reads them: a ranking with bars, for one song or for many."""

import sys
from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hitpredict.cli.formats import Record
from hitpredict.tables.cells import shown

_HALF = 8
_SHORT = {"times the speed": "×", "times the width": "×", "of the mix": "wet"}
_RAISES, _LOWERS = "green", "red"
_BLIND = "[dim]the model is blind to it[/]"
CAUTION = "This is how sensitive the model is to changes of the sound: no advice, and no cause of success."


class SongPrinter:
    """Print answers as they come, song by song."""

    def __init__(self, stream: IO[str] | None = None):
        self._console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=False)
        self._any = False

    def say(self, what: str | Table, whole: bool = False) -> None:
        """Print a line with markup, or a table. whole: a line that is not broken, however long."""
        self._any = True
        self._console.print(what, soft_wrap=whole)

    def heading(self, record: Record) -> Record:
        """Who and what it is, its score, and its warnings; the record again."""
        artist = f"{safe_text(record['artist'])} – " if record.get("artist") else ""
        name, path = safe_text(record["name"]), safe_text(record["path"])
        self.say(f"[bold]{artist}{name}[/]  score {record['base_score']:.1f}  [dim]{path}[/]")
        for warning in record["warnings"]:
            self.say(f"[yellow]Warning[/]  {safe_text(warning)}")
        return record

    def close(self, text: str) -> None:
        """What it means, where anything was printed; call once after the last."""
        if self._any:
            self._console.print(f"[dim]{text}[/]")


class EffectPrinter(SongPrinter):
    """Print explanations."""

    def song(self, records: Sequence[Record]) -> None:
        """What moves the score of one song."""
        self.heading(records[0])
        noise = max(record["noise"]["scale"] for record in records)
        self._console.print(f"[dim]changes that should not matter move the score by about ±{noise:.2g}[/]")
        rows = grid_of("parameter", "lowers · raises", "largest change", "")
        furthest = max(*(abs(record["largest_change"]) for record in records), 2 * noise)
        for record in records:
            at = f"{record['largest_change']:+.1f} at {with_unit(record['largest_change_at'], record['unit'])}"
            bar = change_bar(record["largest_change"] / furthest, record["significant"])
            unlike = record["largest_change_at"] in record["unlike_training"]
            rows.add_row(
                safe_text(record["parameter"]),
                *(("", _BLIND) if record["blind"] else (bar, at)),
                verdict_of(record) + ("[yellow] unlike training songs[/]" if unlike else ""),
            )
        self._console.print(rows)

    def corpus(self, records: Sequence[Record]) -> None:
        """What moves the scores of many songs."""
        self._any = True
        most = max(record["songs"] for record in records)
        self._console.print(
            f"[bold]{most} songs[/]  mean effect of each parameter, 95 % interval, and how many songs move the same way"
        )
        rows = grid_of("parameter", "lowers · raises", "mean effect", "same", "towards", "")
        furthest = max(abs(end) for record in records for end in (record["mean_effect"], record["noise"]))
        for record in records:
            low, high = record["interval"]
            told = f"{record['mean_effect']:+.1f} [{low:+.1f}, {high:+.1f}]"
            bar = change_bar(record["mean_effect"] / furthest, record["significant"])
            same = f"{100 * record['share_same_sign']:.0f} %"
            values = with_unit(record["towards"], record["unit"])
            shown = ("", _BLIND, "", "") if record["blind"] else (bar, told, same, values)
            rows.add_row(safe_text(record["parameter"]), *shown, verdict_of(record))
        self._console.print(rows)

    def legend(self) -> None:
        """What the bars are and are not; call once after the last."""
        self.close(f"Bars in colour are more than noise (5 % false discoveries among all parameters). {CAUTION}")


def grid_of(*titles: str) -> Table:
    """A table without lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, title in enumerate(titles):
        table.add_column(title, no_wrap=number < len(titles) - 1, style="" if number else "bold")
    return table


def change_bar(share: float, significant: bool) -> str:
    """A bar from the middle to the left or right; share: -1 to 1 of half the width."""
    cells = min(_HALF, round(abs(share) * _HALF))
    left, right = (cells, 0) if share < 0 else (0, cells)
    bar = "█" * cells
    colour = (_LOWERS if share < 0 else _RAISES) if significant else "bright_black"
    coloured = f"[{colour}]{bar}[/]" if bar else ""
    before, after = (coloured, "") if left else ("", coloured)
    return f"{' ' * (_HALF - left)}{before}│{after}{' ' * (_HALF - right)}"


def verdict_of(record: Record) -> str:
    """The p-value, or that it is noise, or nothing where the model is blind."""
    if record["blind"]:
        return ""
    return f"p {record['p_value']:.1g}" if record["significant"] else "[dim]noise[/]"


def with_unit(value: float, unit: str) -> str:
    """Such as `-2 semitones`, `16k Hz`."""
    number = f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"
    return safe_text(f"{number} {_SHORT.get(unit, unit)}".rstrip())


def safe_text(text: str) -> str:
    """Text of a record, for the terminal: without markup and control characters."""
    return escape(shown(text, lines=True))
