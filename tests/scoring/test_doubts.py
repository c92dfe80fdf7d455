"""What scoring tells of sound that the model cannot judge, on the bundled model with some of its numbers changed."""

import io
import json

import numpy as np
import onnx
import pytest
import soundfile

from hitpredict.audio.clip import Clip
from hitpredict.cli.pretty import ScorePrinter
from hitpredict.scoring.scorer import Scorer
from hitpredict.scoring.session import ModelFile

RATE = 22050


def song(seconds=10.0):
    random = np.random.default_rng(0)
    time = np.arange(round(seconds * RATE)) / RATE
    chord = sum(np.sin(2 * np.pi * 110 * 2 ** (note / 12) * time) for note in (0, 4, 7, 12))
    beat = random.normal(size=time.size) * np.exp(-20 * (time % 0.5))
    return Clip((0.1 * chord + 0.2 * beat)[None].astype(np.float32), RATE, "song")


@pytest.fixture
def changed(tmp_path):
    """A function that scores the song, with entries of the bundled model's metadata changed."""

    def score(sound=None, segments=None, **entries):
        model = onnx.load(ModelFile.find(None).path)
        for prop in model.metadata_props:
            key = prop.key.removeprefix("hitpredict.")
            if key in entries and isinstance(entries[key], dict):
                prop.value = json.dumps({**json.loads(prop.value), **entries[key]})
        if "noise_floor" in entries:
            kept = {prop.key: prop.value for prop in model.metadata_props if prop.key != "hitpredict.noise_floor"}
            more = {} if entries["noise_floor"] is None else {"hitpredict.noise_floor": str(entries["noise_floor"])}
            onnx.helper.set_model_props(model, kept | more)
        onnx.save(model, tmp_path / "changed.onnx")
        return Scorer(str(tmp_path / "changed.onnx")).score(sound or song(), segments)

    return score


@pytest.mark.parametrize(("share", "told"), [(0.002, False), (0.003, True), (0.2, True)])
def test_clipping_is_told_by_its_share_not_by_its_peak(changed, share, told):
    sound = song().samples.copy()
    sound[:, np.random.default_rng(1).permutation(sound.shape[1])[: round(share * sound.shape[1])]] = 1.4
    record = changed(Clip(sound, RATE, "loud"))
    assert ("clipped" in codes(record)) == told
    assert "gain" not in " ".join(record.warnings)


def test_files_are_measured_as_clips_are(tmp_path, changed):
    sound = song().samples.copy()
    sound[:, ::100] = -1.4
    soundfile.write(tmp_path / "loud.wav", sound.T, RATE, subtype="FLOAT")
    assert changed(tmp_path / "loud.wav").warnings == changed(Clip(sound, RATE, "loud")).warnings
    assert "clipped: 1 %" in " ".join(changed(tmp_path / "loud.wav").warnings)


def test_models_that_know_their_noise_floor_say_it(tmp_path, changed):
    assert changed(noise_floor=1.5).noise_floor == 1.5
    assert changed(noise_floor=1.5).to_json()["noise_floor"] == 1.5
    text = io.StringIO()
    ScorePrinter(Scorer().target, text).card(changed(noise_floor=1.5))
    assert "below ±1.5 mean nothing" in text.getvalue()
    assert "noise_floor" not in changed(noise_floor=None).to_json()


def codes(record):
    return [warning.split(":")[0] for warning in record.warnings]


@pytest.mark.parametrize(("low", "high"), [(98, 100), (0, 2)])
def test_an_answer_beyond_the_scale_is_told_and_cut(changed, low, high):
    usual = changed()
    assert 2 < usual.score < 98
    assert "extrapolated" not in codes(usual)
    ends = {"low": low, "high": high}
    record = changed(segments=5.0, target=ends, calibration=ends)
    assert record.score == (low if low else high)
    assert record.interval[0] <= record.score <= record.interval[1]
    assert all(low <= segment.score <= high for segment in record.segments)
    (warning,) = [warning for warning in record.warnings if warning.startswith("extrapolated: ")]
    assert f"{usual.score:.4g}" in warning


@pytest.mark.parametrize(
    ("duration", "told"),
    [
        ((0, 0), "short"),  # of a model that knows no durations
        ((9.9, 10.1), None),
        ((2.0, 3.3), "long"),
        ((2.0, 3.4), None),
        ((10.4, 60), None),
        ((11.0, 60), "short"),
        ((200, 400), "short"),
    ],
)
def test_much_longer_and_shorter_sound_than_the_training_songs_is_told(changed, duration, told):
    record = changed(domain={"duration": duration})
    assert [code for code in codes(record) if code in ("short", "long")] == ([told] if told else [])
    if duration[1]:
        assert told is None or f"{duration[0]:.0f} to {duration[1]:.0f} s" in " ".join(record.warnings)


def test_a_minute_of_songs_that_last_minutes_is_told(changed):
    assert "short" in codes(changed(song(40.0), domain={"duration": (130, 300)}))
    assert "short" not in codes(changed(song(40.0), domain={"duration": (110, 300)}))
