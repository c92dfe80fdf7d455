"""Is this sound like the songs that the model learnt from? NumPy only.

A Mahalanobis distance on robustly scaled features (median, median absolute deviation), standard deviations taken
as logarithms so that too little movement (noise, tones, silence) counts as much as too much (speech, bird song).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitpredict.splits import group_folds, train_and_held_out

Floats = NDArray[np.float64]
_FLOOR = 0.3
_OUTLIER = 3.5
_SHRINKAGE = 0.3
_HELD_OUT_SHARE = 0.99
_MARGIN = 1.25


@dataclass(frozen=True, eq=False)
class Domain:
    """The training songs' region in the space of features.

    log_from: columns from here on are taken as logarithms, values under `floor` counting as `floor`.
    centre, scale: shape (D,). whitening: shape (D, D), such that a row times it has the training rows' spread in
    every direction, divided by the limit. duration: (low, high) seconds, 1 % and 99 % of the training songs.
    """

    log_from: int
    floor: float
    centre: Floats
    scale: Floats
    whitening: Floats
    duration: tuple[float, float]

    @classmethod
    def fit(cls, features: ArrayLike, log_from: int, durations: ArrayLike, groups: ArrayLike) -> "Domain":
        """Learn the region from features (N, D), durations (N,) in seconds, and the group of each row (N,).

        The limit, distance 1, is 1.25 times the distance that 99 % of rows stay under when their group is held
        out; the margin lets rare but real music pass. Rows whose columns from `log_from` on are all zero
        (digital silence) are left out.
        """
        table, names = np.asarray(features, np.float64), np.asarray(groups)
        sound = table[:, log_from:].max(axis=1, initial=0.0) > 0
        sound |= log_from == table.shape[1]
        table, names = table[sound], names[sound]
        low, high = np.quantile(np.asarray(durations, np.float64), [0.01, 0.99])
        duration = (round(float(low), 1), round(float(high), 1))
        held_out = np.zeros(len(table))
        for rest, fold in train_and_held_out(group_folds(names)):
            held_out[fold] = cls._region(table[rest], log_from, duration, 1.0).distance(table[fold])
        return cls._region(table, log_from, duration, _MARGIN * float(np.quantile(held_out, _HELD_OUT_SHARE)))

    @classmethod
    def _region(cls, table: Floats, log_from: int, duration: tuple[float, float], limit: float) -> "Domain":
        values = _logarithms(table, log_from, _FLOOR)
        centre = np.median(values, axis=0)
        scale = 1.4826 * np.median(np.abs(values - centre), axis=0)
        # Columns that hardly ever differ, as counts and flags do, have no median deviation.
        scale = np.where(scale > 0, scale, np.maximum(values.std(axis=0), 1e-9))
        kept = np.clip((values - centre) / scale, -_OUTLIER, _OUTLIER)
        covariance = np.atleast_2d(np.cov(kept.T))
        diagonal = np.eye(len(centre)) * np.trace(covariance) / len(centre)
        covariance = (1 - _SHRINKAGE) * covariance + _SHRINKAGE * diagonal
        whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T / (limit * np.sqrt(len(centre)))
        shift = centre + kept.mean(axis=0) * scale
        return cls(log_from, _FLOOR, _rounded(shift), _rounded(scale), _rounded(whitening), duration)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Domain":
        """The region that `to_json` wrote."""
        low, high = data["duration"]
        arrays = {key: np.array(data[key], np.float64) for key in ("centre", "scale", "whitening")}
        return cls(int(data["log_from"]), float(data["floor"]), **arrays, duration=(float(low), float(high)))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists, for the model file."""
        return {
            "method": "shrunk Mahalanobis distance on robustly scaled features",
            "log_from": self.log_from,
            "floor": self.floor,
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "whitening": self.whitening.tolist(),
            "duration": list(self.duration),
        }

    def distance(self, features: ArrayLike) -> Floats:
        """Distance of features (N, D) from the training songs, shape (N,); above 1 is unlike them."""
        values = _logarithms(np.asarray(features, np.float64), self.log_from, self.floor)
        # What could not be computed says nothing either way.
        values = np.where(np.isnan(values), self.centre, values)
        position = (values - self.centre) / self.scale @ self.whitening
        return np.asarray(np.sqrt(np.sum(position**2, axis=1)), np.float64)


def _logarithms(table: Floats, log_from: int, floor: float) -> Floats:
    return np.hstack([table[:, :log_from], np.log(np.maximum(table[:, log_from:], floor))])


def _rounded(values: Floats) -> Floats:
    """Six significant digits: far finer than the distance needs, and the same on every machine."""
    rounded = [float(f"{value:.6g}") for value in values.ravel()]
    return np.array(rounded).reshape(values.shape)
