"""Features and labels, read from tables and joined on `track_id`: what training and evaluation work on.

Vectors are matrices in memory. Arrays (frames, patches, images) of more than a gibibyte are kept in a file that is
mapped into memory, so that a data set may be larger than the machine.
"""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict import label_inputs
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.splits import connected_groups
from hitpredict.windows import summary_of

_IN_MEMORY = 2**30


class Arrays:
    """Arrays of different shapes but one type, end to end in one flat buffer."""

    def __init__(self, flat: NDArray[Any], shapes: Sequence[Sequence[int]], file: Any = None):
        self._flat, self.shapes, self._file = flat, [tuple(map(int, shape)) for shape in shapes], file
        self._starts = np.cumsum([0, *(int(np.prod(shape)) for shape in self.shapes)])

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, row: int) -> NDArray[Any]:
        return self._flat[self._starts[row] : self._starts[row + 1]].reshape(self.shapes[row])


@dataclass(frozen=True)
class Features:
    """One feature table. kind: name and parameters of what made it, where known.

    values: float32 (N, D) with `columns`, or `Arrays` (columns None).
    rows: for each track of the data set the row of `values` (after joining).
    """

    path: str
    kind: Mapping[str, Any] | None
    track_ids: tuple[str, ...]
    columns: tuple[str, ...] | None
    values: Any

    @property
    def is_vector(self) -> bool:
        """Whether its rows are vectors, not arrays."""
        return self.columns is not None


@dataclass(frozen=True)
class TrainingData:
    """Tracks with features, labels and groups, one row each (or one for each region), in the order of the features.

    labels: float64 (N, C), one column for each of `targets`, signs as in the table; NaN only in weeks of a curve that
    are not known. groups: (N,) text.
    table: the label table's other columns, (N,) each, to split by.
    """

    track_ids: tuple[str, ...]
    inputs: tuple[Features, ...]
    rows: tuple[NDArray[np.intp], ...]
    targets: tuple[str, ...]
    labels: NDArray[np.float64]
    groups: NDArray[np.str_]
    table: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.track_ids)

    def take(self, keep: NDArray[np.intp]) -> "TrainingData":
        """The tracks of some row numbers, in that order."""
        return replace(
            self,
            track_ids=tuple(self.track_ids[row] for row in keep),
            rows=tuple(rows[keep] for rows in self.rows),
            labels=self.labels[keep],
            groups=self.groups[keep],
            table={name: column[keep] for name, column in self.table.items()},
        )

    def vectors(self, number: int = 0) -> NDArray[np.float32]:
        """Input `number` as a matrix (N, D); of arrays the mean and the deviation over their first axis."""
        features = self.inputs[number]
        if features.is_vector:
            return np.asarray(features.values[self.rows[number]], np.float32)
        return np.stack([summary_of(features.values[row]) for row in self.rows[number]])

    def named(self, kind: str) -> NDArray[np.float32] | None:
        """The input of this kind as a matrix (N, D), if there is one."""
        kinds = [(each.kind or {}).get("name") for each in self.inputs]
        return self.vectors(kinds.index(kind)) if kind in kinds else None

    @cached_property
    def summary(self) -> NDArray[np.float32]:
        """All inputs as one matrix, for linear baselines."""
        return np.concatenate([self.vectors(number) for number in range(len(self.inputs))], axis=1)


def load(
    features: Sequence[Path],
    labels: Path,
    targets: Sequence[str],
    group: str | None,
    notes: list[str],
    every_column: bool = False,
    from_labels: Sequence[label_inputs.Kind] = (),
) -> TrainingData:
    """Read and join. targets: label columns, a leading `-` meaning turned round. group: a label column, or None
    for connected groups of artists (columns `artist_ids` or `artist_id`) and equal feature rows.

    A target column may hold lists (a curve). every_column: take all numeric columns but the targets, not only those of
    a known kind of features. from_labels: inputs that the label table gives, after the feature tables' (see
    `label_inputs`); a region among them makes a row for each region of a track.

    Tracks without features, without a label, or with one that is no number are left out and counted in `notes`.
    Raises `InputError` for unreadable tables and `UsageError` for missing columns and ids that do not match.
    """
    left_out = [name.removeprefix("-") for name in targets]
    tables = [read_features(path, notes, left_out, every_column) for path in features]
    label_table = read_table(labels)
    ids = _ids(label_table, labels)
    columns_of = [_numeric(label_table, name.removeprefix("-"), labels, notes) for name in targets]
    numbers = np.concatenate(columns_of, axis=1)
    usable = np.isfinite(numbers).all(axis=1)
    if numbers.shape[1] > len(targets):
        numbers, usable = _known_weeks(numbers, label_table)
    serving = label_inputs.rows_that_serve(from_labels, label_table, numbers)
    if without := int((usable & ~serving).sum()):
        kinds = " and ".join(str(kind["name"]) for kind in from_labels)
        notes.append(f"{labels}: {without} rows do not give the inputs {kinds} and are left out")
    many = label_inputs.named(from_labels, label_inputs.REGION) is not None
    tracks = tables[0].track_ids if tables else ids
    keys = list(zip(ids, label_table[label_inputs.REGION], strict=True)) if many else ids
    if repeated := len(keys) - len(set(keys)):
        notes.append(f"{labels}: {repeated} rows repeat a track; the first row of each counts")
    rows_of = _rows_by_track(ids, keys, serving)
    kept = _joined_rows(tracks, rows_of, np.asarray(usable), [set(table.track_ids) for table in tables], targets, notes)
    if not len(kept):
        where = " and ".join(map(str, [*features, labels]))
        if any(track in rows_of for track in tracks):
            raise UsageError(f"{where}: no row has a usable label in {', '.join(targets)}")
        example = f"{list(tracks[:1])} and {ids[:1]}"
        raise UsageError(f"{where}: no track with features has a label; ids look like {example}")
    columns = {name: _column(label_table[name], kept) for name in label_table}
    track_ids = tuple(ids[row] for row in kept)
    places = [{track: row for row, track in enumerate(table.track_ids)} for table in tables]
    rows = [np.array([place[track] for track in track_ids]) for place in places]
    groups = _groups(columns, group, tables[0] if tables else None, track_ids, labels, notes)
    for kind in from_labels:
        tables.append(_from_labels(kind, columns, numbers[kept], labels))
        rows.append(np.arange(len(kept)))
    known = label_inputs.named(from_labels, label_inputs.WEEKS)
    learnt = numbers[kept][:, known["count"] if known else 0 :]
    return TrainingData(track_ids, tuple(tables), tuple(rows), tuple(targets), learnt, groups, columns)


def _rows_by_track(ids: Sequence[str], keys: Sequence[Any], serving: NDArray[np.bool_]) -> dict[str, list[int]]:
    """Of each track the label rows that serve; of rows with the same key (track, or track and region) the first."""
    rows_of: dict[str, list[int]] = {}
    first: set[Any] = set()
    for row, (track, key) in enumerate(zip(ids, keys, strict=True)):
        if serving[row] and key not in first:
            first.add(key)
            rows_of.setdefault(track, []).append(row)
    return rows_of


def _joined_rows(
    tracks: Sequence[str],
    rows_of: Mapping[str, list[int]],
    usable: NDArray[np.bool_],
    tables: Sequence[set[str]],
    targets: Sequence[str],
    notes: list[str],
) -> NDArray[np.intp]:
    """Label rows of the tracks that are in all tables, in the order of `tracks`."""
    kept: list[int] = []
    missing = empty = 0
    for track in dict.fromkeys(tracks):
        found = rows_of.get(track, []) if all(track in table for table in tables) else []
        labelled = [row for row in found if usable[row]]
        missing, empty = missing + (not found), empty + len(found) - len(labelled)
        kept += labelled
    if missing:
        notes.append(f"{missing} of {len(set(tracks))} tracks are not in all tables and are left out")
    if empty:
        notes.append(f"{empty} rows have no label in {', '.join(targets)} and are left out")
    return np.array(kept, np.intp)


def _known_weeks(
    curves: NDArray[np.float64], table: Mapping[str, Sequence[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Curves with NaN after the data end, and which of them can be learnt from: some week known, the start seen."""
    if "available_weeks" in table:
        after = np.arange(curves.shape[1]) >= np.array([_number(value) for value in table["available_weeks"]])[:, None]
        curves = np.where(after, np.nan, curves)
    begun = np.array([bool(value) for value in table.get("censored_left", [False] * len(curves))])
    return curves, np.asarray(np.isfinite(curves).any(axis=1) & ~begun)


def _from_labels(
    kind: label_inputs.Kind, columns: Mapping[str, NDArray[Any]], numbers: NDArray[np.float64], labels: Path
) -> Features:
    full, names, values = label_inputs.values_of(kind, columns, numbers)
    return Features(f"{labels} ({kind['name']})", full, (), tuple(names), values)


def _column(values: Sequence[Any], rows: NDArray[np.intp]) -> NDArray[Any]:
    """Some rows of a column, each a Python object, lists as well."""
    column = np.empty(len(rows), object)
    for place, row in enumerate(rows):
        column[place] = values[row]
    return column


def _groups(
    table: Mapping[str, NDArray[Any]],
    column: str | None,
    features: Features | None,
    track_ids: Sequence[str],
    path: Path,
    notes: list[str],
) -> NDArray[np.str_]:
    if column is not None:
        if column not in table:
            raise UsageError(f"--group {column}: {path} has no such column; it has {', '.join(table)}")
        return np.array([str(value) for value in table[column]])
    artists = next((name for name in ("artist_ids", "artist_id", "artist", "artist_name") if name in table), None)
    memberships = [_artists(value) for value in table[artists]] if artists else [[] for _ in track_ids]
    if artists is None:
        notes.append(f"{path}: no artist column, so groups are equal recordings only; name one with --group")
    recordings = _recordings(features) if features else {}
    for names, track in zip(memberships, track_ids, strict=True):
        names.append(recordings.get(track, f"\0{track}"))
    return connected_groups(memberships)


def _recordings(features: Features) -> dict[str, str]:
    """A name for the recording of each track: equal feature rows are the same recording under another id."""
    found = {}
    for row, track in enumerate(features.track_ids):
        rounded = np.round(np.asarray(features.values[row], np.float64), 4)
        found[track] = f"\0{hash(rounded.tobytes())}"
    return found


def _artists(value: Any) -> list[str]:
    if isinstance(value, str) and value.startswith("["):
        value = json.loads(value)
    if isinstance(value, list | tuple | np.ndarray):
        return [str(name) for name in value]
    text = "" if value is None else str(value)
    # Joint artists come as `12.34`, `12,34` or `12;34`; a name may hold a full stop.
    separators = ".,;" if text.replace(".", "").replace(",", "").replace(";", "").isdigit() else ";"
    for separator in separators[1:]:
        text = text.replace(separator, separators[0])
    return [name.strip() for name in text.split(separators[0]) if name.strip()]


def canonical_id(track: Any) -> str:
    """A track id as text; `000002`, `2` and `2.0` are the same."""
    text = str(int(track)) if isinstance(track, float) and track.is_integer() else str(track)
    return str(int(text)) if text.isdigit() else text


def _ids(table: Mapping[str, Sequence[Any]], path: Path) -> list[str]:
    for name in ("track_id", "id"):
        if name in table:
            return [canonical_id(track) for track in table[name]]
    raise UsageError(f"{path}: has no column track_id to join on; it has {', '.join(list(table)[:8])}")


def _numeric(table: Mapping[str, Sequence[Any]], name: str, path: Path, notes: list[str]) -> NDArray[np.float64]:
    if name not in table:
        raise UsageError(f"--target {name}: {path} has no such column; it has {', '.join(table)}")
    column = table[name]
    if any(isinstance(value, list) for value in column):
        width = max(len(value) for value in column if isinstance(value, list))
        lists = [value if isinstance(value, list) else [None] for value in column]
        even = [value if len(value) == width else [*value, *[None] * (width - len(value))] for value in lists]
        try:
            return np.array(even, np.float64)
        except ValueError:
            return np.array([[_number(each) for each in value] for value in even])
    _note_texts(column, name, path, notes)
    return np.array([_number(value) for value in column])[:, None]


def _note_texts(column: Sequence[Any], name: str, path: Path, notes: list[str]) -> None:
    """Say which values of a column of numbers are none."""
    texts = [value for value in column if value not in (None, "") and not np.isfinite(_number(value))]
    if texts := [value for value in texts if isinstance(value, str)]:
        notes.append(
            f"{path}: {len(texts)} values of {name} are not numbers, such as {texts[0]!r}; they count as missing"
        )


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return float("nan")


def read_table(path: Path) -> dict[str, list[Any]]:
    """A table of Parquet, CSV, TSV (both also gzipped) or JSON Lines as lists by column. Raises `InputError`."""
    names = path.name.removesuffix(".gz")
    if not path.exists():
        raise InputError(f"{path}: no such file")
    try:
        if names.endswith((".jsonl", ".json")):
            return _read_jsonl(path)
        arrow = _read_arrow(path, names)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a table: {str(error).splitlines()[0]}") from error
    return {name: arrow.column(name).to_pylist() for name in arrow.column_names}


def _read_arrow(path: Path, name: str) -> Any:
    try:
        import pyarrow.csv
        import pyarrow.parquet
    except ImportError as error:
        raise EnvironmentProblem("tables need the package pyarrow: pip install 'hitpredict[train]'") from error
    if name.endswith(".parquet"):
        return pyarrow.parquet.read_table(path)
    options = pyarrow.csv.ParseOptions(delimiter="\t" if name.endswith(".tsv") else ",", newlines_in_values=True)
    return pyarrow.csv.read_csv(path, parse_options=options)


def _read_jsonl(path: Path) -> dict[str, list[Any]]:
    # Not splitlines(): titles may hold other line separators than the line feed.
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def read_features(path: Path, notes: list[str], left_out: Sequence[str] = (), every_column: bool = False) -> Features:
    """One feature table; of the columns of a known kind of features only those are taken, unless every_column."""
    if not path.exists():
        raise InputError(f"{path}: no such file")
    if path.name.endswith(".parquet"):
        import pyarrow.parquet

        schema = pyarrow.parquet.read_schema(path)
        kind = json.loads((schema.metadata or {}).get(b"hitpredict.kind", b"null"))
        if "values" in schema.names and "shape" in schema.names:
            return _read_arrays(path, kind)
    else:
        kind = None
    table = read_table(path)
    ids = tuple(_ids(table, path))
    names = [name for name in table if name not in ("path", "track_id", "id", *left_out) and _is_numeric(table[name])]
    for name in names:
        _note_texts(table[name], name, path, notes)
    columns, kind = (names, None) if every_column else _known_columns(names, kind, path, notes)
    values = np.array([[_number(value) for value in table[name]] for name in columns], np.float32).T
    if not columns:
        raise UsageError(f"{path}: has no numeric columns")
    return Features(str(path), kind, ids, tuple(columns), values)


def _is_numeric(column: Sequence[Any]) -> bool:
    """Numbers, or text that is numbers but for a few cells."""
    found = [value for value in column if value not in (None, "")]
    numbers = [value for value in found if not isinstance(value, bool) and np.isfinite(_number(value))]
    if found and not isinstance(found[0], str):
        return isinstance(found[0], int | float) and not isinstance(found[0], bool)
    return len(numbers) > 0.5 * len(found)


def _known_columns(
    names: list[str], kind: Mapping[str, Any] | None, path: Path, notes: list[str]
) -> tuple[list[str], Mapping[str, Any] | None]:
    from hitpredict.featurizing import described, vector_kinds

    for candidate in [] if kind else vector_kinds():
        columns = candidate.columns or ()
        if set(columns) <= set(names):
            if others := [name for name in names if name not in columns]:
                notes.append(
                    f"{path}: {', '.join(others[:4])} are not {described(candidate)['name']} features; left out"
                )
            return list(columns), described(candidate)
    if kind is None:
        notes.append(f"{path}: not the columns of a known kind of features, so the model cannot score audio")
    return names, kind


def _read_arrays(path: Path, kind: Mapping[str, Any] | None) -> Features:
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    ids: list[str] = []
    shapes: list[list[int]] = []
    for group in _groups_of(file, ["track_id", "shape"]):
        ids += [canonical_id(track) for track in group["track_id"].to_pylist()]
        shapes += group["shape"].to_pylist()
    dtype = file.schema_arrow.field("values").type.value_type.to_pandas_dtype()
    size = sum(int(np.prod(shape)) for shape in shapes)
    backing = None
    if size * np.dtype(dtype).itemsize > _IN_MEMORY:
        backing = tempfile.NamedTemporaryFile(prefix="hitpredict-")  # noqa: SIM115 - lives as long as the arrays
        flat: NDArray[Any] = np.memmap(backing.name, dtype, "w+", shape=(size,))
    else:
        flat = np.empty(size, dtype)
    start = 0
    for group in _groups_of(file, ["values"]):
        for chunk in group["values"].chunks:
            values = chunk.flatten().to_numpy(zero_copy_only=False)
            flat[start : start + len(values)] = values
            start += len(values)
    return Features(str(path), kind, tuple(ids), None, Arrays(flat, shapes, backing))


def _groups_of(file: Any, columns: list[str]) -> Iterator[Any]:
    for number in range(file.num_row_groups):
        yield file.read_row_group(number, columns=columns)
