"""Which changes of a score are more than noise: the scale of what should not matter, and tests against it. NumPy only.

Conventions: differences and scales are on the model's target scale; all tests are two-sided.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from hitpredict.files.arrays import Floats

FALSE_DISCOVERIES = 0.05
"""The share of false discoveries that is put up with."""
# The 95 % quantile of the largest of six normal magnitudes, in standard deviations: what a model file's noise floor is.
_FLOOR_IN_DEVIATIONS = 2.63


class RankedRecord(Protocol):
    """A dataclass with a place among others of its kind."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def significant(self) -> bool:
        """Whether it is more than noise."""


R = TypeVar("R", bound=RankedRecord)


@dataclass(frozen=True)
class NoiseScale:
    """How far changes that should not matter move a score.

    scale: standard deviation. dof: degrees of freedom it is known with. changes: how many were tried. floor: the
    largest difference that means nothing, as the model file says, 0 where it does not.
    """

    scale: float
    dof: int
    changes: int
    floor: float = 0.0

    @classmethod
    def of(cls, kinds: Mapping[str, Sequence[float]], floor: float, least: float) -> "NoiseScale":
        """From differences to the score of the unchanged sound, by kind of change; at least one.

        Each kind (timing, level, coding…) is a variance component, the mean of its squared differences: their
        expectation is 0 when the changes do not matter, so no mean is taken off. A variant has them all, hence their
        sum, with the degrees of freedom of Satterthwaite (1946), rounded down. The scale is at least what the model's
        noise floor says of other songs, and `least`, the rounding.
        """
        found = [np.square(np.asarray(values, np.float64)) for values in kinds.values() if len(values)]
        parts = np.array([squares.mean() for squares in found])
        counts = np.array([len(squares) for squares in found])
        variance = float(parts.sum())
        dof = int(variance**2 / np.sum(parts**2 / counts)) if variance else int(counts.sum())
        scale = max(math.sqrt(variance), floor / _FLOOR_IN_DEVIATIONS, least)
        return cls(scale, max(dof, 1), int(counts.sum()), floor)

    def p_value(self, differences: Sequence[float]) -> float:
        """The chance that the largest of so many differences is as large, if none of the changes matters.

        Student's t of the largest difference over the scale, with Šidák's (1967) correction for having picked the
        largest: it holds for differences that depend on one another. That the scale may not fall below a floor only
        makes the value larger.
        """
        tail = student_tail(max(map(abs, differences)) / self.scale, self.dof)
        return float(-np.expm1(len(differences) * np.log1p(-min(tail, 1 - 1e-16))))

    def of_sum(self, count: int) -> "NoiseScale":
        """The scale of the sum of so many differences, each with noise of its own."""
        return replace(self, scale=self.scale * math.sqrt(count), floor=self.floor * math.sqrt(count))

    def exceeded(self, differences: Sequence[float]) -> bool:
        """Whether the largest difference is more than what the model file calls meaningless."""
        return max(map(abs, differences)) > self.floor

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"scale": round(self.scale, 4), "dof": self.dof, "changes": self.changes, "floor": self.floor}


def student_tail(t: float, dof: int) -> float:
    """P(|T| > t) for Student's T with a whole number of degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4)."""
    angle = math.atan2(abs(t), math.sqrt(dof))
    cosine, term, total = math.cos(angle), 1.0, 0.0
    for k in range(dof % 2, dof - 1, 2):
        total += term
        term *= cosine**2 * (k + 1) / (k + 2)
    if dof % 2 == 0:
        return max(0.0, 1 - math.sin(angle) * total)
    return max(0.0, 1 - 2 / math.pi * (angle + math.sin(angle) * cosine * total))


def discoveries(p_values: Sequence[float], level: float = FALSE_DISCOVERIES) -> list[bool]:
    """Which of several hypotheses to reject so that of those at most `level` are false (Benjamini & Hochberg 1995)."""
    p = np.asarray(p_values, np.float64)
    ranks = np.arange(1, len(p) + 1)
    passing = np.flatnonzero(np.sort(p) <= level * ranks / max(len(p), 1))
    found: list[bool] = (p <= np.sort(p)[passing[-1]]).tolist() if passing.size else [False] * len(p)
    return found


def ranked_by_size(records: Iterable[R], size: Callable[[R], float], unseen: Callable[[R], bool]) -> list[R]:
    """Frozen dataclasses in the order of their `rank`, which is set, from 1.

    First come those that are `significant`, last those that the model does not see; the largest `size` comes first.
    """
    order = sorted(records, key=lambda each: (not each.significant, unseen(each), -abs(size(each))))
    return [replace(each, rank=rank) for rank, each in enumerate(order, 1)]


def slope(places: Sequence[float], scores: Sequence[float]) -> float | None:
    """Of the least-squares line, in scores per unit; None for fewer than two places."""
    x, y = np.asarray(places, np.float64), np.asarray(scores, np.float64)
    x = x - x.mean()
    return float(x @ y / (x @ x)) if x @ x > 0 else None


def monotonicity(places: Sequence[float], scores: Sequence[float]) -> float | None:
    """Spearman's rank correlation, -1 to 1: 1 for a score that only rises; None where all is alike."""
    return correlation(_ranks(places), _ranks(scores))


def correlation(a: Sequence[float] | Floats, b: Sequence[float] | Floats) -> float | None:
    """Pearson's, None where one of them stands still or there are fewer than three."""
    x, y = (np.asarray(each, np.float64) - np.mean(each) for each in (a, b))
    length = math.sqrt(float(x @ x) * float(y @ y))
    return float(np.clip(x @ y / length, -1, 1)) if len(x) > 2 and length > 1e-12 else None


def _ranks(values: Sequence[float]) -> Floats:
    """Ranks from 0; equals share the mean of theirs."""
    _, inverse, counts = np.unique(np.asarray(values, np.float64), return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts + 1) / 2)[inverse])
