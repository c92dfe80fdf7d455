"""Cutting and turning: reverse, crop, roll."""

from dataclasses import dataclass, replace
from typing import ClassVar

from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError, UsageError
from hitpredict.mutations.step import Context, Step, parameter

_DAY = 86400


@dataclass(frozen=True)
class Reverse(Step):
    """Plays the clip backwards."""

    op: ClassVar[str] = "reverse"
    whole: ClassVar[bool] = True
    family: ClassVar[str] = "edit"
    per_channel: ClassVar[bool] = True
    help: ClassVar[str] = "Play backwards."

    def apply(self, sound: Sound, context: Context) -> Sound:
        backwards = sound.clip().samples[:, ::-1]
        return replace(sound, parts=lambda: [backwards])


@dataclass(frozen=True)
class Crop(Step):
    """Keeps the sound from `start` to `end`, in seconds; `end` None is the end of the clip."""

    op: ClassVar[str] = "crop"
    family: ClassVar[str] = "edit"
    per_channel: ClassVar[bool] = True
    metavar: ClassVar[str] = "START:[END]|START-[END]"
    help: ClassVar[str] = "Keep a part, 30:60 or 0:30-1:00; without END, up to the end."
    example: ClassVar[str] = "30:60"
    ranged: ClassVar[int | None] = None
    start: float = parameter("seconds", 0, _DAY, default=0.0)
    end: float | None = parameter("seconds", 0, _DAY, optional=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.end is not None and self.end <= self.start:
            raise UsageError(f"`crop` {self.start:g}:{self.end:g}: the end must come after the start")

    def apply(self, sound: Sound, context: Context) -> Sound:
        first = round(self.start * sound.rate)
        stop = sound.frames if self.end is None else round(self.end * sound.rate)
        if not first < stop <= sound.frames:
            end = "" if self.end is None else f"{self.end:g}"
            raise InputError(f"`crop` {self.start:g}:{end} is outside the clip of {sound.duration:.3f} seconds")
        return sound.between(first, stop)


@dataclass(frozen=True)
class Roll(Step):
    """Moves the sound later by `seconds` (earlier when negative); what leaves one end enters the other."""

    op: ClassVar[str] = "roll"
    family: ClassVar[str] = "edit"
    per_channel: ClassVar[bool] = True
    metavar: ClassVar[str] = "SECONDS"
    help: ClassVar[str] = "Move the sound later in a circle: what leaves at the end enters at the start."
    example: ClassVar[str] = "0.5"
    seconds: float = parameter("seconds", -_DAY, _DAY, signed=True)

    def apply(self, sound: Sound, context: Context) -> Sound:
        seam = -round(self.seconds * sound.rate) % sound.frames
        parts = sound.between(seam, sound.frames).parts, sound.between(0, seam).parts
        return replace(sound, parts=lambda: (part for half in parts for part in half()))
