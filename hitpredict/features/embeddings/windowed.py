"""What embeddings of a transformer have in common that takes a sound window by window."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import UsageError
from hitpredict.features.embeddings.stream import mean_of_rows
from hitpredict.registry import check_known


class WindowedEmbedding(ABC):
    """A base of frozen dataclasses with `checkpoint`, `overlap`, `pool` and `device`.

    Windows follow each other, sharing `overlap` (0 up to, but not, 1) of their length. pool: `mean` over the windows
    gives (D,), `none` gives (windows, D). device: `cpu` or `cuda`.
    """

    name: ClassVar[str]
    overlap: float
    pool: str
    device: str

    def __post_init__(self) -> None:
        check_known(f"{self.name}: pool", [self.pool], ("mean", "none"))
        check_known(f"{self.name}: device", [self.device], ("cpu", "cuda"))
        if not 0 <= self.overlap < 1:
            raise UsageError(f"{self.name}: overlap {self.overlap} must be at least 0 and below 1")

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the vector's elements, or None where `pool` is `none`. Raises as calling does."""
        return self._names() if self.pool == "mean" else None

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[np.float32]:
        """The vector, or the vectors, of a sound, float32.

        Raises `InputError` when it is too short for one, `EnvironmentProblem` when a library, the device or the
        checkpoint is missing or wrong.
        """
        rows = self.parts(blocks, rate)
        return mean_of_rows(rows) if self.pool == "mean" else np.concatenate(list(rows))

    @abstractmethod
    def parts(self, blocks: Iterable[Samples], rate: int) -> Iterator[NDArray[np.float32]]:
        """The vector (1, D) of each window, at least one of them."""

    @abstractmethod
    def _names(self) -> tuple[str, ...]: ...

    def step(self, size: int) -> int:
        """From the start of one window of `size` to that of the next."""
        return max(1, round(size * (1 - self.overlap)))
