"""Output files in the making, that survive a kill."""

import hashlib
import json
import os
import shutil
import stat
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from uuid import uuid4

from hitpredict import __version__
from hitpredict.audio.source import Source
from hitpredict.cli.formats import Record
from hitpredict.engines.limits import patience
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.files.owned import atomic, locked, opened
from hitpredict.tables.cells import json_line

_MAGIC = b'{"schema": "hitpredict.journal/1", '


class Journal:
    """Records go to `.NAME.partial` beside the output, line by line, until all are there; then to the output.

    A run that is killed leaves the journal. The next one for the same output takes from it the records of its own
    inputs that are still the same (a file by size and times, what came through a stream by its hash, a URL by what
    its store says of it), and makes the others. Its output has the records of its inputs alone, in their order. No
    two runs have the same journal.
    What is too large for a line lies in a file of the folder `.NAME.arrays`, whose name and size the record has as
    `file` and `bytes`.

    settings: what else must be the same. failures: where the run lists what failed. force: the output may be there.
    note: takes lines for the user. seconds: how long to wait for what a store says. Entering raises
    `EnvironmentProblem` while another run is at it, or when the file by the journal's name is none.
    """

    def __init__(
        self,
        output: Path,
        settings: Record,
        failures: Path | None,
        force: bool,
        note: Callable[[str], None],
        seconds: float | None = None,
    ):
        self._output, self._path, self._force, self._note = output, _path_of(output), force, note
        self._header = {"schema": "hitpredict.journal/1", "failures": real_path(failures), "version": __version__}
        self._header |= settings
        self._seconds = seconds
        self._arrays = output.with_name(f".{output.name}.arrays")
        self._found, self.taken_up, self._written = 0, 0, 0
        self._kept: dict[str, list[int]] = {}
        # Of each input of this run, where its record is in the journal; -1 for none.
        self._places, self._pending = array("q"), deque[tuple[int, str, Source]]()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(locked(self._output))
            if self._output.exists() and not self._force:
                raise UsageError(f"{self._output}: another run has written it in the meantime; --force replaces it")
            self._file = stack.enter_context(opened(self._path))
            self._examine()
            self._open = stack.pop_all()
        return self

    def _examine(self) -> None:
        """Index what is recorded, up to the first torn line, or begin anew."""
        head = self._file.readline()
        if not (head.startswith(_MAGIC) or _MAGIC.startswith(head)):
            raise EnvironmentProblem(f"{self._path}: is no journal of this program, but has its name; move it away")
        begin = end = self._file.tell()
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                entry = json.loads(line)
                if self._is_whole(entry["record"]):
                    self._kept.setdefault(entry["input"], []).append(end)
            except (ValueError, KeyError, TypeError, RecursionError):
                break
            end += len(line)
            self._found += 1
        if _settings_of(head) != _settings_of(json_line(self._header).encode()):
            if self._found:
                self._note(f"{self._output}: {self._found:,} records of a run with other options are dropped")
            self._kept, self._found, begin = {}, 0, 0
        elif self._found:
            self._note(
                f"{self._output}: taking up an interrupted run with {self._found:,} of its records, as far as its "
                "inputs are the same"
            )
        self._file.seek(end if begin else 0)
        self._file.truncate()
        if not begin:
            shutil.rmtree(self._arrays, ignore_errors=True)
            self._file.write(json_line(self._header).encode())
            self._file.flush()

    def _is_whole(self, record: Record) -> bool:
        if not isinstance(record, dict) or "file" not in record:
            return isinstance(record, dict)
        try:
            return bool((self._arrays / record["file"]).stat().st_size == record["bytes"])
        except OSError:
            return False

    def arrays(self) -> Path:
        """The folder for what is too large for a line; it goes with the journal. Raises `EnvironmentProblem`."""
        with suppress(FileExistsError):
            self._arrays.mkdir(mode=0o700)
        found = self._arrays.lstat()
        if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "geteuid") and found.st_uid != os.geteuid()):
            raise EnvironmentProblem(f"{self._arrays}: is no folder, or somebody else's; remove it")
        return self._arrays

    def remaining(self, found: Iterator[Source], skipped: Callable[[], None]) -> Iterator[Source]:
        """The sources that are not recorded yet. skipped: called for each of the others."""
        for source in found:
            key = input_key(source, self._seconds)
            if places := self._kept.get(key):
                self._places.append(places.pop())
                self.taken_up += 1
                source.discard()
                skipped()
            else:
                self._pending.append((len(self._places), key, source))
                self._places.append(-1)
                yield source

    def write(self, source: Source, record: Record) -> None:
        """Record the result of one source, in the order in which they came; it survives whatever happens next."""
        place, key, pending = self._pending.popleft()
        while pending is not source:
            place, key, pending = self._pending.popleft()
        self._places[place] = self._file.tell()
        self._file.write(json_line({"input": key, "record": record}).encode())
        self._file.flush()
        self._written += 1

    def finish(self, render: Callable[[Iterator[Record], IO[bytes]], None], before: Callable[[], None]) -> None:
        """Render the records of this run into the output file, which appears whole, and remove the journal.

        before: puts into its place what must be there when the output appears.
        """
        if dropped := self._found - self.taken_up:
            self._note(
                f"{self._output}: {self.taken_up:,} records of the interrupted run are taken up, {dropped:,} dropped: "
                "their inputs have changed, or are not asked for"
            )
        with atomic(self._output) as file:
            render(self._records(), file)
            before()
        self._path.unlink()
        shutil.rmtree(self._arrays, ignore_errors=True)

    def _records(self) -> Iterator[Record]:
        for place in self._places:
            if place >= 0:
                self._file.seek(place)
                yield json.loads(self._file.readline())["record"]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt) and (kept := self._found + self._written):
            error.add_note(f"{kept:,} results are kept, and the same command does the rest")
        if error is not None and not (self._found or self._written):
            self._path.unlink(missing_ok=True)
            shutil.rmtree(self._arrays, ignore_errors=True)
        self._open.__exit__(kind, error, trace)


def left_failures(output: Path | None, failures: Path | None) -> bool:
    """Whether a list of failures belongs to an interrupted run for this output, which the next run takes up."""
    if output is None or failures is None:
        return False
    try:
        with _path_of(output).open("rb") as file:
            return bool(json.loads(file.readline())["failures"] == real_path(failures))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False


def _path_of(output: Path) -> Path:
    return output.with_name(f".{output.name}.partial")


def real_path(path: Path | None) -> str | None:
    """A path by which two names of one place are the same."""
    return None if path is None else os.path.realpath(path)


def _settings_of(head: bytes) -> Any:
    """What a journal's first line says, but for the list of failures."""
    try:
        return {name: value for name, value in json.loads(head).items() if name != "failures"}
    except (ValueError, AttributeError, RecursionError):
        return None


def input_key(source: Source, seconds: float | None = None) -> str:
    """What a source is called, and what tells its sound from another by that name. seconds: to wait for a store."""
    told = [source.path, source.given_id, _identity(source, seconds)]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()[:32]


@lru_cache(maxsize=8)
def _version_of_shard(url: str) -> dict[str, str] | None:
    """It is asked once, not for each of the members."""
    from hitpredict.audio.remote import version

    return version(url)


def _identity(source: Source, seconds: float | None) -> list[Any]:
    if source.data is not None:
        return [len(source.data), hashlib.sha256(source.data).hexdigest()]
    if source.url is not None:
        from hitpredict.audio.remote import version

        said = None
        with suppress(InputError), patience(source.path, seconds):
            said = version(source.url) if source.span is None else _version_of_shard(source.url)
        # What says nothing of itself is the same as nothing before.
        return [said or uuid4().hex, *(source.span or ())]
    if source.file is None:
        return []
    try:
        if source.temporary:
            with Path(source.file).open("rb") as file:
                return [hashlib.file_digest(file, "sha256").hexdigest()]
        found = Path(source.file).stat()
    except (OSError, ValueError):
        return []
    # The time of change tells a file that was replaced, and given the times of the one before.
    return [source.span, found.st_size, found.st_mtime_ns, found.st_ctime_ns]
