"""What a step of a mutation is: frozen parameters with ranges and units, and a pure function on a clip."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

import numpy as np

from hitpredict.audio.sound import Sound
from hitpredict.errors import UsageError

ENGINES = ("pedalboard", "rubberband")
QUALITIES = ("best", "draft")


@dataclass(frozen=True)
class Context:
    """What every step of a recipe shares.

    engine: program that shifts pitch and tempo, `pedalboard` or `rubberband`.
    quality: `best` or `draft` (about three times as fast, audibly rougher).
    seed: the one source of randomness, 0 or above.
    position: place of the step in its recipe, so that two random steps of one recipe differ.
    """

    engine: str = "pedalboard"
    quality: str = "best"
    seed: int = 0
    position: int = 0

    def generator(self) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.position])


@dataclass(frozen=True)
class Parameter:
    """One parameter of a step: its range (inclusive) and unit, or its choices; `default` None means required
    unless `optional`."""

    name: str = ""
    unit: str = ""
    minimum: float = -math.inf
    maximum: float = math.inf
    choices: tuple[str, ...] | tuple[int, ...] = ()
    default: float | str | None = None
    optional: bool = False
    whole: bool = False
    signed: bool = False

    @property
    def required(self) -> bool:
        return self.default is None and not self.optional

    @property
    def is_text(self) -> bool:
        return bool(self.choices) and isinstance(self.choices[0], str)

    @property
    def range_text(self) -> str:
        """`between -24 and 24 semitones`, or `white, pink or brown`."""
        unit = f" {self.unit}" if self.unit else ""
        if self.choices:
            *most, last = map(str, self.choices)
            return f"{', '.join(most)} or {last}{unit}"
        return f"between {self.minimum:g} and {self.maximum:g}{unit}"

    def checked(self, value: object, what: str) -> float | str | None:
        """`value` as this parameter stores it; UsageError beginning with `what` when it is out of range."""
        if value is None and self.optional:
            return None
        if self.is_text:
            if value not in self.choices:
                raise UsageError(f"{what} {value}: must be {self.range_text}")
            return str(value)
        if isinstance(value, bool | str) or not isinstance(value, int | float | np.number):
            raise UsageError(f"{what} {value}: must be a number, {self.range_text}")
        try:
            number = float(value) + 0.0  # turns -0.0 into 0.0
        except OverflowError:
            number = math.inf
        if self.choices:
            if number not in self.choices:
                raise UsageError(f"{what} {number:g}: must be {self.range_text}")
        elif not self.minimum <= number <= self.maximum:
            raise UsageError(f"{what} {number:g}: must be {self.range_text}")
        if self.whole and number != int(number):
            raise UsageError(f"{what} {number:g}: must be a whole number, {self.range_text}")
        return int(number) if self.whole else number


def parameter(
    unit: str = "",
    minimum: float = -math.inf,
    maximum: float = math.inf,
    *,
    default: float | str | None = None,
    choices: tuple[str, ...] | tuple[int, ...] = (),
    optional: bool = False,
    whole: bool = False,
    signed: bool = False,
) -> Any:
    """A dataclass field that carries its `Parameter`. `signed` writes a plus sign in labels."""
    spec = Parameter("", unit, minimum, maximum, choices, default, optional, whole, signed)
    if spec.required:
        return field(metadata={"parameter": spec})
    return field(default=default, metadata={"parameter": spec})


class Step(ABC):
    """One change to the sound. Subclasses are frozen dataclasses whose fields come from `parameter()`.

    op: name in recipes and, with two dashes, on the command line.
    family: heading under which the command line lists it.
    metavar: syntax of its value; empty for a step without a value (a flag).
    help: one line, without the range, which `help_text` adds.
    example: values that parse.
    ranged: place of the parameter that may be a range, `START:STOP:STEP`; None where there is none.
    whole: whether it needs the whole sound in memory; the others work block by block.
    per_channel: whether it is the same linear change of every channel, so that channels may be averaged before it.
    """

    op: ClassVar[str]
    family: ClassVar[str]
    metavar: ClassVar[str] = ""
    help: ClassVar[str]
    example: ClassVar[str] = ""
    ranged: ClassVar[int | None] = 0
    whole: ClassVar[bool] = False
    per_channel: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for index, spec in enumerate(self.parameters()):
            what = f"`{self.op}`" if index == 0 else f"`{self.op}`: {spec.name.replace('_', ' ')}"
            object.__setattr__(self, spec.name, spec.checked(getattr(self, spec.name), what))

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """The step's parameters, in the order of the command line's value."""
        specs = fields(cls)  # type: ignore[arg-type]
        return tuple(replace(each.metadata["parameter"], name=each.name) for each in specs)

    @classmethod
    def help_text(cls) -> str:
        """The option's help: what it does, then ranges, units and defaults of its parameters."""
        parts: list[str] = []
        for spec in cls.parameters():
            words = spec.range_text.removeprefix("between ").replace(" and ", " to ", 1)
            default = "" if spec.default is None else f", default {_label(spec, spec.default)}"
            name = "" if not parts else f"{spec.name.replace('_', ' ')} "
            parts.append(f"{name}{words}{default}")
        return f"{cls.help.removesuffix('.')} ({'; '.join(parts)})." if parts else cls.help

    @property
    def values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, spec.name) for spec in self.parameters())

    @property
    def label(self) -> str:
        """Short, safe in file names, different for different parameters: `pitch+2`, `noise20_pink`."""
        values = list(zip(self.parameters(), self.values, strict=True))
        while values and not values[-1][0].required and values[-1][1] == values[-1][0].default:
            values.pop()
        return self.op + "_".join(_label(spec, value) for spec, value in values)

    def to_json(self) -> dict[str, Any]:
        """`{"op": "pitch", "semitones": 2.0}`; parameters that are None are left out."""
        named = zip(self.parameters(), self.values, strict=True)
        return {"op": self.op} | {spec.name: value for spec, value in named if value is not None}

    @abstractmethod
    def apply(self, sound: Sound, context: Context) -> Sound:
        """The changed sound. InputError, before any of it is read, when the step has no meaning for this sound."""


def _label(spec: Parameter, value: object) -> str:
    if not isinstance(value, int | float):
        return "" if value is None else str(value)
    text = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return f"+{text}" if spec.signed and value > 0 else text


def decibels(gain_db: float) -> float:
    """Amplitude ratio of a level difference in dB."""
    return float(10.0 ** (gain_db / 20.0))
