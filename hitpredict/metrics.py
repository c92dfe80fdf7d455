"""How well a prediction agrees with the truth, and how sure that number is. NumPy only.

Conventions: `target` and `prediction` are one-dimensional arrays of the same length, in any units;
`groups` names the group (artists and duplicates) of each row.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def ranks(values: ArrayLike) -> Floats:
    """Ranks from 1 to N, ties sharing their average: shape (N,) in, (N,) out."""
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last: Floats = np.cumsum(counts).astype(np.float64)
    return (last - (counts - 1) / 2)[inverse]


def spearman(target: ArrayLike, prediction: ArrayLike) -> float:
    """Spearman's rank correlation in [-1, 1]; 0 where one side is constant, for it orders nothing."""
    first, second = ranks(target), ranks(prediction)
    first, second = first - first.mean(), second - second.mean()
    scale = float(np.sqrt(np.sum(first**2) * np.sum(second**2)))
    return float(np.sum(first * second)) / scale if scale > 0 else 0.0


def r2(target: ArrayLike, prediction: ArrayLike) -> float:
    """Coefficient of determination: 1 is perfect, 0 is the mean of `target`, negative is worse than it.

    Raises ValueError where `target` is constant.
    """
    truth = np.asarray(target, dtype=np.float64)
    spread = float(np.sum((truth - truth.mean()) ** 2))
    if spread == 0:
        raise ValueError("R2 is undefined for a constant target")
    return 1 - float(np.sum((truth - np.asarray(prediction, dtype=np.float64)) ** 2)) / spread


def auc(positive: ArrayLike, score: ArrayLike) -> float:
    """Chance that a positive row scores above a negative one, ties counting half (Mann-Whitney), in [0, 1].

    positive: booleans, shape (N,). Raises ValueError where one of the two classes is empty.
    """
    chosen = np.asarray(positive, dtype=bool)
    hits, misses = int(chosen.sum()), int((~chosen).sum())
    if hits == 0 or misses == 0:
        raise ValueError("AUC needs rows of both classes")
    return float((ranks(score)[chosen].sum() - hits * (hits + 1) / 2) / (hits * misses))


def group_bootstrap(
    statistic: Callable[[NDArray[np.intp]], float],
    groups: ArrayLike,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic when whole groups are drawn with replacement (cluster bootstrap).

    statistic: takes row indices, shape (M,), and gives a number; a resample where it raises ValueError (a class
    went missing) is left out. groups: shape (N,). level: coverage in (0, 1).
    Raises ValueError where no resample gave a number.
    """
    _, inverse = np.unique(np.asarray(groups), return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    rng = np.random.default_rng(seed)
    values: list[float] = []
    for _ in range(resamples):
        drawn = rng.integers(len(members), size=len(members))
        try:
            values.append(statistic(np.concatenate([members[group] for group in drawn])))
        except ValueError:
            continue
    if not values:
        raise ValueError("the statistic is undefined on every resample")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def coverage(target: ArrayLike, low: ArrayLike, high: ArrayLike, groups: ArrayLike) -> tuple[float, float]:
    """Share of targets inside their interval (ends included): over rows, and as the mean of the groups' shares."""
    truth = np.asarray(target)
    inside = (truth >= np.asarray(low)) & (truth <= np.asarray(high))
    _, inverse = np.unique(np.asarray(groups), return_inverse=True)
    by_group = np.bincount(inverse, weights=inside) / np.bincount(inverse)
    return float(inside.mean()), float(by_group.mean())
