"""A forecast of weekly streams: the band around it, and the popularity measures that follow from it. NumPy only.

Conventions: curves (…, W) are log10 of weekly streams, 0 a week off the charts, NaN a week that is not known.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hitpredict.files.arrays import Floats
from hitpredict.scoring.calibration import Calibration

CURVE_UNIT = "log10 weekly streams"
FLOOR = 3.0
"""log10 of the fewest streams that Spotify's weekly charts list."""


@dataclass(frozen=True)
class CurveOutput:
    """The curve that a model forecasts, from week `first_week` of a song's life on.

    below, above: (W,), how far the band reaches from the forecast in each week, which holds that week's value with
    probability `level`; high: where the band is cut, its low end being 0, off the charts. groups: the fewest groups
    that a week rests on.
    """

    first_week: int
    level: float
    below: tuple[float, ...]
    above: tuple[float, ...]
    high: float
    groups: int

    @classmethod
    def fit(
        cls, truth: ArrayLike, forecast: ArrayLike, groups: ArrayLike, high: float, first_week: int = 1
    ) -> "CurveOutput":
        """Calibrate week by week, as `Calibration.fit` does scores, on curves (N, W) that the model did not learn from.
        high: the highest value there is.

        Each week has the songs whose value is known, weeks off the charts among them: where many songs leave, the band
        reaches down to 0. It holds a week, not the whole curve.
        """
        values, found = np.asarray(truth, np.float64), np.asarray(forecast, np.float64)
        known, names = np.isfinite(values), np.asarray(groups)
        weeks = [
            Calibration.fit(values[rows, week], found[rows, week], names[rows], low=0.0, high=high)
            for week, rows in enumerate(known.T)
        ]
        below, above = (tuple(getattr(each, side) for each in weeks) for side in ("below", "above"))
        return cls(first_week, weeks[0].level, below, above, high, min(each.groups for each in weeks))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "CurveOutput":
        """What `to_json` wrote."""
        return cls(**{**data} | {key: tuple(data[key]) for key in ("below", "above")})

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the model file."""
        return asdict(self)

    def band(self, forecast: ArrayLike) -> tuple[Floats, Floats]:
        """The ends of the band around forecasts (…, W), each (…, W)."""
        found = np.asarray(forecast, np.float64)
        ends = found - np.array(self.below), found + np.array(self.above)
        low, high = (np.clip(end, 0.0, self.high) for end in ends)
        return np.asarray(low), np.asarray(high)

    def described(self, forecast: Floats) -> dict[str, Any]:
        """One forecast (W,) as records print it, cut at 0 and at `high`."""
        told = np.clip(forecast, 0.0, self.high)
        low, high = self.band(told)
        measures = {name: float(value) for name, value in derive_measures(told).items()}
        return {
            "first_week": self.first_week,
            "unit": CURVE_UNIT,
            "level": self.level,
            **{name: np.round(line, 4).tolist() for name, line in zip(_LINES, (told, low, high), strict=True)},
            "measures": {name: round(value, 4) if np.isfinite(value) else None for name, value in measures.items()},
        }


_LINES = ("weeks", "low", "high")


def flat_curve(curve: Mapping[str, Any]) -> dict[str, Any]:
    """A record's `curve` as columns: `week_1`, `week_1_low`, `week_1_high` and so on, then the measures."""
    row: dict[str, Any] = {}
    for week, ends in enumerate(zip(*(curve[name] for name in _LINES), strict=True), int(curve["first_week"])):
        row |= zip((f"week_{week}", f"week_{week}_low", f"week_{week}_high"), ends, strict=True)
    return row | dict(curve["measures"])


def derive_measures(curve: ArrayLike, floor: float = FLOOR) -> dict[str, NDArray[np.float64]]:
    """The eight measures of Lee & Lee 2018 (IEEE TMM 20(11):3173) of curves (…, weeks), each (…).

    A week counts as charted where the curve (log10 of weekly streams) reaches `floor`; the measures are taken over
    those weeks' values, where Lee & Lee took rank scores: debut (the first), max, mean, std (population), length (how
    many), sum, skewness, kurtosis (minus 3, as `hitpredict fetch charts` gives it). Without a charted week length
    and sum are 0 and the others NaN; skewness and kurtosis are NaN where std is 0.
    """
    values = np.asarray(curve, np.float64)
    charted = values >= floor
    length = charted.sum(axis=-1)
    some = np.where(length > 0, length, np.nan)
    total = np.where(charted, values, 0.0).sum(axis=-1)
    mean = total / some
    centred = np.where(charted, values - mean[..., None], 0.0)
    second, third, fourth = ((centred**power).sum(axis=-1) / some for power in (2, 3, 4))
    # Rounding leaves about 1e-30 of a constant curve.
    spread = np.where(second > 1e-20, second, np.nan)
    first = np.take_along_axis(values, charted.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    return {
        "debut": np.where(length > 0, first, np.nan),
        "max": np.where(length > 0, np.where(charted, values, -np.inf).max(axis=-1), np.nan),
        "mean": mean,
        "std": np.sqrt(second),
        "length": length.astype(np.float64),
        "sum": total,
        "skewness": third / spread**1.5,
        "kurtosis": fourth / spread**2 - 3.0,
    }
