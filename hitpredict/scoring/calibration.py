"""How wide a prediction's interval must be: conformal prediction for songs that come in groups. NumPy only."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hitpredict.files.arrays import Floats
from hitpredict.scoring.spread import Spread


@dataclass(frozen=True)
class Calibration:
    """Turns a score into an interval that holds the true value with probability `level` for a new group's song.

    level: aimed coverage in (0, 1). below, above: how far the interval reaches from the score, on the target's
    scale, at least 0. low, high: the ends of that scale, where intervals are cut. groups: groups it rests on.
    spread: what `below` and `above` are multiplied by for each score; None leaves them the same for all.
    """

    level: float
    below: float
    above: float
    low: float
    high: float
    groups: int
    method: str = "hierarchical conformal, signed out-of-fold residuals, equal weight per group"
    spread: Spread | None = None

    @classmethod
    def fit(
        cls,
        target: ArrayLike,
        prediction: ArrayLike,
        groups: ArrayLike,
        level: float = 0.8,
        low: float = 0.0,
        high: float = 100.0,
        spread: Spread | None = None,
    ) -> "Calibration":
        """Calibrate on predictions for rows that the predicting model was not fitted on; all of shape (N,).

        Hierarchical conformal prediction (Lee, Barber & Willett 2023, after Dunn, Wasserman & Ramdas 2022): each
        of K groups carries the weight 1 / (K + 1), spread over its rows, and the rest stands for the unseen
        group. Both tails get half of what `level` leaves over. Residuals are divided by a `spread`, which must come
        from other rows (Lei et al. 2018, arXiv:1604.04173). Raises ValueError for a level outside (0, 1).
        """
        if not 0 < level < 1:
            raise ValueError(f"level {level} is not between 0 and 1")
        residual = np.asarray(target, np.float64) - np.asarray(prediction, np.float64)
        if spread is not None:
            residual = residual / spread.of(prediction)
        _, inverse, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
        weights = 1 / ((len(sizes) + 1) * sizes[inverse])
        below, above = (
            round(min(max(weighted_quantile(side, weights, (1 + level) / 2), 0.0), high - low), 4)
            for side in (-residual, residual)
        )
        return cls(level, below, above, low, high, len(sizes), spread=spread)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Calibration":
        """The calibration that `to_json` wrote."""
        spread = Spread.from_json(data["spread"]) if data.get("spread") else None
        return cls(**{**data, "spread": spread})

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and strings, for the model file."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    def cut(self, scores: ArrayLike) -> Floats:
        """Scores (N,) held to the scale, as they are told."""
        return np.clip(np.asarray(scores, np.float64), self.low, self.high)

    def interval(self, scores: ArrayLike) -> tuple[Floats, Floats]:
        """Lower and upper ends, shape (N,) each, for scores of shape (N,), all on the target's scale."""
        centre = np.asarray(scores, np.float64)
        reach = 1.0 if self.spread is None else self.spread.of(centre)
        return (
            np.clip(centre - reach * self.below, self.low, self.high),
            np.clip(centre + reach * self.above, self.low, self.high),
        )


def weighted_quantile(values: Floats, weights: Floats, share: float) -> float:
    """The smallest value that holds `share` of the weight at or below it; infinite where the weights fall short."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) >= share - 1e-12
    return float(values[order][np.argmax(reached)]) if reached.any() else float("inf")
