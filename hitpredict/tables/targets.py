"""From labels to what a model learns, and back to the scale on which it scores.

A target is fitted on the training rows alone: columns are combined, transformed and, for a classifier, cut into
classes. Its values are the model's *target scale*: what `score` prints, and what intervals are in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
from hitpredict.files.arrays import Floats
from hitpredict.recipes.recipe import TargetSpec
from hitpredict.scoring.outputs import STREAMS_UNIT

SCALES = ("none", "log1p", "log10", "minmax", "zscore", "quantile")
_QUANTILES = 1001
# Columns of `hitpredict fetch charts`.
_STREAMS = ("log_sum", "log_debut")
_USUAL_NAMES = {2: ("low", "high"), 3: ("low", "medium", "high")}


@dataclass(frozen=True)
class Target:
    """A fitted target.

    columns: label columns, a leading `-` turning one round. transforms: applied to each column in order; each
    entry of `fitted` holds the numbers that a transform learnt, per column. combine: how several columns become one:
    `pca` (the first principal component, weights `component`, after `centre` is taken off), `first` (the others are
    auxiliary targets of the network) or `log-sum` (a curve of log10 values: log10 of their sum, NaN where a week is
    not known). edges: class edges
    on the transformed scale (K - 1 of them for K classes), empty for regression. scaled: mean, deviation, low and
    high of the training values. names: of the classes, lowest first.
    """

    columns: tuple[str, ...]
    transforms: tuple[str, ...] = ()
    fitted: tuple[tuple[dict[str, Any], ...], ...] = ()
    component: tuple[float, ...] = ()
    centre: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()
    combine: str = "pca"
    scaled: dict[str, float] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, lowest first: those given, or usual ones."""
        numbered = tuple(f"class_{number + 1}" for number in range(self.classes))
        return self.names or _USUAL_NAMES.get(self.classes, numbered)

    @property
    def units(self) -> tuple[str, ...]:
        """What the values of each column are, transformed, before columns are combined."""
        return tuple(
            STREAMS_UNIT if name in _STREAMS and not self.transforms else self._transformed(name)
            for name in self.columns
        )

    def _transformed(self, inner: str) -> str:
        chain = "".join(f"{transform}(" for transform in reversed(self.transforms))
        return f"{chain}{inner}{')' * len(self.transforms)}"

    @property
    def classes(self) -> int:
        """Number of classes, 0 for regression."""
        return len(self.edges) + 1 if self.edges else 0

    @property
    def name(self) -> str:
        """What is predicted, in words: `log1p(listens)`."""
        if self.combine == "log-sum":
            return f"log10 of the sum over {self.columns[0]}"
        return self._transformed(
            self.columns[0] if not self.component else f"first component of {', '.join(self.columns)}"
        )

    def same_scale(self, other: "Target") -> bool:
        """Whether predictions for both can be compared: the same columns, transforms and number of classes."""
        own, others = ((each.columns, each.transforms, each.combine, each.classes) for each in (self, other))
        return own == others

    def values(self, labels: Floats) -> Floats:
        """Labels (N, C), signs as in the table, on the target scale: (N,)."""
        if self.combine == "log-sum":
            return log_sum(labels)
        turned = self.by_column(labels)
        if self.component:
            return np.asarray((turned - np.array(self.centre)) @ np.array(self.component))
        return np.asarray(turned[:, 0])

    def by_column(self, labels: Floats) -> Floats:
        """Each column of labels (N, C), turned and transformed, before they are combined."""
        turned = labels * np.array([-1.0 if name.startswith("-") else 1.0 for name in self.columns])
        for transform, learnt in zip(self.transforms, self.fitted, strict=True):
            turned = np.stack(
                [_apply(transform, column, p) for column, p in zip(turned.T, learnt, strict=True)], axis=1
            )
        return np.asarray(turned)

    def truth(self, labels: Floats) -> Floats:
        """What scores are compared with, (N,): values on the target scale, for classes their numbers."""
        values = self.values(labels)
        return self.class_of(values).astype(np.float64) if self.classes else values

    def class_of(self, values: Floats) -> NDArray[np.int64]:
        """Class numbers, 0 the lowest, of values on the target scale."""
        return np.searchsorted(np.array(self.edges), values, side="right")

    def class_name(self, number: int) -> str:
        """A class in words, by its edges on the target scale: `below 3`, `3 to 6`, `from 6`."""
        low = f"{self.edges[number - 1]:.3g}" if number else ""
        high = f"{self.edges[number]:.3g}" if number < self.classes - 1 else ""
        return f"{low} to {high}" if low and high else (f"below {high}" if high else f"from {low}")

    def to_json(self) -> dict[str, Any]:
        """Plain data, with names where some were given."""
        return {key: value for key, value in asdict(self).items() if key != "names" or value}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Target":
        """The target that `to_json` wrote."""
        fitted = tuple(tuple(learnt) for learnt in data["fitted"])
        keys = ("columns", "transforms", "component", "centre", "edges")
        lists = {key: tuple(data[key]) for key in keys} | {"names": tuple(data.get("names", ()))}
        return cls(**lists, fitted=fitted, combine=data.get("combine", "pca"), scaled=dict(data["scaled"]))


def fit(labels: Floats, columns: Sequence[str], spec: TargetSpec) -> Target:
    """Fit a target on the training rows' labels (N, C).

    spec: `combine`, `transforms` (names from `SCALES`), and for a classifier `thresholds` (edges on the label's
    scale, one column only), `quantiles` (shares of the training rows below each edge) or `classes` (as many equal
    classes). Raises `UsageError` for values a transform cannot take, or a constant target.
    """
    transforms = spec.transforms or ()
    for name in transforms:
        if name not in SCALES:
            raise UsageError(f"target transform {name!r}: must be one of {', '.join(SCALES)}")
    combine = spec.combine or "pca"
    if combine == "log-sum":
        return _fitted(Target(tuple(columns), combine=combine), labels, spec)
    turned = labels * np.array([-1.0 if name.startswith("-") else 1.0 for name in columns])
    learnt: list[tuple[dict[str, Any], ...]] = []
    for transform in transforms:
        found = tuple(_learn(transform, column, name) for column, name in zip(turned.T, columns, strict=True))
        pairs = zip(turned.T, found, strict=True)
        turned = np.stack([_apply(transform, column, numbers) for column, numbers in pairs], axis=1)
        learnt.append(found)
    centre, component = _first_component(turned) if len(columns) > 1 and combine == "pca" else ((), ())
    target = Target(tuple(columns), transforms, tuple(learnt), component, centre, combine=combine)
    return _fitted(target, labels, spec)


def _fitted(target: Target, labels: Floats, spec: TargetSpec) -> Target:
    """The target with its class edges and the range of its training values."""
    values = target.values(labels)
    # Of a curve that the data do not hold to its end the sum is not known.
    values = values[np.isfinite(values)]
    if target.combine == "log-sum" and not len(values):
        raise UsageError(
            f"`target` {target.columns[0]}: of no training row all {labels.shape[1]} weeks are known, so there is no "
            "sum to score; make shorter curves with hitpredict fetch charts `weeks`"
        )
    if not np.ptp(values) > 0:
        raise UsageError(f"the target {target.name} is constant on the training rows; there is nothing to learn")
    scaled = {"mean": float(values.mean()), "deviation": float(values.std()), "low": float(values.min())}
    scaled["high"] = float(values.max())
    edges = _edges(target, values, spec)
    if spec.names is not None and (len(spec.names) != len(edges) + 1 or len(set(spec.names)) < len(spec.names)):
        raise UsageError(f"target.names={list(spec.names)}: must be {len(edges) + 1} different names, lowest first")
    return replace(target, edges=edges, scaled=scaled, names=spec.names or ())


def _edges(target: Target, values: Floats, spec: TargetSpec) -> tuple[float, ...]:
    if spec.thresholds is not None:
        if len(target.columns) > 1:
            raise UsageError("target thresholds need a single label column")
        sign = -1.0 if target.columns[0].startswith("-") else 1.0
        raw = np.sort(sign * np.array(spec.thresholds, float))
        edges = np.sort(target.values(sign * raw[:, None]))
    elif spec.quantiles is not None:
        edges = np.quantile(values, np.sort(spec.quantiles))
    elif spec.classes is not None:
        edges = np.quantile(values, np.arange(1, spec.classes) / spec.classes)
    else:
        return ()
    sizes = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    if (sizes == 0).any():
        raise UsageError(f"class {int(sizes.argmin())} of the target has no training rows (sizes {sizes.tolist()})")
    return tuple(float(edge) for edge in edges)


def _learn(transform: str, column: Floats, name: str) -> dict[str, Any]:
    if transform in ("log1p", "log10") and column.min() < (0 if transform == "log1p" else 1e-300):
        raise UsageError(f"target {name}: {transform} cannot take {column.min():g}")
    if transform == "minmax":
        return {"low": float(column.min()), "span": float(np.ptp(column)) or 1.0}
    if transform == "zscore":
        return {"mean": float(column.mean()), "deviation": float(column.std()) or 1.0}
    if transform == "quantile":
        return {"quantiles": np.quantile(column, np.linspace(0, 1, min(_QUANTILES, len(column)))).tolist()}
    return {}


def _apply(transform: str, column: Floats, learnt: Mapping[str, Any]) -> Floats:
    if transform == "log1p":
        return np.log1p(column)
    if transform == "log10":
        return np.log10(column)
    if transform == "minmax":
        return np.asarray((column - learnt["low"]) / learnt["span"])
    if transform == "zscore":
        return np.asarray((column - learnt["mean"]) / learnt["deviation"])
    if transform == "quantile":
        grid = np.array(learnt["quantiles"])
        return np.interp(column, grid, np.linspace(0, 1, len(grid)))
    return column


def _first_component(columns: Floats) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Centre and weights of PCA-1, turned so that most weights are positive."""
    centre = columns.mean(axis=0)
    _, _, directions = np.linalg.svd(columns - centre, full_matrices=False)
    weights = directions[0] * (1 if directions[0].sum() >= 0 else -1)
    return tuple(map(float, centre)), tuple(map(float, weights))


def log_sum(curve: Floats) -> Floats:
    """log10 of the sum of what a curve (N, W) holds as log10; 0 stands for nothing, not for one. Shape (N,).

    NaN where a week is NaN: a sum of the weeks that happen to be known would say when the data end, not how the song
    did.
    """
    total = np.where(curve <= 0, 0.0, 10.0**curve).sum(axis=1)
    return np.asarray(np.log10(np.maximum(total, 1.0)))
