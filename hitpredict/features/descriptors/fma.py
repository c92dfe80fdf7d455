"""The 518 columns of the Free Music Archive data set (Defferrard et al. 2017, arXiv:1612.01840)."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.features.descriptors import chroma, constant_q, spectral
from hitpredict.features.descriptors.mono import MonoTrack
from hitpredict.features.descriptors.statistics import STATISTICS, summary
from hitpredict.features.descriptors.tuning import Peaks, maxima
from hitpredict.frontends.store import Spool

Channels = NDArray[np.float32]

_CHANNELS: Mapping[str, int] = {
    "chroma_cens": 12,
    "chroma_cqt": 12,
    "chroma_stft": 12,
    "mfcc": 20,
    "rmse": 1,
    "spectral_bandwidth": 1,
    "spectral_centroid": 1,
    "spectral_contrast": 7,
    "spectral_rolloff": 1,
    "tonnetz": 6,
    "zcr": 1,
}
_ASSUMED_RATE = 22050
_MEL_MEMORY = 16 * 2**20
_POWER_MEMORY = 32 * 2**20


@dataclass(frozen=True)
class Fma518:
    """Statistics over time of 74 descriptors, at the sound's own rate, frames of 2048 samples, 512 apart.

    compat: as the published table was made: centroid, bandwidth, contrast, roll-off and STFT chroma take the rate
    for 22,050 Hz, whatever it is. The default takes the true rate.

    Numbers follow librosa 0.11, and so do NaNs: skew and kurtosis of a constant descriptor (silence makes most
    constant); the spectral contrast at 12.8 kHz and below; chroma_cens, chroma_cqt and tonnetz below about 8.3 kHz
    and for sounds of one sample at 44.1 kHz (up to seven at higher rates).
    """

    name: ClassVar[str] = "fma518"
    compat: bool = False

    @property
    def levels(self) -> tuple[tuple[str, str, str], ...]:
        """The three-level header: feature, statistic, number from "01"; in lexicographic order."""
        return tuple(
            (feature, statistic, f"{number:02d}")
            for feature, count in _CHANNELS.items()
            for statistic in STATISTICS
            for number in range(1, count + 1)
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The same as flat names, such as `mfcc_mean_01`."""
        return tuple("_".join(level) for level in self.levels)

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[np.float32]:
        """The vector (518,) of a sound that comes as blocks (channels, frames) at `rate` Hz, of any sizes.

        Raises `InputError` when there are no samples.
        """
        with MonoTrack(blocks) as track:
            tables = {name: summary(channels).ravel() for name, channels in self._channels(track, rate)}
        return np.concatenate([tables[name] for name in _CHANNELS])

    def _channels(self, track: MonoTrack, rate: int) -> Iterator[tuple[str, Channels]]:
        """Each descriptor's name and its values (frames, channels)."""
        assumed = _ASSUMED_RATE if self.compat else rate
        with (
            closing(Peaks(rate)) as tones,
            closing(Peaks(assumed)) as strong,
            Spool(_MEL_MEMORY) as mels,
        ):
            rows, kept = _scan(track, rate, assumed, tones, strong, mels)
            yield from _plain(rows)
            del rows
            yield "chroma_stft", _stft_chroma(kept, track, assumed, strong.tuning(12))
            del kept
            yield "mfcc", _cepstra(mels)
            energies = constant_q.chroma_energies(track, rate, 12, tones.tuning(12))
        yield "chroma_cqt", chroma.normalised(energies, np.inf)
        smooth = chroma.cens(energies)
        yield "chroma_cens", smooth
        yield "tonnetz", chroma.tonnetz(smooth)


def _scan(
    track: MonoTrack, rate: int, assumed: int, tones: Peaks, strong: Peaks, mels: Spool
) -> tuple[Channels, "_Kept"]:
    """All that can be told frame by frame, (frames, 19) for `_plain`; fills the other stores."""
    rows, kept = np.empty((track.frames, 19), np.float32), _Kept()
    for batch in track.batches():
        magnitude = spectral.magnitudes(batch)
        power = magnitude * magnitude
        kept.append(power)
        where = maxima(magnitude, rate, assumed)
        tones.add(magnitude, where)
        strong.add(power, where)
        mels.append(spectral.power_decibels(spectral.mel_power(power, rate)))
        now = rows[batch.frame : batch.frame + len(power)]
        now[:, :14] = spectral.band_extremes(magnitude, assumed)
        now[:, 14:16] = spectral.centroid_and_bandwidth(magnitude, assumed)
        now[:, 16:17] = spectral.rolloff(magnitude, assumed, (0.85,))
        now[:, 17:18] = spectral.rms(power)
        now[:, 18:] = spectral.zero_crossing_rate(batch, track.samples)
    return rows, kept


def _plain(rows: Channels) -> Iterator[tuple[str, Channels]]:
    yield "spectral_contrast", spectral.contrast(rows[:, :14])
    names = ("spectral_centroid", "spectral_bandwidth", "spectral_rolloff", "rmse", "zcr")
    for column, name in enumerate(names, start=14):
        yield name, rows[:, column : column + 1]


def _cepstra(mels: Spool) -> Channels:
    loudest = max(block.max() for block in mels.blocks())
    result = np.empty((mels.rows, _CHANNELS["mfcc"]), np.float32)
    done = 0
    for block in mels.blocks():
        result[done : done + len(block)] = spectral.cepstrum(block, loudest, result.shape[1])
        done += len(block)
    return result


class _Kept:
    """The first power spectra of a track, so that only those of a long one are computed twice."""

    def __init__(self) -> None:
        self.batches: list[spectral.Spectra] = []
        self._room = _POWER_MEMORY

    def append(self, power: spectral.Spectra) -> None:
        self._room -= power.nbytes
        if self._room >= 0:
            self.batches.append(power)


def _stft_chroma(kept: _Kept, track: MonoTrack, rate: int, tuning: float) -> Channels:
    weights = chroma.filters(rate, tuning)
    result = np.empty((track.frames, 12), np.float32)
    done = 0
    for power in chain(kept.batches, _powers(track, len(kept.batches))):
        result[done : done + len(power)] = power @ weights
        done += len(power)
    return chroma.normalised(result, np.inf)


def _powers(track: MonoTrack, skip: int) -> Iterator[spectral.Spectra]:
    return (spectral.magnitudes(batch) ** 2 for batch in track.batches(skip))
