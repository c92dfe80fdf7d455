"""Stems: read, brought to their mix, and ranked by what a model with known ears makes of them."""

from dataclasses import replace

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.engines.limits import Budget
from hitpredict.errors import InputError
from hitpredict.explanation import stems as stems_module
from hitpredict.explanation.sections import SongSection
from hitpredict.explanation.stem_files import read_stems
from hitpredict.explanation.stems import CHANGES, WHOLE, StemChange, explained_stems
from hitpredict.explanation.trial import Trial
from tests.helpers.made_models import MadeScorer, band
from tests.helpers.sounds import saved, sine

RATE, SECONDS = 16000, 3.0


def parts(rate=RATE, seconds=SECONDS):
    """Roles that are known: drums are noise, the bass is low, the pad in the middle."""
    random, count = np.random.default_rng(0), round(seconds * rate)
    beat = np.exp(-20 * ((np.arange(count) / rate) % 0.5))
    hiss = np.diff(random.normal(size=count + 1))
    return {
        "drums": 0.1 * beat * hiss,
        "bass": sine(80, seconds, rate, 0.2) * (0.6 + 0.4 * beat),
        "pad": sine(500, seconds, rate, 0.1) + sine(750, seconds, rate, 0.1),
    }


def clip(samples, rate=RATE):
    return Clip(np.atleast_2d(np.asarray(samples, np.float32)), rate, "made")


def folder_of(folder, made, rate=RATE, suffix="wav"):
    for name, samples in made.items():
        saved(folder, f"{name}.{suffix}", clip(samples, rate))
    return folder


def source(path):
    return Source(str(path), file=str(path))


def read(folder, mix=None):
    return read_stems(folder, source(mix) if mix else None, lambda text: None)


def explained(stems, rule):
    trial = Trial("song", Sound.of(stems.mix), (MadeScorer(rule),), 2, Budget("song", 3600))
    return explained_stems(stems, trial)


def low(each):
    return 50 + 2 * (band(each, 20, 150) + 30)


@pytest.fixture
def made(tmp_path):
    return read(folder_of(tmp_path / "stems", parts()))


def test_a_model_that_hears_the_low_end_ranks_the_bass_first(made, monkeypatch):
    halves = [SongSection(0.0, 1.5, "A"), SongSection(1.5, SECONDS, "B")]
    monkeypatch.setattr(stems_module, "sections_in", lambda mix: halves)
    records, failed = explained(made, low)
    assert failed == []
    assert records[0].stem == "bass"
    found = {(each.stem, each.change, each.section): each for each in records}
    assert found["bass", "mute", WHOLE].effect < -20
    assert found["bass", "mute", WHOLE].significant
    assert found["bass", "+3 dB", WHOLE].effect == pytest.approx(6, abs=0.5)
    assert found["bass", "-3 dB", WHOLE].effect == pytest.approx(-6, abs=0.5)
    assert not any(each.significant for each in records if each.stem != "bass")
    sections = {each.section for each in records}
    assert sections == {WHOLE, "1 A", "2 B"}
    assert all(found["bass", "-3 dB", section].effect < -2 for section in sections)


def test_sides_are_blind_to_who_hears_the_sum_and_not_to_others(made):
    records, _ = explained(made, low)
    pans = [each for each in records if each.change.startswith("pan")]
    assert len(pans) == 6
    assert all(each.blind and not each.significant and abs(each.effect) < 0.01 for each in pans)

    def left(each):
        return low(replace(each, samples=each.samples[:1]))

    records, _ = explained(made, left)
    assert [each.stem for each in records if each.change == "pan left" and each.significant] == ["bass"]


def test_a_variant_differs_from_the_mix_in_the_one_change_alone(made):
    sound, bass = Sound.of(made.mix), made.parts["bass"]
    for change, add in (("mute", -bass), ("+3 dB", bass * (10**0.15 - 1))):
        whole = StemChange("bass", change, WHOLE, 0.0, SECONDS).made(made, sound).clip().samples
        np.testing.assert_allclose(whole, made.mix.samples + add, atol=1e-6)
    part = StemChange("bass", "mute", "part", 1.0, 2.0).made(made, sound).clip().samples
    np.testing.assert_array_equal(part[:, : int(0.98 * RATE)], made.mix.samples[:, : int(0.98 * RATE)])
    inside = slice(int(1.02 * RATE), int(1.98 * RATE))
    np.testing.assert_allclose(part[:, inside], (made.mix.samples - bass)[:, inside], atol=1e-6)
    assert np.abs(np.diff(part - made.mix.samples)).max() < 0.05
    for name in CHANGES:
        assert StemChange("bass", name, WHOLE, 0.0, SECONDS).made(made, sound).frames == made.mix.frames


@pytest.mark.parametrize("late", [-1105, 0, 977])
def test_stems_are_shifted_and_turned_to_fit_the_mix(tmp_path, late):
    own = parts()
    mix = 0.5 * np.sum(list(own.values()), axis=0)
    mix += 1e-3 * np.random.default_rng(1).normal(size=mix.size)
    moved = {name: np.pad(each, (max(late, 0), 0))[max(-late, 0) :] for name, each in own.items()}
    found = read(folder_of(tmp_path / "stems", moved), saved(tmp_path, "song.wav", clip(mix)))
    assert found.lag == pytest.approx(late / RATE, abs=1e-9)
    assert found.gain == pytest.approx(-6.02, abs=0.1)
    # What comes before the stems begin is lacking, and noise of -37 dB.
    assert found.residual < (-12 if late < 0 else -36)
    assert any("turned by -6.0 dB" in note for note in found.notes)


def test_the_level_of_what_is_lacking_is_told(tmp_path):
    own = parts()
    mix = saved(tmp_path, "song.wav", clip(np.sum(list(own.values()), axis=0)))
    assert read(folder_of(tmp_path / "all", own), mix).residual < -60
    whole, drums = np.sum(list(own.values()), axis=0), own.pop("drums")
    expected = 10 * np.log10(np.mean(drums**2) / np.mean(whole**2))
    assert read(folder_of(tmp_path / "less", own), mix).residual == pytest.approx(expected, abs=0.2)
    other = {"drums": np.random.default_rng(5).normal(size=48000) * 0.1}
    with pytest.raises(InputError, match=r"the stems are not those of the mix: what they lack is \S+ dB of it"):
        read(folder_of(tmp_path / "other", other), mix)


def test_other_rates_channels_lengths_and_formats_are_brought_to_the_mix(tmp_path):
    own = parts()
    mix = np.sum(list(own.values()), axis=0)
    folder = folder_of(tmp_path / "stems", {"drums": own["drums"], "bass": own["bass"][: RATE * 2]})
    saved(folder, "pad.flac", clip(np.stack([parts(RATE * 2)["pad"]] * 2), RATE * 2))
    saved(folder, "silence.wav", clip(np.zeros(RATE)))
    (folder / "notes.txt").write_text("no sound")
    found = read(folder, saved(tmp_path, "song.wav", clip(mix)))
    assert set(found.parts) == {"bass", "drums", "pad", "silence"}
    assert {each.shape for each in found.parts.values()} == {(2, mix.size)}
    assert found.level("silence") is None
    assert found.level("bass", 2.2, 3.0) is None
    assert found.level("bass") == pytest.approx(-4, abs=4)
    assert "pad: resampled from 32000 to 16000 Hz" in found.notes


def test_the_mix_may_lie_among_its_stems(tmp_path):
    own = parts()
    folder = folder_of(tmp_path / "stems", {**own, "mixture": np.sum(list(own.values()), axis=0)})
    for mix in (None, folder / "mixture.wav"):
        found = read(folder, mix)
        assert set(found.parts) == set(own)
        assert found.residual < -60


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "holds no stems"),
        ({"a.wav": 1, "a.flac": 1}, "a.flac and a.wav are two stems of one name; keep one"),
        ({"a.wav": 3}, "has 3 channels; give one or two"),
        ({"a.wav": 0}, "is silent, so no change to it can be heard"),
    ],
)
def test_what_are_no_stems_is_told(tmp_path, files, message):
    for name, channels in files.items():
        saved(tmp_path, name, clip(np.ones((max(channels, 1), 4000)) * 0.1 * bool(channels)))
    with pytest.raises(InputError, match=message):
        read(tmp_path)
