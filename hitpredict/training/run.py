"""What is trained, on what and how; and what of that is settled before anything is fitted or written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
from hitpredict.files.arrays import Floats
from hitpredict.frontends import maker_of, zero_of
from hitpredict.model_folder.config import InputSpec
from hitpredict.model_folder.predictions import Predictions
from hitpredict.recipes import Recipe
from hitpredict.tables import label_inputs, targets
from hitpredict.tables.join import TrainingData, load
from hitpredict.tables.splits import SPLITS, TRAIN, VALIDATION, Shares
from hitpredict.training.checks import check_tables, other_input, split_of

if TYPE_CHECKING:
    from hitpredict.networks.model import NetworkModel

_FEWEST_GROUPS = 5


@dataclass(frozen=True)
class TrainingRun:
    """What to train, on what, and how.

    split: `groups`, `random`, `fma`, `temporal:COLUMN` or `column:COLUMN`. resume: go on with what a killed run left.
    accelerator, devices, precision: Lightning's. progress: show it on standard error. shares: how large the parts are,
    see `splits.parsed_shares`. folds: of a cross-validation besides, 0 for none. parts: the part of each row, (N,), in
    place of a split. watch: called after each epoch of a network's main fit with its number, from 0, and the model.
    """

    recipe: Recipe
    data: TrainingData
    split: str = "groups"
    seed: int = 0
    resume: bool = False
    accelerator: str = "cpu"
    devices: int = 1
    precision: str = "32-true"
    progress: bool = False
    shares: Shares | None = None
    folds: int = 0
    parts: NDArray[np.str_] | None = None
    watch: Callable[[int, "NetworkModel"], None] | None = None


@dataclass(frozen=True)
class Prepared:
    """A run whose rows are split and whose target is fitted.

    split: the name of each row's, (N,). rows: row numbers of each split. values: of all rows on the target scale, (N,).
    """

    run: TrainingRun
    split: NDArray[np.str_]
    rows: Mapping[str, NDArray[np.intp]]
    target: targets.Target
    values: Floats
    features: tuple[InputSpec, ...]

    @property
    def outputs(self) -> int:
        """How many numbers a network has to give."""
        return self.target.classes or (self.run.data.labels.shape[1] if self.target.combine != "pca" else 1)


@dataclass(frozen=True)
class FittedModel:
    """What a fit gives, its weights apart: answers for every row of the data, and entries of `ModelConfig`."""

    predictions: Predictions
    target_range: tuple[float, float] = (0.0, 1.0)
    target_ranges: tuple[tuple[float, float], ...] = ()
    notes: dict[str, Any] | None = None
    network_state: dict[str, Any] | None = None
    parameters: int | None = None


def data_for(
    recipe: Recipe,
    features: Sequence[Path],
    labels: Path,
    targets: Sequence[str],
    group: str | None = None,
    every_column: bool = False,
) -> TrainingData:
    """The tables that a recipe is trained on, see `load`; its notes also tell of features unlike the published ones."""
    from_labels = label_inputs.kinds_of(recipe.inputs, recipe.target.after)
    if not features and len(from_labels) < len(recipe.inputs):
        raise UsageError(
            f"`features`: recipe {recipe.name} takes {', '.join(recipe.inputs)}; give a table that "
            "`hitpredict featurize` wrote"
        )
    wanted = [name for each in recipe.inputs for name in each.split(" or ")]
    data = load(features, labels, targets, group, every_column, from_labels, wanted)
    other = other_input(recipe, data)
    return replace(data, notes=(*data.notes, other)) if other else data


def prepare(run: TrainingRun) -> Prepared:
    """Check all that can be checked beforehand. Raises `UsageError` for data that cannot be learnt from."""
    recipe, data = run.recipe, run.data
    check_tables(recipe, data)
    chooses = not recipe.estimator
    split = run.parts if run.parts is not None else split_of(data, run.split, run.seed, chooses, run.shares)
    few = len(np.unique(data.groups[split == TRAIN]))
    if few < _FEWEST_GROUPS:
        raise UsageError(f"the training part has {few} groups of artists; it needs {_FEWEST_GROUPS} at least")
    rows = {name: np.flatnonzero(split == name) for name in SPLITS}
    needed = [name for name in SPLITS if (chooses or name != VALIDATION) and run.parts is None]
    if empty := [name for name in needed if not len(rows[name])]:
        raise UsageError(f"`split` {run.split}: leaves no rows for {empty[0]}")
    uncut = recipe.task == "classification" and not recipe.target.cut_by
    spec = msgspec.structs.replace(recipe.target, classes=3) if uncut else recipe.target
    target = targets.fit(data.labels[rows[TRAIN]], data.targets, spec)
    return Prepared(run, split, rows, target, target.values(data.labels), _features(recipe, data))


def _features(recipe: Recipe, data: TrainingData) -> tuple[InputSpec, ...]:
    windows = msgspec.to_builtins(recipe.scaling.windows or ())
    found = []
    for each, given in zip_longest(data.inputs, windows[: len(data.inputs)]):
        window = given if given and not each.is_vector else None
        if window and window.get("pad", "zero") == "zero" and (zero := zero_of(maker_of(each.kind))):
            # The systems on scaled features padded them before they scaled them.
            window["pad"] = zero
        scaling = "none" if each.name in label_inputs.NAMES else recipe.scaling.inputs or "zscore"
        shape = (len(each.columns),) if each.columns is not None else _shape(each.values, window)
        width = shape[0] if each.is_vector else 1
        found.append(InputSpec(dict(each.kind) if each.kind else None, each.columns, shape, window, scaling, width))
    return tuple(found)


def _shape(arrays: Any, window: Mapping[str, Any] | None) -> tuple[int, ...]:
    shapes = set(arrays.shapes)
    if window is not None:
        shapes = {(int(window["length"]), *shape[1:]) for shape in shapes}
    if len(shapes) > 1:
        raise UsageError(
            f"the feature arrays have different shapes (such as {sorted(shapes)[0]} and {sorted(shapes)[-1]}); "
            "set scaling.windows in the recipe"
        )
    return tuple(shapes.pop())
