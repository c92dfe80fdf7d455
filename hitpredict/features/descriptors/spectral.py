"""Per-frame descriptors of the spectrum and the waveform, as `librosa.feature` defines them (librosa 0.11).

Spectra are (frames, 1025) float32, magnitudes or powers of 2048-point frames; results are (frames, n) float32.
What depends on the loudest value of the whole track comes in two steps.
"""

from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hitpredict.features.descriptors.mono import HOP, N_FFT, FrameBatch
from hitpredict.frontends.mel import Bands, dct, filterbank, in_bands, weighted
from hitpredict.frontends.stft import hann
from hitpredict.frontends.store import Rows

Spectra = NDArray[np.float32]

N_MELS = 128
N_BANDS = 7
_RUN = 25
_AMIN = 1e-10
_SILENT = 1e-10
_LOWEST_BAND_HZ = 200.0
_QUANTILE = 0.02
_ROUNDING = 5e-6


@lru_cache
@lru_cache
def frequencies(rate: float) -> NDArray[np.float32]:
    """The centre of each bin in Hz."""
    return (np.arange(N_FFT // 2 + 1) * (rate / N_FFT)).astype(np.float32)


def magnitudes(batch: FrameBatch) -> Spectra:
    """Magnitude spectra under a periodic Hann window.

    The transform is done in double precision: what lies 120 dB below the loudest partial (above the cut-off of a
    lossy codec, say) decides the valleys of the spectral contrast.
    """
    spectrum = np.fft.rfft(batch.windows * hann(N_FFT, dtype=np.float64), axis=1)
    return np.abs(spectrum.astype(np.complex64))


@lru_cache
def _mel_bands(rate: int) -> tuple[Bands, ...]:
    return in_bands(filterbank(rate, N_FFT, N_MELS, 0.0, rate / 2))


def mel_power(power: Spectra, rate: int) -> Rows:
    """Power in 128 Slaney mel bands of unit area up to Nyquist."""
    return weighted(power, _mel_bands(rate))


def power_decibels(power: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.float32(10) * np.log10(np.maximum(power, np.float32(_AMIN)))


def cepstrum(levels: Rows, loudest: np.float32, count: int) -> Rows:
    """The first `count` orthonormal DCT-II coefficients of decibels, none lower than 80 below the track's loudest."""
    floored = np.maximum(levels, loudest - np.float32(80))
    mean = floored.mean(axis=1, keepdims=True, dtype=np.float64)
    # The mean apart, so that frames of silence have exactly the coefficients of a constant.
    coefficients: Rows = (floored - mean.astype(np.float32)) @ dct(count, N_MELS)
    coefficients[:, :1] = mean * np.sqrt(N_MELS)
    return coefficients


def rms(power: Spectra) -> Rows:
    """Root mean square of the windowed frame, from its spectrum (Parseval)."""
    total = power.sum(axis=1) - np.float32(0.5) * (power[:, 0] + power[:, -1])
    return np.asarray(np.sqrt(total * np.float32(2 / N_FFT**2))[:, None], np.float32)


def waveform_rms(batch: FrameBatch) -> Rows:
    """Root mean square of the frame itself."""
    steps = np.square(batch.samples, dtype=np.float64).reshape(-1, HOP).sum(axis=1)
    sums = np.convolve(steps, np.ones(N_FFT // HOP), mode="valid")
    return np.sqrt(sums / N_FFT).astype(np.float32)[:, None]


def zero_crossing_rate(batch: FrameBatch, samples: int) -> Rows:
    """Share of a frame's samples at which the sign changes; the end samples of the track go on beyond it.

    samples: length of the track. Values within ±1e-10 count as positive.
    """
    negative = batch.samples < -_SILENT
    if batch.start < 0:
        negative[: -batch.start] = negative[-batch.start]
    if (end := samples - batch.start) < negative.size:
        negative[end:] = negative[end - 1]
    changes = np.zeros(negative.size, np.int32)
    np.cumsum(negative[1:] != negative[:-1], out=changes[1:])
    starts = np.arange(len(batch.windows)) * HOP
    return ((changes[starts + N_FFT - 1] - changes[starts]) / np.float32(N_FFT)).astype(np.float32)[:, None]


def centroid_and_bandwidth(magnitude: Spectra, rate: float) -> Rows:
    """Magnitude-weighted mean frequency in Hz, and the weighted deviation from it; zeros for silence."""
    hertz = frequencies(rate)
    total, moment = (magnitude @ np.stack([np.ones_like(hertz), hertz], axis=1)).T
    total[total < np.finfo(np.float32).tiny] = 1
    centroid = moment / total
    deviation = hertz - centroid[:, None]
    deviation *= deviation
    bandwidth = np.sqrt(np.einsum("tf,tf->t", deviation, magnitude) / total)
    return np.stack([centroid, bandwidth], axis=1)


def rolloff(magnitude: Spectra, rate: float, shares: tuple[float, ...]) -> Rows:
    """For each share, the frequency in Hz below which it of the summed magnitude lies; 0 for silence."""
    runs = (magnitude.reshape(-1, _RUN) @ np.ones(_RUN, np.float32)).reshape(len(magnitude), -1)
    before = np.cumsum(runs, axis=1, dtype=np.float64)
    bins = [_rolloff_bins(magnitude, before, share) for share in shares]
    return frequencies(rate)[np.stack(bins, axis=1)]


def _rolloff_bins(magnitude: Spectra, sums: NDArray[np.float64], share: float) -> NDArray[np.int64]:
    """Find the run of bins first, then the bin. sums: (frames, runs), of all bins up to the end of each run."""
    wanted = share * sums[:, -1]
    run = np.argmax(sums >= wanted[:, None], axis=1)
    rows = np.arange(len(magnitude))
    inside = magnitude.reshape(len(magnitude), -1, _RUN)[rows, run].astype(np.float64)
    nearby = np.cumsum(np.column_stack([np.where(run > 0, sums[rows, run - 1], 0), inside]), axis=1)
    bins: NDArray[np.int64] = run * _RUN + np.argmax(nearby[:, 1:] >= wanted[:, None], axis=1)
    # The reference sums one by one in single precision; where rounding decides, so must this.
    close = np.flatnonzero((np.abs(nearby - wanted[:, None]) <= _ROUNDING * sums[:, -1:]).any(axis=1))
    summed = np.cumsum(magnitude[close], axis=1)
    bins[close] = np.argmax(summed >= np.float32(share) * summed[:, -1:], axis=1)
    return bins


class _Band(NamedTuple):
    first: int
    stop: int
    extremes: int


@lru_cache
def _bands(rate: float) -> tuple[_Band, ...] | None:
    """Octave bands from 200 Hz, each reaching one bin below its edge; None when the last starts beyond Nyquist."""
    edges = np.concatenate([[0.0], _LOWEST_BAND_HZ * 2.0 ** np.arange(N_BANDS)])
    if edges[-2] >= rate / 2:
        return None
    hertz = np.arange(N_FFT // 2 + 1) * (rate / N_FFT)
    bands = []
    for k, (low, high) in enumerate(pairwise(edges)):
        inside = np.flatnonzero((hertz >= low) & (hertz <= high))
        last = k == N_BANDS - 1
        first = int(inside[0]) - (k > 0)
        stop = hertz.size if last else int(inside[-1]) + 1
        extremes = max(int(np.rint(_QUANTILE * (stop - first))), 1)
        bands.append(_Band(first, stop if last else stop - 1, extremes))
    return tuple(bands)


def band_extremes(magnitude: Spectra, rate: float) -> Rows:
    """Magnitudes of the peaks (7 columns) and of the valleys (7 more) of octave bands from 200 Hz.

    The means of each band's 2 % largest and smallest values (Jiang et al. 2002). NaN at 12.8 kHz and below, where
    there is no room for the last band, and for a band without bins (the first, above 409 kHz).
    """
    result = np.full((len(magnitude), 2 * N_BANDS), np.nan, np.float32)
    for k, (first, stop, extremes) in enumerate(_bands(rate) or ()):
        if stop <= first:
            continue
        ordered = np.sort(magnitude[:, first:stop], axis=1)
        result[:, k] = _mean(ordered[:, -extremes:])
        result[:, N_BANDS + k] = _mean(ordered[:, :extremes])
    return result


def _mean(columns: Rows) -> NDArray[np.float32]:
    if columns.shape[1] == 1:
        return columns[:, 0]
    return np.asarray(np.add.reduce(columns, axis=1) / np.float32(columns.shape[1]), np.float32)


def contrast(extremes: Rows) -> Rows:
    """Spectral contrast in decibels, (frames, 7), from the band extremes of the whole track."""
    peaks, valleys = extremes[:, :N_BANDS], extremes[:, N_BANDS:]
    result = np.empty(peaks.shape, np.float32)
    for k in range(N_BANDS):
        # In double precision, since a flat spectrum leaves a difference of next to nothing.
        result[:, k] = _levels(peaks[:, k], peaks.max()) - _levels(valleys[:, k], valleys.max())
    return result


def _levels(magnitude: Rows, largest: np.float32) -> NDArray[np.float64]:
    """Decibels, no lower than 80 below the largest."""
    amplitude = np.maximum(magnitude.astype(np.float64), _AMIN)
    return np.asarray(10 * np.maximum(np.log10(amplitude), np.log10(max(float(largest), _AMIN)) - 8))
