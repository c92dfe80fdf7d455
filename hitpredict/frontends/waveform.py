"""The waveform itself, for networks that take samples."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.frontends.resample import soxr_mono
from hitpredict.frontends.stft import Frames
from hitpredict.frontends.store import FrameView


@dataclass(frozen=True)
class Waveform:
    """Mono samples in [-1, 1] at `sample_rate` Hz, resampled with the SoX resampler: a vector (samples,)."""

    name: ClassVar[str] = "waveform"
    sample_rate: int = 16000

    @property
    def frames_per_second(self) -> float:
        return float(self.sample_rate)

    def frames(self, blocks: Iterable[Samples], rate: int) -> Iterator[Frames]:
        """Samples as frames of one bin, (n, 1), block by block."""
        for block in soxr_mono(blocks, rate, self.sample_rate):
            if block.size:
                yield block[:, None]

    def finish(self, frames: FrameView) -> NDArray[np.float32]:
        """The samples of a range, (samples,)."""
        return np.concatenate(list(self.parts(frames)))

    def parts(self, frames: FrameView) -> Iterator[NDArray[np.float32]]:
        """The same, some at a time."""
        return (block[:, 0] for block in frames)

    def louder(self, features: NDArray[Any], db: float) -> NDArray[Any]:
        """The samples, multiplied."""
        return np.asarray(features * 10 ** (db / 20), features.dtype)
