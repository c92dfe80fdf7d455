"""Descriptor tables of the published systems: from blocks of samples to one vector per track.

Frozen dataclasses with `name`, `columns` and `__call__(blocks, rate)`; NumPy and soxr only. What librosa
0.11 has too has its numbers, several times faster.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.features.descriptors.complexity import Complexity
from hitpredict.features.descriptors.fma import Fma518
from hitpredict.features.descriptors.hmn import Hmn207

__all__ = ["DESCRIPTORS", "Complexity", "Descriptor", "Fma518", "Hmn207"]


class Descriptor(Protocol):
    """What every kind of table is."""

    name: ClassVar[str]

    @property
    def columns(self) -> tuple[str, ...]: ...

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[np.float32]: ...


DESCRIPTORS: Mapping[str, Any] = {cls.name: cls for cls in (Fma518, Hmn207, Complexity)}
