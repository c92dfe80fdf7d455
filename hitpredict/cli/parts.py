"""Output in parts: a folder of Parquet files, and a manifest that says what is in each."""

import hashlib
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from hitpredict import __version__
from hitpredict.audio.source import Source
from hitpredict.cli.formats import Format, Record
from hitpredict.cli.journal import input_key, real_path
from hitpredict.errors import InputError, UsageError
from hitpredict.files.owned import atomic, locked

PARTS_SCHEMA = "hitpredict.parts/1"
_MANIFEST = "manifest.json"
# What a manifest says beside its settings.
_RESULTS = ("failures", "complete", "rows", "inputs", "parts")
Render = Callable[[Iterator[Any], IO[bytes]], None]


@dataclass
class _Part:
    """A part in the making: its place, the digest of its inputs, how many they are, and what has come of them."""

    number: int
    digest: str
    inputs: int
    rows: list[Any] = field(default_factory=list)
    failures: list[dict[str, str]] = field(default_factory=list)


class Parts:
    """Rows of the first `size` inputs go to `part-00000.parquet` in a folder, of the next ones to `part-00001.parquet`.

    Each file appears whole, and then in `manifest.json`. A run that is killed leaves those that are done; the next one
    for the same folder keeps them as long as their inputs are the same (as `Journal` tells), and their files. What
    failed in a part that is kept is told again. settings: what must be the same in all parts. seconds: how long to wait
    for what a store says of an input.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        settings: Record,
        failures: Path | None,
        force: bool,
        note: Callable[[str], None],
        seconds: float | None = None,
    ):
        self._folder, self._size, self._force, self._note = folder, size, force, note
        self._seconds = seconds
        about = {"schema": PARTS_SCHEMA, "version": __version__, "inputs_per_part": size, "settings": settings}
        # As it comes back from the file.
        self._head: dict[str, Any] = json.loads(json.dumps(about))
        self._failures, self._parts = real_path(failures), list[dict[str, Any]]()
        self._planned, self._number, self.taken_up = deque[_Part](), 0, 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(locked(self._folder))
            found = manifest_of(self._folder) or {}
            if found.get("complete"):
                if not self._force:
                    raise UsageError(f"{self._folder}: another run has written it in the meantime; --force replaces it")
                found = {}
            there = found.get("parts", [])
            different = _different(self._head, found) if there else []
            if different and not self._force:
                raise UsageError(
                    f"{self._folder}: holds {len(there):,} parts of a run with another {' and '.join(different)}; "
                    "--force makes them anew, or name another folder with -o"
                )
            self._parts = [] if different else there
            if self._parts:
                self._note(
                    f"{self._folder}: taking up an interrupted run with {len(self._parts):,} of its parts, as far as "
                    "its inputs are the same"
                )
            self._folder.mkdir(exist_ok=True)
            self._put(complete=False)
            self._remove_beyond(len(self._parts))
            self._open = stack.pop_all()
        return self

    def _put(self, complete: bool) -> None:
        totals = {name: sum(part[name] for part in self._parts) for name in ("rows", "inputs")}
        manifest = {**self._head, "failures": self._failures, "complete": complete, **totals, "parts": self._parts}
        with atomic(self._folder / _MANIFEST) as file:
            file.write(json.dumps(manifest, indent=1).encode())

    def _remove_beyond(self, count: int) -> int:
        """Remove the files of parts that are not among the first ones; how many there were."""
        gone = [path for path in self._folder.glob("part-*.parquet") if path.name not in map(_name, range(count))]
        for path in gone:
            path.unlink()
        return len(gone)

    def remaining(
        self, found: Iterator[Source], skipped: Callable[[], None], failed: Callable[[str, InputError], None]
    ) -> Iterator[Source]:
        """The sources of parts that are not done.

        skipped: called for each of the others, and failed for each of those that failed then.
        """
        while taken := list(islice(found, self._size)):
            part = _Part(self._number, _digest(taken, self._seconds), len(taken))
            self._number += 1
            if not self._is_kept(part):
                self._planned.append(part)
                yield from taken
                continue
            for source in taken:
                source.discard()
                skipped()
            for failure in self._parts[part.number]["failures"]:
                failed(failure["path"], InputError(failure["problem"]))
            self.taken_up += self._parts[part.number]["rows"]

    def _is_kept(self, part: _Part) -> bool:
        if part.number >= len(self._parts):
            return False
        known, path = self._parts[part.number], self._folder / _name(part.number)
        if (known["inputs"], known["inputs_sha256"]) != (part.inputs, part.digest):
            self._note(f"{path}: its inputs have changed; it is made again")
            return False
        if not path.is_file() or _hash_of(path) != known["sha256"]:
            self._note(f"{path}: is not what this program wrote; it is made again")
            return False
        return True

    def add(self, row: Any, render: Render) -> None:
        """Take the row of the next source; render: writes rows into a file, when a part is complete."""
        self._planned[0].rows.append(row)
        self._write_when_whole(render)

    def fail(self, source: Source, error: InputError, render: Render) -> None:
        """The same for one that failed."""
        self._planned[0].failures.append({"path": source.path, "problem": str(error)})
        self._write_when_whole(render)

    def _write_when_whole(self, render: Render) -> None:
        part = self._planned[0]
        if len(part.rows) + len(part.failures) < part.inputs:
            return
        name = _name(part.number)
        with atomic(self._folder / name) as file:
            render(iter(part.rows), file)
        about = {"file": name, "rows": len(part.rows), "inputs": part.inputs, "sha256": _hash_of(self._folder / name)}
        self._parts[part.number : part.number + 1] = [
            {**about, "inputs_sha256": part.digest, "failures": part.failures}
        ]
        self._planned.popleft()
        self._put(complete=False)

    def finish(self, before: Callable[[], None]) -> None:
        """Say in the manifest that all is there. before: puts into its place what must be there then."""
        del self._parts[self._number :]
        before()
        self._put(complete=True)
        if gone := self._remove_beyond(self._number):
            self._note(f"{self._folder}: {gone:,} parts are gone, whose inputs are not asked for any more")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, KeyboardInterrupt) and self._parts:
            error.add_note(f"{len(self._parts):,} parts are kept, and the same command does the rest")
        self._open.__exit__(kind, error, trace)


def manifest_of(folder: Path) -> dict[str, Any] | None:
    """What is said of a folder of parts; None where there is none yet. `UsageError` for a folder of something else."""
    try:
        found = json.loads((folder / _MANIFEST).read_bytes())
        if found["schema"] == PARTS_SCHEMA:
            return dict(found)
    except FileNotFoundError:
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UsageError(f"{folder}: is there and no folder of parts that this program wrote; name another with -o")


def parts_wanted(folder: Path, force: bool, skip_existing: bool) -> bool:
    """Whether there is work to do for a folder: False when it is complete and to be kept. Raises `UsageError`."""
    if not folder.absolute().parent.is_dir():
        raise UsageError(f"{folder}: the folder {folder.parent} does not exist; make it first")
    found = manifest_of(folder)
    if not (found and found.get("complete")):
        return True
    if not (force or skip_existing):
        raise UsageError(f"{folder}: is complete already; use --force to replace it or --skip-existing to keep it")
    return force


def parts_failures(folder: Path, failures: Path | None) -> bool:
    """Whether a list of failures belongs to an interrupted run for this folder, which the next run takes up."""
    found = manifest_of(folder)
    return bool(failures and found and found.get("failures") == real_path(failures))


def check_parts(size: int | None, output: Path | None, form: str | None, ordered: bool = False) -> None:
    """Raises `UsageError` where what was asked for cannot be had in parts."""
    if size is None:
        return
    if output is None:
        raise UsageError("--parts: name the folder for them with -o")
    if form not in (None, Format.parquet):
        raise UsageError(f"--format {form}: parts are Parquet; leave it out")
    if ordered:
        raise UsageError("--parts: are in the order of the inputs; leave out --sort and --top, and query the folder")


def _different(head: Record, found: Record) -> list[str]:
    """What two runs do not have in common, by name."""
    ours, theirs = ({**each, **each["settings"], "settings": None} for each in (head, found))
    return [name for name in sorted({*ours, *theirs}) if ours.get(name) != theirs.get(name) and name not in _RESULTS]


def _name(number: int) -> str:
    return f"part-{number:05}.parquet"


def _digest(sources: Iterable[Source], seconds: float | None) -> str:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(input_key(source, seconds).encode())
    return digest.hexdigest()


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
