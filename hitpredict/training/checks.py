"""What can be wrong with data, a split or a fitted model, found before it costs anybody anything."""

import re
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import TrainingError, UsageError
from hitpredict.features.descriptors.hmn import BESIDE_SOUND, Hmn207
from hitpredict.frontends import FRONTENDS, to_json
from hitpredict.recipes import Recipe
from hitpredict.tables import label_inputs
from hitpredict.tables.join import TrainingData
from hitpredict.tables.splits import (
    CALIBRATION,
    SPLITS,
    TEST,
    TRAIN,
    USUAL_SHARES,
    VALIDATION,
    Shares,
    group_split,
    halved,
    temporal_split,
)
from hitpredict.tables.targets import Target

_COLLAPSED = 1e-3
_ISO_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}([ T].*)?)?)?$")
# Parameters that change how features are stored, not what they are.
_FREE = {"window", "dtype"}
_LARGEST = 12.0
"""log10 of more weekly streams than there are people."""


def check_tables(recipe: Recipe, data: TrainingData) -> None:
    """Tables of other features than a network takes are refused; any vectors may stand for vectors.

    Estimators take anything: of arrays they see a summary. Raises `UsageError`.
    """
    _check_target(recipe, data)
    if recipe.estimator:
        return
    wanted = [tuple(each.split(" or ")) for each in recipe.inputs]
    width = sum(len(each.columns) for each in data.inputs if each.columns)
    compression = recipe.network.get("compression", 1)
    if isinstance(compression, int | float) and 0 < width < compression:
        raise UsageError(
            f"recipe {recipe.name}: {width} columns are too few, its code has a {compression}th of "
            "their number (network.compression)"
        )
    # Networks that take a vector join several to one.
    if len(wanted) == 1 and all(each.is_vector for each in data.inputs):
        wanted *= len(data.inputs)
    if len(wanted) != len(data.inputs):
        kinds = ", ".join(recipe.inputs)
        raise UsageError(f"recipe {recipe.name}: takes {len(wanted)} inputs ({kinds}), not {len(data.inputs)}")
    for fitting, found in zip(wanted, data.inputs, strict=True):
        fits = (
            bool({"vector", "hmn207", "fma518", "ast_tags"} & set(fitting)) if found.is_vector else found.name is None
        )
        if found.name not in fitting and not fits:
            raise UsageError(
                f"recipe {recipe.name}: takes {' or '.join(fitting)}, but {found.path} holds "
                f"{found.name or 'vectors'}; make it with hitpredict featurize `kind` {fitting[0]}"
            )


def unlike_published(recipe: Recipe, data: TrainingData) -> str | None:
    """How the first table was made otherwise than the published system's features, if it was; frames are then of
    another length, and windows of another duration, than the recipe's."""
    found = data.inputs[0]
    if recipe.estimator or found.name not in FRONTENDS or found.name not in recipe.inputs[0].split(" or "):
        return None
    published = {**to_json(FRONTENDS[found.name]()), **recipe.made_with}
    own = dict(found.kind or {})
    differing = [name for name in published if name not in _FREE and own.get(name, published[name]) != published[name]]
    if not differing:
        return None
    made, asked = (", ".join(f"{name}={kind[name]}" for name in differing) for kind in (own, published))
    return f"{found.path}: made with {made}; recipe {recipe.name} was published with {asked}"


def other_input(recipe: Recipe, data: TrainingData) -> str | None:
    """What to say of features that are not those the system was published with, such as `not the published input:
    …`; None where they are, or where the recipe takes any.

    Compared are the kinds of features, and of the first table its parameters (`unlike_published`).
    """
    wanted = [each.split(" or ") for each in recipe.inputs if each not in label_inputs.NAMES]
    given = [each for each in data.inputs if each.name not in label_inputs.NAMES]
    differing = []
    for names, found in zip_longest(wanted, given, fillvalue=None):
        name = found.name if found is not None else None
        if names is None or (name not in names and not {"any", "vector", "frames"} & set(names)):
            columns = f", {len(found.columns)} columns" if found is not None and found.columns else ""
            differing.append(
                f"{' or '.join(names or ['nothing'])} (here {name or 'a table of no known kind'}{columns})"
            )
    if differing:
        return f"not the published input: recipe {recipe.name} is about {', '.join(differing)}"
    unlike = (unlike_published(recipe, data) or _fewer_columns(recipe, data)) if given else None
    return f"not the published input: {unlike}" if unlike else None


def _fewer_columns(recipe: Recipe, data: TrainingData) -> str | None:
    """Which families of the published columns the first table does not have, or not whole."""
    families = next((BESIDE_SOUND[name] for name in recipe.inputs[0].split(" or ") if name in BESIDE_SOUND), {})
    there = data.inputs[0].columns or ()
    all_of = len(Hmn207().columns) + sum(map(len, families.values()))
    lacking = {family: len([name for name in names if name not in there]) for family, names in families.items()}
    parts = [f"{count} {family}" for family, count in lacking.items() if count]
    return f"{len(there)} instead of {all_of} columns, without {', '.join(parts)}" if parts else None


def _check_target(recipe: Recipe, data: TrainingData) -> None:
    """Curves are for recipes of curves, and in log10."""
    column = data.targets[0]
    lists = data.labels.shape[1] > len(data.targets)
    if recipe.task != "curve" and lists:
        raise UsageError(f"`target` {column}: holds lists (curves); recipe {recipe.name} learns one number")
    if recipe.task == "curve" and not lists:
        raise UsageError(
            f"`target` {column}: holds single numbers; recipe {recipe.name} learns curves, columns of lists"
        )
    if recipe.task == "curve" and not np.nanmax(data.labels) <= _LARGEST:
        largest = np.nanmax(data.labels)
        raise UsageError(f"`target` {column}: curves hold log10 of weekly streams, 0 off the charts, not {largest:g}")


def crossing(groups: NDArray[np.str_], split: NDArray[np.str_]) -> int:
    """How many groups have rows in more than one split."""
    pairs = np.unique(np.stack([groups, split], axis=1), axis=0)
    return int((np.unique(pairs[:, 0], return_counts=True)[1] > 1).sum())


def split_of(
    data: TrainingData, split: str, seed: int, chooses: bool = True, shares: Shares | None = None
) -> NDArray[np.str_]:
    """`train`, `validation`, `calibration` or `test` for each row.

    shares: how large they are, where a given split does not say so itself.

    chooses: whether the fit chooses among its epochs by the validation split; without, there is none, and what a given
    split names so calibrates. Raises `UsageError` for a split the table cannot give.
    """
    if shares is not None and split.partition(":")[0] in ("fma", "column"):
        raise UsageError(f"`shares`: the parts are those of `split` {split}; leave one of them out")
    splits = (VALIDATION, CALIBRATION, TEST) if chooses else (CALIBRATION, TEST)
    wanted = shares or USUAL_SHARES
    try:
        if split in ("groups", "random"):
            apart = data.groups if split == "groups" else np.arange(len(data))
            found = group_split(apart, seed, (VALIDATION, CALIBRATION, TEST) if shares else splits, wanted)
            # Of shares that were asked for, what would choose among epochs calibrates where there are none.
            return found if chooses else np.where(found == VALIDATION, CALIBRATION, found)
        found = _given_split(data, split, wanted)
        missing = [name for name in splits if name not in found]
        if not chooses:
            found = np.where(found == VALIDATION, CALIBRATION, found)
            missing = [name for name in missing if name not in found]
        elif missing == [CALIBRATION]:
            return halved(found, data.groups, seed, wanted[2] / (wanted[1] + wanted[2]) if shares else 0.5)
        # What is lacking comes out of the training split, by groups; dates are not mixed.
        rest = [name for name in missing if name != TEST]
        if rest and not split.startswith("temporal"):
            found[found == TRAIN] = group_split(data.groups[found == TRAIN], seed, rest)
    except ValueError as error:
        raise UsageError(f"`split` {split}: {error}") from error
    return found


def _given_split(data: TrainingData, split: str, shares: Shares) -> NDArray[np.str_]:
    """The splits that the label table gives by a date, or by name in a column."""
    kind, _, column = split.partition(":")
    column = "split" if kind == "fma" else column
    if kind not in ("fma", "temporal", "column") or not column:
        raise UsageError(f"`split` {split}: must be groups, random, fma, temporal:COLUMN or column:COLUMN")
    if column not in data.table:
        raise UsageError(f"`split` {split}: the label table has no column {column}")
    if kind == "temporal":
        return temporal_split(_dates(data.table[column], column), shares).astype("U11")
    names = {each: each for each in SPLITS} | {"training": TRAIN, "valid": VALIDATION}
    found = [str(value) for value in data.table[column]]
    if unknown := sorted(set(found) - set(names)):
        raise UsageError(f"`split` {split}: {unknown[0]!r} is not train, validation, calibration or test")
    return np.array([names[value] for value in found], "U11")


def _dates(values: NDArray[Any], column: str) -> NDArray[Any]:
    """Dates in an order: as numbers where all are, else as text, which sorts ISO dates and years."""
    if missing := sum(value is None or value == "" for value in values):
        raise UsageError(f"`split` temporal:{column}: {missing} of {len(values)} rows have no {column}")
    if all(isinstance(value, int | float) for value in values):
        return np.array(list(values), np.float64)
    texts = [str(value) for value in values]
    if other := next((text for text in texts if not _ISO_DATE.match(text)), None):
        raise UsageError(f"`split` temporal:{column}: {other!r} is neither a number nor a date such as 2017-03-31")
    return np.array(texts)


def check_collapse(recipe: Recipe, predicted: NDArray[np.float64], truth: NDArray[np.float64], target: Target) -> None:
    """A model that answers the same for every song has learnt nothing; a published system shipped like this."""
    if not np.isfinite(predicted).all():
        raise TrainingError(f"recipe {recipe.name}: its predictions are no numbers; lower training.learning_rate")
    if recipe.estimator.get("name") == "constant":
        return
    spread, wanted = float(np.std(predicted)), float(np.nanstd(truth))
    limit = _COLLAPSED * (wanted if not target.classes else 1.0)
    if not spread > limit:
        advice = "" if recipe.estimator else "lower training.learning_rate, train longer, or "
        raise TrainingError(
            f"recipe {recipe.name} collapsed: its predictions vary by {spread:.2g} only (target: {wanted:.2g}); "
            f"{advice}give it more data"
        )
