"""The process's standard streams: data on one, words on the other, and neither shared with libraries."""

import os
import stat
import sys
import warnings
from typing import IO

_real_stderr: int | None = None


def guard() -> None:
    """Give libraries and child processes an empty standard input and a standard error that leads nowhere.

    Decoders in C write their complaints to file descriptor 2, past Python; ours go to a private copy of it. A
    child that read standard input would eat the list that a shell loop is reading from.
    """
    global _real_stderr  # noqa: PLW0603 - descriptors belong to the process
    null = os.open(os.devnull, os.O_RDWR)
    if sys.stdin is not None:
        copy = os.dup(0)
        os.dup2(null, 0)
        sys.stdin = os.fdopen(copy, encoding=sys.stdin.encoding, errors="surrogateescape")
    if sys.stderr is not None:
        _real_stderr = os.dup(2)
        os.dup2(null, 2)
        sys.stderr = os.fdopen(_real_stderr, "w", buffering=1, errors="backslashreplace")
    if sys.stdout is None:
        # Closed by whoever started this: nothing is lost until something is written.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 1)
        sys.stdout = os.fdopen(1, "w")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    warnings.simplefilter("ignore")


def unmute() -> None:
    """Let libraries' own words through to standard error, for `-v`."""
    if _real_stderr is not None:
        os.dup2(_real_stderr, 2)
    warnings.simplefilter("default")
    # The streams that `guard` made stay open to the end.
    warnings.filterwarnings("ignore", "unclosed file", ResourceWarning)


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a standard stream is there and is a terminal."""
    return stream is not None and stream.isatty()


def is_pipe(stream: IO[str] | None) -> bool:
    """Whether a standard stream is there and leads to another process."""
    return stream is not None and stat.S_ISFIFO(os.fstat(stream.fileno()).st_mode)


def binary_stdout() -> IO[bytes]:
    """Standard output for bytes."""
    return sys.stdout.buffer


def abandon_stdout() -> None:
    """Stop writing to a pipe whose reader has gone, without an error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def settle_stdout() -> None:
    """Write what is left; what cannot be written is given up, and has been told of."""
    try:
        sys.stdout.flush()
    except OSError:
        abandon_stdout()
