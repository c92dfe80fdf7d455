"""The 207 low-level columns of HitMusicNet (Martín-Gutiérrez et al. 2020, doi:10.1109/ACCESS.2020.2976033)."""

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.features.descriptors import chroma, constant_q, spectral
from hitpredict.features.descriptors.mono import MonoTrack
from hitpredict.features.descriptors.tuning import Peaks, maxima
from hitpredict.frontends.store import Spool

_N_MFCC = 48
_BINS_PER_OCTAVE = 36
_MEL_MEMORY = 16 * 2**20
HIGH_LEVEL = (
    *("acousticness", "danceability", "duration_ms", "energy", "instrumentalness", "key", "liveness", "loudness"),
    *("mode", "speechiness", "tempo", "valence"),
)
"""Spotify's high-level features."""
LYRIC = (
    *("n_sentences", "mean_words_sentence", "n_words", "mean_syllables_word", "sentence_similarity"),
    "vocabulary_wealth",
)
METADATA = ("n_markets", "artist_followers", "artist_popularity")
BESIDE_SOUND: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "hmn228": {"high-level": HIGH_LEVEL, "lyrics": LYRIC, "metadata": METADATA},
    "hmn219": {"high-level": HIGH_LEVEL},
}
"""Tables of the 207 columns and others that sound alone does not give: the families of these, by name."""


@dataclass(frozen=True)
class Hmn207:
    """Means over time of librosa's descriptors, at the sound's own rate, frames of 2048 samples, 512 apart.

    compat: as the published code, `spectral_centroid` is that of the first frame alone. The default takes the mean.

    Numbers follow librosa 0.11; the names are the original's, spelling included. `entropy_energy` is a sum over
    frames, so it grows with the length. NaN: the spectral contrast at 12.8 kHz and below; Chroma and Tonnetz below
    about 8.3 kHz and for sounds of one sample at 44.1 kHz (up to seven at higher rates).
    """

    name: ClassVar[str] = "hmn207"
    compat: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the vector's elements, in order."""
        groups = (("MEL", 128), ("MFCC", _N_MFCC), ("Chroma", 12), ("Spectral_contrast", 7), ("Tonnetz", 6))
        numbered = [f"{name}_{i}" for name, count in groups for i in range(1, count + 1)]
        ends = ("spectral_rollOff_min", "spectral_rollOff_max")
        return (*numbered, "ZCR", "spectral_bandwith", "spectral_centroid", *ends, "entropy_energy")

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[np.float32]:
        """The vector (207,) of a sound that comes as blocks (channels, frames) at `rate` Hz, of any sizes.

        Raises `InputError` when there are no samples.
        """
        with (
            MonoTrack(blocks) as track,
            closing(Peaks(rate)) as tones,
            Spool(_MEL_MEMORY) as mels,
        ):
            rows, mel_sum = np.empty((track.frames, 20), np.float32), np.zeros(spectral.N_MELS)
            for batch in track.batches():
                magnitude = spectral.magnitudes(batch)
                power = spectral.mel_power(magnitude * magnitude, rate)
                tones.add(magnitude, maxima(magnitude, rate))
                mel_sum += power.sum(axis=0, dtype=np.float64)
                mels.append(spectral.power_decibels(power))
                now = rows[batch.frame : batch.frame + len(power)]
                now[:, :14] = spectral.band_extremes(magnitude, rate)
                now[:, 14:15] = spectral.zero_crossing_rate(batch, track.samples)
                now[:, 15:17] = spectral.centroid_and_bandwidth(magnitude, rate)[:, ::-1]
                now[:, 17:19] = spectral.rolloff(magnitude, rate, (0.1, 0.85))
                now[:, 19:] = spectral.waveform_rms(batch)
            energies = constant_q.chroma_energies(track, rate, _BINS_PER_OCTAVE, tones.tuning(_BINS_PER_OCTAVE))
            vector = [mel_sum / track.frames, _mean_cepstrum(mels), *_chroma_means(energies)]
        return self._ordered(vector, rows)

    def _ordered(self, vector: list[NDArray[np.float64]], rows: NDArray[np.float32]) -> NDArray[np.float32]:
        mel, cepstrum, classes, tonal = vector
        contrast = spectral.contrast(rows[:, :14]).mean(axis=0, dtype=np.float64)
        plain = rows[:, 14:19].mean(axis=0, dtype=np.float64)
        if self.compat:
            plain[2] = rows[0, 16]
        entropy = _energy_entropy(rows[:, 19])
        return np.concatenate([mel, cepstrum, classes, contrast, tonal, plain, [entropy]]).astype(np.float32)


def _mean_cepstrum(mels: Spool) -> NDArray[np.float64]:
    loudest = max(block.max() for block in mels.blocks())
    cepstra = (spectral.cepstrum(block, loudest, _N_MFCC) for block in mels.blocks())
    return np.asarray(sum(rows.sum(axis=0, dtype=np.float64) for rows in cepstra) / mels.rows)


def _chroma_means(energies: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    classes = chroma.normalised(energies, np.inf)
    return classes.mean(axis=0, dtype=np.float64), chroma.tonnetz(classes).mean(axis=0, dtype=np.float64)


def _energy_entropy(rms: NDArray[np.float32]) -> float:
    """Σ q log10 q over the frames' deviations q from the mean level; frames with none add nothing."""
    deviation = np.abs(rms - rms.mean()).astype(np.float64)
    deviation = deviation[deviation > 0]
    return float((deviation * np.log10(deviation)).sum())
