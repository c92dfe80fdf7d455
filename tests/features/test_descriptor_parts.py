"""What the descriptor tables are made of, piece by piece."""

from contextlib import closing

import librosa
import numpy as np
import pytest
from scipy import fft, sparse, stats

from hitpredict.features.descriptors import chroma, kernels, spectral, tuning
from hitpredict.features.descriptors.constant_q import chroma_energies
from hitpredict.features.descriptors.mono import MonoTrack
from hitpredict.features.descriptors.statistics import summary
from hitpredict.frontends.store import Spool
from tests.helpers.sounds import tune


@pytest.mark.parametrize("memory", [1, 2**20])
def test_spool_gives_back_what_was_appended(memory):
    rows = np.arange(300, dtype=np.float32).reshape(100, 3)
    spool = Spool(memory)
    for part in np.array_split(rows, 7):
        spool.append(part)
    np.testing.assert_array_equal(spool.read(10, 20), rows[10:20])
    np.testing.assert_array_equal(spool.read(90, 200), rows[90:])
    np.testing.assert_array_equal(np.concatenate(list(spool.blocks(values=50))), rows)
    spool.close()


def test_track_is_the_mean_of_its_channels_with_zeros_around_it():
    clip = tune(0.1, channels=3)
    with MonoTrack(np.array_split(clip.samples, 4, axis=1)) as track:
        padded = track.read(-5, track.samples + 5)
    np.testing.assert_allclose(padded, np.pad(clip.samples.mean(axis=0), 5), atol=1e-7)


@pytest.mark.parametrize("bins_per_octave", [12, 36])
@pytest.mark.parametrize("cents", [-37, 0, 21])
@pytest.mark.parametrize("power", [1, 2])
def test_tuning_equals_librosa(bins_per_octave, cents, power):
    clip = tune(1.5, 44100, channels=1)
    rate = round(44100 * 2 ** (cents / 1200))
    peaks = tuning.Peaks(rate)
    with MonoTrack([clip.samples]) as track:
        for batch in track.batches():
            spectra = spectral.magnitudes(batch)
            peaks.add(spectra**power, tuning.maxima(spectra, rate))
    spectrogram = np.abs(librosa.stft(clip.samples[0])) ** power
    expected = librosa.estimate_tuning(S=spectrogram, sr=rate, bins_per_octave=bins_per_octave)
    assert peaks.tuning(bins_per_octave) == pytest.approx(expected, abs=1e-9)
    peaks.close()


@pytest.mark.parametrize("count", [1, 2, 999, 1000])
def test_median_height_is_exact(count):
    heights = np.random.default_rng(count).lognormal(sigma=4, size=count).astype(np.float32)
    heights[: count // 3] = heights[0]
    with closing(tuning.Peaks(44100)) as peaks:
        peaks._store.append(np.stack([heights, heights], axis=1))
        assert peaks._median_height() == np.median(heights)


def test_tuning_without_peaks_is_zero():
    with closing(tuning.Peaks(44100)) as peaks:
        assert peaks.tuning(12) == 0


@pytest.mark.parametrize(
    ("rate", "samples"), [(11025, 20000), (16000, 30001), (22050, 1023), (44100, 44100), (44100, 511), (96000, 99999)]
)
@pytest.mark.parametrize("bins_per_octave", [12, 36])
@pytest.mark.filterwarnings("ignore:n_fft=.*too large")
def test_constant_q_chroma_equals_librosa(rate, samples, bins_per_octave):
    clip = tune(3, rate, channels=1)
    mono = clip.samples[0, :samples]
    bins = 7 * bins_per_octave
    expected = np.abs(librosa.cqt(mono, sr=rate, n_bins=bins, bins_per_octave=bins_per_octave, tuning=0.23))
    expected = librosa.feature.chroma_cqt(C=expected, bins_per_octave=bins_per_octave, norm=None)
    with MonoTrack([mono[None]]) as track:
        energies = chroma_energies(track, rate, bins_per_octave, 0.23)
    np.testing.assert_allclose(energies.T, expected, rtol=1e-4, atol=1e-5 * expected.max())


@pytest.mark.parametrize("rate", [8000, 44100])
@pytest.mark.parametrize("deviation", [-0.5, 0.0, 0.31])
def test_chroma_filters_equal_librosa(rate, deviation):
    expected = librosa.filters.chroma(sr=rate, n_fft=2048, tuning=deviation)
    np.testing.assert_allclose(chroma.filters(rate, deviation).T, expected, rtol=1e-5, atol=1e-8)


def test_cens_and_tonnetz_of_fewer_frames_than_the_smoothing_equal_librosa():
    energies = np.random.default_rng(0).random((5, 12), dtype=np.float32) ** 3
    cens = librosa.feature.chroma_cens(C=energies.T, bins_per_octave=12, n_octaves=1)
    np.testing.assert_allclose(chroma.cens(energies).T, cens, atol=1e-6)
    np.testing.assert_allclose(chroma.tonnetz(energies).T, librosa.feature.tonnetz(chroma=energies.T), atol=1e-6)


@pytest.mark.parametrize("frames", [1, 2, 1000, 2**20 // 3 + 5])
def test_statistics_equal_scipy(frames):
    values = np.random.default_rng(0).gamma(2, size=(frames, 4)).astype(np.float32)
    exact = values.astype(np.float64)
    rows = [
        stats.kurtosis(exact),
        exact.max(0),
        exact.mean(0),
        np.median(exact, 0),
        exact.min(0),
        stats.skew(exact),
        exact.std(0),
    ]
    if frames == 1:
        rows[0] = rows[5] = np.full(4, np.nan)
    np.testing.assert_allclose(summary(values), rows, rtol=1e-5, atol=1e-6)


def test_statistics_of_a_constant_have_no_shape():
    table = summary(np.full((100, 1), 0.1, np.float32))[:, 0]
    np.testing.assert_allclose(table, [np.nan, 0.1, 0.1, 0.1, 0.1, np.nan, 0], atol=1e-7)


@pytest.mark.parametrize("shares", [(0.85,), (0.1, 0.85, 0.99)])
def test_rolloff_equals_librosa(shares):
    magnitude = np.random.default_rng(0).gamma(0.3, size=(400, 1025)).astype(np.float32)
    magnitude[7] = 0
    magnitude[8, :-1] = 0
    for share, hertz in zip(shares, spectral.rolloff(magnitude, 44100, shares).T, strict=True):
        expected = librosa.feature.spectral_rolloff(S=magnitude.T, sr=44100, roll_percent=share)[0]
        np.testing.assert_allclose(hertz, expected, rtol=1e-6)


@pytest.mark.parametrize("bins_per_octave", [12, 36])
def test_careful_responses_are_scipys_to_the_last_bit(bins_per_octave):
    filters = kernels.kernels(44100, bins_per_octave, 0.13)
    windows = 1e-5 * np.random.default_rng(0).standard_normal((200, filters.size), np.float32)
    spectra = fft.rfft(windows.astype(np.float64), axis=1).astype(np.complex64)
    expected = np.abs(sparse.csr_matrix(filters.spectra).dot(spectra.T).T) * filters.scale
    np.testing.assert_array_equal(filters.slow_responses(windows, 0), expected)


def test_cepstra_equal_scipys():
    levels = np.random.default_rng(0).normal(-60, 30, (50, 128)).astype(np.float32)
    levels[7] = -200
    loudest = levels.max()
    expected = fft.dct(np.maximum(levels, loudest - 80).astype(np.float64), norm="ortho")[:, :48]
    np.testing.assert_allclose(spectral.cepstrum(levels, loudest, 48), expected, atol=2e-4)
    assert (spectral.cepstrum(levels, loudest, 48)[7, 1:] == 0).all()
