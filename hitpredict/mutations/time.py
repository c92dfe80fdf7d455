"""Pitch and tempo, independently of each other, through Rubber Band (within pedalboard, or the program).

Quality `best` is Rubber Band's R3 engine, `draft` its R2 engine. Formants move with the pitch, as when the
recording is transposed, with either engine.
"""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import Sound
from hitpredict.errors import EnvironmentProblem, InputError, needs
from hitpredict.mutations.step import Context, Step, parameter

_SHORTEST = 8192  # frames; Rubber Band returns nothing for clips shorter than its window
_HEADROOM = 0.5  # of full scale; the program exchanges 16-bit files, which clip


@dataclass(frozen=True)
class Pitch(Step):
    """Transposes by `semitones` (12 is an octave up); the length stays exactly the same."""

    op: ClassVar[str] = "pitch"
    family: ClassVar[str] = "time"
    whole: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    metavar: ClassVar[str] = "SEMITONES"
    help: ClassVar[str] = "Transpose without changing the tempo."
    example: ClassVar[str] = "-2,0,2"
    semitones: float = parameter("semitones", -24, 24, signed=True)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return _stretched(sound, self.semitones, 1.0, sound.frames, context)


@dataclass(frozen=True)
class Tempo(Step):
    """Plays `ratio` times as fast at the same pitch; the length becomes round(frames / ratio)."""

    op: ClassVar[str] = "tempo"
    family: ClassVar[str] = "time"
    whole: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    metavar: ClassVar[str] = "RATIO"
    help: ClassVar[str] = "Play faster (above 1) or slower (below 1) without changing the pitch."
    example: ClassVar[str] = "0.9,1.1"
    ratio: float = parameter("times the speed", 0.25, 4)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return _stretched(sound, 0.0, self.ratio, round(sound.frames / self.ratio), context)


@dataclass(frozen=True)
class PitchAndTempo(Step):
    """A pitch and a tempo step done by one pass of the stretcher; made by `fused`, not by users."""

    op: ClassVar[str] = "pitch-and-tempo"
    family: ClassVar[str] = "time"
    whole: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    help: ClassVar[str] = "Transpose and change the tempo in one pass."
    semitones: float = parameter("semitones", -24, 24, signed=True)
    ratio: float = parameter("times the speed", 0.25, 4)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return _stretched(sound, self.semitones, self.ratio, round(sound.frames / self.ratio), context)


def fused(steps: Sequence[Step]) -> list[Step]:
    """`steps` with each neighbouring pitch and tempo, in either order, made one pass at half the cost."""
    result: list[Step] = []
    for step in steps:
        previous = result[-1] if result else None
        if isinstance(previous, Pitch) and isinstance(step, Tempo):
            result[-1] = PitchAndTempo(previous.semitones, step.ratio)
        elif isinstance(previous, Tempo) and isinstance(step, Pitch):
            result[-1] = PitchAndTempo(step.semitones, previous.ratio)
        else:
            result.append(step)
    return result


def _stretched(sound: Sound, semitones: float, ratio: float, frames: int, context: Context) -> Sound:
    if semitones == 0 and ratio == 1:
        return sound
    if frames == 0:
        raise InputError(f"`tempo` {ratio:g} leaves nothing of a clip of {sound.frames} frames")
    stretch = _with_program if context.engine == "rubberband" else _with_pedalboard
    samples = sound.clip().samples
    if sound.frames < _SHORTEST:
        samples = np.pad(samples, ((0, 0), (0, _SHORTEST - sound.frames)))
    stretched = stretch(samples, sound.rate, semitones, ratio, context.quality)[:, :frames]
    missing = np.zeros((sound.channels, frames - stretched.shape[1]), np.float32)
    return replace(sound, frames=frames, parts=lambda: [stretched, missing])


def _with_pedalboard(samples: Samples, rate: int, semitones: float, ratio: float, quality: str) -> Samples:
    from pedalboard import time_stretch

    stretched: Samples = time_stretch(
        samples, rate, ratio, semitones, high_quality=quality == "best", preserve_formants=False
    )
    return stretched


def _with_program(samples: Samples, rate: int, semitones: float, ratio: float, quality: str) -> Samples:
    pyrubberband = _pyrubberband()
    peak = float(np.abs(samples).max())
    if peak == 0:
        return np.zeros((samples.shape[0], round(samples.shape[1] / ratio)), dtype=np.float32)
    generation = "--fine" if quality == "best" else "--fast"
    options = {"--tempo": repr(ratio), "--pitch": repr(semitones), generation: ""}
    scaled = np.ascontiguousarray(samples.T * np.float32(_HEADROOM / peak))
    try:
        stretched = pyrubberband.pitch_shift(scaled, rate, semitones or 1.0, rbargs=options)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        raise EnvironmentProblem(f"the program rubberband failed: {error}") from error
    result: Samples = stretched.reshape(-1, samples.shape[0]).T * np.float32(peak / _HEADROOM)
    return result


def _pyrubberband() -> Any:
    if shutil.which("rubberband") is None:
        raise EnvironmentProblem(
            "the program rubberband is missing: run `apt install rubberband-cli`, or use `engine` pedalboard"
        )
    with needs("rubberband", otherwise=", or use `engine` pedalboard"):
        import pyrubberband
    return pyrubberband
