"""What is swept: parameters of the sound and the values that each is given, by default or from a file."""

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hitpredict.errors import UsageError, unknown
from hitpredict.mutations import STEPS, parse
from hitpredict.mutations.step import Step

_BANDS = (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
_COLOURS = ("white", "pink", "brown")
DEFAULT: Mapping[str, tuple[str, str]] = {
    "pitch": ("pitch", "-2,-1,1,2"),
    # The ratios of the same semitones, so that a tempo is the stretch that a pitch begins with.
    "tempo": ("tempo", "0.8909,0.94387,1.05946,1.12246"),
    "gain": ("gain", "-12:-3:3"),
    "compress": ("compress", "-12,-18,-24,-30"),
    "lowpass": ("lowpass", "2k,4k,8k,16k"),
    "highpass": ("highpass", "40,80,160,320"),
    **{f"eq-{hz}": ("eq", f"{hz}:-6,{hz}:6") for hz in _BANDS},
    **{f"noise-{colour}": ("noise", f"10:40:10:{colour}") for colour in _COLOURS},
    "reverb": ("reverb", "0.1,0.2,0.4"),
    "distortion": ("distortion", "3,6,12"),
    "width": ("width", "0,0.5,1.5"),
    "mp3": ("mp3", "64,96,128"),
    "bitcrush": ("bitcrush", "6,8,10"),
}
_NEUTRAL = {"pitch": 0.0, "tempo": 1.0, "gain": 0.0, "eq": 0.0, "reverb": 0.0, "chorus": 0.0, "width": 1.0}
_LESS_IS_MORE = {"noise", "lowpass", "compress", "limit", "mp3", "bitcrush"}
_STRETCHES = {"pitch", "tempo"}
_OCTAVES = {"Hz", "kbit/s"}


@dataclass(frozen=True)
class SweptParameter:
    """One property of the sound and the steps that give it several values, everything else being the same.

    name: what records call it. steps: of one op, at least one, in the order of their values.
    """

    name: str
    steps: tuple[Step, ...]

    @classmethod
    def of(cls, name: str, op: str, text: str) -> "SweptParameter":
        """The values in the syntax of `mutate`. `UsageError` where they differ in more than one number."""
        steps = parse(op, text)
        places = {place for step in steps for place, value in enumerate(step.values) if value != steps[0].values[place]}
        if len(places) > 1 or not all(
            isinstance(step.values[place], int | float) for step in steps for place in places
        ):
            raise UsageError(f"parameter {name}: {op} {text}: values may differ in one number alone")
        if not steps[0].parameters():
            raise UsageError(f"parameter {name}: {op} has no value to vary")
        found = cls(name, tuple(steps))
        place = found._place
        return cls(name, tuple(sorted(steps, key=lambda step: step.values[place])))

    @cached_property
    def _place(self) -> int:
        """Which of the steps' fields varies."""
        first = self.steps[0].values
        varied = (
            place for place in range(len(first)) if any(step.values[place] != first[place] for step in self.steps)
        )
        return next(varied, self.steps[0].ranged or 0)

    @property
    def values(self) -> list[float]:
        """What is swept over, ascending."""
        return [step.values[self._place] for step in self.steps]

    @property
    def unit(self) -> str:
        """Of the values, as `mutate` has it: semitones, dB, Hz…"""
        return self.steps[0].parameters()[self._place].unit

    @property
    def octaves(self) -> bool:
        """Whether slopes are over the logarithm to base 2 of the values."""
        return self.unit in _OCTAVES

    @property
    def neutral(self) -> float | None:
        """The value that leaves the sound as it is, where there is one."""
        return _NEUTRAL.get(self.steps[0].op)

    @property
    def direction(self) -> int:
        """1, or -1 where a lower value is more of what the name says: noise by signal-to-noise ratio, low-pass…"""
        return -1 if self.steps[0].op in _LESS_IS_MORE else 1

    @property
    def stretches(self) -> bool:
        """Whether the stretcher makes it, in draft or best quality."""
        return self.steps[0].op in _STRETCHES

    def places(self, values: Sequence[float]) -> list[float]:
        """Values as slopes are taken over them."""
        return [math.log2(value) for value in values] if self.octaves else list(values)


def chosen_parameters(names: str | None, file: Path | None) -> list[SweptParameter]:
    """The default parameters, or those of a TOML file; of these the ones that `names` lists, separated by commas.

    A name such as `eq` or `noise` stands for all of the kind; any step of `mutate` with one value is known from
    elsewhere only to a file. Raises `UsageError`.
    """
    grid = _read(file) if file else {name: SweptParameter.of(name, *entry) for name, entry in DEFAULT.items()}
    if names is None:
        return list(grid.values())
    found: dict[str, SweptParameter] = {}
    for name in filter(None, (part.strip() for part in names.split(","))):
        alike = {key: value for key, value in grid.items() if key == name or key.rpartition("-")[0] == name}
        if not alike:
            raise UsageError(unknown("parameter", name, grid))
        found |= alike
    if not found:
        raise UsageError("no parameter is named")
    return list(found.values())


def _read(file: Path) -> dict[str, SweptParameter]:
    """`pitch = "-4:4:1"`, or with a name of its own `air = {eq = "12k:-6:6:3"}`."""
    try:
        text = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"grid {file}: {reason}") from error
    if not text:
        raise UsageError(f'grid {file}: is empty; write lines such as pitch = "-4:4:1"')
    return {name: _entry(name, entry, file) for name, entry in text.items()}


def _entry(name: str, entry: Any, file: Path) -> SweptParameter:
    items = list(entry.items()) if isinstance(entry, dict) else [(name, entry)]
    if len(items) != 1 or not isinstance(items[0][1], str):
        raise UsageError(
            f'grid {file}: {name}: expected "VALUES", or {{op = "VALUES"}} with one op, as in pitch = "-4:4:1"'
        )
    if items[0][0] not in STEPS:
        raise UsageError(f"grid {file}: {unknown('step', items[0][0], STEPS)}")
    try:
        return SweptParameter.of(name, *items[0])
    except UsageError as error:
        raise UsageError(f"grid {file}: {error}") from error
