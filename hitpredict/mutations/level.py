"""Level and dynamics: gain, loudness, compress, limit, fade."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError
from hitpredict.mutations.effects import through_plugins
from hitpredict.mutations.loudness import integrated_loudness
from hitpredict.mutations.step import Context, Step, decibels, parameter

_LOOK_AHEAD = 0.005  # seconds
_RELEASE = 0.1  # seconds until the limiter's reduction has fallen to 1/e
_INAUDIBLE = -40.0  # logarithm of a reduction that no float32 gain shows


@dataclass(frozen=True)
class Gain(Step):
    """Multiplies by a constant. Peaks may exceed full scale: a float clip holds them."""

    op: ClassVar[str] = "gain"
    per_channel: ClassVar[bool] = True
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "DB"
    help: ClassVar[str] = "Make louder or quieter."
    example: ClassVar[str] = "-6:6:3"
    db: float = parameter("dB", -120, 60, signed=True)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return _amplified(sound, self.db)


@dataclass(frozen=True)
class Loudness(Step):
    """Brings the integrated loudness (ITU-R BS.1770-4) to `lufs` by a constant gain, without a limiter."""

    op: ClassVar[str] = "loudness"
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "LUFS"
    help: ClassVar[str] = "Bring the integrated loudness to a target by a constant gain."
    example: ClassVar[str] = "-14"
    lufs: float = parameter("LUFS", -60, 0)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return _amplified(sound, self.lufs - integrated_loudness(sound))


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

    def apply(self, sound: Sound, context: Context) -> Sound:
        return through_plugins(sound, lambda board: [board.Compressor(self.threshold_db, self.ratio)])


@dataclass(frozen=True)
class Limit(Step):
    """Keeps every sample at or below the ceiling, turning all channels down together.

    Looks 5 ms ahead and releases within about 100 ms. A sound that stays below the ceiling is not changed.
    """

    op: ClassVar[str] = "limit"
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "CEILING"
    help: ClassVar[str] = "Turn peaks down so that no sample exceeds a ceiling."
    example: ClassVar[str] = "-1"
    ceiling_db: float = parameter("dBFS", -60, 0)

    def apply(self, sound: Sound, context: Context) -> Sound:
        ceiling = np.nextafter(np.float32(decibels(self.ceiling_db)), np.float32(0))
        return sound.through(lambda blocks: limited(blocks, sound.channels, float(ceiling), sound.rate))


def limited(blocks: Iterable[Samples], channels: int, ceiling: float, rate: int) -> Iterator[Samples]:
    """Turn down what exceeds `ceiling` (amplitude), all channels together; as many frames as come in.

    The reduction needed decays exponentially, is held over the look-ahead, then averaged over it: the mean
    contains only values that are enough for the frame, so no peak escapes.
    """
    ahead = max(1, round(_LOOK_AHEAD * rate))
    silence = np.zeros((channels, ahead - 1), np.float32)
    reduction = np.zeros(2 * (ahead - 1))  # of the frames that wait, and of as many before them
    waiting, level, surplus = silence, -np.inf, ahead - 1
    for block in chain(blocks, [silence]):
        samples, frames = np.concatenate([waiting, block], axis=1), block.shape[1]
        fresh, level = _released(np.abs(block).max(axis=0), level, ceiling, rate)
        reduction = np.concatenate([reduction, fresh])
        done = samples[:, :frames]
        if reduction.any():
            held = np.concatenate([[0.0], np.cumsum(_running_maximum(reduction, ahead))])
            gain = (1.0 - (held[ahead:] - held[:-ahead]) / ahead).astype(np.float32)
            done = np.clip(done * gain, -ceiling, ceiling)
        # The first frames to come out are the silence put in.
        yield done[:, surplus:]
        surplus = max(0, surplus - frames)
        waiting, reduction = samples[:, frames:], reduction[frames:]


def _released(peaks: NDArray[np.float32], level: float, ceiling: float, rate: int) -> tuple[NDArray[np.float64], float]:
    """Reduction per frame, in [0, 1), after one of exp(`level`), and the logarithm of the last."""
    if peaks.size == 0 or (level < _INAUDIBLE and peaks.max() <= ceiling):
        return np.zeros(peaks.size), level
    with np.errstate(divide="ignore"):
        needed = np.log(np.maximum(0.0, 1.0 - ceiling / np.maximum(peaks.astype(np.float64), ceiling)))
    slope = np.arange(1, peaks.size + 1) / (_RELEASE * rate)
    logarithm = np.maximum.accumulate(np.maximum(needed + slope, level)) - slope
    return np.exp(logarithm), float(logarithm[-1])


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
    per_channel: ClassVar[bool] = True
    family: ClassVar[str] = "level"
    metavar: ClassVar[str] = "IN[:OUT]"
    help: ClassVar[str] = "Fade in, and out, linearly in amplitude."
    example: ClassVar[str] = "0.5:2"
    ranged: ClassVar[int | None] = None
    fade_in: float = parameter("seconds", 0, 3600)
    fade_out: float = parameter("seconds", 0, 3600, default=0.0)

    def apply(self, sound: Sound, context: Context) -> Sound:
        rise, fall = round(self.fade_in * sound.rate), round(self.fade_out * sound.rate)
        if max(rise, fall) > sound.frames:
            fade = f"`fade` {self.fade_in:g}:{self.fade_out:g}"
            raise InputError(f"{fade} is longer than the clip of {sound.duration:.3f} seconds")
        return sound.through(lambda blocks: _faded(blocks, sound.frames, rise, fall))


def _faded(blocks: Iterable[Samples], frames: int, rise: int, fall: int) -> Iterator[Samples]:
    start = 0
    for block in blocks:
        place = np.arange(start, start + block.shape[1])
        start += block.shape[1]
        gain = np.minimum(place / rise, 1) if rise else np.ones(place.size)
        if fall:
            gain *= np.minimum((frames - 1 - place) / fall, 1)
        yield block * gain.astype(np.float32)


def _amplified(sound: Sound, db: float) -> Sound:
    return sound.each(lambda block: block * np.float32(decibels(db)))
