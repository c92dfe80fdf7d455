"""Tables that are kept up to date, in text: JSON Lines, CSV and TSV. Rows that stay are carried over as they are."""

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, Any, Protocol

from hitpredict.scoring.records import FAILURE_SCHEMA
from hitpredict.tables.cells import any_cell, escaped, json_line
from hitpredict.tables.kept import INPUT_COLUMNS

TableRow = Mapping[str, Any]
_GROUP_ROWS = 10_000
Kept = Callable[[int, int], dict[int, TableRow]]
"""Of the rows first to last of the old file, counted from 1, those that stay, each with what its input is now."""


class TableFile(Protocol):
    """One format of such tables. `ValueError` and `KeyError` for a file that is none."""

    def inputs(self, path: Path) -> Iterator[TableRow]:
        """`path`, `track_id` and `INPUT_COLUMNS` of each row."""

    def picked(self, path: Path, places: set[int]) -> Iterator[tuple[int, TableRow]]:
        """Some rows as they are, by their place."""

    def failed(self, path: str) -> TableRow:
        """What stands for an input of which nothing could be made."""

    def write(self, file: IO[bytes], old: Path | None, kept: Kept, new: Iterable[TableRow]) -> None:
        """The rows of the old file that stay, and after them the new ones."""


class _Text:
    def rows(self, path: Path) -> Iterator[TableRow]:
        raise NotImplementedError

    def writer(self, text: IO[str], old: Path | None) -> Callable[[TableRow], object]:
        raise NotImplementedError

    def inputs(self, path: Path) -> Iterator[TableRow]:
        for row in self.rows(path):
            told: dict[str, Any] = {name: None if row[name] == "" else row[name] for name in INPUT_COLUMNS}
            size = None if told["size"] is None else int(told["size"])
            yield {**told, "path": row["path"], "track_id": row["track_id"], "size": size}

    def picked(self, path: Path, places: set[int]) -> Iterator[tuple[int, TableRow]]:
        return ((place, row) for place, row in enumerate(self.rows(path), 1) if place in places)

    def write(self, file: IO[bytes], old: Path | None, kept: Kept, new: Iterable[TableRow]) -> None:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        write = self.writer(text, old)
        rows, place = iter(self.rows(old) if old else ()), 1
        while group := list(islice(rows, _GROUP_ROWS)):
            states = kept(place, place + len(group) - 1)
            for number, row in enumerate(group, place):
                if number in states:
                    write({**row, **states[number]})
            place += len(group)
        for row in new:
            write(row)
        text.detach()


class JsonLines(_Text):
    """A record a line, with the fields of `INPUT_COLUMNS`. model: what lines of failures say of it."""

    def __init__(self, model: TableRow):
        self._model = model

    def rows(self, path: Path) -> Iterator[dict[str, Any]]:
        with path.open("rb") as file:
            for line in file:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError("a line is no record")
                yield row

    def failed(self, path: str) -> TableRow:
        return {"schema": FAILURE_SCHEMA, "path": path, **self._model}

    def writer(self, text: IO[str], old: Path | None) -> Callable[[TableRow], object]:
        return lambda row: text.write(json_line(row))


class Delimited(_Text):
    """CSV, or (tabs) TSV. columns: of a new table; one that is there keeps its own."""

    def __init__(self, columns: Sequence[str], tabs: bool, model: TableRow):
        self._columns, self._tabs, self._model = columns, tabs, model

    def rows(self, path: Path) -> Iterator[dict[str, Any]]:
        # A song of many segments is a long cell.
        csv.field_size_limit(sys.maxsize)
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.reader(file, delimiter="\t" if self._tabs else ",", strict=True)
            header = next(reader, [])
            if not {"path", "track_id", *INPUT_COLUMNS} <= set(header):
                raise ValueError("it lacks columns")
            for cells in reader:
                yield dict(zip(header, cells, strict=True))

    def failed(self, path: str) -> TableRow:
        return {"path": path, **self._model}

    def writer(self, text: IO[str], old: Path | None) -> Callable[[TableRow], object]:
        columns, tabs = self._columns, self._tabs
        if old:
            with old.open(encoding="utf-8", newline="") as file:
                columns = next(csv.reader(file, delimiter="\t" if tabs else ","))
        writer = csv.writer(text, delimiter="\t" if tabs else ",", lineterminator="\n")
        writer.writerow(columns)
        return lambda row: writer.writerow(any_cell(row.get(name), tabs) for name in columns)


class Parquet:
    """A Parquet table. schema: of a new table; one that is there keeps its own. model: what rows of failures say."""

    def __init__(self, schema: Callable[[], Any], model: TableRow):
        self._schema, self._model = schema, model

    def inputs(self, path: Path) -> Iterator[TableRow]:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            columns = ["path", "track_id", *INPUT_COLUMNS]
            if not set(columns) <= set(file.schema_arrow.names):
                raise ValueError("it lacks columns")
            # Every column is read, so that damage is found before there is any work that it could cost.
            for batch in file.iter_batches(_GROUP_ROWS):
                yield from batch.select(columns).to_pylist()

    def picked(self, path: Path, places: set[int]) -> Iterator[tuple[int, TableRow]]:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(path) as file:
            place = 1
            for batch in file.iter_batches(_GROUP_ROWS):
                for wanted in sorted(places.intersection(range(place, place + len(batch)))):
                    yield wanted, batch.slice(wanted - place, 1).to_pylist()[0]
                place += len(batch)

    def failed(self, path: str) -> TableRow:
        return {"path": path, **self._model}

    def write(self, file: IO[bytes], old: Path | None, kept: Kept, new: Iterable[TableRow]) -> None:
        import pyarrow.parquet

        schema = pyarrow.parquet.read_schema(old) if old else self._schema()
        with pyarrow.parquet.ParquetWriter(pyarrow.PythonFile(file, mode="w"), schema) as writer:
            if old:
                for batch in _kept_batches(old, kept, schema):
                    writer.write_batch(batch)
            rows = iter(new)
            while group := list(islice(rows, _GROUP_ROWS)):
                writer.write_batch(_batch_of(group, schema))


def _kept_batches(old: Path, kept: Kept, schema: Any) -> Iterator[Any]:
    import pyarrow.parquet

    place = 1
    with pyarrow.parquet.ParquetFile(old) as file:
        for batch in file.iter_batches(_GROUP_ROWS):
            states = kept(place, place + len(batch) - 1)
            rows = batch.take(pyarrow.array([number - place for number in states], pyarrow.int64()))
            told = {
                name: pyarrow.array([state[name] for state in states.values()], schema.field(name).type)
                for name in INPUT_COLUMNS
            }
            columns = [told.get(field.name, rows.column(field.name)) for field in schema]
            yield pyarrow.record_batch(columns, schema=schema)
            place += len(batch)


def _batch_of(rows: Sequence[TableRow], schema: Any) -> Any:
    import numpy as np
    import pyarrow

    def value_of(row: TableRow, field: Any) -> Any:
        value = row.get(field.name)
        if isinstance(value, str):
            return escaped(value)
        return np.float16(value) if value is not None and pyarrow.types.is_float16(field.type) else value

    columns = [pyarrow.array([value_of(row, field) for row in rows], field.type) for field in schema]
    return pyarrow.record_batch(columns, schema=schema)


def table_file(form: str, columns: Sequence[str], schema: Callable[[], Any], model: TableRow) -> TableFile:
    """The format of an output. schema: of a new Parquet table. model: the columns that name the model, as they are in
    that format."""
    if form == "jsonl":
        return JsonLines(model)
    if form == "parquet":
        return Parquet(schema, model)
    return Delimited(columns, form == "tsv", model)
