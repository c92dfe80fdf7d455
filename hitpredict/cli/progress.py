"""Progress of long work, on standard error, for people only."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from hitpredict.cli.streams import is_terminal

T = TypeVar("T")

_PATIENCE_SECONDS = 2.0


def progress(items: Iterable[T], verb: str, quiet: bool, total: int | None = None) -> Iterator[T]:
    """Pass items on; once it has taken two seconds, show how many are done, how fast, and the time left of `total`.

    Nothing is shown with `quiet`, on a dumb terminal, when standard error is no terminal, or when standard output
    is one (the rows themselves then show how far the work is).
    """
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    if quiet or dumb or not is_terminal(sys.stderr) or is_terminal(sys.stdout):
        yield from items
        return
    start, shown = time.monotonic(), False
    for count, item in enumerate(items, 1):
        yield item
        if (elapsed := time.monotonic() - start) > _PATIENCE_SECONDS:
            sys.stderr.write(f"\r{_line(count, total, elapsed, verb)}\x1b[K")
            shown = True
    if shown:
        sys.stderr.write("\r\x1b[K")


def _line(count: int, total: int | None, elapsed: float, verb: str) -> str:
    rate = count / elapsed
    if total is None or count > total:
        return f"{count} {verb}, {rate:.1f} a second"
    left = round((total - count) / rate)
    return f"{count} of {total} {verb}, {rate:.1f} a second, {left // 3600}:{left // 60 % 60:02}:{left % 60:02} left"
