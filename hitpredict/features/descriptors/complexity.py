"""How much the music changes on several time scales, and its MFCC statistics: what Lee & Lee 2018 learn from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import InputError
from hitpredict.features.descriptors import chroma, spectral
from hitpredict.features.descriptors.mono import HOP, N_FFT
from hitpredict.frontends.mel import dct, filterbank, in_bands, weighted
from hitpredict.frontends.resample import soxr_mono
from hitpredict.frontends.stft import hann, overlapping, spectra
from hitpredict.frontends.store import Rows, Spool

_RATE = 22050
_N_MFCC = 20
_STEP = 16
"""Frames that each distribution stands for: 0.37 s."""
_PATTERN = 128
"""Frames of a fluctuation pattern: 3 s."""
_BANDS = 16
_FASTEST_HZ = 10.0
_STRONGEST_HZ = 4.0
_SCALES = 6
_COMPONENTS = ("chroma", "rhythm", "timbre")
_FLOOR_DB = 80.0


@dataclass(frozen=True)
class Complexity:
    """Structural change (Mauch & Levy 2011) of chroma, rhythm and timbre, and MFCC statistics: 76 columns.

    What Lee & Lee 2018 (IEEE TMM 20(11):3173, arXiv:1812.00551) classify with an SVM, without their MPEG-7 columns.
    Structural change at a time is the Jensen-Shannon divergence, 0 to 1 (in bits), between what is summed over the
    window before it and over the window after it. The windows are 1, 2, 4, 8, 16 and 32 steps of 0.37 s (`change_…_1`
    to `…_32`); each column is a mean or a standard deviation over the track. Then means and deviations of 20 MFCCs.

    Reconstructed: the length of the steps; mean and deviation; sound at 22,050 Hz; chroma from a spectrogram tuned to
    440 Hz; rhythm as fluctuation patterns (Pampalk 2006) of 3 s, summed over 16 bands; timbre as the spectral envelope
    that the MFCCs describe, since a divergence needs shares and MFCCs may lie below 0.
    NaN: what needs a longer sound, such as windows of 32 steps (24 s of sound, of rhythm 27 s) or a fluctuation pattern
    (3 s).
    """

    name: ClassVar[str] = "complexity"

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the vector's elements, in order."""
        change = [
            f"change_{component}_{what}_{2**scale}"
            for component in _COMPONENTS
            for what in ("mean", "std")
            for scale in range(_SCALES)
        ]
        return (*change, *(f"mfcc_{what}_{i}" for what in ("mean", "std") for i in range(1, _N_MFCC + 1)))

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[np.float32]:
        """The vector (76,) of a sound that comes as blocks (channels, frames) at `rate` Hz, of any sizes.

        Raises `InputError` when there are no samples.
        """
        with Spool() as frames:
            for rows in _frames(_not_empty(blocks), rate):
                frames.append(rows)
            classes, patterns, envelopes, cepstra = _steps(frames)
        change = [_statistics(component) for component in (classes, patterns, envelopes)]
        return np.concatenate([*change, cepstra]).astype(np.float32)


def _not_empty(blocks: Iterable[Samples]) -> Iterator[Samples]:
    samples = 0
    for block in blocks:
        samples += block.shape[1]
        yield block
    if not samples:
        raise InputError("the sound holds no samples")


def _frames(blocks: Iterable[Samples], rate: int) -> Iterator[Rows]:
    """Chroma energies (12) and decibels of the mel bands (128) of each frame."""
    cut = overlapping(soxr_mono(blocks, rate, _RATE), N_FFT, HOP, pad=N_FFT // 2)
    bands, classes = in_bands(filterbank(_RATE, N_FFT, spectral.N_MELS, 0.0, _RATE / 2)), chroma.filters(_RATE, 0.0)
    for spectrum in spectra(cut, hann(N_FFT), N_FFT):
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        yield np.concatenate([power @ classes, spectral.power_decibels(weighted(power, bands))], axis=1)


def _steps(frames: Spool) -> tuple[Rows, Rows, Rows, NDArray[np.float64]]:
    """Of each step shares of the pitch classes, the modulation frequencies and the mel bands; the MFCC statistics."""
    loudest = np.float32(max(block[:, 12:].max() for block in frames.blocks()))
    classes, patterns, envelopes = [], [], []
    sums = np.zeros((2, _N_MFCC))
    for start in range(0, frames.rows, _STEP):
        block = frames.read(start, start + _STEP)
        cepstra = spectral.cepstrum(block[:, 12:], loudest, _N_MFCC)
        sums += cepstra.sum(axis=0, dtype=np.float64), np.square(cepstra, dtype=np.float64).sum(axis=0)
        if len(block) < _STEP and start:
            break
        classes.append(chroma.normalised(block[:, :12], 1).sum(axis=0))
        envelopes.append((10 ** ((cepstra @ dct(_N_MFCC, spectral.N_MELS).T - loudest) / 20)).sum(axis=0))
        if start + _PATTERN <= frames.rows:
            patterns.append(_fluctuation(frames.read(start, start + _PATTERN)[:, 12:], loudest))
    mean = sums[0] / frames.rows
    deviation = np.sqrt(np.maximum(sums[1] / frames.rows - mean**2, 0))
    rhythm = np.stack(patterns) if patterns else np.empty((0, 1), np.float32)
    return np.stack(classes), rhythm, np.stack(envelopes), np.concatenate([mean, deviation])


def _fluctuation(levels: Rows, loudest: np.float32) -> Rows:
    """How strongly the levels of bands move up to ten times a second, weighted as hearing does (Fastl 1982)."""
    bands = np.maximum(levels - loudest, -_FLOOR_DB).reshape(len(levels), _BANDS, -1).mean(axis=2)
    moving = np.abs(np.fft.rfft(bands - bands.mean(axis=0), axis=0))
    hertz = np.fft.rfftfreq(len(levels), HOP / _RATE)
    kept = (hertz > 0) & (hertz <= _FASTEST_HZ)
    weight = 1 / (hertz[kept] / _STRONGEST_HZ + _STRONGEST_HZ / hertz[kept])
    return np.asarray(moving[kept].sum(axis=1) * weight, np.float32)


def structural_change(steps: Rows, window: int) -> NDArray[np.float64]:
    """Jensen-Shannon divergence in bits between the sums of the `window` steps before and after each time.

    steps: (n, d), none below 0. Of shape (n - 2 · window + 1,), empty for shorter tracks.
    """
    count = len(steps) - 2 * window + 1
    if count < 1:
        return np.empty(0)
    sums = np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(_shares(steps), axis=0)])
    whole = (sums[window:] - sums[:-window]) / window
    before, after = whole[:count], whole[window:]
    divergence = _entropy((before + after) / 2) - (_entropy(before) + _entropy(after)) / 2
    return np.asarray(np.clip(divergence, 0, 1))


def _shares(steps: Rows) -> NDArray[np.float64]:
    """Each row divided by its sum; a row of zeros, as of silence, is spread evenly."""
    total = steps.sum(axis=1, keepdims=True, dtype=np.float64)
    return np.where(total > 0, steps / np.where(total > 0, total, 1), 1 / steps.shape[1])


def _entropy(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    positive = np.maximum(shares, np.finfo(np.float64).tiny)
    return np.asarray(-(shares * np.log2(positive)).sum(axis=1))


def _statistics(steps: Rows) -> NDArray[np.float64]:
    """Means, then deviations, of the structural change on each time scale; NaN for those beyond the track's length."""
    found = [structural_change(steps, 2**scale) for scale in range(_SCALES)]
    return np.array([what(change) if change.size else np.nan for what in (np.mean, np.std) for change in found])
