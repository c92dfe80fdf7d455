"""Filters: low-pass, high-pass and one peak of an equaliser."""

from dataclasses import dataclass
from typing import ClassVar

from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError
from hitpredict.mutations.effects import through_plugins
from hitpredict.mutations.step import Context, Step, parameter


@dataclass(frozen=True)
class Lowpass(Step):
    """Keeps what is below `hz`: 12 dB per octave (second-order Linkwitz-Riley, -6 dB at `hz`)."""

    op: ClassVar[str] = "lowpass"
    family: ClassVar[str] = "tone"
    per_channel: ClassVar[bool] = True
    metavar: ClassVar[str] = "HZ"
    help: ClassVar[str] = "Keep what is below a frequency, 12 dB per octave."
    example: ClassVar[str] = "8000"
    hz: float = parameter("Hz", 10, 96000)

    def apply(self, sound: Sound, context: Context) -> Sound:
        _below_half_the_rate(self, self.hz, sound)
        return through_plugins(sound, lambda board: [board.LowpassFilter(self.hz) for _ in range(2)])


@dataclass(frozen=True)
class Highpass(Step):
    """Keeps what is above `hz`: 12 dB per octave (second-order Linkwitz-Riley, -6 dB at `hz`)."""

    op: ClassVar[str] = "highpass"
    family: ClassVar[str] = "tone"
    per_channel: ClassVar[bool] = True
    metavar: ClassVar[str] = "HZ"
    help: ClassVar[str] = "Keep what is above a frequency, 12 dB per octave."
    example: ClassVar[str] = "120"
    hz: float = parameter("Hz", 10, 96000)

    def apply(self, sound: Sound, context: Context) -> Sound:
        _below_half_the_rate(self, self.hz, sound)
        return through_plugins(sound, lambda board: [board.HighpassFilter(self.hz) for _ in range(2)])


@dataclass(frozen=True)
class Equaliser(Step):
    """Raises or lowers a band around `hz` by `db`; `q` is the centre frequency over the band's width."""

    op: ClassVar[str] = "eq"
    family: ClassVar[str] = "tone"
    per_channel: ClassVar[bool] = True
    metavar: ClassVar[str] = "FREQ:GAIN[:Q]"
    help: ClassVar[str] = "Raise or lower a band around a frequency."
    example: ClassVar[str] = "3000:4:1.4"
    ranged: ClassVar[int | None] = 1
    hz: float = parameter("Hz", 10, 96000)
    db: float = parameter("dB", -40, 40, signed=True)
    q: float = parameter("", 0.1, 100, default=1.0)

    def apply(self, sound: Sound, context: Context) -> Sound:
        _below_half_the_rate(self, self.hz, sound)
        return through_plugins(sound, lambda board: [board.PeakFilter(self.hz, self.db, self.q)])


def _below_half_the_rate(step: Step, hz: float, sound: Sound) -> None:
    if hz >= sound.rate / 2:
        raise InputError(f"`{step.op}` {hz:g}: must be below half the clip's sample rate of {sound.rate} Hz")
