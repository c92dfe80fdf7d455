"""Level and dynamics: gain, loudness, compress, limit, fade."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip
from hitpredict.errors import InputError
from hitpredict.mutations.effects import through_plugins
from hitpredict.mutations.loudness import integrated_loudness
from hitpredict.mutations.step import Context, Step, decibels, parameter, with_samples

_LOOK_AHEAD = 0.005  # seconds
_RELEASE = 0.1  # seconds until the limiter's reduction has fallen to 1/e


@dataclass(frozen=True)
class Gain(Step):
    """Multiplies by a constant. Peaks may exceed full scale: a float clip holds them."""

    op: ClassVar[str] = "gain"
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "DB"
    help: ClassVar[str] = "Make louder or quieter."
    example: ClassVar[str] = "-6:6:3"
    db: float = parameter("dB", -120, 60, signed=True)

    def apply(self, clip: Clip, context: Context) -> Clip:
        return with_samples(clip, clip.samples * np.float32(decibels(self.db)))


@dataclass(frozen=True)
class Loudness(Step):
    """Brings the integrated loudness (ITU-R BS.1770-4) to `lufs` by a constant gain, without a limiter."""

    op: ClassVar[str] = "loudness"
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "LUFS"
    help: ClassVar[str] = "Bring the integrated loudness to a target by a constant gain."
    example: ClassVar[str] = "-14"
    lufs: float = parameter("LUFS", -60, 0)

    def apply(self, clip: Clip, context: Context) -> Clip:
        return with_samples(clip, clip.samples * np.float32(decibels(self.lufs - integrated_loudness(clip))))


@dataclass(frozen=True)
class Compress(Step):
    """Divides what exceeds the threshold by `ratio` (in dB); 1 ms attack, 100 ms release, no make-up gain.

    Every channel is compressed on its own."""

    op: ClassVar[str] = "compress"
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "THRESHOLD_DB[:RATIO]"
    help: ClassVar[str] = "Compress what is above a threshold; no make-up gain."
    example: ClassVar[str] = "-20:4"
    threshold_db: float = parameter("dBFS", -60, 0)
    ratio: float = parameter("", 1, 20, default=4.0)

    def apply(self, clip: Clip, context: Context) -> Clip:
        return through_plugins(clip, lambda board: [board.Compressor(self.threshold_db, self.ratio)])


@dataclass(frozen=True)
class Limit(Step):
    """Keeps every sample at or below the ceiling, turning all channels down together.

    Looks 5 ms ahead and releases within about 100 ms. A clip that stays below the ceiling is not changed.
    """

    op: ClassVar[str] = "limit"
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "CEILING"
    help: ClassVar[str] = "Turn peaks down so that no sample exceeds a ceiling."
    example: ClassVar[str] = "-1"
    ceiling_db: float = parameter("dBFS", -60, 0)

    def apply(self, clip: Clip, context: Context) -> Clip:
        ceiling = np.nextafter(np.float32(decibels(self.ceiling_db)), np.float32(0))
        peaks = np.abs(clip.samples).max(axis=0)
        if peaks.max() <= ceiling:
            return clip
        limited = clip.samples * limiter_gain(peaks, float(ceiling), clip.rate)
        return with_samples(clip, np.clip(limited, -ceiling, ceiling))


def limiter_gain(peaks: NDArray[np.float32], ceiling: float, rate: int) -> NDArray[np.float32]:
    """Gain per frame, in (0, 1], that keeps `peaks` (shape (frames,), not negative) at or below `ceiling`.

    The reduction needed decays exponentially, is held over the look-ahead, then averaged over it: the mean
    contains only values that are enough for the frame, so no peak escapes.
    """
    ahead = max(1, round(_LOOK_AHEAD * rate))
    with np.errstate(divide="ignore"):
        needed = np.log(np.maximum(0.0, 1.0 - ceiling / np.maximum(peaks.astype(np.float64), ceiling)))
    slope = np.arange(peaks.size) / (_RELEASE * rate)
    released = np.exp(np.maximum.accumulate(needed + slope) - slope)
    held = _running_maximum(np.concatenate([np.zeros(ahead - 1), released, np.zeros(ahead - 1)]), ahead)
    total = np.cumsum(np.concatenate([[0.0], held]))
    gain: NDArray[np.float32] = (1.0 - (total[ahead:] - total[:-ahead]) / ahead).astype(np.float32)
    return gain


def _running_maximum(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Maximum of every `width` neighbours, shape (n - width + 1,), by doubling the window."""
    reach = 1
    while reach < width:
        shift = min(reach, width - reach)
        values = np.maximum(values[:-shift], values[shift:])
        reach += shift
    return values


@dataclass(frozen=True)
class Fade(Step):
    """Fades in over `fade_in` and out over `fade_out` seconds, linearly in amplitude."""

    op: ClassVar[str] = "fade"
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "IN[:OUT]"
    help: ClassVar[str] = "Fade in, and out, linearly in amplitude."
    example: ClassVar[str] = "0.5:2"
    ranged: ClassVar[bool] = False
    fade_in: float = parameter("seconds", 0, 3600)
    fade_out: float = parameter("seconds", 0, 3600, default=0.0)

    def apply(self, clip: Clip, context: Context) -> Clip:
        rise, fall = round(self.fade_in * clip.rate), round(self.fade_out * clip.rate)
        if max(rise, fall) > clip.frames:
            fade = f"--fade {self.fade_in:g}:{self.fade_out:g}"
            raise InputError(f"{fade} is longer than the clip of {clip.duration:.3f} seconds")
        samples = clip.samples.copy()
        samples[:, :rise] *= np.linspace(0, 1, rise, endpoint=False, dtype=np.float32)
        samples[:, clip.frames - fall :] *= np.linspace(0, 1, fall, endpoint=False, dtype=np.float32)[::-1]
        return with_samples(clip, samples)
