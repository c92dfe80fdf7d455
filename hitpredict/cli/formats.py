"""Records on their way out, in every format."""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import IO, Any

from hitpredict.cli.streams import binary_stdout, is_terminal
from hitpredict.errors import UsageError, needs
from hitpredict.tables.cells import any_cell, escaped, json_line

Record = Mapping[str, Any]
GROUP_ROWS = 10_000
"""Rows in one row group of Parquet."""


class Format(StrEnum):
    """How records are written."""

    pretty = "pretty"
    jsonl = "jsonl"
    tsv = "tsv"
    csv = "csv"
    parquet = "parquet"


@dataclass(frozen=True)
class Table:
    """How a kind of record becomes rows: its columns, and the function that flattens a record.

    types: of the columns that hold no numbers, `text`, `texts`, `whole` or `segments`; None where Parquet tells them
    by what is in them.
    """

    columns: Sequence[str]
    flat: Callable[[Record], Mapping[str, Any]]
    types: Mapping[str, str] | None = None


def chosen_format(asked: Format | None, output: Path | None) -> Format:
    """The format asked for, or the output file's suffix, or pretty on a terminal and JSON Lines elsewhere."""
    if asked:
        return asked
    if output is not None:
        suffix = output.suffix.lower().removeprefix(".")
        if suffix in ("", "json", "ndjson"):
            return Format.jsonl
        if suffix not in (*Format,) or suffix == Format.pretty:
            known = ", ".join(f".{each}" for each in Format if each is not Format.pretty)
            raise UsageError(f"{output}: unknown suffix; use one of {known}, or say --format")
        return Format(suffix)
    return Format.pretty if is_terminal(sys.stdout) else Format.jsonl


@contextmanager
def stream_to_stdout(form: Format, table: Table) -> Iterator[Callable[[Record], None]]:
    """Give a function that writes one record to standard output at once (Parquet: all at the end)."""
    if form is Format.parquet:
        if is_terminal(sys.stdout):
            raise UsageError("Parquet is binary and would garble the terminal; use -o FILE or a pipe")
        records: list[Record] = []
        yield records.append
        render(records, form, table, binary_stdout())
        return
    writer = _line_writer(form, table, sys.stdout)

    def write(record: Record) -> None:
        writer(record)
        sys.stdout.flush()

    yield write


def _line_writer(form: Format, table: Table, stream: IO[str]) -> Callable[[Record], None]:
    if form is Format.jsonl:
        return lambda record: void(stream.write(json_line(record)))
    tabs = form is Format.tsv
    writer = csv.writer(stream, delimiter="\t" if tabs else ",", lineterminator="\n")
    writer.writerow(any_cell(name, tabs) for name in table.columns)
    return lambda record: void(writer.writerow(any_cell(value, tabs) for value in table.flat(record).values()))


def void(_: object) -> None:
    """Forget a result."""


def render(records: Iterable[Record], form: Format, table: Table, file: IO[bytes]) -> None:
    """Write records to a binary file. Raises `EnvironmentProblem` for Parquet without pyarrow."""
    if form is Format.parquet:
        _render_parquet(records, table, file)
        return
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    write = _line_writer(form, table, text)
    for record in records:
        write(record)
    text.detach()


def _render_parquet(records: Iterable[Record], table: Table, file: IO[bytes]) -> None:
    with needs("parquet", "Parquet needs"):
        import pyarrow
        import pyarrow.parquet
    rows = ({name: _whole(value) for name, value in table.flat(record).items()} for record in records)
    buffer = io.BytesIO()
    if table.types is None:
        held = list(rows)
        pyarrow.parquet.write_table(
            pyarrow.table({name: [row[name] for row in held] for name in table.columns}), buffer
        )
    else:
        schema = arrow_schema(table.columns, table.types)
        # To memory first, since what is written to may be a pipe.
        with pyarrow.parquet.ParquetWriter(buffer, schema) as writer:
            while group := list(islice(rows, GROUP_ROWS)):
                writer.write_table(pyarrow.Table.from_pylist(group, schema))
    file.write(buffer.getvalue())


def _whole(value: Any) -> Any:
    return escaped(value) if isinstance(value, str) else value


def arrow_schema(columns: Sequence[str], types: Mapping[str, str]) -> Any:
    """The columns of Parquet, the same whatever is in them, so that tables of several runs are one data set."""
    import pyarrow

    number, text = pyarrow.float64(), pyarrow.string()
    segment = pyarrow.struct([(name, number) for name in ("start", "end", "score", "percentile")])
    known = {"text": text, "texts": pyarrow.list_(text), "whole": pyarrow.int64(), "segments": pyarrow.list_(segment)}
    return pyarrow.schema([(name, known[types[name]] if name in types else number) for name in columns])
