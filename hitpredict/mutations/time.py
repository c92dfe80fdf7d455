"""Pitch and tempo, independently of each other, through Rubber Band (within pedalboard, or the program).

Quality `best` is Rubber Band's R3 engine, `draft` its R2 engine. Formants move with the pitch, as when the
recording is transposed, with either engine. R2 transposes by stretching the time and resampling; in `draft` quality
these are two steps here, so that pitches and tempos of one ratio share the stretch, and SoX resamples, at a tenth of
the cost.
"""

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import Sound
from hitpredict.errors import EnvironmentProblem, InputError, needs
from hitpredict.mutations.resampling import fitted, resampled
from hitpredict.mutations.step import Context, Step, parameter

_SHORTEST = 8192  # frames; Rubber Band returns nothing for clips shorter than its window
_SLOWEST, _FASTEST = 0.25, 4
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
        return _changed(sound, self, context)


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
    ratio: float = parameter("times the speed", _SLOWEST, _FASTEST)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return _changed(sound, self, context)


@dataclass(frozen=True)
class PitchAndTempo(Step):
    """A pitch and a tempo step done by one pass of the stretcher; made by `fused`, not by users."""

    op: ClassVar[str] = "pitch-and-tempo"
    family: ClassVar[str] = "time"
    whole: ClassVar[bool] = True
    per_channel: ClassVar[bool] = True
    help: ClassVar[str] = "Transpose and change the tempo in one pass."
    semitones: float = parameter("semitones", -24, 24, signed=True)
    ratio: float = parameter("times the speed", _SLOWEST, _FASTEST)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return _changed(sound, self, context)


@dataclass(frozen=True)
class Transposed(Step):
    """Plays faster and higher, as a record does, for exactly `frames` frames: what a pitch step leaves to be done once
    the time is stretched; made by `halves`, not by users."""

    op: ClassVar[str] = "transposed"
    family: ClassVar[str] = "time"
    per_channel: ClassVar[bool] = True
    help: ClassVar[str] = "Play faster and higher."
    semitones: float = parameter("semitones", -24, 24, signed=True)
    frames: int = parameter("frames", 0, whole=True)

    def apply(self, sound: Sound, context: Context) -> Sound:
        def process(blocks: Iterator[Samples]) -> Iterator[Samples]:
            return fitted(resampled(blocks, _ratio(self.semitones), 1.0), sound.channels, self.frames)

        return replace(sound.through(process), frames=self.frames)


def halves(step: Step, sound: Sound, context: Context) -> tuple[Tempo, Transposed] | None:
    """The stretch and the resampling that a pitch step in draft quality consists of; None for anything else.

    The stretch is the same for every pitch and tempo of one `stretch_of`.
    """
    if not isinstance(step, Pitch | PitchAndTempo) or (context.engine, context.quality) != ("pedalboard", "draft"):
        return None
    stretch, frames = stretch_of(step), round(sound.frames / getattr(step, "ratio", 1.0))
    if step.semitones == 0 or not _SLOWEST <= stretch <= _FASTEST:
        return None
    return Tempo(stretch), Transposed(step.semitones, frames)


def stretch_of(step: Step) -> float:
    """How many times as fast the time goes within a step; in draft quality steps of one number share the work.

    With five decimals, which are half a millisecond in a hundred seconds.
    """
    faster = step.ratio if isinstance(step, Tempo | PitchAndTempo) else 1.0
    higher = _ratio(step.semitones) if isinstance(step, Pitch | PitchAndTempo) else 1.0
    return faster if higher == 1 else round(faster / higher, 5)


def _ratio(semitones: float) -> float:
    """Of the frequencies."""
    return float(2 ** (semitones / 12))


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


def _changed(sound: Sound, step: Pitch | Tempo | PitchAndTempo, context: Context) -> Sound:
    if parts := halves(step, sound, context):
        return parts[1].apply(parts[0].apply(sound, context), context)
    semitones, ratio = getattr(step, "semitones", 0.0), getattr(step, "ratio", 1.0)
    frames = round(sound.frames / ratio)
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
