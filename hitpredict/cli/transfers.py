"""Progress of downloads, on standard error, for people only."""

import os
import sys
import time

from hitpredict.cli.streams import is_terminal

_PATIENCE_SECONDS = 2.0
_EVERY_SECONDS = 0.2
_MEGABYTE = 10**6


class Transfers:
    """Shows how much of a file has come, how fast, and the time left, once it has taken two seconds.

    Nothing is shown with `quiet`, on a dumb terminal, or when standard error is no terminal.
    """

    def __init__(self, quiet: bool):
        self._muted = quiet or os.environ.get("TERM", "dumb") == "dumb" or not is_terminal(sys.stderr)
        self._name = ""
        self._start = self._shown = 0.0
        self._first = 0

    def __call__(self, name: str, done: int, total: int | None) -> None:
        """Take note that `done` of `total` bytes of a file are here."""
        if self._muted:
            return
        now = time.monotonic()
        if name != self._name:
            self._name, self._start, self._first = name, now, done
        if done == total:
            self.clear()
        elif now - self._start > _PATIENCE_SECONDS and now - self._shown > _EVERY_SECONDS:
            sys.stderr.write(f"\r{_line(name, done, total, (done - self._first) / (now - self._start))}\x1b[K")
            sys.stderr.flush()
            self._shown = now

    def clear(self) -> None:
        """Take the line away, before other words or at the end."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            self._shown = 0.0


def _line(name: str, done: int, total: int | None, rate: float) -> str:
    """rate: bytes a second."""
    speed = f"{rate / _MEGABYTE:.1f} MB/s"
    if total is None:
        return f"{name}: {done / _MEGABYTE:,.1f} MB, {speed}"
    left = round((total - done) / rate) if rate else 0
    clock = f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
    return f"{name}: {done / _MEGABYTE:,.1f} of {total / _MEGABYTE:,.1f} MB, {speed}, {clock}"
