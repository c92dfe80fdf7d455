"""Progress of long work, on standard error, for people only."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from hitpredict.cli.streams import is_terminal

T = TypeVar("T")

_PATIENCE_SECONDS = 2.0


def progress(items: Iterable[T], verb: str, quiet: bool) -> Iterator[T]:
    """Pass items on; once it has taken two seconds, show how many are done and how fast.

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
            sys.stderr.write(f"\r{count} {verb}, {count / elapsed:.1f} a second\x1b[K")
            shown = True
    if shown:
        sys.stderr.write("\r\x1b[K")
