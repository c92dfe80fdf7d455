"""What can be wrong with data, a split or a fitted model, found before it costs anybody anything."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import TrainingError, UsageError
from hitpredict.recipes import Recipe
from hitpredict.splits import TEST, TRAIN, VALIDATION, group_split, temporal_split
from hitpredict.targets import Target
from hitpredict.training_data import TrainingData

_COLLAPSED = 1e-3


def check_tables(recipe: Recipe, data: TrainingData) -> None:
    """Tables of other features than a network takes are refused; any vectors may stand for vectors.

    Estimators take anything: of arrays they see a summary. Raises `UsageError`.
    """
    if recipe.estimator:
        return
    wanted = [tuple(each.split(" or ")) for each in recipe.inputs]
    # Networks that take a vector join several to one.
    if len(wanted) == 1 and all(each.is_vector for each in data.inputs):
        wanted *= len(data.inputs)
    if len(wanted) != len(data.inputs):
        kinds = ", ".join(recipe.inputs)
        raise UsageError(f"recipe {recipe.name}: takes {len(wanted)} inputs ({kinds}), not {len(data.inputs)}")
    for fitting, found in zip(wanted, data.inputs, strict=True):
        name = str((found.kind or {}).get("name", "")) or None
        fits = bool({"vector", "hmn207", "fma518"} & set(fitting)) if found.is_vector else name is None
        if name not in fitting and not fits:
            raise UsageError(
                f"recipe {recipe.name}: takes {' or '.join(fitting)}, but {found.path} holds "
                f"{name or 'vectors'}; make it with `hitpredict featurize --kind {fitting[0]}`"
            )


def split_of(data: TrainingData, split: str, seed: int) -> NDArray[np.str_]:
    """`train`, `validation` or `test` for each row. Raises `UsageError` for a split the table cannot give."""
    kind, _, column = split.partition(":")
    if kind == "groups":
        try:
            return group_split(data.groups, seed)
        except ValueError as error:
            raise UsageError(f"--split groups: {error}") from error
    if kind == "random":
        return group_split(np.arange(len(data)), seed)
    column = "split" if kind == "fma" else column
    if kind not in ("fma", "temporal", "column") or not column:
        raise UsageError(f"--split {split}: must be groups, random, fma, temporal:COLUMN or column:COLUMN")
    if column not in data.table:
        raise UsageError(f"--split {split}: the label table has no column {column}")
    if kind == "temporal":
        return temporal_split(_dates(data.table[column], column))
    names = {"training": TRAIN, "train": TRAIN, "validation": VALIDATION, "valid": VALIDATION, "test": TEST}
    found = [str(value) for value in data.table[column]]
    if unknown := sorted(set(found) - set(names)):
        raise UsageError(f"--split {split}: {unknown[0]!r} is not train, validation or test")
    sides = np.array([names[value] for value in found])
    if VALIDATION not in sides:
        # A published split of two sides: the validation rows come out of the training side, by groups.
        inner = group_split(data.groups[sides == TRAIN], seed)
        sides = sides.astype("U10")
        sides[sides == TRAIN] = np.where(inner == TRAIN, TRAIN, VALIDATION)
    return sides


def _dates(values: NDArray[Any], column: str) -> NDArray[Any]:
    """Dates in an order: as numbers where all are, else as text, which sorts ISO dates and years."""
    if missing := sum(value is None or value == "" for value in values):
        raise UsageError(f"--split temporal:{column}: {missing} of {len(values)} rows have no {column}")
    numbers = all(isinstance(value, int | float) for value in values)
    return np.array(list(values) if numbers else [str(value) for value in values])


def check_collapse(recipe: Recipe, predicted: NDArray[np.float64], truth: NDArray[np.float64], target: Target) -> None:
    """A model that answers the same for every song has learnt nothing; a published system shipped like this."""
    if recipe.estimator.get("name") == "constant":
        return
    spread = float(np.std(predicted))
    limit = _COLLAPSED * (float(np.std(truth)) if not target.classes else 1.0)
    if not spread > limit:
        raise TrainingError(
            f"recipe {recipe.name} collapsed: its predictions vary by {spread:.2g} only (target: {np.std(truth):.2g}); "
            "lower training.learning_rate, train longer, or give it more data"
        )
