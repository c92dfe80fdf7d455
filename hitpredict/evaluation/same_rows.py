"""Two models that take different inputs, on the same tracks: which rows both have, in one order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hitpredict.errors import UsageError
from hitpredict.tables.join import TrainingData
from hitpredict.tables.label_inputs import REGION, LabelKind, named


@dataclass(frozen=True)
class SameRows:
    """first, second: the same tracks (or tracks and regions) in the same order, with what each model takes of them.

    only: how many rows the `first` and the `second` have alone; they are left out.
    """

    first: TrainingData
    second: TrainingData
    only: dict[str, int]

    @classmethod
    def of(
        cls, first: TrainingData, second: TrainingData, kinds: tuple[Sequence[LabelKind], Sequence[LabelKind]]
    ) -> "SameRows":
        """Pair the rows. kinds: what each model takes of the label table. Raises `UsageError` where none is shared."""
        by_region = [named(each, REGION) is not None for each in kinds]
        if by_region[0] != by_region[1]:
            raise UsageError(
                "`compare`: one of the models has a score for each region of a track and the other has not"
            )
        ours, theirs = (_keys(each, by_region[0]) for each in (first, second))
        place = {key: row for row, key in enumerate(theirs)}
        kept = np.array([row for row, key in enumerate(ours) if key in place], np.intp)
        if not len(kept):
            raise UsageError("`compare_features`: no track is in these tables and in `features`")
        other = np.array([place[ours[row]] for row in kept], np.intp)
        only = {"first": len(ours) - len(kept), "second": len(theirs) - len(kept)}
        return cls(first.take(kept), second.take(other), only)

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of rows that are left out, and of those of the second tables."""
        tables = {"first": "`features`", "second": "`compare_features`"}
        alone = (
            f"{count:,} rows are only in {tables[name]} and are left out" for name, count in self.only.items() if count
        )
        return (*(f"`compare_features`: {note}" for note in self.second.notes), *alone)


def _keys(data: TrainingData, by_region: bool) -> list[Any]:
    return [*zip(data.track_ids, data.table[REGION], strict=True)] if by_region else [*data.track_ids]
