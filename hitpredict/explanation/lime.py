"""What parts of a song do to a score together: a linear model of it around the song (LIME: Ribeiro, Singh & Guestrin
2016). NumPy only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitpredict.files.arrays import Floats

TRUSTED = 0.5
"""The least share of the variance on masks held out that a fit must explain to be believed."""
FEWEST_MASKS, MOST_MASKS = 120, 480
_MASKS_PER_PART = 5
_TAKEN = 0.25
_HELD_OUT = 0.25
_RIDGE, _WIDTH = 1.0, 0.25
_RESAMPLES = 200


def random_masks(parts: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which parts are taken away each time, (masks, parts): each with a chance of a quarter."""
    count = int(np.clip(_MASKS_PER_PART * parts, FEWEST_MASKS, MOST_MASKS))
    return rng.random((count, parts)) < _TAKEN


@dataclass(frozen=True)
class LinearFit:
    """changes: of the score when a part is taken away, (parts,). deviations: of those over resampled masks. intervals:
    95 %, (parts, 2). r2: on the masks held out, None where the score stands still. masks: how many were scored."""

    changes: Floats
    deviations: Floats
    intervals: Floats
    r2: float | None
    masks: int

    @classmethod
    def of(cls, masks: NDArray[np.bool_], changes: Sequence[float], rng: np.random.Generator) -> "LinearFit":
        """Ridge regression of the changes of a score on what was taken away, closer masks counting more.

        Weights are exp(-(d / 0.25)²) with the cosine distance d of what is left to the whole song, as in the authors'
        text. A quarter of the masks is held out, for `r2`; the coefficients are then fitted to all.
        """
        x, y = masks.astype(np.float64), np.asarray(changes, np.float64)
        weights = np.exp(-(((1 - np.sqrt(1 - x.mean(axis=1))) / _WIDTH) ** 2))
        held = np.arange(len(x)) >= round((1 - _HELD_OUT) * len(x))
        offset, slopes = _ridge(x[~held], y[~held], weights[~held])
        rest = weights[held]
        around = y[held] - np.average(y[held], weights=rest)
        missed = y[held] - offset - x[held] @ slopes
        total = float(rest @ around**2)
        r2 = 1 - float(rest @ missed**2) / total if total > 1e-12 else None
        drawn = rng.integers(0, len(x), (_RESAMPLES, len(x)))
        resampled = np.array([_ridge(x[rows], y[rows], weights[rows])[1] for rows in drawn])
        ends = np.quantile(resampled, [0.025, 0.975], axis=0).T
        return cls(_ridge(x, y, weights)[1], resampled.std(axis=0), ends, r2, len(x))

    @property
    def trusted(self) -> bool:
        """Whether the parts' changes add up well enough for a ranking of them to mean something."""
        return self.r2 is not None and self.r2 >= TRUSTED


def _ridge(x: Floats, y: Floats, weights: Floats) -> tuple[float, Floats]:
    """Offset and slopes of weighted ridge regression, the offset not being shrunk."""
    middle, level = np.average(x, axis=0, weights=weights), float(np.average(y, weights=weights))
    centred = x - middle
    weighed = centred * weights[:, None]
    slopes = np.linalg.solve(weighed.T @ centred + _RIDGE * np.eye(x.shape[1]), weighed.T @ (y - level))
    return level - float(middle @ slopes), np.asarray(slopes, np.float64)
