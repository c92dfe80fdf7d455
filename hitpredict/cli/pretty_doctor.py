"""What `doctor` found, as a person reads it."""

from typing import IO

from rich.console import Console
from rich.table import Table

from hitpredict.cli.pretty_answers import safe
from hitpredict.diagnosis.finding import Finding, State

_MARKS = {State.ok: "[green]✓[/]", State.missing: "[yellow]–[/]", State.broken: "[bold red]✗[/]"}
_NAME_CELLS = 16


class FindingPrinter:
    """Print findings as they come, below a heading for each area."""

    def __init__(self, stream: IO[str]):
        self._console = Console(file=stream, highlight=False)
        self._area = ""

    def line(self, finding: Finding) -> None:
        """One finding, and below it what mends it."""
        if finding.area != self._area:
            self._area = finding.area
            self._console.print(f"[bold]{safe(finding.area)}[/]")
        rows = Table.grid(padding=(0, 1))
        for width in (2, _NAME_CELLS):
            rows.add_column(min_width=width, no_wrap=True, justify="right" if width == 2 else "left")
        rows.add_column(ratio=1, overflow="fold")
        rows.add_row(_MARKS[finding.state], safe(finding.name), safe(finding.found))
        if finding.advice:
            rows.add_row("", "", f"[yellow]{safe(finding.advice)}[/]")
        self._console.print(rows)
