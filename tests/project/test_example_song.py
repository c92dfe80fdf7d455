"""The example song: script and file agree, the sound is clean, and the music is what the score says."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile as sf

EXAMPLES = Path(__file__).parents[2] / "examples"


def load_script():
    spec = importlib.util.spec_from_file_location("make_song", EXAMPLES / "make_song.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_song"] = module
    spec.loader.exec_module(module)
    return module


make_song = load_script()


@pytest.fixture(scope="module")
def rendered():
    return make_song.render()


@pytest.fixture(scope="module")
def decoded():
    samples, rate = sf.read(EXAMPLES / "song.ogg", dtype="float32")
    assert rate == make_song.RATE
    return samples.T


def section_levels(samples):
    """Level of each section in decibels."""
    parts = {
        name: samples[:, round(start * make_song.RATE) : round(end * make_song.RATE)]
        for name, (start, end) in make_song.section_spans().items()
    }
    return {name: 10 * np.log10(np.mean(part**2)) for name, part in parts.items()}


def test_committed_file_is_what_the_script_renders(rendered, decoded):
    assert decoded.shape == rendered.shape
    for made, read in zip(rendered, decoded, strict=True):
        assert np.corrcoef(made, read)[0, 1] > 0.99
    levels = section_levels(rendered), section_levels(decoded)
    assert levels[0] == pytest.approx(levels[1], abs=0.3)


def test_same_seed_gives_the_same_samples(rendered):
    assert np.array_equal(make_song.render(), rendered)


def test_another_seed_plays_the_drums_otherwise():
    bus = np.zeros((2, 60 * make_song.RATE))
    first, second = (make_song.play_drums(bus, np.random.default_rng(seed)) for seed in (1, 2))
    assert len(first) == len(second)
    assert 0 < np.max(np.abs(np.subtract(first, second))) < 0.02


def test_clean_stereo_that_ends_in_silence(rendered, decoded):
    assert rendered.dtype == np.float32
    for samples in (rendered, decoded):
        assert np.all(np.isfinite(samples))
        assert 0.5 < np.abs(samples).max() < 1
        assert np.all(np.abs(samples.mean(axis=1)) < 1e-3)
        assert 0.3 < np.corrcoef(samples)[0, 1] < 0.97
        assert np.abs(samples[:, -make_song.RATE // 10 :]).max() < 1e-3
    assert 40 < rendered.shape[1] / make_song.RATE < 60


def test_limiter_holds_the_ceiling_and_leaves_quiet_sound_alone():
    noise = np.random.default_rng(3).standard_normal((2, 20_000))
    assert np.abs(noise * make_song.limiter(noise)).max() == pytest.approx(0.84)
    np.testing.assert_allclose(make_song.limiter(0.1 * noise), 1)


def test_loudness_is_that_of_streaming_services(decoded):
    assert pyloudnorm.Meter(make_song.RATE).integrated_loudness(decoded.T) == pytest.approx(-14, abs=0.5)


def test_sections_rise_to_the_chorus_and_fall(rendered):
    level = section_levels(rendered)
    assert level["intro"] + 1.5 < level["verse"] < level["chorus"] - 1.5
    assert level["outro"] < level["chorus"] - 3
    brightness = section_levels(np.diff(rendered))  # a difference favours the cymbals
    assert brightness["intro"] + 6 < brightness["verse"] < brightness["chorus"] - 1.5
    assert brightness["outro"] < brightness["chorus"] - 3


def test_score_is_complete():
    for section in make_song.SONG:
        bars = len(section.chords.split("|"))
        assert len(section.grooves.split()) == len(section.bass.split()) == bars
        lengths = [[float(t.split(":")[1]) for t in bar.split()] for bar in section.melody.split("|")]
        assert [sum(bar) for bar in lengths] == [4] * bars


def test_melody_fits_the_harmony():
    for beat, _, note, section in make_song.melody():
        chord = make_song.chord_at(beat)
        tones = {n % 12 for n in (chord.bass, *chord.voices)}
        if beat % 2 == 0:
            assert note % 12 in tones, (section.name, beat)
        assert note % 12 in make_song.SCALE | tones, (section.name, beat)


def test_voices_move_little_from_chord_to_chord():
    voicings = np.array([chord.voices for chord in make_song.harmony()])
    assert np.abs(np.diff(voicings, axis=0)).max() <= 5
    assert np.abs(np.diff(voicings, axis=0)).mean() < 2
    assert np.diff(voicings, axis=1).min() >= 2


def test_write_tags_the_file(tmp_path, rendered):
    make_song.write(tmp_path / "a.ogg", rendered[:, : 2 * make_song.RATE])
    for path in (tmp_path / "a.ogg", EXAMPLES / "song.ogg"):
        with sf.SoundFile(path) as file:
            assert (file.format, file.subtype, file.channels) == ("OGG", "VORBIS", 2)
            assert (file.title, file.artist) == (make_song.TITLE, make_song.ARTIST)
    assert sf.info(tmp_path / "a.ogg").frames == 2 * make_song.RATE
