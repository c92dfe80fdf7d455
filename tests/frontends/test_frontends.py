"""Front-ends against reference implementations: librosa, audioop and transformers' Kaldi filter bank."""

import warnings

import librosa
import numpy as np
import pytest
import scipy.fft
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from hitpredict.audio.clip import Clip
from hitpredict.errors import UsageError
from hitpredict.frontends import FRONTENDS, Fbank, LogMel, MfccStats, compute, from_json, to_json
from hitpredict.frontends.mel import dct, filterbank, in_bands, weighted
from hitpredict.frontends.resample import linear_int16_mono, soxr_mono
from hitpredict.frontends.stft import BATCH, hann, overlapping, spectra
from hitpredict.frontends.store import FrameStore

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop  # from the package audioop-lts where the standard library no longer has it


def song(rate: int, seconds: float, channels: int, seed: int = 0) -> Clip:
    """Chords with decaying partials, a beat of noise, and stereo differences."""
    random = np.random.default_rng(seed)
    time = np.arange(int(rate * seconds)) / rate
    tones = sum(np.sin(2 * np.pi * f * time * k) / k for f in (110, 165, 220.5) for k in (1, 2, 3, 5))
    beat = random.normal(size=time.size) * np.exp(-8 * (time % 0.5))
    parts = [0.08 * tones + 0.1 * beat * (1 + 0.3 * c) + 0.01 * random.normal(size=time.size) for c in range(channels)]
    return Clip(np.clip(np.array(parts), -1, 1).astype(np.float32), rate, "song")


def int16(clip: Clip) -> np.ndarray:
    return np.clip(np.rint(clip.samples * 32768), -32768, 32767).astype(np.int16)


def ratecv(clip: Clip, target: int) -> np.ndarray:
    data = int16(clip).T.copy().tobytes()
    converted, _ = audioop.ratecv(data, 2, clip.channels, clip.rate, target, None)
    return np.frombuffer(converted, np.int16).reshape(-1, clip.channels).T


def joined(stream) -> np.ndarray:
    """What a stream gives, copied before it goes on, since it may use its memory again."""
    return np.concatenate([block.copy() for block in stream])


def overwritten(samples: np.ndarray, size: int):
    """Blocks that share memory, and hold something else as soon as the next is asked for."""
    room = np.empty((size, len(samples)), np.float32)
    for start in range(0, samples.shape[1], size):
        block = room[: min(size, samples.shape[1] - start)]
        block[:] = samples[:, start : start + size].T
        yield block.T
        room[:] = 0.7


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2])
def test_resampling_equals_ratecv_bit_for_bit(rate, channels):
    clip = song(rate, 0.7, channels)
    mono = joined(linear_int16_mono([clip.samples], rate, 22050))
    np.testing.assert_array_equal(mono, ratecv(clip, 22050).mean(axis=0, dtype=np.float32))


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_streams_do_not_depend_on_block_edges(rate):
    clip = song(rate, 0.5, 2)
    cuts = np.cumsum(np.random.default_rng(1).integers(1, 700, 60))
    blocks = [block for block in np.split(clip.samples, cuts, axis=1) if block.size]
    for resample in (linear_int16_mono, soxr_mono):
        whole = joined(resample([clip.samples], rate, 22050))
        parts = joined(resample(blocks, rate, 22050))
        np.testing.assert_array_equal(whole, parts)
    once = joined(overlapping([clip.samples[0]], 400, 160, pad=200))
    pieces = joined(overlapping([block[0] for block in blocks], 400, 160, pad=200))
    np.testing.assert_array_equal(once, pieces)
    padded = np.pad(clip.samples[0], 200)
    np.testing.assert_array_equal(once, np.lib.stride_tricks.sliding_window_view(padded, 400)[::160])


@pytest.mark.parametrize("name", FRONTENDS)
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (22050, 2), (44100, 2), (48000, 2)])
def test_frames_keep_nothing_of_the_blocks_they_come_from(name, rate, channels):
    clip, frontend = song(rate, 2.5, channels), FRONTENDS[name]()
    alone = list(frontend.frames([block.copy() for block in overwritten(clip.samples, 3001)], rate))
    shared = list(frontend.frames(overwritten(clip.samples, 3001), rate))
    np.testing.assert_array_equal(np.concatenate(shared), np.concatenate(alone))
    whole = np.concatenate(list(frontend.frames([clip.samples], rate)))
    np.testing.assert_allclose(np.concatenate(shared), whole, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("size", "n_fft"), [(2048, 2048), (400, 512), (300, 441)])
def test_spectra_are_those_of_double_precision(size, n_fft):
    frames = np.random.default_rng(0).normal(size=(BATCH, size)).astype(np.float32)
    found = joined(spectra([frames, frames[:5]], hann(size), n_fft))
    assert found.dtype == np.complex64
    expected = np.fft.rfft(frames.astype(np.float64) * hann(size), n_fft)
    np.testing.assert_allclose(found, np.concatenate([expected, expected[:5]]), atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize(("rate", "channels"), [(44100, 2), (22050, 1), (48000, 2)])
def test_mfcc_stats_equal_the_recipe_of_the_table(rate, channels):
    clip = song(rate, 4, channels)
    mono = ratecv(clip, 22050).astype(np.float32).mean(axis=0)
    power = librosa.feature.melspectrogram(y=mono, sr=22050)
    mfcc = librosa.feature.mfcc(S=librosa.power_to_db(power, ref=np.max), n_mfcc=20)
    expected = np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)])
    np.testing.assert_allclose(compute(MfccStats(), clip), expected, rtol=1e-4, atol=2e-3)


def test_mfcc_stats_ignore_the_level():
    clip = song(44100, 2, 2)
    quieter = Clip(clip.samples / 2, clip.rate)
    np.testing.assert_allclose(compute(MfccStats(), clip), compute(MfccStats(), quieter), atol=0.05)


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        ({}, {}),
        ({"n_fft": 1024, "hop_length": 256, "n_mels": 64}, {"n_fft": 1024, "hop_length": 256, "n_mels": 64}),
        ({"htk": True, "area_norm": False, "fmin": 40.0}, {"htk": True, "norm": None, "fmin": 40.0}),
        ({"center": False, "fmax": 8000.0}, {"center": False, "fmax": 8000.0}),
    ],
)
def test_logmel_equals_librosa(options, arguments):
    clip = song(22050, 2, 2)
    power = librosa.feature.melspectrogram(y=clip.samples.mean(axis=0), sr=22050, **arguments)
    for relative, reference in ((False, 1.0), (True, np.max), ("min", np.min)):
        expected = librosa.power_to_db(power, ref=reference, top_db=80)
        ours = compute(LogMel(relative=relative, **options), clip)
        np.testing.assert_allclose(ours, expected.T, rtol=1e-4, atol=2e-3)


def test_logmel_is_relative_to_what_there_is():
    with pytest.raises(UsageError, match="logmel: relative 'loudest' is unknown; use true, false or min"):
        LogMel(relative="loudest")


def test_logmel_pads_to_the_model_window():
    spectrogram = compute(LogMel(window=100), song(22050, 1, 1))
    assert spectrogram.shape == (100, 128)
    assert (spectrogram[60:] == spectrogram.min()).all()


@pytest.mark.parametrize("seconds", [0.1, 1.0])
def test_fbank_equals_the_one_of_ast(seconds):
    """The parameters are those of `ASTFeatureExtractor`, which leave one of the 128 filters empty."""
    clip = song(16000, seconds, 1)
    shape = {"num_frequency_bins": 257, "num_mel_filters": 128, "sampling_rate": 16000}
    mel = {"min_frequency": 20, "max_frequency": 8000, "mel_scale": "kaldi", "triangularize_in_mel_space": True}
    with pytest.warns(UserWarning, match="all zero values"):
        bank = mel_filter_bank(**shape, **mel)
    framing = {"frame_length": 400, "hop_length": 160, "fft_length": 512, "center": False}
    levels = {"power": 2.0, "preemphasis": 0.97, "remove_dc_offset": True, "mel_floor": float(np.finfo(np.float32).eps)}
    window = window_function(400, "hann", periodic=False)
    expected = spectrogram(clip.samples[0], window, **framing, **levels, mel_filters=bank, log_mel="log").T
    ours = compute(Fbank(mean=0.0, deviation=0.5, window=None), clip)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-3)


def test_fbank_pads_before_scaling_like_the_original():
    padded = compute(Fbank(), song(16000, 0.5, 1))
    assert padded.shape == (1024, 128)
    np.testing.assert_allclose(padded[-1], 4.2677393 / (2 * 4.5689974), rtol=1e-6)


def test_matrices_equal_librosa_and_scipy():
    np.testing.assert_allclose(
        filterbank(22050, 2048, 128, 0.0, 11025.0).T, librosa.filters.mel(sr=22050, n_fft=2048), rtol=1e-5, atol=1e-9
    )
    np.testing.assert_allclose(np.eye(128) @ dct(20, 128), scipy.fft.dct(np.eye(128), norm="ortho")[:, :20], atol=1e-6)


def test_a_filter_bank_in_pieces_weighs_as_the_whole():
    random = np.random.default_rng(0)
    # The second has bands that weigh nothing, and not a whole number of pieces.
    for bank in (filterbank(22050, 2048, 128, 0.0, 11025.0), filterbank(8000, 256, 100, 0.0, 4000.0)):
        power = random.random((7, len(bank))).astype(np.float32)
        np.testing.assert_allclose(weighted(power, in_bands(bank)), power @ bank, rtol=1e-5, atol=1e-9)


def test_a_spilled_store_gives_the_same_frames(monkeypatch):
    monkeypatch.setattr("hitpredict.frontends.store._IN_MEMORY", 1000)
    frames = np.random.default_rng(0).normal(size=(5000, 7)).astype(np.float32)
    with FrameStore(np.array_split(frames, 9)) as store:
        np.testing.assert_array_equal(np.concatenate(list(store.view())), frames)
        np.testing.assert_array_equal(np.concatenate(list(store.view(100, 4200))), frames[100:4200])
        assert len(store.view(4999, 9000)) == 1


@pytest.mark.parametrize("frontend", [MfccStats(n_mfcc=13), LogMel(window=96, fmax=8000.0), Fbank(window=None)])
def test_json_round_trip(frontend):
    assert from_json(to_json(frontend)) == frontend


@pytest.mark.parametrize("samples", [1, 2, 100, 2047])
def test_very_short_sounds_have_finite_statistics(samples):
    vector = compute(MfccStats(), Clip(np.full((2, samples), 0.1, np.float32), 44100))
    assert vector.shape == (40,)
    assert np.isfinite(vector).all()
