"""Is this sound like the songs that the model learnt from? NumPy only.

A Mahalanobis distance on robustly scaled features, values far out being bent inwards so that no single column
decides; standard deviations are taken as logarithms so that too little movement (noise, tones, silence) counts as
much as too much (speech, bird song). What a handful of songs, or more columns than songs, cannot tell of the
directions in which songs vary is shrunk towards one spread for all. docs/score.md has the comparison with others.
"""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from hitpredict.files.arrays import Floats
from hitpredict.scoring.calibration import weighted_quantile

_FLOOR_SHARE = 0.03
_BEND = 3.0
_SHRINKAGE = 0.02
_DIRECTIONS = 100
_GROUPS_BEYOND = 2
_LARGEST_SHARE = 0.1
_USUAL_SHARE, _MARGIN = 0.01, 1.4
_SMALLEST_SCALE = 1e-3
_TINY = 1e-9
# From the 5 % to the 95 % quantile of a normal distribution, in standard deviations.
_WIDTH_OF_90_PERCENT = 3.29


@dataclass(frozen=True, eq=False)
class Domain:
    """The training songs' region in the space of features.

    log_from: columns from here on are taken as logarithms, values under `floor` counting as `floor`.
    centre, scale: shape (D,). bend: scaled values beyond it grow logarithmically; None does not bend.
    whitening: shape (D, R), R directions, such that a row times it has the training rows' spread in every one of
    them, divided by the limit. rest: the weight of squared values in the other directions.
    duration: (low, high) seconds, 1 % and 99 % of the training songs; zeros where they are not known.
    """

    log_from: int
    floor: float
    centre: Floats
    scale: Floats
    whitening: Floats
    duration: tuple[float, float]
    bend: float | None = None
    rest: float = 0.0

    @classmethod
    def fit(
        cls, features: ArrayLike, log_from: int, durations: ArrayLike, groups: ArrayLike, folds: ArrayLike
    ) -> "Domain":
        """Learn the region from features (N, D), durations (N,) in seconds (NaN or 0: not known), the group of each
        row (N,), and the number of the fold that it is held out with (N,); a group is in one fold.

        The limit, distance 1, is a conformal one for the song of a new group (Lee, Barber & Willett 2023): of the
        songs of each of K groups, measured from a region without them, a share of 2 / (K + 1) lies beyond it, all
        groups counting the same. So one odd group does not set it, and with more groups it is stricter with itself:
        about 6 % of songs like the training songs are flagged with 35 groups, 1 % with 200, 0.2 % with 1,000. The
        share is never more than a tenth; where that leaves fewer than one group, the farthest song sets the limit.
        Nor does the limit exceed 1.4 times the one for 1 %, so that a table may hold more odd groups.
        Rows whose columns from `log_from` on are all zero (digital silence) are left out.
        """
        table, names, fold_of = np.asarray(features, np.float64), np.asarray(groups), np.asarray(folds)
        sound = table[:, log_from:].max(axis=1, initial=0.0) > 0
        sound |= log_from == table.shape[1]
        table, names, fold_of = table[sound], names[sound], fold_of[sound]
        duration = _middle(np.asarray(durations, np.float64))
        _, inverse, sizes = np.unique(names, return_inverse=True, return_counts=True)
        held_out = np.zeros(len(table))
        for fold in np.unique(fold_of):
            inside = fold_of == fold
            held_out[inside] = cls._region(table[~inside], log_from, duration, 1.0).distance(table[inside])
        weights = 1 / ((len(sizes) + 1) * sizes[inverse])
        beyond = min(_LARGEST_SHARE, _GROUPS_BEYOND / (len(sizes) + 1))
        limit, usual = (weighted_quantile(held_out, weights, 1 - share) for share in (beyond, _USUAL_SHARE))
        return cls._region(table, log_from, duration, min(limit, _MARGIN * usual, float(held_out.max())))

    @classmethod
    def _region(cls, table: Floats, log_from: int, duration: tuple[float, float], limit: float) -> "Domain":
        deviations = table[:, log_from:]
        floor = max(_FLOOR_SHARE * float(np.median(deviations)), _TINY) if deviations.size else _TINY
        values = _logarithms(table, log_from, floor)
        centre = np.median(values, axis=0)
        scale = _scale(values, centre)
        centre = centre + _bent((values - centre) / scale, _BEND).mean(axis=0) * scale
        directions, variances = _principal(_bent((values - centre) / scale, _BEND))
        total, columns = float(variances.sum()), len(centre)
        # Towards a sphere of the same size (Ledoit & Wolf 2004), by a fixed share.
        shrunk = (1 - _SHRINKAGE) * variances + _SHRINKAGE * total / columns
        kept = min(_DIRECTIONS, len(variances))
        squared = columns * max(limit, _TINY) ** 2
        left = max(total - shrunk[:kept].sum(), _TINY) / (columns - kept) if kept < columns else math.inf
        whitening = directions[:, :kept] / np.sqrt(shrunk[:kept] * squared)
        return cls(
            log_from,
            _six(floor),
            _rounded(centre),
            _rounded(scale),
            # Half precision says it finely enough, in a fifth of the bytes; old files hold lists.
            whitening.astype(np.float16).astype(np.float64),
            duration,
            _BEND,
            _six(1 / (left * squared)),
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Domain":
        """The region that `to_json` wrote, also one of earlier versions."""
        low, high = data["duration"]
        centre, scale = (np.array(data[key], np.float64) for key in ("centre", "scale"))
        whitening = data["whitening"]
        if isinstance(whitening, str):
            whitening = np.frombuffer(base64.b64decode(whitening, validate=True), "<f2").reshape(len(centre), -1)
        bend = data.get("bend")
        return cls(
            int(data["log_from"]),
            float(data["floor"]),
            centre,
            scale,
            np.asarray(whitening, np.float64),
            duration=(float(low), float(high)),
            bend=None if bend is None else float(bend),
            rest=float(data.get("rest", 0.0)),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and lists, for the model file."""
        return {
            "method": "shrunk Mahalanobis distance on robustly scaled features, limit by held-out groups",
            "log_from": self.log_from,
            "floor": self.floor,
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "bend": self.bend,
            "whitening": base64.b64encode(self.whitening.astype("<f2").tobytes()).decode(),
            "rest": self.rest,
            "duration": list(self.duration),
        }

    def distance(self, features: ArrayLike) -> Floats:
        """Distance of features (N, D) from the training songs, shape (N,); above 1 is unlike them."""
        values = _logarithms(np.asarray(features, np.float64), self.log_from, self.floor)
        # What could not be computed says nothing either way.
        values = np.where(np.isnan(values), self.centre, values)
        place = _bent((values - self.centre) / self.scale, self.bend)
        along = (place @ self.whitening) ** 2
        squared = np.sum(along, axis=1)
        if self.rest:
            # The directions are orthogonal: what they leave of the length lies in the others.
            left = np.sum(place**2, axis=1) - along @ (1 / np.sum(self.whitening**2, axis=0))
            squared = squared + self.rest * np.maximum(left, 0.0)
        return np.asarray(np.sqrt(squared), np.float64)


def _middle(durations: Floats) -> tuple[float, float]:
    known = durations[np.isfinite(durations) & (durations > 0)]
    low, high = np.quantile(known, [0.01, 0.99]) if len(known) else (0.0, 0.0)
    return round(float(low), 1), round(float(high), 1)


def _logarithms(table: Floats, log_from: int, floor: float) -> Floats:
    return np.hstack([table[:, :log_from], np.log(np.maximum(table[:, log_from:], floor))])


def _scale(values: Floats, centre: Floats) -> Floats:
    """A standard deviation by column that odd songs do not move, but for columns that mostly stand still."""
    deviation = 1.4826 * np.median(np.abs(values - centre), axis=0)
    low, high = np.quantile(values, [0.05, 0.95], axis=0)
    scale = np.maximum(deviation, (high - low) / _WIDTH_OF_90_PERCENT)
    # Columns that hardly ever differ, as counts and flags do, have neither.
    least = np.maximum(values.std(axis=0), _SMALLEST_SCALE * (1 + np.abs(centre)))
    return np.asarray(np.where(scale > 0, scale, least))


def _bent(values: Floats, bend: float | None) -> Floats:
    """Values beyond ±bend, in scales, drawn in: bend · (1 + log(|value| / bend))."""
    if bend is None:
        return values
    size = np.abs(values)
    return np.asarray(
        np.where(size > bend, np.sign(values) * bend * (1 + np.log(np.maximum(size, bend) / bend)), values)
    )


def _principal(rows: Floats) -> tuple[Floats, Floats]:
    """Orthonormal directions (D, K) and the variances of centred rows (N, D) along them, largest first, above 0."""
    count, columns = rows.shape
    wide = columns > count
    variances, vectors = np.linalg.eigh((rows @ rows.T if wide else rows.T @ rows) / count)
    kept = variances > _TINY * max(float(variances[-1]), _TINY)
    variances, vectors = variances[kept][::-1], vectors[:, kept][:, ::-1]
    directions = rows.T @ vectors / np.sqrt(count * variances) if wide else vectors
    # Directions have no sign of their own; one is chosen so that equal tables give equal files.
    largest = np.abs(directions).argmax(axis=0)
    signs = np.sign(directions[largest, np.arange(len(variances))])
    return directions * signs, variances


def _six(value: float) -> float:
    """Six significant digits: far finer than the distance needs, and the same on every machine."""
    return float(f"{value:.6g}")


def _rounded(values: Floats) -> Floats:
    return np.array([_six(value) for value in values.ravel()]).reshape(values.shape)
