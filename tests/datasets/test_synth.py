import io
import json
from dataclasses import replace
from itertools import pairwise
from math import sqrt
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
import soundfile

from hitpredict.datasets.synth import DRIVERS, WEIGHTS, Settings, Song, ceilings, song
from hitpredict.datasets.synth_audio import RATE, encoded, onsets, render_song
from hitpredict.errors import UsageError
from tests.helpers.folders import contents
from tests.helpers.manifests import manifest_rows
from tests.helpers.processes import run

MIDDLE = {
    "tempo": 110.0,
    "key_height": 55,
    "brightness": 3000.0,
    "loudness_range": 0.0,
    "density": 2.0,
    "noise": -40.0,
}
SHORT = Settings(seconds=8.0)


def sound(artist: int = 0, **drivers: float) -> np.ndarray:
    """A song of one artist in which all drivers but those named are in the middle of their range, or out of the way."""
    return render_song(SHORT, Song(0, artist, {**MIDDLE, **drivers}, 0.0, 50.0, 50.0)).astype(float)


def spectrogram(samples: np.ndarray, frame: int = 1024, hop: int = 256) -> np.ndarray:
    frames = np.lib.stride_tricks.sliding_window_view(samples, frame)[::hop]
    return np.abs(np.fft.rfft(frames * np.hanning(frame), axis=1))


def centroid(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float(power @ np.fft.rfftfreq(samples.size, 1 / RATE) / power.sum())


def onset_rate(samples: np.ndarray) -> float:
    """Onsets a second: peaks of the spectrum's rise that stand out from half a second around them."""
    rise = np.maximum(np.diff(np.sqrt(spectrogram(samples)), axis=0), 0).sum(axis=1)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(rise, 43, mode="reflect"), 87)
    usual = np.median(around, axis=1)
    spread = np.median(np.abs(around - usual[:, None]), axis=1)
    highest = np.lib.stride_tricks.sliding_window_view(np.pad(rise, 3), 7).max(axis=1)
    clear = np.maximum(usual + 3 * spread, 0.3 * np.quantile(rise, 0.98))
    return float(((rise == highest) & (rise > clear)).sum() / (samples.size / RATE))


def level_range(samples: np.ndarray) -> float:
    """dB between loud and quiet stretches of a second."""
    blocks = samples[: samples.size // RATE * RATE].reshape(-1, RATE)
    return float(np.ptp(20 * np.log10(np.sqrt((blocks**2).mean(axis=1)))))


def floor(samples: np.ndarray) -> float:
    """dB of what is between the partials, relative to the whole, below the filter's cut-off."""
    power = spectrogram(samples, 4096)[:, 20:300] ** 2
    return float(10 * np.log10(np.median(power) / power.mean()))


def semitones(samples: np.ndarray) -> np.ndarray:
    """Level in each semitone from 100 Hz up five octaves, without the slope of the whole."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    note = 12 * np.log2(np.maximum(np.fft.rfftfreq(samples.size, 1 / RATE), 1) / 100)
    level = np.log([power[np.abs(note - n) < 0.5].mean() for n in range(60)])
    return level - np.convolve(np.pad(level, 6, mode="edge"), np.ones(13) / 13, mode="valid")


def rises(values: list[float]) -> bool:
    return all(a < b for a, b in pairwise(values))


@pytest.mark.parametrize("artist", [0, 1, 2])
def test_each_driver_can_be_heard(artist):
    assert rises([centroid(sound(artist, brightness=x)) for x in (700, 1500, 3000, 7000)])
    assert rises([onset_rate(sound(artist, density=x)) for x in (0.75, 1.5, 3)])
    assert rises([onset_rate(sound(artist, tempo=x)) for x in (70, 100, 140)])
    assert rises([level_range(sound(artist, loudness_range=x)) for x in (0, 6, 12, 18)])
    assert rises([floor(sound(artist, noise=x)) for x in (-40, -30, -20, -15)])


def test_onsets_come_as_often_as_planted():
    for tempo, density in ((90, 1.0), (120, 2.0), (100, 3.0)):
        planted = density * tempo / 60
        assert onset_rate(sound(tempo=tempo, density=density)) == pytest.approx(planted, rel=0.15)
    steps = onsets(Song(0, 0, {**MIDDLE, "density": 1.3}, 0, 0, 0), 120 * RATE)
    assert steps.size / (120 / 60 * 110) == pytest.approx(1.3, rel=0.02)


@pytest.mark.parametrize("up", [3, 12])
def test_key_height_moves_the_pitch(up):
    low, high = (semitones(sound(key_height=note, density=0.75, brightness=7000)) for note in (49, 49 + up))
    matches = [low[: 60 - shift] @ high[shift:] / (60 - shift) for shift in range(15)]
    assert int(np.argmax(matches)) == up


def test_loudness_range_is_in_decibels():
    assert level_range(sound(loudness_range=18, density=4.0)) == pytest.approx(18, abs=4)


def test_noise_is_relative_to_the_music():
    noisy, clean = sound(noise=-15, density=0.75), sound(noise=-60, density=0.75)
    scale = (noisy @ clean) / (clean @ clean)
    rest = noisy - scale * clean
    ratio = 10 * np.log10((rest @ rest) / (scale**2 * (clean @ clean)))
    assert ratio == pytest.approx(-15, abs=0.2)


def test_drivers_do_not_change_the_level():
    levels = [np.sqrt(np.mean(sound(**{name: value}) ** 2)) for name in DRIVERS for value in (DRIVERS[name].low,)]
    assert 20 * np.log10(levels) == pytest.approx(-20, abs=0.1)
    assert max(np.abs(sound(loudness_range=18)).max(), np.abs(sound()).max()) <= 0.951


def test_drivers_are_found_again_in_a_set_of_songs():
    songs = [song(SHORT, number) for number in range(24)]
    sounds = [render_song(SHORT, planted).astype(float) for planted in songs]

    def correlation(measure, planted) -> float:
        return float(np.corrcoef([measure(x) for x in sounds], [planted(s.drivers) for s in songs])[0, 1])

    assert correlation(lambda x: np.log(centroid(x)), lambda d: np.log(d["brightness"])) > 0.7
    assert correlation(onset_rate, lambda d: d["tempo"] * d["density"]) > 0.8
    assert correlation(level_range, lambda d: d["loudness_range"]) > 0.8


def planted(settings: Settings, count: int = 4000) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[Song]]:
    """Standardised drivers (count, 6), latent popularity in its own standard deviations, popularity, songs."""
    songs = [song(settings, number) for number in range(count)]
    z = np.array([[DRIVERS[name].standard(s.drivers[name]) for name in DRIVERS] for s in songs])
    popularity = np.array([s.popularity for s in songs])
    return z, np.array([NormalDist().inv_cdf(p / 100) for p in popularity]), popularity, songs


def test_drivers_are_standardised_and_independent():
    z = planted(Settings())[0]
    assert z.mean(axis=0) == pytest.approx(0, abs=0.05)
    assert z.std(axis=0) == pytest.approx(1, abs=0.03)
    assert np.corrcoef(z.T) == pytest.approx(np.eye(len(DRIVERS)), abs=0.06)


@pytest.mark.parametrize(
    "settings",
    [Settings(), Settings(seed=1, weights={"tempo": 1.0, "noise": -0.5}, label_noise=0.2, artist_effect=1.0)],
)
def test_popularity_follows_the_weights_up_to_the_ceiling(settings):
    z, latent, popularity, songs = planted(settings)
    weights, *_ = np.linalg.lstsq(z, latent, rcond=None)
    assert weights * settings.spread == pytest.approx([settings.weights.get(name, 0) for name in DRIVERS], abs=0.08)
    ceiling = ceilings(settings)
    known = settings.signal + settings.artist_effect**2
    assert ceiling["latent_r2"] == pytest.approx(settings.signal / (known + settings.label_noise**2))
    assert explained(latent, z @ weights) == pytest.approx(ceiling["latent_r2"], abs=0.04)
    expected = np.array([s.expected for s in songs])
    assert explained(popularity, expected) == pytest.approx(ceiling["popularity_r2"], abs=0.04)
    with_artist = z @ weights + np.array([s.effect for s in songs]) / settings.spread
    assert explained(latent, with_artist) == pytest.approx(ceiling["latent_r2_artist_known"], abs=0.03)


def explained(truth: np.ndarray, prediction: np.ndarray) -> float:
    return float(1 - np.mean((truth - prediction) ** 2) / truth.var())


def test_expected_popularity_is_the_mean_of_its_kind():
    _, _, popularity, songs = planted(Settings())
    expected = np.array([s.expected for s in songs])
    order = np.argsort(expected).reshape(8, -1)
    assert popularity[order].mean(axis=1) == pytest.approx(expected[order].mean(axis=1), abs=4)


def test_popularity_spreads_over_the_whole_range():
    popularity = planted(Settings())[2]
    assert np.histogram(popularity, 5, (0, 100))[0] / popularity.size == pytest.approx(0.2, abs=0.03)


def test_without_noise_the_drivers_say_all():
    assert ceilings(Settings(label_noise=0, artist_effect=0))["popularity_r2"] == pytest.approx(1)
    exact = song(Settings(label_noise=0, artist_effect=0), 5)
    assert exact.popularity == pytest.approx(exact.expected)


def test_songs_of_an_artist_share_effect_and_split():
    _, _, _, songs = planted(Settings(songs_per_artist=5), 500)
    effects = {s.artist: {t.effect for t in songs if t.artist == s.artist} for s in songs}
    assert len(effects) == 100
    assert all(len(values) == 1 for values in effects.values())
    assert len({frozenset(values) for values in effects.values()}) == 100
    assert {s.artist for s in songs if s.split == "test"} == set(range(4, 100, 5))


def test_artists_sound_different_and_songs_alike():
    def spectrum(planted: Song) -> np.ndarray:
        level = np.log(spectrogram(render_song(SHORT, replace(planted, drivers=MIDDLE)).astype(float)).mean(axis=0))
        return level - level.mean()

    first, second, other = (spectrum(song(SHORT, number)) for number in (0, 1, 4))
    assert np.abs(first - second).mean() < 0.3 * np.abs(first - other).mean()


@pytest.mark.parametrize("form", ["ogg", "flac", "wav"])
def test_bytes_depend_on_nothing_but_the_song(form):
    samples = sound(density=1.0)[: 3 * RATE].astype(np.float32)
    data = encoded(samples, form, 7)
    assert data == encoded(samples, form, 7)
    decoded, rate = soundfile.read(io.BytesIO(data))
    assert (rate, decoded.shape) == (RATE, samples.shape)
    assert np.corrcoef(decoded, samples)[0, 1] > 0.98


def test_settings_that_mean_nothing():
    with pytest.raises(UsageError, match="loudness: no such driver"):
        Settings(weights={"loudness": 1.0})
    with pytest.raises(UsageError, match="as popular"):
        Settings(weights={}, label_noise=0, artist_effect=0)


def made(folder: Path, *arguments: object):
    return run("fetch", "synth", "--seconds", 2, "-o", folder, *arguments)


def test_command_writes_the_same_whatever_the_jobs(tmp_path):
    one = made(tmp_path / "one", "-n", 6, "-j", 1)
    assert (one.code, one.out) == (0, b""), one.err
    assert "6 songs of 2 artists" in one.err
    assert made(tmp_path / "two", "-n", 6, "-j", 2).code == 0
    files = contents(tmp_path / "one")
    assert files == contents(tmp_path / "two")
    assert sorted(files) == sorted([*(f"audio/synth_{i:05d}.ogg" for i in range(6)), "synth.json", "tracks.jsonl"])


def test_manifest_and_description_hold_the_truth(tmp_path):
    assert made(tmp_path, "-n", 5, "--weights", "tempo=0.5, noise=-1", "--label-noise", 0.3, "-f", "flac").code == 0
    told = json.loads((tmp_path / "synth.json").read_text())
    assert told["settings"]["weights"] == {name: {"tempo": 0.5, "noise": -1}.get(name, 0.0) for name in DRIVERS}
    assert told["spread"] == pytest.approx(sqrt(0.25 + 1 + 0.09 + 0.16))
    settings = Settings(**told["settings"])
    rows = manifest_rows(tmp_path)
    for number, row in enumerate(rows):
        truth = song(settings, number)
        assert row["popularity"] == pytest.approx(truth.popularity, abs=1e-3)
        assert row["popularity_expected"] == pytest.approx(truth.expected, abs=1e-3)
        assert {name: row[f"driver_{name}"] for name in DRIVERS} == pytest.approx(dict(truth.drivers), abs=1e-5)
        assert (row["labels"], row["artist_ids"]) == (["popularity"], [f"artist_{number // 4:04d}"])
        assert soundfile.info(tmp_path / row["path"]).duration == row["duration"] == 2


def test_command_takes_up_what_is_there(tmp_path):
    assert made(tmp_path, "-n", 3).code == 0
    first = tmp_path / "audio" / "synth_00000.ogg"
    (tmp_path / "audio" / "synth_00001.ogg").unlink()
    (tmp_path / "tracks.jsonl").unlink()
    kept, stamp = contents(tmp_path), first.stat().st_mtime_ns
    more = made(tmp_path, "-n", 4)
    assert more.code == 0
    assert "2 songs are there already" in more.err
    assert first.stat().st_mtime_ns == stamp
    assert kept.items() <= contents(tmp_path).items()
    assert len(manifest_rows(tmp_path)) == 4


def test_songs_of_other_settings_are_in_the_way(tmp_path):
    assert made(tmp_path, "-n", 2).code == 0
    before = contents(tmp_path)
    other = made(tmp_path, "-n", 1, "--seed", 1)
    assert (other.code, len(other.complaints)) == (2, 1)
    assert "other settings" in other.err
    assert contents(tmp_path) == before
    assert made(tmp_path, "-n", 1, "--seed", 1, "--force").code == 0
    assert len(contents(tmp_path)) == 3


@pytest.mark.parametrize("arguments", [("--weights", "tempo"), ("--weights", "speed=1"), ("--label-noise", "-1")])
def test_command_refuses_what_means_nothing(tmp_path, arguments):
    done = made(tmp_path / "x", *arguments)
    assert done.code == 2
    assert not (tmp_path / "x").exists()


def test_default_weights_name_every_driver():
    assert set(WEIGHTS) == set(DRIVERS)
    shown = run("fetch", "synth", "--help").out.decode()
    assert all(f"{name}={weight}" in "".join(shown.split()) for name, weight in WEIGHTS.items())
