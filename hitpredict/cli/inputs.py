"""From a command's arguments to the sources it works on, and the list of those that failed."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hitpredict.audio.expand import MAX_BYTES, STDIN_NAMES, Scratch, Stream, entries, read_list, read_stream
from hitpredict.audio.formats import has_audio_suffix
from hitpredict.audio.source import MAX_FETCHED, STDIN, Source
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import refuse_input
from hitpredict.cli.streams import is_terminal
from hitpredict.errors import InputError, UsageError
from hitpredict.files.owned import atomic, scratch_folder


class Sources(Iterator[Source]):
    """The sources that a command works on, each once and in order; streams are read when their turn comes.

    given: the names so far by which folders, archives and lists were asked for, not those of single sounds.
    """

    def __init__(
        self,
        found: Iterator[Source | Stream],
        scratch: Scratch,
        skipped: list[str],
        outputs: Sequence[Path | None],
        given: Sequence[str] = (),
    ):
        self._entries, self._scratch, self._skipped, self._outputs = found, scratch, skipped, outputs
        self.given = given
        self._sources = self._read()

    def __next__(self) -> Source:
        return next(self._sources)

    def listed(self, lists: Callable[[Iterator[Source | Stream]], Iterator[Source | Stream | list[str]]]) -> None:
        """Let the tars at URLs be listed, instead of read as streams. lists: may give what is skipped in between."""

        def found(entries: Iterator[Source | Stream]) -> Iterator[Source | Stream]:
            for entry in lists(entries):
                if isinstance(entry, list):
                    self._skipped += entry
                else:
                    yield entry

        self._entries = found(self._entries)

    def ahead(self) -> tuple[list[Source], bool]:
        """What is still to come, as far as it can be named without reading a stream, and whether that is all.

        Waits for the end of a list of inputs. The sources still come when the iteration gets to them.
        """
        waiting = list(self._entries)
        self._entries = iter(waiting)
        named = [entry for entry in waiting if isinstance(entry, Source)]
        return named, len(named) == len(waiting)

    def count(self) -> int | None:
        """How many are still to come, for the time left; None where finding out would read a stream."""
        named, everything = self.ahead()
        return len(named) if everything else None

    def _read(self) -> Iterator[Source]:
        while entry := next(self._entries, None):
            if isinstance(entry, Stream):
                yield from read_stream(entry, self._scratch, self._skipped)
            else:
                refuse_input(entry, self._outputs)
                yield entry


@contextmanager
def sources(
    inputs: list[str],
    files_from: str | None,
    null: bool,
    messages: Messages,
    max_bytes: int | None = None,
    outputs: Sequence[Path | None] = (),
    seconds: float | None = None,
) -> Iterator[Sources]:
    """The sources that INPUT… and `--files-from` name, lazily; spooled copies are deleted at the end.

    Without either, standard input is the input. max_bytes: the most that one sound may have that comes through a
    stream or from a URL, None for the defaults. outputs: no input may be one of them. seconds: how long to wait for
    more of a stream, or for an answer of a store. Raises `UsageError` for an input that is an output, and when standard
    input is wanted twice, and `EnvironmentProblem` without a folder for temporary files.
    """
    if sum(name in STDIN_NAMES for name in (*inputs, files_from)) > 1:
        raise UsageError("standard input (-) can be read only once")
    if not inputs and files_from is None:
        inputs = [STDIN]
    skipped, given = list[str](), list[str]()
    with scratch_folder() as folder:
        streamed, fetched = (MAX_BYTES, MAX_FETCHED) if max_bytes is None else (max_bytes, max_bytes)
        named = entries(_noted(_names(inputs, files_from, null), given), skipped, fetched, seconds)
        yield Sources(named, Scratch(folder, streamed, seconds), skipped, outputs, given)
    for name in skipped:
        messages.detail(f"{name}: passed over, not audio by its name")


def nothing_given(inputs: list[str], files_from: str | None) -> bool:
    """Whether a person at a terminal typed the command without any input, and should be shown its help."""
    return not inputs and files_from is None and is_terminal(sys.stdin)


def _names(inputs: list[str], files_from: str | None, null: bool) -> Iterator[str]:
    yield from inputs
    if files_from in STDIN_NAMES:
        yield from read_list(sys.stdin.buffer, null=null)
    elif files_from is not None:
        try:
            with Path(files_from).open("rb") as file:
                yield from read_list(file, null=null)
        except OSError as error:
            raise InputError(f"--files-from {files_from}: {error.strerror}") from error


def _noted(names: Iterator[str], given: list[str]) -> Iterator[str]:
    for name in names:
        # Of a million sounds that are named one by one, the names are not held.
        if not has_audio_suffix(name):
            given.append(name)
        yield name


class Failed(list[str]):
    """The names of failed inputs. path: the file that lists them, if any. null: names end in NUL there."""

    def __init__(self, path: Path | None, null: bool):
        super().__init__()
        self._path, self._end = path, b"\0" if null else b"\n"
        self._written: int | None = None

    def put(self) -> None:
        """Put the list into its place, so that `--files-from` reads it back, unless it is there as it is now.

        Done before an output appears: whoever finds the output finds its list, whenever the run was killed.
        """
        if self._path is None or self._written == len(self):
            return
        with atomic(self._path) as file:
            file.writelines(os.fsencode(name) + self._end for name in dict.fromkeys(self))
        self._written = len(self)


@contextmanager
def failures_in(path: Path | None, null: bool) -> Iterator[Failed]:
    """A list for the names of failed inputs, in the end put into its place.

    That is done whatever ends the work, but for a usage error: nothing has been tried then.
    """
    failed = Failed(path, null)
    try:
        yield failed
    except UsageError:
        raise
    except BaseException:
        failed.put()
        raise
    failed.put()
