"""The tables of features that `featurize --update` keeps."""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict.catalogue.files import table_file
from hitpredict.catalogue.store import Catalogue
from hitpredict.catalogue.work import TableCatalogue
from hitpredict.errors import UsageError, needs
from hitpredict.features.kinds import FeatureRow
from hitpredict.tables.kept import INPUT_COLUMNS
from hitpredict.tables.write import plain_numbers

_FORMS = ("parquet", "jsonl", "tsv", "csv")


def open_features(
    output: Path,
    form: str,
    columns: Sequence[str] | None,
    kind: Mapping[str, Any],
    dtype: str,
    note: Callable[[str], None],
) -> Catalogue:
    """The catalogue of an output. columns: of the features. kind: as `described` has it. Raises `UsageError`."""
    if columns is None:
        raise UsageError(
            f"--kind {kind['name']}: gives arrays, and --update keeps tables of vectors; leave out --update"
        )
    if form not in _FORMS:
        raise UsageError(f"--update: brings {', '.join(_FORMS)} up to date, and not {form}")
    names = ("path", "track_id", "duration", *columns, *INPUT_COLUMNS)
    told = json.dumps(dict(kind), sort_keys=True)
    settings = f"kind={told}" + (f"; dtype={dtype}" if form == "parquet" else "")
    table = table_file(form, names, partial(_schema, columns, kind, dtype), {})
    return TableCatalogue(output, table, (kind["name"], "", "", settings), note)


def _schema(columns: Sequence[str], kind: Mapping[str, Any], dtype: str) -> Any:
    with needs("parquet", "parquet needs"):
        import pyarrow
    number, text = pyarrow.from_numpy_dtype(np.dtype(dtype)), pyarrow.string()
    about = [("path", text), ("track_id", text), ("duration", pyarrow.float64())]
    inputs = [(name, pyarrow.int64() if name == "size" else text) for name in INPUT_COLUMNS]
    return pyarrow.schema(
        [*about, *((name, number) for name in columns), *inputs], {"hitpredict.kind": json.dumps(dict(kind))}
    )


def pack_features(columns: Sequence[str], row: FeatureRow) -> Mapping[str, Any]:
    """A row of features as the table has it; what is not a number is None."""
    values = dict(zip(columns, plain_numbers(np.asarray(row.values)), strict=True))
    return {"path": row.path, "track_id": row.track_id, "duration": row.duration, **values}
