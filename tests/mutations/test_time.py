"""Pitch and tempo: what is heard moves as asked, lengths are exact, one pass equals the order asked for."""

import shutil
import sys

import numpy as np
import pyrubberband
import pytest
from pedalboard import time_stretch

from hitpredict.audio.clip import Clip
from hitpredict.errors import EnvironmentProblem, InputError
from hitpredict.mutations import Chain, mutate
from hitpredict.mutations.time import Pitch, PitchAndTempo, Tempo, fused

RATE = 22050
ENGINES = [
    "pedalboard",
    pytest.param(
        "rubberband",
        marks=pytest.mark.skipif(shutil.which("rubberband") is None, reason="needs the program rubberband"),
    ),
]


def sine(hz: float = 440.0, seconds: float = 1.5, rate: int = RATE, channels: int = 1) -> Clip:
    """A tone over faint noise, as in any recording: the draft engine takes perfect silence for onsets."""
    wave = 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    wave += np.random.default_rng(0).normal(scale=0.001, size=wave.size)
    return Clip(np.tile(wave.astype(np.float32), (channels, 1)), rate)


def peak_hz(clip: Clip) -> float:
    """Frequency of the loudest partial in the middle of the first channel, by parabolic interpolation."""
    middle = clip.samples[0, clip.frames // 4 : -clip.frames // 4]
    spectrum = np.log(np.abs(np.fft.rfft(middle * np.hanning(middle.size))) + 1e-12)
    top = int(spectrum.argmax())
    low, mid, high = spectrum[top - 1 : top + 2]
    return float((top + 0.5 * (low - high) / (low - 2 * mid + high)) * clip.rate / middle.size)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("quality", ["best", "draft"])
@pytest.mark.parametrize("semitones", [-12, 2, 7.5])
def test_pitch_moves_a_sine_and_keeps_its_length(engine: str, quality: str, semitones: float) -> None:
    clip = sine(channels=2)
    shifted = mutate(clip, pitch=semitones, engine=engine, quality=quality)
    assert shifted.samples.shape == clip.samples.shape
    assert peak_hz(shifted) == pytest.approx(440 * 2 ** (semitones / 12), rel=0.003)
    assert np.abs(shifted.samples[:, RATE // 2 : RATE]).max() == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("quality", ["best", "draft"])
@pytest.mark.parametrize("ratio", [0.5, 0.9, 1.1, 2.0])
def test_tempo_changes_the_length_exactly_and_keeps_the_pitch(engine: str, quality: str, ratio: float) -> None:
    clip = sine(channels=2)
    faster = mutate(clip, tempo=ratio, engine=engine, quality=quality)
    assert faster.samples.shape == (2, round(clip.frames / ratio))
    assert peak_hz(faster) == pytest.approx(440, rel=0.003)
    assert np.abs(faster.samples[0, -faster.frames // 10 :]).max() > 0.1


@pytest.mark.parametrize("engine", ENGINES)
def test_tempo_places_events_in_time(engine: str) -> None:
    samples = np.zeros((1, 2 * RATE), dtype=np.float32)
    samples[0, RATE : RATE + RATE // 20] = np.random.default_rng(0).normal(size=RATE // 20) * 0.3
    slow = mutate(Clip(samples, RATE), tempo=0.8, engine=engine).samples[0].astype(np.float64)
    centre = (slow**2 @ np.arange(slow.size)) / (slow**2).sum() / RATE
    assert centre == pytest.approx((1 + 0.025) / 0.8, abs=0.03)


@pytest.mark.parametrize("engine", ENGINES)
def test_pitch_and_tempo_are_one_pass_in_either_order(engine: str) -> None:
    clip = sine(seconds=1)
    steps = (Pitch(3), Tempo(0.8))
    assert fused(steps) == fused(steps[::-1]) == [PitchAndTempo(3, 0.8)]
    one = Chain(steps, engine).apply(clip)
    assert np.array_equal(one.samples, Chain(steps[::-1], engine).apply(clip).samples)
    two_passes = mutate(mutate(clip, pitch=3, engine=engine), tempo=0.8, engine=engine)
    assert one.frames == two_passes.frames
    assert peak_hz(one) == pytest.approx(peak_hz(two_passes), rel=0.003)


def test_only_neighbouring_pairs_fuse() -> None:
    assert fused([Pitch(1), Pitch(2), Tempo(2), Tempo(0.5)]) == [Pitch(1), PitchAndTempo(2, 2), Tempo(0.5)]
    assert fused([]) == []


def test_nothing_asked_changes_nothing() -> None:
    clip = sine(seconds=0.1)
    assert np.array_equal(mutate(clip, pitch=0, tempo=1).samples, clip.samples)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 10), (8, 8), (8, 700), (3, 5000)])
def test_short_clips_of_any_channels(engine: str, shape: tuple[int, int]) -> None:
    clip = Clip(np.full(shape, 0.1, dtype=np.float32), 44100)
    changed = mutate(clip, pitch=-24, tempo=0.25, engine=engine)
    assert changed.samples.shape == (shape[0], shape[1] * 4)
    assert np.isfinite(changed.samples).all()


@pytest.mark.parametrize("rate", [8000, 192000])
def test_any_rate(rate: int) -> None:
    clip = sine(440, 0.5, rate)
    assert peak_hz(mutate(clip, pitch=12, quality="draft")) == pytest.approx(880, rel=0.01)


def test_a_clip_too_short_for_its_tempo() -> None:
    with pytest.raises(InputError, match=r"`tempo` 4 leaves nothing of a clip of 1 frames"):
        mutate(Clip(np.ones((1, 1), dtype=np.float32), RATE), tempo=4)


@pytest.mark.skipif(shutil.which("rubberband") is None, reason="needs the program rubberband")
def test_the_program_gets_silence_and_loud_clips_without_harm() -> None:
    silence = Clip(np.zeros((2, 9000), dtype=np.float32), RATE)
    assert not mutate(silence, tempo=0.5, engine="rubberband").samples.any()
    loud = Clip(sine().samples * 10, RATE)
    assert np.abs(mutate(loud, pitch=2, engine="rubberband").samples).max() == pytest.approx(3, rel=0.2)


def test_the_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentProblem, match="apt install rubberband-cli"):
        mutate(sine(), pitch=2, engine="rubberband")


def test_the_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setitem(sys.modules, "pyrubberband", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'hitpredict\[rubberband\]'"):
        mutate(sine(), pitch=2, engine="rubberband")


@pytest.mark.parametrize("semitones", [-12, -2.5, 0.05, 7])
@pytest.mark.parametrize("frames", [22050, 22051, 30011])
def test_a_pitch_in_draft_quality_is_the_stretcher_s_own_in_exactly_as_many_frames(
    semitones: float, frames: int
) -> None:
    """A stretch and a resampling, which `halves` takes apart, give what Rubber Band makes of both."""
    clip = Clip(sine().samples[:, :frames], RATE)
    changed = mutate(clip, quality="draft", pitch=semitones)
    assert changed.samples.shape == clip.samples.shape
    own = time_stretch(clip.samples, RATE, 1.0, semitones, high_quality=False, preserve_formants=False)
    whole = Clip(own[:, :frames], RATE)
    assert peak_hz(changed) == pytest.approx(peak_hz(whole), rel=0.003)
    middle = slice(5000, 15000)
    rms = [np.sqrt(np.mean(each.samples[:, middle] ** 2)) for each in (changed, whole)]
    assert rms[0] == pytest.approx(rms[1], rel=0.05)


def test_pitch_and_tempo_at_once_in_draft_quality() -> None:
    clip = sine()
    changed = mutate(clip, quality="draft", pitch=7, tempo=1.25)
    assert changed.frames == round(clip.frames / 1.25)
    assert peak_hz(changed) == pytest.approx(440 * 2 ** (7 / 12), rel=0.01)


@pytest.mark.parametrize(("quality", "semitones"), [("best", 0), ("best", 3), ("draft", 0)])
def test_the_quality_is_that_of_the_stretcher(quality: str, semitones: float) -> None:
    """A pitch in draft quality is not one of its passes; that has tests of its own."""
    clip = sine(channels=2)
    expected = time_stretch(clip.samples, RATE, 1.1, semitones, high_quality=quality == "best", preserve_formants=False)
    changed = mutate(clip, tempo=1.1, pitch=semitones, quality=quality)
    np.testing.assert_array_equal(changed.samples, expected[:, : changed.frames])
    assert changed.frames == round(clip.frames / 1.1)


@pytest.mark.skipif(shutil.which("rubberband") is None, reason="needs the program rubberband")
@pytest.mark.parametrize(("quality", "generation"), [("best", "--fine"), ("draft", "--fast")])
def test_the_program_is_asked_for_the_quality(monkeypatch: pytest.MonkeyPatch, quality: str, generation: str) -> None:
    asked: list[dict[str, str]] = []
    plain = pyrubberband.pitch_shift
    monkeypatch.setattr(
        pyrubberband, "pitch_shift", lambda *given, rbargs: (asked.append(rbargs), plain(*given, rbargs=rbargs))[1]
    )
    changed = mutate(sine(seconds=0.5), pitch=-3, tempo=1.25, engine="rubberband", quality=quality)
    assert asked == [{"--tempo": "1.25", "--pitch": "-3.0", generation: ""}]
    assert changed.frames == round(0.5 * RATE / 1.25)
