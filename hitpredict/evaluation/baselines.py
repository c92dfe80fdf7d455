"""The simple answers that every result is printed beside."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.evaluation.curve_baselines import CurveBaselines
from hitpredict.files.arrays import Floats
from hitpredict.scoring.inputs import WEEKS
from hitpredict.tables.join import TrainingData, filled
from hitpredict.tables.label_inputs import REGION


@dataclass(frozen=True)
class Baselines:
    """What any model must beat: the training mean, normal noise around it, and a ridge on the features.

    weights, intercept: of the ridge, for features filled with `fill` and standardised by `shift` and `scale`.
    curve: forecasts of whole curves, where the model makes such.
    """

    mean: float
    deviation: float
    seed: int
    fill: Floats
    shift: Floats
    scale: Floats
    weights: Floats
    intercept: float
    curve: CurveBaselines | None = None

    @classmethod
    def fit(cls, data: TrainingData, truth: Floats, seed: int, curve: bool = False) -> "Baselines":
        """Fit on the training rows and their truth (N,), NaN where not known. curve: whether the labels are curves."""
        # Of curves some sums are not known, but their weeks are.
        known = np.isfinite(truth)
        features, truth = data.summary[known], truth[known]
        curves = CurveBaselines.fit(data.labels, data.named(WEEKS), data.named(REGION)) if curve else None
        table, fill = filled(features)
        shift, scale = table.mean(axis=0), table.std(axis=0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        design = (table - shift) / scale
        # As strong as the number of features: mild where rows are plenty, firm where columns outnumber them.
        penalty = max(100.0, float(design.shape[1]))
        gram = design.T @ design + penalty * np.eye(design.shape[1])
        weights = np.linalg.solve(gram, design.T @ (truth - truth.mean()))
        return cls(
            float(truth.mean()), float(truth.std()), seed, fill, shift, scale, weights, float(truth.mean()), curves
        )

    def predict(self, features: NDArray[np.float32]) -> dict[str, Floats]:
        """Predictions of each baseline, (N,)."""
        table = np.asarray(features, np.float64)
        table = np.where(np.isfinite(table), table, self.fill)
        noise = np.random.default_rng(self.seed).normal(self.mean, self.deviation, len(table))
        linear = (table - self.shift) / self.scale @ self.weights + self.intercept
        return {"constant": np.full(len(table), self.mean), "random-normal": noise, "linear": linear}

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in vars(self).items()}
        return plain | {"curve": None if self.curve is None else asdict(self.curve)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Baselines":
        """The baselines that `to_json` wrote."""
        parts: dict[str, Any] = {key: np.array(v) if isinstance(v, list) else v for key, v in data.items()}
        curve = data.get("curve")
        return cls(**parts | {"curve": None if curve is None else CurveBaselines(**curve)})
