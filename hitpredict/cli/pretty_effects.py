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
_CAUTION = (
    "This is how sensitive the model is to changes of the sound, one at a time: no advice, and no cause of success."
)


class EffectPrinter:
    """Print explanations as they come."""

    def __init__(self, stream: IO[str] | None = None):
        self._console = Console(file=stream or sys.stdout, highlight=False, soft_wrap=False)
        self._any = False

    def song(self, records: Sequence[Record]) -> None:
        """What moves the score of one song."""
        self._any = True
        first = records[0]
        artist = f"{_safe(first['artist'])} – " if first.get("artist") else ""
        self._console.print(
            f"[bold]{artist}{_safe(first['name'])}[/]  score {first['base_score']:.1f}  [dim]{_safe(first['path'])}[/]"
        )
        for warning in first["warnings"]:
            self._console.print(f"[yellow]Warning[/]  {_safe(warning)}")
        noise = max(record["noise"]["scale"] for record in records)
        self._console.print(f"[dim]changes that should not matter move the score by about ±{noise:.2g}[/]")
        rows = _grid("parameter", "lowers · raises", "largest change", "")
        furthest = max(*(abs(record["largest_change"]) for record in records), 2 * noise)
        for record in records:
            at = f"{record['largest_change']:+.1f} at {_with_unit(_number(record['largest_change_at']), record)}"
            bar = _bar(record["largest_change"] / furthest, record["significant"])
            unlike = record["largest_change_at"] in record["unlike_training"]
            rows.add_row(
                _safe(record["parameter"]),
                *(("", _BLIND) if record["blind"] else (bar, at)),
                _verdict(record) + ("[yellow] unlike training songs[/]" if unlike else ""),
            )
        self._console.print(rows)

    def corpus(self, records: Sequence[Record]) -> None:
        """What moves the scores of many songs."""
        self._any = True
        most = max(record["songs"] for record in records)
        self._console.print(
            f"[bold]{most} songs[/]  mean effect of each parameter, 95 % interval, and how many songs move the same way"
        )
        rows = _grid("parameter", "lowers · raises", "mean effect", "same", "towards", "")
        furthest = max(abs(end) for record in records for end in (record["mean_effect"], record["noise"]))
        for record in records:
            low, high = record["interval"]
            told = f"{record['mean_effect']:+.1f} [{low:+.1f}, {high:+.1f}]"
            bar = _bar(record["mean_effect"] / furthest, record["significant"])
            same = f"{100 * record['share_same_sign']:.0f} %"
            values = _with_unit(_number(record["towards"]), record)
            shown = ("", _BLIND, "", "") if record["blind"] else (bar, told, same, values)
            rows.add_row(_safe(record["parameter"]), *shown, _verdict(record))
        self._console.print(rows)

    def legend(self) -> None:
        """What the bars are and are not; call once after the last."""
        if self._any:
            self._console.print(
                f"[dim]Bars in colour are more than noise (5 % false discoveries among all parameters). {_CAUTION}[/]"
            )


def _grid(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, title in enumerate(titles):
        table.add_column(title, no_wrap=number < len(titles) - 1, style="" if number else "bold")
    return table


def _bar(share: float, significant: bool) -> str:
    """From the middle to the left or right; share: -1 to 1 of half the width."""
    cells = min(_HALF, round(abs(share) * _HALF))
    left, right = (cells, 0) if share < 0 else (0, cells)
    bar = "█" * cells
    colour = (_LOWERS if share < 0 else _RAISES) if significant else "bright_black"
    coloured = f"[{colour}]{bar}[/]" if bar else ""
    before, after = (coloured, "") if left else ("", coloured)
    return f"{' ' * (_HALF - left)}{before}│{after}{' ' * (_HALF - right)}"


def _verdict(record: Record) -> str:
    if record["blind"]:
        return ""
    return f"p {record['p_value']:.1g}" if record["significant"] else "[dim]noise[/]"


def _with_unit(text: str, record: Record) -> str:
    return _safe(f"{text} {_SHORT.get(record['unit'], record['unit'])}")


def _number(value: float) -> str:
    return f"{value / 1000:g}k" if abs(value) >= 1000 else f"{value:g}"


def _safe(text: str) -> str:
    return escape(shown(text, lines=True))
