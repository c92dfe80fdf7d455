"""Room and stereo: reverb, delay, chorus, width, mono. The length stays: tails after the end are cut."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError
from hitpredict.mutations.effects import through_plugins
from hitpredict.mutations.step import Context, Step, parameter

_UNITY_DRY, _UNITY_WET = 0.5, 1 / 3  # pedalboard's Freeverb doubles its dry level and triples its wet level
_ECHO = 0.5  # amplitude of the first echo


@dataclass(frozen=True)
class Reverb(Step):
    """Freeverb: `wet` is the share of reverb in the mix (0 is dry, 1 reverb alone), `room` its size.

    Clips of more than two channels get a reverb of each channel alone."""

    op: ClassVar[str] = "reverb"
    family: ClassVar[str] = "space"
    metavar: ClassVar[str] = "WET[:ROOM]"
    help: ClassVar[str] = "Add reverb: its share in the mix and the size of the room."
    example: ClassVar[str] = "0.3:0.7"
    wet: float = parameter("of the mix", 0, 1)
    room: float = parameter("of the largest room", 0, 1, default=0.5)

    def apply(self, sound: Sound, context: Context) -> Sound:
        wet, dry = self.wet * _UNITY_WET, (1 - self.wet) * _UNITY_DRY
        return through_plugins(
            sound,
            lambda board: [board.Reverb(room_size=self.room, wet_level=wet, dry_level=dry)],
            apart=sound.channels > 2,
        )


@dataclass(frozen=True)
class Delay(Step):
    """Adds an echo after `seconds`, 6 dB below the sound; `feedback` is the level of each next echo."""

    op: ClassVar[str] = "delay"
    per_channel: ClassVar[bool] = True
    family: ClassVar[str] = "space"
    metavar: ClassVar[str] = "SECONDS[:FEEDBACK]"
    help: ClassVar[str] = "Add an echo 6 dB below the sound, repeated with feedback."
    example: ClassVar[str] = "0.25:0.4"
    seconds: float = parameter("seconds", 0.001, 30)
    feedback: float = parameter("of the echo before", 0, 0.95, default=0.0)

    def apply(self, sound: Sound, context: Context) -> Sound:
        mix = _ECHO / (1 + _ECHO)
        echoed = through_plugins(sound, lambda board: [board.Delay(self.seconds, self.feedback, mix)])
        return echoed.each(lambda block: block * np.float32(1 / (1 - mix)))


@dataclass(frozen=True)
class Chorus(Step):
    """Mixes in a copy whose delay swings about 7 ms, `rate` times a second; `mix` is the copy's share."""

    op: ClassVar[str] = "chorus"
    family: ClassVar[str] = "space"
    metavar: ClassVar[str] = "MIX[:RATE]"
    help: ClassVar[str] = "Mix in a slowly detuned copy: its share and how often it swings."
    example: ClassVar[str] = "0.5:1"
    mix: float = parameter("of the mix", 0, 1)
    rate: float = parameter("Hz", 0.1, 20, default=1.0)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return through_plugins(sound, lambda board: [board.Chorus(rate_hz=self.rate, mix=self.mix)])


@dataclass(frozen=True)
class Width(Step):
    """Scales the difference of left and right: 0 is mono in two channels, 1 unchanged, 2 twice as wide."""

    op: ClassVar[str] = "width"
    family: ClassVar[str] = "space"
    metavar: ClassVar[str] = "FACTOR"
    help: ClassVar[str] = "Narrow (below 1) or widen (above 1) the stereo image."
    example: ClassVar[str] = "0.5,1.5"
    factor: float = parameter("times the width", 0, 2)

    def apply(self, sound: Sound, context: Context) -> Sound:
        if sound.channels != 2:
            raise InputError(f"`width` needs a stereo clip; this one has {_channels(sound)}")
        return sound.each(self._widened)

    def _widened(self, block: Samples) -> Samples:
        middle = block.mean(axis=0)
        side = (block[0] - block[1]) * np.float32(self.factor / 2)
        return np.stack([middle + side, middle - side])


@dataclass(frozen=True)
class Mono(Step):
    """The mean of all channels, in one channel."""

    op: ClassVar[str] = "mono"
    family: ClassVar[str] = "space"
    help: ClassVar[str] = "Average all channels into one."

    def apply(self, sound: Sound, context: Context) -> Sound:
        return sound.each(_mean, channels=1)


def _mean(block: Samples) -> Samples:
    mean: Samples = block.mean(axis=0, keepdims=True)
    return mean


def _channels(sound: Sound) -> str:
    return "1 channel" if sound.channels == 1 else f"{sound.channels} channels"
