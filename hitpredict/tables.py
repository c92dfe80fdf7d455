"""Feature tables on disk: one row a track, `path`, `track_id`, `duration` in seconds, then the features.

Vectors become one column each. Arrays (frames, patches, images) become two columns, `shape` and `values`, the
numbers in row-major order; `values.reshape(shape)` gives the array back in any language.
"""

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import IO, Any

import numpy as np

from hitpredict.cells import cell
from hitpredict.errors import EnvironmentProblem
from hitpredict.featurizing import FeatureRow

FORMATS = ("parquet", "arrow", "npz", "jsonl", "tsv", "csv")
_GROUP_VALUES = 2**22
"""Numbers in one row group: about 16 MB of float32."""


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


def line_writer(columns: Sequence[str] | None, form: str, text: IO[str]) -> Any:
    """A function that writes one row as a JSON line, or as a line of TSV or CSV below a header."""
    names = ("path", "track_id", "duration", *(columns if columns is not None else ("shape", "values")))
    if form == "jsonl":
        return lambda row: text.write(json.dumps(dict(zip(names, _cells(row, columns), strict=True))) + "\n")
    writer = csv.writer(text, delimiter="\t" if form == "tsv" else ",", lineterminator="\n")
    writer.writerow(names)

    def plain(value: Any) -> Any:
        value = json.dumps(value) if isinstance(value, list) else value
        return cell(value, one_line=form == "tsv") if isinstance(value, str) else value

    return lambda row: writer.writerow(map(plain, _cells(row, columns)))


def _cells(row: FeatureRow, columns: Sequence[str] | None) -> list[Any]:
    # float32 printed with its own shortest digits, not with float64's; what is not a number becomes null.
    numbers = [_number(value) for value in row.values.ravel()]
    if columns is not None:
        return [row.path, row.track_id, row.duration, *numbers]
    return [row.path, row.track_id, row.duration, list(row.values.shape), numbers]


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
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise EnvironmentProblem(f"{form} needs the package pyarrow: pip install 'hitpredict[parquet]'") from error
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
    sink: Any = pyarrow.PythonFile(file, mode="w")
    writer = pyarrow.parquet.ParquetWriter(sink, schema) if form == "parquet" else pyarrow.ipc.new_file(sink, schema)
    with writer:
        for group in _groups(chain([first] if first else [], rows)):
            writer.write_table(_arrow_table(group, columns, schema, dtype))


def _arrow_table(group: list[FeatureRow], columns: Sequence[str] | None, schema: Any, dtype: str) -> Any:
    import pyarrow

    about = [pyarrow.array([_text(getattr(row, key)) for row in group]) for key in ("path", "track_id")]
    about.append(pyarrow.array([row.duration for row in group], pyarrow.float64()))
    values = [np.asarray(row.values, _stored(row.values, dtype)) for row in group]
    if columns is not None:
        matrix = np.stack(values)
        return pyarrow.table([*about, *(pyarrow.array(column) for column in matrix.T)], schema=schema)
    offsets = np.cumsum([0, *(value.size for value in values)], dtype=np.int32)
    flat = pyarrow.ListArray.from_arrays(offsets, pyarrow.array(np.concatenate([v.ravel() for v in values])))
    shapes = pyarrow.array([list(value.shape) for value in values], pyarrow.list_(pyarrow.int32()))
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
            paths.append(_text(row.path))
            ids.append(_text(row.track_id))
            durations.append(row.duration)
            values = np.asarray(row.values, _stored(row.values, dtype))
            if columns is None:
                _put(archive, f"{number:08}", values)
            else:
                vectors.append(values)
        _put(archive, "path", np.array(paths, dtype=str))
        _put(archive, "track_id", np.array(ids, dtype=str))
        _put(archive, "duration", np.array(durations, np.float64))
        if columns is not None:
            _put(archive, "columns", np.array(columns, dtype=str))
            _put(archive, "features", np.array(vectors).reshape(len(vectors), len(columns)))


def _put(archive: zipfile.ZipFile, name: str, array: np.ndarray) -> None:
    # A fixed date, so that equal features give equal bytes.
    with archive.open(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as member:
        np.lib.format.write_array(member, array, allow_pickle=False)


def _stored(values: np.ndarray, dtype: str) -> np.dtype[Any]:
    return np.dtype(dtype) if np.issubdtype(values.dtype, np.floating) else values.dtype


def _text(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
