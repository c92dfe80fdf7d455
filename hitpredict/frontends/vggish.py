"""Log-mel patches as VGGish takes them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import InputError
from hitpredict.frontends.mel import kaldi_filterbank
from hitpredict.frontends.resample import soxr_mono
from hitpredict.frontends.stft import Frames, hann, overlapping, spectra
from hitpredict.frontends.store import FrameView

_TOGETHER = 16


@dataclass(frozen=True)
class Vggish:
    """The front-end of Hershey et al. 2017 (arXiv:1609.09430): 96 × 64 patches of log-mel magnitude.

    16 kHz mono; 25 ms frames every 10 ms without padding, periodic Hann, zero-padded to `n_fft`; magnitudes (not
    powers) weighted by triangles that are linear in HTK mel and not normalised; ln(mel + offset). Patches of
    `patch_frames` follow each other without overlap, and what is left at the end is dropped.
    """

    name: ClassVar[str] = "vggish"
    sample_rate: int = 16000
    frame_length: int = 400
    hop_length: int = 160
    n_fft: int = 512
    n_mels: int = 64
    fmin: float = 125.0
    fmax: float = 7500.0
    offset: float = 0.01
    patch_frames: int = 96

    @property
    def frames_per_second(self) -> float:
        return self.sample_rate / self.hop_length

    @property
    def shortest(self) -> float:
        """Seconds of sound in one patch."""
        return ((self.patch_frames - 1) * self.hop_length + self.frame_length) / self.sample_rate

    def frames(self, blocks: Iterable[Samples], rate: int) -> Iterator[Frames]:
        """Log-mel magnitudes, (n, n_mels) float32, block by block; only whole frames."""
        # With fmin above 0 Hz and fmax below Nyquist, Kaldi's triangles are VGGish's: the first bin weighs nothing.
        bank = kaldi_filterbank(self.sample_rate, self.n_fft, self.n_mels, self.fmin, self.fmax)
        cut = overlapping(soxr_mono(blocks, rate, self.sample_rate), self.frame_length, self.hop_length)
        for spectrum in spectra(cut, hann(self.frame_length), self.n_fft):
            yield np.log(np.abs(spectrum) @ bank + np.float32(self.offset))

    def patches(self, frames: Frames) -> NDArray[np.float32]:
        """Frames (n, n_mels) cut into patches (n // patch_frames, patch_frames, n_mels)."""
        count = len(frames) // self.patch_frames
        return frames[: count * self.patch_frames].reshape(count, self.patch_frames, self.n_mels)

    def finish(self, frames: FrameView) -> NDArray[np.float32]:
        """The patches (N, patch_frames, n_mels) of a range of frames. Raises `InputError` when there is not one."""
        return np.concatenate(list(self.parts(frames)))

    def parts(self, frames: FrameView) -> Iterator[NDArray[np.float32]]:
        """The same, some patches at a time."""
        if len(frames) < self.patch_frames:
            raise InputError(f"too short for {self.name}: one patch takes {self.shortest:.3f} s")
        for block in frames.blocks(_TOGETHER * self.patch_frames):
            if len(block) >= self.patch_frames:
                yield self.patches(block)

    def louder(self, features: NDArray[Any], db: float) -> NDArray[Any]:
        """Patches of the same sound, louder; the offset within the logarithm stays as it is."""
        magnitudes = np.maximum(np.exp(features) - self.offset, 0)
        return np.asarray(np.log(magnitudes * 10 ** (db / 20) + self.offset), features.dtype)
