"""Tables as files hold them: features of a track in each row, as columns or as arrays, and tables of labels.

Vectors are matrices in memory. Arrays (frames, patches, images) of more than a gibibyte are kept in a file that is
mapped into memory, so that a data set may be larger than the machine.
"""

import json
import math
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import EnvironmentProblem, HitpredictError, InputError, UsageError, needs
from hitpredict.frontends import maker_of
from hitpredict.tables.cells import original
from hitpredict.tables.kept import of_sound

Note = Callable[[str], None]
"""What is told of rows that are left out and values that count as missing, a line at a time."""
_IN_MEMORY = 2**30
_DURATION = "duration"


class Arrays:
    """Arrays of different shapes but one type, end to end in one flat buffer."""

    def __init__(self, flat: NDArray[Any], shapes: Sequence[Sequence[int]], file: Any = None):
        self._flat, self.shapes, self._file = flat, [tuple(map(int, shape)) for shape in shapes], file
        self.dtype = flat.dtype
        self._starts = np.cumsum([0, *(int(np.prod(shape)) for shape in self.shapes)])

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, row: int) -> NDArray[Any]:
        return self._flat[self._starts[row] : self._starts[row + 1]].reshape(self.shapes[row])


@dataclass(frozen=True)
class Features:
    """One feature table. kind: name and parameters of what made it, where known.

    values: float32 (N, D) with `columns`, or `Arrays` (columns None). durations: seconds of sound by track, (N,), NaN
    where the table does not say.
    """

    path: str
    kind: Mapping[str, Any] | None
    track_ids: tuple[str, ...]
    columns: tuple[str, ...] | None
    values: Any
    durations: NDArray[np.float64] | None = None

    @property
    def name(self) -> str | None:
        """Name of what made it, None where that is not known."""
        return (self.kind or {}).get("name")

    @property
    def full_scale(self) -> float:
        """The largest level: of pictures that of white, of other integers the largest there is, else 1."""
        dtype = self.values.dtype
        largest = float(np.iinfo(dtype).max) if np.issubdtype(dtype, np.integer) else 1.0
        return float(getattr(maker_of(self.kind), "full_scale", largest))

    @property
    def is_vector(self) -> bool:
        """Whether its rows are vectors, not arrays."""
        return self.columns is not None


def canonical_id(track: Any) -> str:
    """A track id as text; `000002`, `2` and `2.0` are the same."""
    text = str(int(track)) if isinstance(track, float) and track.is_integer() else str(track)
    return text.lstrip("0") or "0" if text.isascii() and text.isdigit() else text


def ids_of(table: Mapping[str, Sequence[Any]], path: Path) -> list[str]:
    for name in ("track_id", "id"):
        if name in table:
            return [canonical_id(track) for track in table[name]]
    raise UsageError(f"{path}: has no column track_id to join on; it has {', '.join(list(table)[:8])}")


def note_texts(column: Sequence[Any], name: str, path: Path, note: Note) -> None:
    """Say which values of a column of numbers are none."""
    texts = [value for value in column if isinstance(value, str) and value and not np.isfinite(number_of(value))]
    if texts:
        note(f"{path}: {len(texts)} values of {name} are not numbers, such as {texts[0]!r}; they count as missing")


def number_of(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def read_table(path: Path) -> dict[str, list[Any]]:
    """A table of Parquet, CSV, TSV (both also gzipped) or JSON Lines as lists by column. Raises `InputError`."""
    names = path.name.removesuffix(".gz")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    with readable(path):
        if names.endswith((".jsonl", ".json")):
            return _read_jsonl(path)
        arrow = _read_arrow(path, names)
        if twice := [name for name in arrow.column_names if arrow.column_names.count(name) > 1]:
            raise ValueError(f"it has the column {twice[0]!r} more than once")
        columns = {name: arrow.column(name).to_pylist() for name in arrow.column_names}
    if names.endswith(".parquet"):
        return columns
    return {name: [original(v) if isinstance(v, str) else v for v in column] for name, column in columns.items()}


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Damage ends in many unrelated exceptions; here it is an `InputError` that names the table."""
    with needs("train", "tables need"):
        try:
            yield
        except (HitpredictError, ImportError):
            raise
        except Exception as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
            raise InputError(f"{path}: cannot be read as a table: {reason}") from error


def _read_arrow(path: Path, name: str) -> Any:
    import pyarrow.csv
    import pyarrow.parquet

    if name.endswith(".parquet"):
        return pyarrow.parquet.read_table(path)
    options = pyarrow.csv.ParseOptions(delimiter="\t" if name.endswith(".tsv") else ",", newlines_in_values=True)
    return pyarrow.csv.read_csv(path, parse_options=options)


def _read_jsonl(path: Path) -> dict[str, list[Any]]:
    # Not splitlines(): titles may hold other line separators than the line feed.
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    rows = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append(row := _parsed(line, number))
            if not isinstance(row, dict):
                raise ValueError(f"line {number} holds no object: {line[:40]!r}")
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _parsed(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number} is no JSON: {error}") from error


def read_features(
    path: Path, note: Note, left_out: Sequence[str] = (), every_column: bool = False, wanted: Collection[str] = ()
) -> Features:
    """One feature table; of the columns of a known kind of features only those are taken, unless every_column.

    wanted: names of kinds; a table of `BESIDE_SOUND` among them is taken with as many of its columns as it has.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file")
    kind: Mapping[str, Any] | None = None
    if path.name.endswith(".parquet"):
        with readable(path):
            import pyarrow.parquet

            schema = pyarrow.parquet.read_schema(path)
            kind = _kind(schema.metadata or {})
            if "values" in schema.names and "shape" in schema.names:
                return _read_arrays(path, kind)
    table = of_sound(read_table(path))
    ids = tuple(ids_of(table, path))
    names = [name for name in table if name not in ("path", "track_id", "id", *left_out) and _is_numeric(table[name])]
    for name in names:
        note_texts(table[name], name, path, note)
    columns, kind = (names, None) if every_column else _known_columns(names, kind, path, note, wanted)
    durations = np.array([number_of(value) for value in table[_DURATION]]) if _DURATION in table else None
    with np.errstate(over="ignore"):
        values = np.array([[number_of(value) for value in table[name]] for name in columns], np.float32).T
    if not columns:
        raise UsageError(f"{path}: has no numeric columns")
    if far := int(np.isinf(values).sum()):
        values[np.isinf(values)] = np.nan
        note(f"{path}: {far} values are too large for 32 bits or infinite; they count as missing")
    return Features(str(path), kind, ids, tuple(columns), values, durations)


def _kind(metadata: Mapping[bytes, bytes]) -> dict[str, Any] | None:
    """What made a table, where it says so. Raises ValueError when that is nothing there can be."""
    try:
        kind = json.loads(metadata.get(b"hitpredict.kind", b"null"))
        if kind is not None and not (isinstance(kind, dict) and isinstance(kind.get("name"), str)):
            raise ValueError("it has no name")
        maker_of(kind)
    except (ValueError, RecursionError, EnvironmentProblem) as error:
        raise ValueError(f"the kind of features that it names cannot be: {error}") from error
    return kind


def _is_numeric(column: Sequence[Any]) -> bool:
    """Numbers, or text that is numbers but for a few cells."""
    first = next((value for value in column if value not in (None, "")), None)
    if not isinstance(first, str):
        return isinstance(first, int | float) and not isinstance(first, bool)
    found = [value for value in column if value not in (None, "")]
    return sum(bool(np.isfinite(number_of(value))) for value in found) > 0.5 * len(found)


def _known_columns(
    names: list[str], kind: Mapping[str, Any] | None, path: Path, note: Note, wanted: Collection[str]
) -> tuple[list[str], Mapping[str, Any] | None]:
    from hitpredict.features.kinds import described, vector_kinds

    for candidate in [] if kind else vector_kinds():
        columns = candidate.columns or ()
        if set(columns) <= set(names):
            if described(candidate)["name"] == "hmn207" and (larger := _beside_sound(names, wanted)):
                name, found = larger
                families = ", ".join(f"{len(there)} {family}" for family, there in found.items())
                note(f"{path}: beside the 207 columns of sound it has {families}, so the model cannot score audio")
                return [*columns, *(each for there in found.values() for each in there)], {"name": name}
            if others := [name for name in names if name not in (*columns, _DURATION)]:
                note(f"{path}: {', '.join(others[:4])} are not {described(candidate)['name']} features; left out")
            return list(columns), described(candidate)
    if kind is None:
        note(f"{path}: not the columns of a known kind of features, so the model cannot score audio")
        return names, kind
    return [name for name in names if name != _DURATION], kind


def _beside_sound(names: Collection[str], wanted: Collection[str]) -> tuple[str, dict[str, list[str]]] | None:
    """Which of the wanted tables of `BESIDE_SOUND` it can be, and the columns of each family that are there."""
    from hitpredict.features.descriptors.hmn import BESIDE_SOUND

    for name, families in BESIDE_SOUND.items():
        found = {family: there for family, all_of in families.items() if (there := [x for x in all_of if x in names])}
        if name in wanted and found:
            return name, found
    return None


def _read_arrays(path: Path, kind: Mapping[str, Any] | None) -> Features:
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    ids: list[str] = []
    shapes: list[list[int]] = []
    known = [_DURATION] if _DURATION in file.schema_arrow.names else []
    durations: list[float] = []
    for group in _groups_of(file, ["track_id", "shape", *known]):
        ids += [canonical_id(track) for track in group["track_id"].to_pylist()]
        shapes += group["shape"].to_pylist()
        durations += [number_of(value) for value in group[_DURATION].to_pylist()] if known else []
    dtype = np.dtype(file.schema_arrow.field("values").type.value_type.to_pandas_dtype())
    if dtype.kind not in "fiu":
        raise ValueError("its values are no numbers")
    if any(not shape or min(shape) < 0 for shape in shapes):
        raise ValueError("a row has no shape")
    size = sum(math.prod(shape) for shape in shapes)
    if size > (there := _numbers_in(file)):
        raise ValueError(f"its shapes ask for {size} numbers, and it holds {there}")
    backing = None
    if size * dtype.itemsize > _IN_MEMORY:
        backing = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the arrays
        flat: NDArray[Any] = np.memmap(backing, dtype, "w+", shape=(size,))
    else:
        flat = np.empty(size, dtype)
    start = 0
    for group in _groups_of(file, ["values"]):
        for chunk in group["values"].chunks:
            values = chunk.flatten().to_numpy(zero_copy_only=False)
            if start + len(values) > size:
                raise ValueError("its shapes ask for fewer numbers than it holds")
            flat[start : start + len(values)] = values
            start += len(values)
    if start < size:
        raise ValueError(f"its shapes ask for {size} numbers, and it holds {start}")
    return Features(
        str(path), kind, tuple(ids), None, Arrays(flat, shapes, backing), np.array(durations) if known else None
    )


def _numbers_in(file: Any) -> int:
    """How many numbers the column `values` says it has."""
    groups = (file.metadata.row_group(number) for number in range(file.num_row_groups))
    chunks = (group.column(number) for group in groups for number in range(group.num_columns))
    return sum(chunk.num_values for chunk in chunks if chunk.path_in_schema.split(".")[0] == "values")


def _groups_of(file: Any, columns: list[str]) -> Iterator[Any]:
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns=columns)
