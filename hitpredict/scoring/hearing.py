"""The first half of scoring, which needs no model but what is said of it: a sound becomes the arrays that it takes."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.read import FULL_SCALE, AudioReader, open_audio
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.engines import lockstep
from hitpredict.errors import InputError
from hitpredict.files.arrays import AnyArray, ArrayStore, StoredArray
from hitpredict.scoring.inputs import FromBeside, ModelInput, model_inputs

Audio = Clip | Sound | Source | str | os.PathLike[str] | bytes
_LEAST_16_BIT = 1 / 32768
# The share of samples above full scale that 99 % of MP3s of loud masters stay under: docs/score.md has how measured.
_LOUDEST_MASTERS = 0.0025


@dataclass(frozen=True)
class HeardSound:
    """A sound as a model takes it: for each of its inputs an array of the whole track, then one for each segment.

    duration: in seconds. warnings: of what was read. tags: the file's.
    """

    path: str
    name: str
    duration: float
    warnings: tuple[str, ...]
    tags: dict[str, str]
    arrays: list[list[AnyArray]]

    @property
    def size(self) -> int:
        """How many numbers the arrays hold."""
        return sum(array.size for found in self.arrays for array in found)

    def remove(self) -> None:
        """Remove the files that the arrays were left in."""
        for array in (array for found in self.arrays for array in found):
            if isinstance(array, StoredArray):
                array.remove()


def hear(
    audio: Audio, inputs: Sequence[ModelInput], segments: float | None, stores: Sequence[ArrayStore]
) -> HeardSound:
    """Read a sound once for all inputs; what is large lasts as long as the stores, one for each input.

    segments: also the arrays of segments of this many seconds. Raises `InputError`, naming the input, when it cannot
    be read or holds too little sound.
    """
    with _opened(audio) as reader:
        makers = [
            partial(each.arrays, reader=reader, seconds=segments, store=store)
            for each, store in zip(inputs, stores, strict=True)
        ]
        arrays = lockstep.run(reader.blocks(reuse=True), makers)
        duration = reader.frames_read / reader.rate
        if not all(arrays):
            raise InputError(f"{reader.path}: {duration:.3f} s is too short for this model; give it more sound")
        share_over = reader.over / (reader.frames_read * reader.channels)
        warnings = (*reader.warnings, *_level_warnings(reader.peak, share_over))
        return HeardSound(reader.path, reader.name, duration, warnings, dict(reader.tags), arrays)


def hearing(described: Any, segments: float | None, folder: Path) -> Callable[[Source], HeardSound]:
    """The function that hears one source: what each process does where one model judges the songs of several.

    described: a model file's `frontend` entry, folder: where large arrays are left.
    """
    inputs = [each for each in model_inputs(described) if not isinstance(each, FromBeside)]
    return lambda source: hear(source, inputs, segments, [ArrayStore(folder) for _ in inputs])


def _level_warnings(peak: float, share_over: float) -> Iterator[str]:
    if peak < _LEAST_16_BIT:
        yield "silent: no sample reaches the smallest 16-bit step"
    if share_over > _LOUDEST_MASTERS:
        yield (
            f"clipped: {100 * share_over:.2g} % of the samples are above full scale, by up to "
            f"{20 * np.log10(peak):.1f} dB; 99 % of very loud masters stay below {100 * _LOUDEST_MASTERS:g} %"
        )


@contextmanager
def _opened(audio: Audio) -> Iterator["AudioReader | _SoundReader"]:
    if isinstance(audio, Clip | Sound):
        yield _SoundReader(Sound.of(audio) if isinstance(audio, Clip) else audio)
    else:
        with open_audio(audio) as reader:
            yield reader


class _SoundReader:
    """A sound that is no file, read like one."""

    def __init__(self, sound: Sound):
        self.path = self.name = sound.name or "clip"
        self.tags, self.rate, self.channels, self.frames_read = sound.tags, sound.rate, sound.channels, sound.frames
        self.warnings, self.peak, self.over = list[str](), 0.0, 0
        self._sound = sound

    def blocks(self, *, reuse: bool = False) -> Iterator[Samples]:
        if not self._sound.channels * self._sound.frames:
            raise InputError(f"{self.path}: holds no audio frames")
        for block in self._sound.blocks():
            magnitude = np.abs(block)
            self.peak = max(self.peak, float(magnitude.max()))
            if not np.isfinite(magnitude.max()):
                raise InputError(f"{self.path}: holds NaN or infinite samples")
            self.over += int(np.count_nonzero(magnitude > FULL_SCALE))
            yield block
