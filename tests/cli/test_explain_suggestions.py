"""`explain --suggest` as its users call it: the command it prints gives the score it promises."""

import re
import shlex

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.cli.explain_suggestions import command_of
from hitpredict.frontends import MfccStats, compute
from tests.helpers.made_models import linear_on_mfcc
from tests.helpers.processes import in_terminal, run, shell
from tests.helpers.sounds import encoded, saved, tune


def hiss(seconds=2, rate=44100):
    """Pink noise that swells: coding does little to it, and bands of it are there to be raised."""
    count = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=count))
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.fft.rfftfreq(count, 1 / rate), 50)), count)
    swell = 1 + 0.3 * np.sin(4 * np.pi * np.arange(count) / rate)
    return Clip((0.1 * pink / pink.std() * swell)[None].astype(np.float32), rate, "hiss")


@pytest.mark.slow
def test_the_printed_command_gives_the_promised_score(tmp_path):
    saved(tmp_path, "a song's.wav", hiss())
    model, usual = "ripple.onnx", compute(MfccStats(), hiss())[4]
    (tmp_path / model).write_bytes(linear_on_mfcc({"mfcc_mean_4": -1.0}, 50.0 + float(usual)))
    outcome = run("explain", "a song's.wav", "-m", model, "--suggest", "2", "--params", "eq-4000,pitch", cwd=tmp_path)
    assert outcome.code == 0
    assert {record["schema"] for record in outcome.records} == {"hitpredict.suggestion/1"}
    for record in outcome.records:
        assert record["found"]
        assert "--quality draft -o" in record["command"]
        words = shlex.split(record["command"])
        assert words[:3] == ["hitpredict", "mutate", "a song's.wav"]
        piped = f"{shlex.join([*words[:-1], '-'])} | hitpredict score - -m {model}"
        (scored,) = shell(piped, tmp_path).records
        assert scored["score"] == pytest.approx(record["score"], abs=1e-3)
        assert record["effect"] == pytest.approx(record["score"] - record["base_score"], abs=1e-3)
    assert shell(outcome.records[0]["command"], tmp_path).code == 0
    written = tmp_path / shlex.split(outcome.records[0]["command"])[-1]
    (kept,) = run("score", written, "-m", tmp_path / model).records
    assert kept["score"] == pytest.approx(outcome.records[0]["score"], abs=1e-3)


def test_nothing_small_helps_is_an_answer(tmp_path):
    (tmp_path / "flat.onnx").write_bytes(linear_on_mfcc({}))
    song = saved(tmp_path, "song.wav", tune(1))
    options = ("-m", "flat.onnx", "--suggest", "1", "--params", "eq-250,reverb")
    outcome = in_terminal("explain", song, *options, cwd=tmp_path)
    shown = " ".join(re.sub(r"\x1b\[[0-9;]*m|\s+", " ", outcome.out.decode()).split())
    assert outcome.code == 0
    assert "Nothing small helps" in shown
    assert "the model is blind to eq-250, reverb" in shown
    assert "no advice, and no cause" in shown
    (record,) = run("explain", song, *options, cwd=tmp_path).records
    assert (record["found"], record["tried"]) == (False, 6)
    assert "command" not in record


@pytest.mark.parametrize(
    ("path", "steps", "expected"),
    [
        (
            "-",
            [{"op": "pitch", "semitones": 1.5}],
            "hitpredict mutate - --pitch +1.5 --quality draft -o stdin.pitch+1.5.wav",
        ),
        (
            "-x y.mp3",
            [{"op": "eq", "hz": 4000.0, "db": -3.0, "q": 1.0}, {"op": "tempo", "ratio": 1.0392}],
            "hitpredict mutate './-x y.mp3' --eq 4000:-3 --tempo 1.0392 --quality draft "
            "-o './-x y.eq4000_-3.tempo1.0392.wav'",
        ),
    ],
)  # fmt: skip
def test_commands_are_quoted_for_the_shell(path, steps, expected):
    assert command_of({"path": path, "steps": steps, "quality": "draft"}) == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--suggest", "1", "--corpus"), "--corpus and --suggest exclude each other; ask for one at a time"),
        (("-m", "a", "-m", "b"), "-m: one model at a time; --suggest takes several, and asks that they agree"),
        (("--suggest", "1", "--grid", "g.toml"), "--suggest: searches within limits of its own"),
        (("--suggest", "0"), "--suggest"),
        (("--suggest", "1", "--params", "pich"), "parameter pich: unknown; did you mean pitch?"),
    ],
)
def test_misuse_is_a_line(tmp_path, arguments, message):
    outcome = run("explain", "-", *arguments, cwd=tmp_path, stdin=encoded(tune(1)))
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
    assert message in outcome.err
