"""How far off a model is at each height of its score: what makes one interval wider than another. NumPy only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hitpredict.files.arrays import Floats

_LEAST, _MOST = 0.3, 3.0
_PENALTY = 1.0


@dataclass(frozen=True)
class Spread:
    """The error expected of a score, a parabola over it, in units of the mean error: it says which songs are harder.

    centre, scale: of the scores it was fitted on. coefficients: of 1, z and z², z being the scaled score; the result is
    held to 0.3 to 3.
    """

    centre: float
    scale: float
    coefficients: tuple[float, float, float]

    @classmethod
    def fit(cls, scores: ArrayLike, errors: ArrayLike) -> "Spread":
        """Fit to absolute errors (N,) of scores (N,) for songs that the model did not learn from, by ridge regression
        (Lei et al. 2018, arXiv:1604.04173, section 5.2, with the score alone as what tells songs apart)."""
        found, wrong = np.asarray(scores, np.float64), np.asarray(errors, np.float64)
        centre, scale = float(found.mean()), float(found.std()) or 1.0
        design = _powers((found - centre) / scale)
        penalty = _PENALTY * np.diag([0.0, 1.0, 1.0])
        weights = np.linalg.solve(design.T @ design + penalty, design.T @ (wrong / max(wrong.mean(), 1e-12)))
        first, second, third = (round(float(weight), 6) for weight in weights)
        return cls(round(centre, 6), round(scale, 6), (first, second, third))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Spread":
        """What `to_json` wrote."""
        first, second, third = data["coefficients"]
        return cls(data["centre"], data["scale"], (first, second, third))

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the model file."""
        return asdict(self)

    def of(self, scores: ArrayLike) -> Floats:
        """The expected errors of scores (N,), in units of the mean one."""
        place = (np.asarray(scores, np.float64) - self.centre) / self.scale
        return np.asarray(np.clip(_powers(place) @ np.array(self.coefficients), _LEAST, _MOST))


def _powers(values: Floats) -> Floats:
    return np.stack([np.ones_like(values), values, values**2], axis=-1)


def interval_score(truth: ArrayLike, low: ArrayLike, high: ArrayLike, level: float) -> Floats:
    """The interval score of intervals (N,), the lower the better: their width, and what they miss the truth by, times
    2 / (1 - level) (Gneiting & Raftery 2007, doi:10.1198/016214506000001437)."""
    values, lower, upper = (np.asarray(each, np.float64) for each in (truth, low, high))
    missed = np.maximum(lower - values, 0.0) + np.maximum(values - upper, 0.0)
    return np.asarray(upper - lower + 2 / (1 - level) * missed)
