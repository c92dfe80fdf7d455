"""A track as one small picture: its spectrogram, resized, in grey or in colour."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import UsageError
from hitpredict.frontends.mel import Matrix, filterbank
from hitpredict.frontends.resample import soxr_mono
from hitpredict.frontends.stft import Frames, hann, mel_spectra, overlapping
from hitpredict.frontends.store import FrameView
from hitpredict.registry import check_known

_AMIN = 1e-10
_SILENT = 10 * np.log10(_AMIN)
# The viridis colour map at nine evenly spaced values, dark to light.
_VIRIDIS = ("440154", "472d7b", "3b528b", "2c728e", "21908c", "27ad81", "5dc863", "aadc32", "fde725")
_CHOICES = {"colour": ("gray", "rgb"), "scale": ("mel", "linear"), "dtype": ("float32", "uint8")}


@dataclass(frozen=True)
class SpectrogramImage:
    """The spectrogram images of Rossi and Pleus (Stanford CS230): 102 × 159 pixels, in grey or in colour.

    Time runs from left to right and the whole track fills the width; the lowest band is the last row.
    The sizes are the published ones; the poster leaves open how the spectrograms were made, so that is chosen here:
    power at `sample_rate` (Hz; the samples are mono), centred frames of `n_fft` every `hop_length` samples (periodic
    Hann), one band a row (scale `mel`: Slaney's triangles of unit area up to Nyquist; `linear`: bands of equal width),
    decibels from `top_db` below the track's loudest band (0, dark) up to it (1, light), averaged over the time that a
    column covers; a track of fewer frames than columns is interpolated. Silence is dark.
    colour: `gray` gives (height, width), `rgb` (height, width, 3) through viridis.
    dtype: `uint8` gives 0 to 255; `float32` the same 256 levels as numbers in [0, 1], which models take.
    """

    name: ClassVar[str] = "spectrogram_image"
    height: int = 102
    width: int = 159
    colour: str = "gray"
    dtype: str = "float32"
    scale: str = "mel"
    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    top_db: float = 80.0

    def __post_init__(self) -> None:
        for key, known in _CHOICES.items():
            check_known(f"{self.name}: {key}", [getattr(self, key)], known)
        if min(self.height, self.width) < 1:
            raise UsageError(f"{self.name}: a picture of {self.height} × {self.width} pixels holds nothing")

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.hop_length

    @property
    def full_scale(self) -> float:
        """The level of white."""
        return 255.0 if self.dtype == "uint8" else 1.0

    def frames(self, blocks: Iterable[Samples], rate: int) -> Iterator[Frames]:
        """Absolute power of each band in decibels, (n, height) float32, lowest first, block by block."""
        mono = soxr_mono(blocks, rate, self.sample_rate)
        cut = overlapping(mono, self.n_fft, self.hop_length, pad=self.n_fft // 2)
        for power in mel_spectra(cut, hann(self.n_fft), self.n_fft, self._bands()):
            yield np.float32(10) * np.log10(np.maximum(power, np.float32(_AMIN)))

    def _bands(self) -> Matrix:
        if self.scale == "mel":
            return filterbank(self.sample_rate, self.n_fft, self.height, 0.0, self.sample_rate / 2)
        return np.ascontiguousarray(_shares(0, self.n_fft // 2 + 1, self.n_fft // 2 + 1, self.height).T)

    def finish(self, frames: FrameView) -> NDArray[Any]:
        """The picture of a range of at least one frame: (height, width) or (height, width, 3)."""
        brightness = self._brightness(frames)
        picture = np.rint(255 * (_viridis(brightness) if self.colour == "rgb" else brightness))
        return picture.astype(np.uint8) if self.dtype == "uint8" else np.asarray(picture / 255, np.float32)

    def parts(self, frames: FrameView) -> Iterator[NDArray[Any]]:
        """The picture in one part."""
        yield self.finish(frames)

    def louder(self, features: NDArray[Any], db: float) -> NDArray[Any]:
        """The picture as it is: its levels are relative to the loudest."""
        return features

    def _brightness(self, frames: FrameView) -> NDArray[np.float32]:
        loudest = max(block.max() for block in frames)
        if loudest <= _SILENT:
            return np.zeros((self.height, self.width), np.float32)
        columns = np.zeros((self.width, self.height), np.float32)
        start = 0
        for block in frames:
            level = np.clip(1 + (block - loudest) / np.float32(self.top_db), 0, 1)
            columns += _shares(start, start + len(block), len(frames), self.width) @ level
            start += len(block)
        return np.clip(columns.T[::-1], 0, 1)


def _shares(start: int, stop: int, total: int, parts: int) -> Matrix:
    """How much each of the items [start, stop) of `total` counts in each of `parts`: (parts, stop - start).

    Rows sum to 1 over all items: means over each part's extent, or linear interpolation where there are more parts
    than items.
    """
    items = np.arange(start, stop)
    if parts > total:
        places = np.clip((np.arange(parts) + 0.5) * total / parts - 0.5, 0, total - 1)
        return np.asarray(np.maximum(0, 1 - np.abs(places[:, None] - items)), np.float32)
    edges = np.arange(parts + 1) * total / parts
    overlap = np.minimum(edges[1:, None], items + 1) - np.maximum(edges[:-1, None], items)
    return np.asarray(np.maximum(overlap, 0) * parts / total, np.float32)


def _viridis(brightness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Colours in [0, 1] (…, 3) of values in [0, 1]."""
    table = np.array([list(bytes.fromhex(colour)) for colour in _VIRIDIS]) / 255
    steps = np.linspace(0, 1, len(table))
    return np.stack([np.interp(brightness, steps, channel) for channel in table.T], axis=-1).astype(np.float32)
