"""Features and labels, read from tables and joined on `track_id`: what training and evaluation work on."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
from hitpredict.scoring.inputs import WEEKS
from hitpredict.scoring.windows import summary_of
from hitpredict.tables import label_inputs
from hitpredict.tables.clips import paired, rows_by_track
from hitpredict.tables.read import Features, Note, ids_of, note_texts, number_of, read_features, read_table
from hitpredict.tables.splits import connected_groups


@dataclass(frozen=True)
class TrainingData:
    """Tracks with features, labels and groups, one row each (or one for each region), in the order of the features.

    labels: float64 (N, C), one column for each of `targets`, signs as in the table; NaN only in weeks of a curve that
    are not known. groups: (N,) text.
    table: the label table's other columns, (N,) each, to split by. labels_name: what that table is called.
    clips: where a track has more rows than those in `rows`, all of each track, (K, inputs), the first `clip_counts` of
    them its clips, the others variants to train on; see `tables.clips`.
    notes: what there is to say of rows that were left out and values that count as missing.
    """

    track_ids: tuple[str, ...]
    inputs: tuple[Features, ...]
    rows: tuple[NDArray[np.intp], ...]
    targets: tuple[str, ...]
    labels: NDArray[np.float64]
    groups: NDArray[np.str_]
    table: Mapping[str, NDArray[Any]]
    labels_name: str = "labels"
    notes: tuple[str, ...] = ()
    clips: tuple[NDArray[np.intp], ...] | None = None
    clip_counts: NDArray[np.intp] | None = None

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
            clips=None if self.clips is None else tuple(self.clips[row] for row in keep),
            clip_counts=None if self.clip_counts is None else self.clip_counts[keep],
        )

    def by_clip(self) -> tuple["TrainingData", NDArray[np.intp] | None]:
        """A row for each clip, without variants, and the number of each one's track; None where each has one."""
        if self.clips is None or self.clip_counts is None:
            return self, None
        own = [rows[:count] for rows, count in zip(self.clips, self.clip_counts, strict=True)]
        owners = np.repeat(np.arange(len(self)), self.clip_counts)
        columns = np.concatenate(own).T
        rows = (*columns, *(rows[owners] for rows in self.rows[len(columns) :]))
        return replace(self.take(owners), rows=rows, clips=None, clip_counts=None), owners

    def drawn(self, track: int, random: np.random.Generator) -> tuple[int, ...]:
        """The rows of one of a track's clips and variants, each as likely."""
        own = tuple(int(rows[track]) for rows in self.rows)
        if self.clips is None:
            return own
        drawn = self.clips[track][random.integers(len(self.clips[track]))]
        return (*map(int, drawn), *own[len(drawn) :])

    def vectors(self, number: int = 0) -> NDArray[np.float32]:
        """Input `number` as a matrix (N, D); of arrays the mean and the deviation over their first axis."""
        features = self.inputs[number]
        if features.is_vector:
            return np.asarray(features.values[self.rows[number]], np.float32)
        return np.stack([summary_of(features.values[row]) for row in self.rows[number]])

    @property
    def durations(self) -> NDArray[np.float64]:
        """Seconds of sound by row, as the first feature table says, else the label table; NaN where neither does."""
        known = self.inputs[0].durations if self.inputs else None
        if known is not None:
            return np.asarray(known[self.rows[0]])
        return np.array([number_of(value) for value in self.table.get("duration", [None] * len(self))])

    def named(self, kind: str) -> NDArray[np.float32] | None:
        """The input of this kind as a matrix (N, D), if there is one."""
        kinds = [each.name for each in self.inputs]
        return self.vectors(kinds.index(kind)) if kind in kinds else None

    @cached_property
    def summary(self) -> NDArray[np.float32]:
        """All inputs as one matrix, for linear baselines."""
        return np.concatenate([self.vectors(number) for number in range(len(self.inputs))], axis=1)


def load(
    features: Sequence[Path],
    labels: Path,
    targets: Sequence[str],
    group: str | None = None,
    every_column: bool | Sequence[bool] = False,
    from_labels: Sequence[label_inputs.LabelKind] = (),
    wanted: Collection[str] = (),
) -> TrainingData:
    """Read and join. targets: label columns, a leading `-` meaning turned round. group: a label column, or None
    for connected groups of artists (columns `artist_ids` or `artist_id`) and equal feature rows.

    A target column may hold lists (a curve). every_column: of every table, or of each by itself: take all numeric
    columns but the targets, not only those of a known kind of features. from_labels: inputs that the label table gives,
    after the feature tables' (see `label_inputs`); a region among them makes a row for each region of a track. wanted:
    see `read_features`.

    Tracks without features, without a label, or with one that is no number are left out; `notes` says how many.
    Raises `InputError` for unreadable tables and `UsageError` for missing columns and ids that do not match.
    """
    notes: list[str] = []
    note, left_out = notes.append, [name.removeprefix("-") for name in targets]
    tables = [
        read_features(path, note, left_out, each, wanted)
        for path, each in zip(features, _by_table(every_column), strict=False)
    ]
    labelled = _read_labels(labels, targets, from_labels, note)
    rows_in = [rows_by_track(table.track_ids, set(labelled.ids)) for table in tables]
    with_clips = [{track: found for track, found in table.items() if found[0]} for table in rows_in]
    tracks = list(with_clips[0]) if tables else labelled.ids
    kept = _joined_rows(tracks, labelled, with_clips, targets, note)
    if not len(kept):
        where = " and ".join(map(str, [*features, labels]))
        if any(track in labelled.rows_of for track in tracks):
            raise UsageError(f"{where}: no row has a usable label in {', '.join(targets)}")
        example = f"{list(tracks[:1])} and {labelled.ids[:1]}"
        raise UsageError(f"{where}: no track with features has a label; ids look like {example}")
    columns = {name: _column(values, kept) for name, values in labelled.table.items()}
    track_ids = tuple(labelled.ids[row] for row in kept)
    rows = [np.array([table[track][0][0] for track in track_ids]) for table in with_clips]
    clips = _clips(with_clips, track_ids, note)
    groups = _groups(columns, group, tables[0] if tables else None, track_ids, labels, note)
    for kind in from_labels:
        tables.append(_from_labels(kind, columns, labelled.weeks[kept], labels))
        rows.append(np.arange(len(kept)))
    return TrainingData(
        track_ids,
        tuple(tables),
        tuple(rows),
        tuple(targets),
        labelled.numbers[kept],
        groups,
        columns,
        labels.name,
        tuple(notes),
        *clips,
    )


@dataclass(frozen=True)
class _Labels:
    """A label table of N rows. table: its columns. ids: of the tracks. rows_of: the rows that count, by track.

    numbers: what is to be learnt, (N, C), and which rows have it (`usable`). weeks: the weeks that inputs are made of,
    (N, W).
    """

    table: Mapping[str, Sequence[Any]]
    ids: list[str]
    rows_of: Mapping[str, list[int]]
    numbers: NDArray[np.float64]
    usable: NDArray[np.bool_]
    weeks: NDArray[np.float64]


def _read_labels(
    path: Path, targets: Sequence[str], from_labels: Sequence[label_inputs.LabelKind], note: Note
) -> _Labels:
    table = read_table(path)
    ids = ids_of(table, path)
    numbers = np.concatenate([_numeric(table, name.removeprefix("-"), path, note) for name in targets], axis=1)
    by_region = label_inputs.named(from_labels, label_inputs.REGION) is not None
    first_weeks = label_inputs.named(from_labels, WEEKS)
    chosen = np.ones(len(ids), bool)
    if not by_region:
        curves = numbers.shape[1] > len(targets) or first_weeks is not None
        numbers, chosen = label_inputs.over_regions(ids, table, numbers, curves, note)
    usable, weeks = np.isfinite(numbers).all(axis=1), numbers
    if numbers.shape[1] > len(targets):
        weeks, usable = _known_weeks(numbers, table)
        # What is given is not learnt.
        numbers = weeks[:, first_weeks["count"] if first_weeks else 0 :]
    elif first_weeks:
        weeks, begun = _known_weeks(_numeric(table, label_inputs.CURVE_COLUMN, path, note), table)
        usable &= begun
    serving = label_inputs.rows_that_serve(from_labels, table, weeks) | ~chosen
    if without := int((~serving).sum()):
        kinds = " and ".join(str(kind["name"]) for kind in from_labels)
        note(f"{path}: {without} rows do not give the inputs {kinds} and are left out")
    keys = list(zip(ids, table[label_inputs.REGION], strict=True)) if by_region else ids
    asked = [key for key, wanted in zip(keys, chosen, strict=True) if wanted]
    if (repeated := len(asked) - len(set(asked))) and (by_region or label_inputs.REGION not in table):
        note(f"{path}: {repeated} rows repeat a track; the first row of each counts")
    return _Labels(table, ids, _rows_by_track(ids, keys, serving & chosen), numbers, usable, weeks)


def _clips(
    tables: Sequence[Mapping[str, tuple[list[int], list[int]]]], tracks: Sequence[str], note: Note
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.intp]] | tuple[()]:
    """What `paired` gives, told to `note`; empty where each track has one row."""
    found = paired(tables, tracks) if tables else None
    if found is None:
        return ()
    rows, clips = sum(map(len, found[0])), int(found[1].sum())
    note(f"{clips} clips and {rows - clips} variants of {len(set(tracks))} tracks")
    return found


def _by_table(every_column: bool | Sequence[bool]) -> Iterator[bool]:
    return repeat(every_column) if isinstance(every_column, bool) else chain(every_column, repeat(False))


def _rows_by_track(ids: Sequence[str], keys: Sequence[Any], serving: NDArray[np.bool_]) -> dict[str, list[int]]:
    """Of each track the label rows that serve; of rows with the same key (track, or track and region) the first."""
    rows_of: dict[str, list[int]] = {}
    first: set[Any] = set()
    for row, (track, key) in enumerate(zip(ids, keys, strict=True)):
        rows = rows_of.setdefault(track, [])
        if serving[row] and key not in first:
            first.add(key)
            rows.append(row)
    return rows_of


def _joined_rows(
    tracks: Sequence[str],
    labelled: _Labels,
    tables: Sequence[Collection[str]],
    targets: Sequence[str],
    note: Note,
) -> NDArray[np.intp]:
    """Label rows of the tracks that are in all tables, in the order of `tracks`."""
    kept: list[int] = []
    missing = empty = 0
    for track in dict.fromkeys(tracks):
        if not all(track in table for table in (labelled.rows_of, *tables)):
            missing += 1
            continue
        rows = labelled.rows_of[track]
        usable = [row for row in rows if labelled.usable[row]]
        empty += len(rows) - len(usable)
        kept += usable
    if missing:
        note(f"{missing} of {len(set(tracks))} tracks are not in all tables and are left out")
    if empty:
        note(f"{empty} rows have no label in {', '.join(targets)} and are left out")
    return np.array(kept, np.intp)


def _known_weeks(
    curves: NDArray[np.float64], table: Mapping[str, Sequence[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Curves with NaN after the data end, and which of them can be learnt from: some week known, the start seen."""
    if "available_weeks" in table:
        after = (
            np.arange(curves.shape[1]) >= np.array([number_of(value) for value in table["available_weeks"]])[:, None]
        )
        curves = np.where(after, np.nan, curves)
    begun = np.array([bool(value) for value in table.get("censored_left", [False] * len(curves))])
    return curves, np.asarray(np.isfinite(curves).any(axis=1) & ~begun)


def _from_labels(
    kind: label_inputs.LabelKind, columns: Mapping[str, NDArray[Any]], numbers: NDArray[np.float64], labels: Path
) -> Features:
    full, names, values = label_inputs.input_values(kind, columns, numbers)
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
    note: Note,
) -> NDArray[np.str_]:
    if column is not None:
        if column not in table:
            raise UsageError(f"`group` {column}: {path} has no such column; it has {', '.join(table)}")
        return np.array([str(value) for value in table[column]])
    artists = next((name for name in ("artist_ids", "artist_id", "artist", "artist_name") if name in table), None)
    memberships = [_artists(value) for value in table[artists]] if artists else [[] for _ in track_ids]
    if artists is None:
        note(f"{path}: no artist column, so groups are equal recordings only; name one with `group`")
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
        # A list, or a name such as `[unknown]`.
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    if isinstance(value, list | tuple | np.ndarray):
        return [str(name) for name in value]
    text = "" if value is None else str(value)
    # Joint artists come as `12.34`, `12,34` or `12;34`; a name may hold a full stop.
    separators = ".,;" if text.replace(".", "").replace(",", "").replace(";", "").isdigit() else ";"
    for separator in separators[1:]:
        text = text.replace(separator, separators[0])
    return [name.strip() for name in text.split(separators[0]) if name.strip()]


def numeric_column(table: Mapping[str, Sequence[Any]], name: str, path: Path) -> NDArray[np.float64]:
    """A column of numbers or of lists of them, (N, C), NaN where there is none. Raises `UsageError` without one."""
    return _numeric(table, name, path, lambda _: None)


def _numeric(table: Mapping[str, Sequence[Any]], name: str, path: Path, note: Note) -> NDArray[np.float64]:
    if name not in table:
        raise UsageError(f"`target` {name}: {path} has no such column; it has {', '.join(table)}")
    column = table[name]
    if any(isinstance(value, list) for value in column):
        width = max(len(value) for value in column if isinstance(value, list))
        lists = [value if isinstance(value, list) else [None] for value in column]
        if not width:
            raise UsageError(f"`target` {name}: {path} has empty lists there")
        even = [value if len(value) == width else [*value, *[None] * (width - len(value))] for value in lists]
        with suppress(ValueError, TypeError, OverflowError):
            curves = np.array(even, np.float64)
            if curves.ndim == 2:
                return curves
        return np.array([[number_of(each) for each in value] for value in even], np.float64)
    note_texts(column, name, path, note)
    return np.array([number_of(value) for value in column])[:, None]


def filled(values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A table (N, D) with the column's median in place of what is no finite number, and these medians (D,): 0 where a
    column holds no number at all."""
    table = np.asarray(values, np.float64)
    finite = np.isfinite(table)
    known, medians = finite.any(axis=0), np.zeros(table.shape[1])
    medians[known] = np.nanmedian(np.where(finite, table, np.nan)[:, known], axis=0)
    return np.where(finite, table, medians), medians
