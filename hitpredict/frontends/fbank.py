"""Kaldi-compatible log-mel filter-bank energies, as the Audio Spectrogram Transformer takes them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.frontends.mel import kaldi_filterbank, shifted
from hitpredict.frontends.resample import soxr_mono
from hitpredict.frontends.stft import Frames, hann, mel_spectra, overlapping
from hitpredict.frontends.store import FrameView

_FLOOR = np.finfo(np.float32).eps


@dataclass(frozen=True)
class Fbank:
    """Kaldi's `fbank` (25 ms frames every 10 ms, no dither, no energy, "hanning" window, pre-emphasis).

    Samples are mono in [-1, 1]. The mean of the waveform need not be removed first: each frame's own mean is.
    mean, deviation: the result is (x - mean) / (2 · deviation), AudioSet's values by default (Gong et al. 2021,
    arXiv:2104.01778). window: frames the model takes at once; shorter input is padded with zeros before scaling.
    """

    name: ClassVar[str] = "fbank"
    sample_rate: int = 16000
    frame_length: int = 400
    hop_length: int = 160
    n_fft: int = 512
    n_mels: int = 128
    fmin: float = 20.0
    fmax: float = 8000.0
    preemphasis: float = 0.97
    mean: float = -4.2677393
    deviation: float = 4.5689974
    window: int | None = 1024

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.hop_length

    @property
    def zero(self) -> float:
        """What an energy of zero is after scaling: what short sounds are padded with."""
        return -self.mean / (2 * self.deviation)

    def frames(self, blocks: Iterable[Samples], rate: int) -> Iterator[Frames]:
        """Log energies before scaling, (n, n_mels) float32, block by block; only whole frames."""
        bank = kaldi_filterbank(self.sample_rate, self.n_fft, self.n_mels, self.fmin, self.fmax)
        mono = soxr_mono(blocks, rate, self.sample_rate)
        cut = map(self._emphasise, overlapping(mono, self.frame_length, self.hop_length))
        for power in mel_spectra(cut, hann(self.frame_length, symmetric=True), self.n_fft, bank):
            yield np.log(np.maximum(power, _FLOOR))

    def _emphasise(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        centred = batch - batch.mean(axis=1, keepdims=True)
        # Kaldi takes the first sample as its own predecessor.
        previous = np.concatenate([centred[:, :1], centred[:, :-1]], axis=1)
        return np.asarray(centred - np.float32(self.preemphasis) * previous)

    def finish(self, frames: FrameView) -> NDArray[np.float32]:
        """The scaled energies (frames, n_mels) of a range of frames, padded to `window`."""
        return np.concatenate([np.empty((0, self.n_mels), np.float32), *self.parts(frames)])

    def parts(self, frames: FrameView) -> Iterator[NDArray[np.float32]]:
        """The same, some frames at a time."""
        missing = max(0, (self.window or 0) - len(frames))
        for block in chain(frames, [np.zeros((missing, self.n_mels), np.float32)] if missing else []):
            yield np.asarray((block - np.float32(self.mean)) / np.float32(2 * self.deviation), np.float32)

    def louder(self, features: NDArray[Any], db: float) -> NDArray[Any]:
        """Scaled energies of the same sound, louder; what is at the floor of the logarithm stays there."""
        spread = 2 * self.deviation
        return shifted(features, db * np.log(10) / 10 / spread, (np.log(_FLOOR) - self.mean) / spread)
