"""Progress of long work, on standard error, for people only."""

import os
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from hitpredict.cli.streams import is_terminal

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import ProgressColumn, Task

T = TypeVar("T")

_PATIENCE_SECONDS = 2.0


def watched(quiet: bool, rows_elsewhere: bool = False) -> bool:
    """Whether a person watches standard error while rows go elsewhere: to a file, or not to a terminal."""
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    return not (quiet or dumb) and is_terminal(sys.stderr) and (rows_elsewhere or not is_terminal(sys.stdout))


class Patient:
    """A context in which a bar appears after two seconds, above it whatever is said, and goes at the end.

    Only one has the screen at a time; another that comes meanwhile stays away. shown: whether it has appeared.
    """

    _screen = threading.Lock()

    def __init__(self, bar: "Bar"):
        self._bar, self.shown = bar, False
        self._timer = threading.Timer(_PATIENCE_SECONDS, self._appear)
        self._timer.daemon = True

    def _appear(self) -> None:
        if self._screen.acquire(blocking=False):
            self.shown = True
            self._bar.start()

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        if self.shown:
            self._bar.stop()
            self._screen.release()


class Progress:
    """How many inputs are done, how fast, and the time left of `total`, once it has taken two seconds.

    visible: see `watched`.
    """

    def __init__(self, verb: str, visible: bool, total: int | None = None):
        self._patient: Patient | None = None
        if visible:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

            # Of an unknown number there is no time left.
            more: list[ProgressColumn] = [BarColumn(), TimeRemainingColumn(), TextColumn("left")] if total else []
            self._bar = bar_on_stderr(MofNCompleteColumn(), TextColumn("{task.description}"), _rate_column(), *more)
            self._task = self._bar.add_task(verb, total=total)
            self._patient = Patient(self._bar)

    @property
    def shown(self) -> bool:
        """Whether a person has seen it."""
        return self._patient is not None and self._patient.shown

    def skip(self) -> None:
        """One was done before, in a run that was interrupted."""
        if self._patient:
            self._bar.advance(self._task)

    def over(self, items: Iterable[T]) -> Iterator[T]:
        """Pass items on and count them."""
        for item in items:
            yield item
            if self._patient:
                self._bar.advance(self._task)

    def __enter__(self) -> Self:
        if self._patient:
            self._patient.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._patient:
            self._patient.__exit__(kind, error, trace)


def bar_on_stderr(*columns: "ProgressColumn") -> "Bar":
    """A bar that leaves nothing behind and breaks no lines that are said above it."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    console = Console(file=sys.stderr, soft_wrap=True)
    return Bar(*columns, console=console, transient=True, redirect_stdout=False)


def _rate_column() -> "ProgressColumn":
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        """Per second, or per minute where that would be less than one."""

        def render(self, task: "Task") -> Text:
            speed = task.finished_speed or task.speed
            if not speed:
                return Text("")
            return Text(f"{speed:,.1f} a second" if speed >= 1 else f"{60 * speed:.1f} a minute")

    return Rate()


class Transfers:
    """Shows how much of a file has come, how fast, and the time left, once it has taken two seconds.

    Nothing is shown with `quiet`, on a dumb terminal, or when standard error is no terminal.
    """

    def __init__(self, quiet: bool):
        self._visible = watched(quiet, rows_elsewhere=True)
        self._name: str | None = None
        self._shown = ExitStack()

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Take note that `done` of `total` bytes of a file are here."""
        if not self._visible:
            return
        if name != self._name:
            self._begin(name, done, total)
        self._bar.update(self._task, completed=done, total=total)
        if done == total:
            self.clear()

    def _begin(self, name: str, done: int, total: int | None) -> None:
        from rich.progress import DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn

        self.clear()
        columns = (TextColumn("{task.description}", markup=False), DownloadColumn(), TransferSpeedColumn())
        self._bar, self._name = bar_on_stderr(*columns, TimeRemainingColumn(), TextColumn("left")), name
        self._task = self._bar.add_task(name, completed=done, total=total)
        self._shown.enter_context(Patient(self._bar))

    def clear(self) -> None:
        """Take the line away, before other words or at the end."""
        self._shown.close()
        self._name = None
