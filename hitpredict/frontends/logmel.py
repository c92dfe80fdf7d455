"""Log-mel spectrograms with librosa's parameters and meanings."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import UsageError
from hitpredict.frontends.mel import filterbank, shifted
from hitpredict.frontends.resample import soxr_mono
from hitpredict.frontends.stft import Frames, hann, mel_spectra, overlapping
from hitpredict.frontends.store import FrameView


@dataclass(frozen=True)
class LogMel:
    """Mel power spectrogram in decibels: `librosa.power_to_db(librosa.feature.melspectrogram(...))`.

    sample_rate, fmin, fmax: Hz (fmax None is Nyquist); n_fft, hop_length: samples; the window is a periodic Hann.
    center: frames are centred, with zeros beyond the ends. htk: HTK's mel formula instead of Slaney's.
    area_norm: triangles of unit area. amin: least power. top_db: floor below the loudest frame, or None.
    relative: decibels relative to the loudest value (`true`, librosa's `ref=np.max`) or to the least (`min`,
    `ref=np.min`) instead of to a power of 1.
    window: frames the model takes at once (shorter input is padded with the least value), None for all there are.
    """

    name: ClassVar[str] = "logmel"
    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    fmin: float = 0.0
    fmax: float | None = None
    center: bool = True
    htk: bool = False
    area_norm: bool = True
    amin: float = 1e-10
    top_db: float | None = 80.0
    relative: bool | str = False
    window: int | None = None

    def __post_init__(self) -> None:
        if self.relative not in (True, False, "min"):
            raise UsageError(f"{self.name}: relative {self.relative!r} is unknown; use true, false or min")

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.hop_length

    def frames(self, blocks: Iterable[Samples], rate: int) -> Iterator[Frames]:
        """Absolute mel power in decibels, (n, n_mels) float32, block by block."""
        fmax = self.sample_rate / 2 if self.fmax is None else self.fmax
        bank = filterbank(self.sample_rate, self.n_fft, self.n_mels, self.fmin, fmax, self.htk, self.area_norm)
        mono = soxr_mono(blocks, rate, self.sample_rate)
        cut = overlapping(mono, self.n_fft, self.hop_length, pad=self.n_fft // 2 if self.center else 0)
        for power in mel_spectra(cut, hann(self.n_fft), self.n_fft, bank):
            yield np.float32(10) * np.log10(np.maximum(power, np.float32(self.amin)))

    def finish(self, frames: FrameView) -> NDArray[np.float32]:
        """The spectrogram (frames, n_mels) of a range of at least one frame, floored, and padded to `window`."""
        return np.concatenate(list(self.parts(frames)))

    def parts(self, frames: FrameView) -> Iterator[NDArray[np.float32]]:
        """The same, some frames at a time."""
        extremes = [(block.min(), block.max()) for block in frames]
        low, high = min(low for low, _ in extremes), max(high for _, high in extremes)
        reference = {"min": low, True: high, False: np.float32(0)}[self.relative]
        floor = np.float32(-np.inf if self.top_db is None else high - reference - np.float32(self.top_db))
        for block in frames:
            yield np.maximum(block - reference, floor)
        if self.window is not None and len(frames) < self.window:
            yield np.full((self.window - len(frames), self.n_mels), max(low - reference, floor), np.float32)

    def louder(self, features: NDArray[Any], db: float) -> NDArray[Any]:
        """Decibels of the same sound, louder: no others where they are relative to the loudest value.

        Raises `UsageError` for those relative to the least, which silence may keep where it is.
        """
        if self.relative == "min":
            raise UsageError(f"{self.name}: what a gain does to decibels relative to the least value is not known")
        return features if self.relative else shifted(features, db, 10 * np.log10(self.amin))
