"""FMA's 518 and HitMusicNet's 207 columns, written plainly with librosa: the peer of hitpredict.features.descriptors.

Both take mono samples at their own rate. What librosa cannot compute (a sound or a rate too low) is NaN.
"""

import warnings
from collections.abc import Callable

import librosa
import numpy as np
from scipy import stats

STATISTICS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "kurtosis": lambda values: stats.kurtosis(values, axis=1),
    "max": lambda values: np.max(values, axis=1),
    "mean": lambda values: np.mean(values, axis=1),
    "median": lambda values: np.median(values, axis=1),
    "min": lambda values: np.min(values, axis=1),
    "skew": lambda values: stats.skew(values, axis=1),
    "std": lambda values: np.std(values, axis=1),
}


RELATIVE, OF_RANGE = 1e-3, 1e-4


def fma518(y: np.ndarray, rate: int, compat: bool = False) -> np.ndarray:
    """The vector (518,); compat leaves out the rate where FMA's own script does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        features = _fma_features(y, rate, {} if compat else {"sr": rate})
        tables = [statistic(features[name]) for name in sorted(features) for statistic in STATISTICS.values()]
    return np.concatenate(tables).astype(np.float32)


def _fma_features(y: np.ndarray, rate: int, assumed: dict[str, int]) -> dict[str, np.ndarray]:
    features = {"zcr": librosa.feature.zero_crossing_rate(y, frame_length=2048, hop_length=512)}

    def constant_q() -> np.ndarray:
        return np.abs(librosa.cqt(y, sr=rate, hop_length=512, bins_per_octave=12, n_bins=7 * 12, tuning=None))

    cqt = attempt(constant_q, 84)
    if np.isnan(cqt).any():
        features |= {"chroma_cqt": cqt[:12], "chroma_cens": cqt[:12], "tonnetz": cqt[:6]}
    else:
        features["chroma_cqt"] = librosa.feature.chroma_cqt(C=cqt, bins_per_octave=12, n_chroma=12, n_octaves=7)
        features["chroma_cens"] = librosa.feature.chroma_cens(C=cqt, bins_per_octave=12, n_chroma=12, n_octaves=7)
        features["tonnetz"] = librosa.feature.tonnetz(chroma=features["chroma_cens"])
    stft = np.abs(librosa.stft(y, n_fft=2048, hop_length=512))
    features["chroma_stft"] = librosa.feature.chroma_stft(S=stft**2, n_chroma=12, **assumed)
    features["rmse"] = librosa.feature.rms(S=stft)
    features["spectral_centroid"] = librosa.feature.spectral_centroid(S=stft, **assumed)
    features["spectral_bandwidth"] = librosa.feature.spectral_bandwidth(S=stft, **assumed)
    features["spectral_contrast"] = attempt(lambda: librosa.feature.spectral_contrast(S=stft, n_bands=6, **assumed), 7)
    features["spectral_rolloff"] = librosa.feature.spectral_rolloff(S=stft, **assumed)
    mel = librosa.feature.melspectrogram(sr=rate, S=stft**2)
    features["mfcc"] = librosa.feature.mfcc(S=librosa.power_to_db(mel), n_mfcc=20)
    return features


def hmn207(y: np.ndarray, rate: int, compat: bool = False) -> np.ndarray:
    """The vector (207,); compat takes the centroid of the first frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        feature = librosa.feature
        centroid = feature.spectral_centroid(y=y, sr=rate)
        tables = [
            feature.melspectrogram(y=y, sr=rate).mean(axis=1),
            feature.mfcc(y=y, sr=rate, n_mfcc=48).mean(axis=1),
            attempt(lambda: feature.chroma_cqt(y=y, sr=rate), 12).mean(axis=1),
            attempt(lambda: feature.spectral_contrast(y=y, sr=rate), 7).mean(axis=1),
            attempt(lambda: feature.tonnetz(y=y, sr=rate), 6).mean(axis=1),
            feature.zero_crossing_rate(y).mean(axis=1),
            feature.spectral_bandwidth(y=y, sr=rate).mean(axis=1),
            centroid[:, 0] if compat else centroid.mean(axis=1),
            feature.spectral_rolloff(y=y, sr=rate, roll_percent=0.10).mean(axis=1),
            feature.spectral_rolloff(y=y, sr=rate, roll_percent=0.85).mean(axis=1),
            [energy_entropy(feature.rms(y=y)[0])],
        ]
    return np.concatenate(tables).astype(np.float32)


def energy_entropy(rms: np.ndarray) -> float:
    """Sum of q log10 q over the deviations q from the mean level."""
    deviations = np.abs(rms - rms.mean()).astype(np.float64)
    return float(sum(q * np.log10(q) for q in deviations if q > 0))


def attempt(feature: Callable[[], np.ndarray], channels: int) -> np.ndarray:
    """The feature, or NaN (channels, 1) where librosa refuses."""
    try:
        return feature()
    except librosa.ParameterError:
        return np.full((channels, 1), np.nan)


def agrees(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Which values of two tables (sounds, columns) are the same, given what the columns of the second span."""
    with np.errstate(invalid="ignore"):
        spans = np.fmax.reduce(theirs, axis=0) - np.fmin.reduce(theirs, axis=0)
        near = np.abs(ours - theirs) <= np.maximum(RELATIVE * np.abs(theirs), OF_RANGE * spans)
    return near | (np.isnan(ours) & np.isnan(theirs))
