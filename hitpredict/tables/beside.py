"""What models take beside the sound, from a table, for `score`."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hitpredict.scoring.inputs import WEEKS
from hitpredict.tables.join import numeric_column
from hitpredict.tables.label_inputs import CURVE_COLUMN, LabelKind, input_values, named, rows_that_serve
from hitpredict.tables.read import ids_of, read_table


def read_beside(path: Path, kinds: Sequence[LabelKind]) -> dict[str, dict[str, list[float]]]:
    """By track id what a table gives of each kind, by its name: `weeks` from the column `curve`, log10 of the streams
    in each week, of which there may be no more than are asked for; `season` from the column `start`, a date.

    Of rows of one track the first counts; those that lack something are left out. Raises `UsageError` for columns that
    are not there, `InputError` for a table that cannot be read.
    """
    table = read_table(path)
    ids = ids_of(table, path)
    weeks = named(kinds, WEEKS)
    curves = numeric_column(table, CURVE_COLUMN, path) if weeks else np.zeros((len(ids), 0))
    if weeks:
        # What comes after the known weeks is for the model to say.
        curves = np.concatenate([curves[:, : weeks["count"]], np.ones((len(ids), 1))], axis=1)
    serving = rows_that_serve(kinds, table, curves)
    values = {kind["name"]: input_values(kind, table, curves)[2] for kind in kinds}
    found: dict[str, dict[str, list[float]]] = {}
    for row in np.flatnonzero(serving):
        found.setdefault(ids[row], {name: each[row].tolist() for name, each in values.items()})
    return found
