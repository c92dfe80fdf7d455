"""One track mixed down to one channel, kept out of memory until the whole of it has been seen.

Tuning, and with it every chroma, is known only at the end of a track, so a track is read twice.
"""

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import InputError
from hitpredict.frontends.resample import mixed
from hitpredict.frontends.store import Spool

N_FFT = 2048
HOP = 512
_BATCH = 128
_MEMORY = 32 * 2**20


class FrameBatch(NamedTuple):
    """Some frames of a track.

    frame: the number of the first. start: the sound's sample at the first value of `samples`, negative within the
    zeros before the sound.
    samples: (N_FFT + (n - 1) * HOP,), zeros beyond the ends. windows: the n frames in it, (n, N_FFT), views.
    """

    frame: int
    start: int
    samples: NDArray[np.float32]
    windows: NDArray[np.float32]


class MonoTrack:
    """The mean of the channels of a stream of blocks, each (channels, frames), readable at random.

    Up to 32 MiB (190 s at 44.1 kHz) stays in memory; the samples of a longer track lie in a temporary file.
    Raises `InputError` when there is no sample at all.
    """

    def __init__(self, blocks: Iterable[Samples]):
        self._store = Spool(_MEMORY)
        try:
            for block in blocks:
                self._store.append(mixed(block)[:, None])
            if not self._store.rows:
                raise InputError("the sound holds no samples")
        except BaseException:
            self._store.close()
            raise
        self.samples = self._store.rows

    @property
    def frames(self) -> int:
        """How many centred frames there are."""
        return 1 + self.samples // HOP

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Samples [start, stop), zeros where the sound is not."""
        first, last = max(start, 0), min(stop, self.samples)
        inside = self._store.read(first, last)[:, 0] if last > first else np.empty(0, np.float32)
        if inside.size == stop - start:
            return inside
        result = np.zeros(stop - start, np.float32)
        result[first - start : first - start + inside.size] = inside
        return result

    def batches(self, skip: int = 0) -> Iterator[FrameBatch]:
        """All centred frames of N_FFT samples, HOP apart, a few dozen at a time, without the first `skip` batches."""
        for first in range(skip * _BATCH, self.frames, _BATCH):
            count = min(_BATCH, self.frames - first)
            start = first * HOP - N_FFT // 2
            samples = self.read(start, start + N_FFT + (count - 1) * HOP)
            yield FrameBatch(first, start, samples, np.lib.stride_tricks.sliding_window_view(samples, N_FFT)[::HOP])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.close()
