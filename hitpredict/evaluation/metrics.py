"""How well a prediction agrees with the truth, and how sure that number is.

A bootstrap asks for each number hundreds of times: what is a line of NumPy is written out, for scikit-learn's checks of
its arguments alone take longer (macro F1 of 1,000 rows: 3.4 ms of CPU time, here 0.12 ms).

Conventions: `target` and `prediction` are one-dimensional arrays of the same length, in any units;
`groups` names the group (artists and duplicates) of each row.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, kendalltau

from hitpredict.files.arrays import Floats

Statistic = Callable[[NDArray[np.intp]], float]
"""A number of some rows, given by their numbers; raises ValueError where it is not defined."""
RESAMPLES = 300
"""Of every bootstrap of an evaluation."""


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


def group_resamples(groups: ArrayLike, resamples: int, seed: int = 0) -> Iterator[NDArray[np.intp]]:
    """Row numbers of as many whole groups as there are, drawn with replacement, again and again. groups: (N,)."""
    _, inverse = np.unique(np.asarray(groups), return_inverse=True)
    members = np.split(np.argsort(inverse, kind="stable"), np.cumsum(np.bincount(inverse))[:-1])
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.concatenate([members[group] for group in rng.integers(len(members), size=len(members))])


def group_bootstrap(
    statistic: Statistic, groups: ArrayLike, resamples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile interval of a statistic when whole groups are drawn with replacement (cluster bootstrap).

    statistic: takes row indices, shape (M,), and gives a number; a resample where it raises ValueError (a class
    went missing) is left out. groups: shape (N,). level: coverage in (0, 1).
    Raises ValueError where no resample gave a number.
    """
    values: list[float] = []
    for rows in group_resamples(groups, resamples, seed):
        try:
            values.append(statistic(rows))
        except ValueError:
            continue
    if not values:
        raise ValueError("the statistic is undefined on every resample")
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def with_interval(statistic: Statistic, groups: ArrayLike, resamples: int = RESAMPLES) -> dict[str, Any]:
    """`{"value", "interval"}` of a statistic over all rows, the interval a 95 % bootstrap over groups (N,).

    Raises ValueError where the statistic does.
    """
    value = statistic(np.arange(len(np.asarray(groups))))
    interval = group_bootstrap(statistic, groups, resamples)
    return {"value": round(value, 5), "interval": [round(end, 5) for end in interval]}


def sign_test(wins: int, losses: int) -> float:
    """Two-sided exact p-value of so many wins and losses where either is as likely: binomial, ties left out."""
    return float(binomtest(wins, wins + losses).pvalue) if wins + losses else 1.0


def coverage(target: ArrayLike, low: ArrayLike, high: ArrayLike, groups: ArrayLike) -> tuple[float, float]:
    """Share of targets inside their interval (ends included): over rows, and as the mean of the groups' shares."""
    truth = np.asarray(target)
    inside = (truth >= np.asarray(low)) & (truth <= np.asarray(high))
    _, inverse = np.unique(np.asarray(groups), return_inverse=True)
    by_group = np.bincount(inverse, weights=inside) / np.bincount(inverse)
    return float(inside.mean()), float(by_group.mean())


def mae(target: ArrayLike, prediction: ArrayLike) -> float:
    """Mean absolute error, in the target's units."""
    return float(np.mean(np.abs(np.asarray(target, np.float64) - np.asarray(prediction, np.float64))))


def mse(target: ArrayLike, prediction: ArrayLike) -> float:
    """Mean squared error, in the target's units squared."""
    return float(np.mean(np.square(np.asarray(target, np.float64) - np.asarray(prediction, np.float64))))


def kendall(target: ArrayLike, prediction: ArrayLike) -> float:
    """Kendall's tau-b in [-1, 1], which allows for ties; 0 where one side is constant."""
    first, second = (np.unique(np.asarray(side), return_inverse=True)[1] for side in (target, prediction))
    if not (first.max() and second.max()):
        return 0.0
    return float(kendalltau(first, second, method="asymptotic").statistic)


def ndcg(target: ArrayLike, prediction: ArrayLike, top: int = 100) -> float:
    """Normalised discounted cumulative gain of the `top` rows by prediction, in [0, 1].

    The gain of a row is its target less the least target, so that it is never negative.
    Raises ValueError where the target is constant.
    """
    gain, score = np.asarray(target, np.float64), np.asarray(prediction, np.float64)
    gain = gain - gain.min()
    top = min(top, len(gain))
    discount = 1 / np.log2(np.arange(2, top + 2))
    ideal = float(np.sum(np.sort(gain)[::-1][:top] * discount))
    if ideal == 0:
        raise ValueError("nDCG is undefined for a constant target")
    # Ties share the mean of their gains, so that the order of the rows plays no part.
    _, inverse = np.unique(score, return_inverse=True)
    shared = (np.bincount(inverse, weights=gain) / np.bincount(inverse))[inverse]
    return float(np.sum(shared[np.argsort(-score, kind="stable")][:top] * discount)) / ideal


def recall(target: ArrayLike, prediction: ArrayLike, top: int = 100) -> float:
    """Share of the `top` rows by target that are among the `top` rows by prediction, in [0, 1].

    Ties in the prediction count by their chance. Raises ValueError with fewer than two rows.
    """
    truth, score = np.asarray(target, np.float64), np.asarray(prediction, np.float64)
    if len(truth) < 2:
        raise ValueError("recall needs at least two rows")
    # With fewer than twice as many rows, the upper half takes the place of the top 100.
    top = min(top, len(truth) // 2)
    best = np.argsort(-truth, kind="stable")[:top]
    edge = np.sort(score)[::-1][top - 1]
    sure, tied = score > edge, score == edge
    chance = (top - sure.sum()) / tied.sum()
    return float((sure[best].sum() + chance * tied[best].sum()) / top)


def accuracy(target: ArrayLike, prediction: ArrayLike) -> float:
    """Share of rows whose class is right."""
    return float(np.mean(np.rint(np.asarray(target)) == np.rint(np.asarray(prediction))))


def balanced_accuracy(target: ArrayLike, prediction: ArrayLike) -> float:
    """Mean over the classes that occur of the share of their rows that is right."""
    truth, chosen = np.rint(np.asarray(target)), np.rint(np.asarray(prediction))
    return float(np.mean([np.mean(chosen[truth == name] == name) for name in np.unique(truth)]))


def macro_f1(target: ArrayLike, prediction: ArrayLike) -> float:
    """Mean over the classes that occur of F1, the harmonic mean of precision and recall."""
    truth, chosen = np.rint(np.asarray(target)), np.rint(np.asarray(prediction))
    scores = []
    for name in np.unique(truth):
        hits = np.sum((truth == name) & (chosen == name))
        scores.append(2 * hits / (np.sum(truth == name) + np.sum(chosen == name)))
    return float(np.mean(scores))


def macro_precision(target: ArrayLike, prediction: ArrayLike) -> float:
    """Mean over the classes that occur of the share of the rows given a class that are of it, 0 where none is."""
    truth, chosen = np.rint(np.asarray(target)), np.rint(np.asarray(prediction))
    return float(np.mean([precision(truth == name, chosen == name) for name in np.unique(truth)]))


def precision(positive: ArrayLike, chosen: ArrayLike) -> float:
    """Share of the chosen rows that are positive, booleans (N,) both; 0 where none is chosen."""
    right = np.asarray(positive, bool)[np.asarray(chosen, bool)]
    return float(right.mean()) if len(right) else 0.0


def sensitivity(positive: ArrayLike, chosen: ArrayLike) -> float:
    """Share of the positive rows that are chosen (recall), booleans (N,) both. Raises ValueError where none is."""
    found = np.asarray(chosen, bool)[np.asarray(positive, bool)]
    if not len(found):
        raise ValueError("recall needs positive rows")
    return float(found.mean())


def f1(positive: ArrayLike, chosen: ArrayLike) -> float:
    """Harmonic mean of `precision` and `sensitivity`, booleans (N,). Raises ValueError without a positive row."""
    right, given = np.asarray(positive, bool), np.asarray(chosen, bool)
    if not right.any():
        raise ValueError("F1 needs positive rows")
    return float(2 * np.sum(right & given) / (right.sum() + given.sum()))


def auc_one_versus_rest(target: ArrayLike, scores: ArrayLike) -> float:
    """Mean over the classes that occur of the AUC of their scores, (N, K) for class numbers 0 to K - 1.

    Raises ValueError where all rows are of one class.
    """
    truth, table = np.rint(np.asarray(target)).astype(int), np.asarray(scores)
    return float(np.mean([auc(truth == number, table[:, number]) for number in np.unique(truth)]))
