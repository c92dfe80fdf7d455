"""Sound held in memory."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Clip:
    """A piece of sound.

    samples: float32, shape (channels, frames); full scale is [-1, 1], and float files may exceed it.
    rate: sample rate in Hz.
    name: what the sound is called (a file's stem, or the title in its tags).
    tags: text tags; `title` and `comment` are written back to every container.
    """

    samples: Samples
    rate: int
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def frames(self) -> int:
        """Samples per channel."""
        return int(self.samples.shape[1])

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate
