"""Records on their way out: formats, and output files that appear whole or not at all and survive a kill."""

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

from hitpredict.audio.write import atomic
from hitpredict.cli.streams import binary_stdout, is_terminal
from hitpredict.errors import EnvironmentProblem, UsageError

Record = Mapping[str, Any]


class Format(StrEnum):
    """How records are written."""

    pretty = "pretty"
    jsonl = "jsonl"
    tsv = "tsv"
    csv = "csv"
    parquet = "parquet"


@dataclass(frozen=True)
class Table:
    """How a kind of record becomes rows: its columns, and the function that flattens a record."""

    columns: Sequence[str]
    flat: Callable[[Record], Mapping[str, Any]]


def chosen_format(asked: Format | None, output: Path | None) -> Format:
    """The format asked for, or the output file's suffix, or pretty on a terminal and JSON Lines elsewhere."""
    if asked:
        return asked
    if output is not None:
        suffix = output.suffix.lower().removeprefix(".")
        return Format(suffix) if suffix in (*Format,) else Format.jsonl
    return Format.pretty if is_terminal(sys.stdout) else Format.jsonl


def check_writable(output: Path | None, force: bool, skip_existing: bool) -> bool:
    """Whether to go on: False when the output exists and is to be kept. `UsageError` when it is in the way."""
    if output is None or not output.exists():
        if output is not None and not output.parent.is_dir():
            raise UsageError(f"{output}: the folder {output.parent} does not exist; make it first")
        return True
    if output.is_dir():
        raise UsageError(f"{output}: is a folder; give a file name")
    if skip_existing:
        return False
    if not force:
        raise UsageError(f"{output}: exists already; use --force to replace it or --skip-existing to keep it")
    return True


@contextmanager
def stream_to_stdout(form: Format, table: Table) -> Iterator[Callable[[Record], None]]:
    """Give a function that writes one record to standard output at once (Parquet: all at the end)."""
    if form is Format.parquet:
        if is_terminal(sys.stdout):
            raise UsageError("Parquet is binary and would garble the terminal; use -o FILE or a pipe")
        records: list[Record] = []
        yield records.append
        _render(records, form, table, binary_stdout())
        return
    writer = _line_writer(form, table, sys.stdout)

    def write(record: Record) -> None:
        writer(record)
        sys.stdout.flush()

    yield write


class Journal:
    """An output file in the making: records go to `.NAME.partial` beside it, line by line, until all are there.

    A run that is killed leaves the journal; the same command finds it, keeps the records and does the rest.
    `done` counts the paths already recorded. `settings` is what must be the same for that.
    """

    def __init__(self, output: Path, settings: Record):
        self._output, self._path = output, output.with_name(f".{output.name}.partial")
        kept = self._kept(settings)
        self.done = Counter(str(record["path"]) for record in kept)
        with atomic(self._path) as file:
            file.writelines(_line(entry).encode() for entry in (settings, *kept))
        self._file = self._path.open("a", encoding="utf-8")

    def _kept(self, settings: Record) -> list[Record]:
        entries = list(_whole_lines(self._path))
        return entries[1:] if entries and entries[0] == settings else []

    def write(self, record: Record) -> None:
        """Record one result; it survives whatever happens next."""
        self._file.write(_line(record))
        self._file.flush()

    def finish(self, form: Format, table: Table) -> None:
        """Turn the journal into the output file."""
        self._file.close()
        with atomic(self._output) as file:
            _render(_whole_lines(self._path, skip=1), form, table, file)
        self._path.unlink()


def _whole_lines(path: Path, skip: int = 0) -> Iterator[Record]:
    """The JSON lines of a file up to the first that was torn; none when there is no file."""
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            try:
                entry = json.loads(line)
            except ValueError:
                return
            if number >= skip and line.endswith("\n"):
                yield entry


def _line(record: Record) -> str:
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    # File names that are not UTF-8 have no other form in JSON than escapes.
    return f"{text if _encodable(text) else json.dumps(record, allow_nan=False)}\n"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _line_writer(form: Format, table: Table, stream: IO[str]) -> Callable[[Record], None]:
    if form is Format.jsonl:
        return lambda record: void(stream.write(_line(record)))
    writer = csv.writer(stream, delimiter="\t" if form is Format.tsv else ",", lineterminator="\n")
    writer.writerow(table.columns)
    return lambda record: void(writer.writerow(map(_cell, table.flat(record).values())))


def void(_: object) -> None:
    """Forget a result."""


def _cell(value: object) -> object:
    if isinstance(value, list):
        simple = all(isinstance(item, str) for item in value)
        return "; ".join(value) if simple else json.dumps(value)
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _render(records: Iterable[Record], form: Format, table: Table, file: IO[bytes]) -> None:
    if form is Format.parquet:
        _render_parquet(records, table, file)
        return
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    write = _line_writer(form, table, text)
    for record in records:
        write(record)
    text.detach()


def _render_parquet(records: Iterable[Record], table: Table, file: IO[bytes]) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise EnvironmentProblem("Parquet needs the package pyarrow: pip install 'hitpredict[parquet]'") from error
    rows = [dict(table.flat(record)) for record in records]
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    file.write(buffer.getvalue())
