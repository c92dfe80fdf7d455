"""Words for people, on standard error: one line each, with nothing in it that could drive a terminal."""

import re
import sys
from dataclasses import dataclass

from hitpredict.cli import options
from hitpredict.errors import HitpredictError
from hitpredict.tables.cells import shown

_PARAMETER = re.compile(r"(?<![^\s(])`([a-z][a-z0-9_]*)`(?![^\s:;,.)])")
_OPTIONS = {"settings": "set", "everything": "all"}


@dataclass(frozen=True)
class Messages:
    """What a command says besides its data. quiet: only failures. verbose: everything, with tracebacks."""

    quiet: options.Quiet = False
    verbose: options.Verbose = False

    def note(self, text: str) -> None:
        """Something worth knowing; `-q` hides it."""
        if not self.quiet:
            say(text)

    def detail(self, text: str) -> None:
        """Something only `-v` shows."""
        if self.verbose:
            say(text)

    def failure(self, error: HitpredictError) -> None:
        """One input that failed; with `-v` also where in the code."""
        say(str(error))
        for trace in getattr(error, "__notes__", []) if self.verbose else []:
            sys.stderr.write(shown(trace, lines=True))


def say(text: str) -> None:
    """Write one line to standard error."""
    if sys.stderr is not None:
        sys.stderr.write(f"hitpredict: {printable(in_options(text))}\n")
        sys.stderr.flush()


def in_options(text: str) -> str:
    """A message of the library, which names parameters, in the words of whoever typed a command and knows options."""
    return _PARAMETER.sub(lambda found: f"--{_OPTIONS.get(found[1], found[1]).replace('_', '-')}", text)


def printable(text: str) -> str:
    """`text` with control characters, line ends and undecodable bytes written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
