"""Cutting and turning: reverse, crop, roll."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hitpredict.audio.clip import Clip
from hitpredict.errors import InputError, UsageError
from hitpredict.mutations.step import Context, Step, parameter, with_samples

_DAY = 86400


@dataclass(frozen=True)
class Reverse(Step):
    """Plays the clip backwards."""

    op: ClassVar[str] = "reverse"
    family: ClassVar[str] = "edit"
    help: ClassVar[str] = "Play backwards."

    def apply(self, clip: Clip, context: Context) -> Clip:
        return with_samples(clip, clip.samples[:, ::-1])


@dataclass(frozen=True)
class Crop(Step):
    """Keeps the sound from `start` to `end`, in seconds; `end` None is the end of the clip."""

    op: ClassVar[str] = "crop"
    family: ClassVar[str] = "edit"
    metavar: ClassVar[str] = "START:[END]"
    help: ClassVar[str] = "Keep a part; without END, up to the end."
    example: ClassVar[str] = "30:60"
    ranged: ClassVar[bool] = False
    start: float = parameter("seconds", 0, _DAY, default=0.0)
    end: float | None = parameter("seconds", 0, _DAY, optional=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.end is not None and self.end <= self.start:
            raise UsageError(f"--crop {self.start:g}:{self.end:g}: the end must come after the start")

    def apply(self, clip: Clip, context: Context) -> Clip:
        first = round(self.start * clip.rate)
        stop = clip.frames if self.end is None else round(self.end * clip.rate)
        if not first < stop <= clip.frames:
            end = "" if self.end is None else f"{self.end:g}"
            raise InputError(f"--crop {self.start:g}:{end} is outside the clip of {clip.duration:.3f} seconds")
        return with_samples(clip, clip.samples[:, first:stop])


@dataclass(frozen=True)
class Roll(Step):
    """Moves the sound later by `seconds` (earlier when negative); what leaves one end enters the other."""

    op: ClassVar[str] = "roll"
    family: ClassVar[str] = "edit"
    metavar: ClassVar[str] = "SECONDS"
    help: ClassVar[str] = "Move the sound later in a circle: what leaves at the end enters at the start."
    example: ClassVar[str] = "0.5"
    seconds: float = parameter("seconds", -_DAY, _DAY, signed=True)

    def apply(self, clip: Clip, context: Context) -> Clip:
        return with_samples(clip, np.roll(clip.samples, round(self.seconds * clip.rate), axis=1))
