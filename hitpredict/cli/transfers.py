"""Progress of downloads, on standard error, for people only."""

from contextlib import ExitStack

from hitpredict.cli.progress import Patient, bar_on_stderr, watched


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
