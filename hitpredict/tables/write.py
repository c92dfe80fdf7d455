"""Feature tables on disk: one row a track, `path`, `track_id`, `duration` in seconds, then the features.

Vectors become one column each. Arrays (frames, patches, images) become two columns, `shape` and `values`, the
numbers in row-major order; `values.reshape(shape)` gives the array back in any language.
"""

import csv
import io
import json
import mmap
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import IO, Any

import numpy as np

from hitpredict.errors import needs
from hitpredict.features.kinds import FeatureRow
from hitpredict.files.arrays import AnyArray, blocks_of
from hitpredict.tables.cells import any_cell, escaped

FORMATS = ("parquet", "arrow", "npz", "jsonl", "tsv", "csv")
_LARGE_CELL = 50 * 10**6
_GROUP_VALUES = 2**20
"""Numbers in one row group: about 4 MB of float32."""
_PIECE = 2**20


def write_table(
    rows: Iterable[FeatureRow],
    columns: Sequence[str] | None,
    form: str,
    file: IO[bytes],
    dtype: str = "float32",
    kind: Mapping[str, Any] | None = None,
) -> None:
    """Write rows to a binary stream in one of `FORMATS`, a row group at a time.

    columns: the vectors' names, or None when the rows hold arrays. dtype: `float32` or `float16` (integers stay).
    kind: name and parameters of what made the rows, kept in the metadata of Parquet and Arrow.
    Raises `EnvironmentProblem` when Parquet or Arrow is asked for and pyarrow is not installed.
    """
    if form in ("parquet", "arrow"):
        _write_arrow(rows, columns, form, file, dtype, kind)
    elif form == "npz":
        _write_npz(rows, columns, file, dtype)
    else:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="backslashreplace", newline="")
        write = line_writer(columns, form, text)
        for row in rows:
            write(row)
        text.detach()


def is_costly_cell(values: AnyArray) -> bool:
    """Whether an array takes more than about 300 MB of memory to be written as a cell of Parquet.

    pyarrow makes one page of a cell since its version 23, and holds it with its levels: six times the array's size.
    """
    import pyarrow

    return values.nbytes > _LARGE_CELL and int(pyarrow.__version__.split(".")[0]) >= 23


def line_writer(columns: Sequence[str] | None, form: str, text: IO[str]) -> Callable[[FeatureRow], None]:
    """A function that writes one row as a JSON line, or as a line of TSV or CSV below a header."""
    names = ("path", "track_id", "duration", *(columns if columns is not None else ("shape", "values")))
    if form == "jsonl":
        return lambda row: _write_json(row, columns, text)
    settings: dict[str, Any] = {"delimiter": "\t" if form == "tsv" else ",", "lineterminator": ""}
    writer = csv.writer(text, **settings)
    writer.writerow(names)
    text.write("\n")

    def write(row: FeatureRow) -> None:
        writer.writerow(any_cell(value, one_line=form == "tsv") for value in _cells(row, columns))
        if columns is None:
            quote = '"' if form == "csv" and row.values.size > 1 else ""
            text.write(settings["delimiter"] + quote)
            _write_numbers(row.values, text)
            text.write(quote)
        text.write("\n")

    return write


def _write_json(row: FeatureRow, columns: Sequence[str] | None, text: IO[str]) -> None:
    names = ("path", "track_id", "duration", *(columns if columns is not None else ("shape",)))
    line = json.dumps(dict(zip(names, _cells(row, columns), strict=True)))
    if columns is not None:
        text.write(f"{line}\n")
        return
    text.write(f'{line[:-1]}, "values": ')
    _write_numbers(row.values, text)
    text.write("}\n")


def _write_numbers(values: AnyArray, text: IO[str]) -> None:
    """All numbers of an array as one list in JSON, a block at a time."""
    text.write("[")
    between = ""
    for block in blocks_of(values):
        text.write(between + json.dumps(plain_numbers(block))[1:-1])
        between = ", "
    text.write("]")


def _cells(row: FeatureRow, columns: Sequence[str] | None) -> list[Any]:
    """What a row holds, of arrays without their numbers."""
    about = [row.path, row.track_id, row.duration]
    return [*about, *plain_numbers(np.asarray(row.values))] if columns is not None else [*about, list(row.values.shape)]


def plain_numbers(values: np.ndarray) -> list[Any]:
    """All numbers of an array, as JSON and text have them."""
    # float32 printed with its own shortest digits, not with float64's; what is not a number becomes null.
    return [_number(value) for value in values.ravel()]


def _number(value: Any) -> Any:
    if isinstance(value, np.integer):
        return int(value)
    return float(str(value)) if np.isfinite(value) else None


def _write_arrow(
    rows: Iterable[FeatureRow],
    columns: Sequence[str] | None,
    form: str,
    file: IO[bytes],
    dtype: str,
    kind: Mapping[str, Any] | None,
) -> None:
    with needs("parquet", f"{form} needs"):
        import pyarrow
        import pyarrow.parquet
    rows = iter(rows)
    first = next(rows, None)
    number = pyarrow.from_numpy_dtype(_stored(first.values if first else np.empty(0, np.float32), dtype))
    if columns is not None:
        fields = [(name, number) for name in columns]
    else:
        fields = [("shape", pyarrow.list_(pyarrow.int32())), ("values", pyarrow.list_(number))]
    metadata = {"hitpredict.kind": json.dumps(kind)} if kind else None
    about = [("path", pyarrow.string()), ("track_id", pyarrow.string()), ("duration", pyarrow.float64())]
    schema = pyarrow.schema([*about, *fields], metadata)
    output = _Emptying(file)
    with _arrow_writer(pyarrow.PythonFile(output, mode="w"), schema, form, columns) as writer:
        for group in _groups(chain([first] if first else [], rows)):
            with _end_to_end(group, dtype) as (values, mapping):
                output.mapping = mapping
                writer.write_table(_arrow_table(group, columns, schema, values))
            output.mapping = None


class _Emptying:
    """A file that is written to from memory which maps another file, and does not keep of it what has been written."""

    closed = False

    def __init__(self, file: IO[bytes]):
        self._file = file
        self.mapping: mmap.mmap | None = None
        self.flush, self.tell = file.flush, file.tell

    def write(self, data: Any) -> int:
        view = memoryview(data)
        for start in range(0, len(view), _PIECE):
            self._file.write(view[start : start + _PIECE])
            if self.mapping is not None and hasattr(mmap, "MADV_DONTNEED"):
                self.mapping.madvise(mmap.MADV_DONTNEED)
        return len(view)

    def close(self) -> None:
        """Leave the file to whoever opened it."""


@contextmanager
def _end_to_end(group: list[FeatureRow], dtype: str) -> Iterator[tuple[np.ndarray, mmap.mmap | None]]:
    """The numbers of all rows as they are to be stored: in memory, or of a large array in a file that is mapped."""
    (first, *_), stored = group, _stored(group[0].values, dtype)
    if isinstance(first.values, np.ndarray) or not first.values.size:
        yield np.concatenate([np.asarray(row.values, stored).ravel() for row in group]), None
        return
    with tempfile.TemporaryFile() as scratch:
        for block in blocks_of(first.values):
            scratch.write(np.asarray(block, stored).data)
        scratch.flush()
        mapping = mmap.mmap(scratch.fileno(), 0, access=mmap.ACCESS_READ)
        yield np.frombuffer(mapping, stored), mapping


def _arrow_writer(sink: Any, schema: Any, form: str, columns: Sequence[str] | None) -> Any:
    import pyarrow.parquet

    if form == "arrow":
        return pyarrow.ipc.new_file(sink, schema)
    # A dictionary of the numbers of an array gains nothing, and holds them back until the column is complete.
    dictionary: Any = True if columns is not None else ["path", "track_id"]
    return pyarrow.parquet.ParquetWriter(sink, schema, use_dictionary=dictionary)


def _arrow_table(group: list[FeatureRow], columns: Sequence[str] | None, schema: Any, values: np.ndarray) -> Any:
    import pyarrow

    about = [pyarrow.array([escaped(getattr(row, key)) for row in group]) for key in ("path", "track_id")]
    about.append(pyarrow.array([row.duration for row in group], pyarrow.float64()))
    if columns is not None:
        matrix = values.reshape(len(group), len(columns))
        return pyarrow.table([*about, *(pyarrow.array(column) for column in matrix.T)], schema=schema)
    offsets = np.cumsum([0, *(row.values.size for row in group)], dtype=np.int32)
    flat = pyarrow.ListArray.from_arrays(offsets, pyarrow.array(values))
    shapes = pyarrow.array([list(row.values.shape) for row in group], pyarrow.list_(pyarrow.int32()))
    return pyarrow.table([*about, shapes, flat], schema=schema)


def _groups(rows: Iterable[FeatureRow]) -> Iterator[list[FeatureRow]]:
    group: list[FeatureRow] = []
    size = 0
    for row in rows:
        if group and size + row.values.size > _GROUP_VALUES:
            yield group
            group, size = [], 0
        group.append(row)
        size += row.values.size
    if group:
        yield group


def _write_npz(rows: Iterable[FeatureRow], columns: Sequence[str] | None, file: IO[bytes], dtype: str) -> None:
    """`path`, `track_id`, `duration`; `columns` with `features` (N, D), or one array a track named by its number."""
    paths, ids, durations, vectors = [], [], [], []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, row in enumerate(rows):
            paths.append(escaped(row.path))
            ids.append(escaped(row.track_id))
            durations.append(row.duration)
            stored = _stored(row.values, dtype)
            if columns is None:
                _put(archive, f"{number:08}", row.values, stored)
            else:
                vectors.append(np.asarray(row.values, stored))
        _put(archive, "path", np.array(paths, dtype=str))
        _put(archive, "track_id", np.array(ids, dtype=str))
        _put(archive, "duration", np.array(durations, np.float64))
        if columns is not None:
            _put(archive, "columns", np.array(columns, dtype=str))
            _put(archive, "features", np.array(vectors).reshape(len(vectors), len(columns)))


def _put(archive: zipfile.ZipFile, name: str, values: AnyArray, dtype: np.dtype[Any] | None = None) -> None:
    stored = dtype or values.dtype
    header = {"descr": np.lib.format.dtype_to_descr(stored), "fortran_order": False, "shape": tuple(values.shape)}
    # A fixed date, so that equal features give equal bytes.
    with archive.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
        np.lib.format.write_array_header_1_0(member, header)
        for block in blocks_of(values):
            member.write(np.ascontiguousarray(block, stored).tobytes())


def _stored(values: AnyArray, dtype: str) -> np.dtype[Any]:
    return np.dtype(dtype) if np.issubdtype(values.dtype, np.floating) else values.dtype
