"""From a command's arguments to the sources it works on, and the list of those that failed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from hitpredict.audio.source import STDIN, Source, expand, read_list
from hitpredict.audio.write import atomic
from hitpredict.cli.messages import Messages
from hitpredict.cli.streams import is_terminal
from hitpredict.errors import InputError, UsageError


@contextmanager
def sources(inputs: list[str], files_from: str | None, null: bool, messages: Messages) -> Iterator[Iterator[Source]]:
    """The sources that INPUT… and `--files-from` name, lazily; spooled copies are deleted at the end.

    Without either, standard input is the input. Raises `UsageError` when standard input is wanted twice.
    """
    if (inputs.count(STDIN) + (files_from == STDIN)) > 1:
        raise UsageError("standard input (-) can be read only once")
    if not inputs and files_from is None:
        inputs = [STDIN]
    skipped: list[str] = []
    with TemporaryDirectory(prefix="hitpredict-") as scratch:
        names = _names(inputs, files_from, null)
        yield expand(names, scratch, skipped=skipped)
    for name in skipped:
        messages.detail(f"{name}: passed over, not audio by its name")


def nothing_given(inputs: list[str], files_from: str | None) -> bool:
    """Whether a person at a terminal typed the command without any input, and should be shown its help."""
    return not inputs and files_from is None and is_terminal(sys.stdin)


def _names(inputs: list[str], files_from: str | None, null: bool) -> Iterator[str]:
    yield from inputs
    if files_from == STDIN:
        yield from read_list(sys.stdin.buffer, null=null)
    elif files_from is not None:
        try:
            with Path(files_from).open("rb") as file:
                yield from read_list(file, null=null)
        except OSError as error:
            raise InputError(f"--files-from {files_from}: {error.strerror}") from error


def write_failures(path: Path | None, failed: list[str], null: bool) -> None:
    """Write the names of failed inputs so that `--files-from` reads them back."""
    if path is None:
        return
    end = b"\0" if null else b"\n"
    with atomic(path) as file:
        file.writelines(os.fsencode(name) + end for name in dict.fromkeys(failed))
