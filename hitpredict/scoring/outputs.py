"""All that a model answers of a song beside its score: other targets, classes, a curve, the error it expects.

An exported model names its outputs: `score` (N,), and perhaps `targets` (N, K), `probabilities` (N, K), `curve` (N, W)
and `foretold_error` (N,). What they mean lies beside them in the model file. NumPy only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hitpredict.errors import InputError
from hitpredict.files.arrays import Floats
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.classes import ClassOutput
from hitpredict.scoring.curve import CurveOutput, flat_curve

SCORE, TARGETS, PROBABILITIES, CURVE, FORETOLD = "score", "targets", "probabilities", "curve", "foretold_error"
STREAMS_UNIT = "log10 streams"


@dataclass(frozen=True)
class TargetOutput:
    """One of several targets: its name, the unit of its values, and the interval around a prediction of it."""

    name: str
    unit: str
    calibration: Calibration

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TargetOutput":
        """What `to_json` wrote."""
        return cls(data["name"], data["unit"], Calibration.from_json(data["calibration"]))

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the model file."""
        return {"name": self.name, "unit": self.unit, "calibration": self.calibration.to_json()}

    def described(self, value: float) -> dict[str, Any]:
        """One prediction as records print it: `value`, `interval`, `unit`, and of logarithms of streams `streams`."""
        told = float(self.calibration.cut(value))
        low, high = self.calibration.interval(told)
        streams = {"streams": round(float(f"{10 ** min(told, 300):.4g}"))} if self.unit == STREAMS_UNIT else {}
        ends = [round(float(end), 4) for end in (low, high)]
        return {"value": round(told, 4), "interval": ends, "unit": self.unit, **streams}


@dataclass(frozen=True)
class Outputs:
    """What the answers of a model mean; of a model of one number, and of files of earlier versions, there is nothing.

    foretold: what turns the error that a model foretells of its score into the one that such songs had on average, of
    models that answer `foretold_error`.
    """

    targets: tuple[TargetOutput, ...] = ()
    classes: ClassOutput | None = None
    curve: CurveOutput | None = None
    foretold: float | None = None

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Outputs":
        """What `to_json` wrote."""
        return cls(
            tuple(map(TargetOutput.from_json, data.get(TARGETS, ()))),
            ClassOutput.from_json(data["classes"]) if "classes" in data else None,
            CurveOutput.from_json(data[CURVE]) if CURVE in data else None,
            data.get(FORETOLD),
        )

    def to_json(self) -> dict[str, Any]:
        """Plain data, for the model file."""
        return {
            **({TARGETS: [each.to_json() for each in self.targets]} if self.targets else {}),
            **({"classes": self.classes.to_json()} if self.classes else {}),
            **({CURVE: self.curve.to_json()} if self.curve else {}),
            **({FORETOLD: self.foretold} if self.foretold is not None else {}),
        }

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each answer for one song."""
        return {
            **({TARGETS: (len(self.targets),)} if self.targets else {}),
            **({PROBABILITIES: (len(self.classes.names),)} if self.classes else {}),
            **({CURVE: (len(self.curve.below),)} if self.curve else {}),
            **({FORETOLD: ()} if self.foretold is not None else {}),
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that tables of its records have besides."""
        return tuple(flat_outputs(self.described({name: np.zeros(shape) for name, shape in self.shapes.items()})))

    def described(self, answers: Mapping[str, Floats], interval: tuple[float, float] = (0.0, 0.0)) -> dict[str, Any]:
        """One song's answers as fields of a record. interval: of its score, which is the first of several targets.

        Raises `InputError` when they are no numbers.
        """
        for name in self.shapes:
            if not np.isfinite(answers[name]).all():
                raise InputError(f"the model answers {name} with what is no number")
        found: dict[str, Any] = {}
        if self.targets:
            pairs = zip(self.targets, answers[TARGETS], strict=True)
            found["outputs"] = {each.name: each.described(float(value)) for each, value in pairs}
            found["outputs"][self.targets[0].name]["interval"] = [round(end, 4) for end in interval]
        if self.classes:
            found["classes"] = self.classes.described(answers[PROBABILITIES])
        if self.curve:
            found["curve"] = self.curve.described(answers[CURVE])
        if self.foretold is not None:
            found[FORETOLD] = round(self.foretold * float(answers[FORETOLD]), 4)
        return found


def flat_outputs(record: Mapping[str, Any]) -> dict[str, Any]:
    """The answers in a printed record as columns: `outputs.log_sum`, `classes.hit`, `curve.week_1` and their like."""
    row: dict[str, Any] = {}
    for name, found in record.get("outputs", {}).items():
        low, high = found["interval"]
        row |= {f"outputs.{name}": found["value"], f"outputs.{name}_low": low, f"outputs.{name}_high": high}
        row |= {f"outputs.{name}_streams": found["streams"]} if "streams" in found else {}
    row |= {f"classes.{name}": found["probability"] for name, found in record.get("classes", {}).items()}
    if CURVE in record:
        row |= {f"curve.{name}": value for name, value in flat_curve(record[CURVE]).items()}
    return row | ({FORETOLD: record[FORETOLD]} if FORETOLD in record else {})
