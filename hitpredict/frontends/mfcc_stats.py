"""Means and standard deviations of MFCCs over a whole track: the 40 columns of the Zalo 2019 hit-song table."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.frontends.mel import dct, filterbank
from hitpredict.frontends.resample import linear_int16_mono
from hitpredict.frontends.stft import Frames, hann, mel_spectra, overlapping
from hitpredict.frontends.store import FrameView

_AMIN = 1e-10


@dataclass(frozen=True)
class MfccStats:
    """MFCC statistics as librosa 0.6–0.11 with its defaults gave them from 16-bit, linearly resampled audio.

    Mel power spectrogram (periodic Hann, centred, zero-padded, Slaney mel with unit area), decibels relative to
    the track's maximum with a floor of `top_db` below it, `n_mfcc` orthonormal DCT-II coefficients; then the mean
    and the population standard deviation over time: a float32 vector of `2 * n_mfcc`, means first.
    """

    name: ClassVar[str] = "mfcc_stats"
    sample_rate: int = 22050
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    n_mfcc: int = 20
    top_db: float = 80.0

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.hop_length

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the vector's elements, in order."""
        return tuple(f"mfcc_{what}_{i}" for what in ("mean", "std") for i in range(self.n_mfcc))

    def frames(self, blocks: Iterable[Samples], rate: int) -> Iterator[Frames]:
        """Absolute mel power in decibels, (n, n_mels) float32, block by block."""
        mono = linear_int16_mono(blocks, rate, self.sample_rate)
        bank = filterbank(self.sample_rate, self.n_fft, self.n_mels, 0.0, self.sample_rate / 2)
        cut = overlapping(mono, self.n_fft, self.hop_length, pad=self.n_fft // 2)
        for power in mel_spectra(cut, hann(self.n_fft), self.n_fft, bank):
            yield np.float32(10) * np.log10(np.maximum(power, np.float32(_AMIN)))

    def finish(self, frames: FrameView) -> NDArray[np.float32]:
        """The vector of statistics of a range of at least one frame."""
        reference = max(float(block.max()) for block in frames)
        basis = dct(self.n_mfcc, self.n_mels)
        total, squares = np.zeros(self.n_mfcc), np.zeros(self.n_mfcc)
        for block in frames:
            decibels = np.maximum(block - np.float32(reference), np.float32(-self.top_db))
            coefficients = (decibels @ basis).astype(np.float64)
            total += coefficients.sum(axis=0)
            squares += np.square(coefficients).sum(axis=0)
        mean = total / len(frames)
        deviation = np.sqrt(np.maximum(squares / len(frames) - mean**2, 0.0))
        return np.concatenate([mean, deviation]).astype(np.float32)

    def parts(self, frames: FrameView) -> Iterator[NDArray[np.float32]]:
        """The vector in one part."""
        yield self.finish(frames)

    def louder(self, features: NDArray[Any], db: float) -> NDArray[Any]:
        """The vector as it is: the decibels are relative to the loudest."""
        return features
