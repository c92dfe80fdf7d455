"""Predictions as decisions: which classes are mistaken for which, and how good a score is when it is cut at a value.

Conventions: truth and chosen classes are class numbers (N,), 0 the lowest; intervals are 95 % bootstraps over groups.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
from hitpredict.evaluation import metrics
from hitpredict.evaluation.evaluate import class_numbers, class_scores, with_intervals
from hitpredict.files.arrays import Floats
from hitpredict.model_folder.predictions import Predictions
from hitpredict.tables.targets import Target


def confusion(truth: Floats, chosen: Floats, classes: int) -> NDArray[np.int64]:
    """How many rows of each true class (first axis) were given each class (second axis), (K, K)."""
    pairs = np.rint(truth).astype(int) * classes + np.rint(chosen).astype(int)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def by_class(predictions: Predictions, truth: Floats, groups: NDArray[Any], target: Target) -> dict[str, Any]:
    """`confusion`, rows the true classes, and of each of the `classes` its name, number of rows, and its `precision`,
    `recall`, `f1` and `roc_auc` against the rest, where they are defined."""
    chosen, scores = class_numbers(predictions, target.classes), class_scores(predictions, target.classes)
    found = []
    for number in range(target.classes):
        positive = truth == number
        statistics = _decided(positive, chosen == number) | {"roc_auc": _auc(positive, scores[:, number])}
        about = {"class": number, "name": target.class_name(number), "rows": int(positive.sum())}
        found.append(about | with_intervals(statistics, groups))
    return {"confusion": confusion(truth, chosen, target.classes).tolist(), "classes": found}


def cut_statistics(truth: Floats, score: Floats, at: float, by_rank: bool = False) -> dict[str, metrics.Statistic]:
    """What is measured of a score where songs whose truth is at least `at` are to be told from the others: the score
    is cut at the same value. by_rank: score and truth have not the same units, so that only the AUC means anything.

    Raises `UsageError` where all songs are on one side.
    """
    positive = truth >= at
    if positive.all() or not positive.any():
        low, high = (truth.min(), truth.max()) if len(truth) else (np.nan, np.nan)
        raise UsageError(f"`threshold` {at:g}: all songs are on one side of it; they have {low:g} to {high:g}")
    auc = {"roc_auc": _auc(positive, score)}
    if by_rank:
        return auc
    chosen = score >= at
    shares: dict[str, metrics.Statistic] = {
        "accuracy": lambda rows: metrics.accuracy(positive[rows], chosen[rows]),
        "balanced_accuracy": lambda rows: metrics.balanced_accuracy(positive[rows], chosen[rows]),
    }
    return shares | _decided(positive, chosen) | auc


def _decided(positive: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> dict[str, metrics.Statistic]:
    return {
        "precision": lambda rows: metrics.precision(positive[rows], chosen[rows]),
        "recall": lambda rows: metrics.sensitivity(positive[rows], chosen[rows]),
        "f1": lambda rows: metrics.f1(positive[rows], chosen[rows]),
    }


def _auc(positive: NDArray[np.bool_], score: Floats) -> metrics.Statistic:
    return lambda rows: metrics.auc(positive[rows], score[rows])
