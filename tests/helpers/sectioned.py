"""Songs with sections that are known, and models of which it is known what they hear."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from hitpredict.audio.clip import Clip
from hitpredict.scoring.records import ModelReference, ScoreRecord

RATE = 16000
_CHORDS = {"a": (196.0, 246.9, 293.7), "b": (220.0, 261.6, 329.6), "c": (174.6, 220.0, 261.6)}
_PARTIALS, _BEAT, _CHORD = {"a": 3, "b": 8, "c": 1}, {"a": 0.05, "b": 0.1, "c": 0.0}, {"a": 0.05, "b": 0.05, "c": 0.02}


def song_of(plan: Sequence[tuple[str, float]], seed: int = 0, rate: int = RATE) -> Clip:
    """Sections by letter and seconds: each letter has its chord, brightness and beat, over faint noise."""
    random, parts = np.random.default_rng(seed), []
    for letter, seconds in plan:
        time = np.arange(round(seconds * rate)) / rate
        partials = range(1, _PARTIALS[letter] + 1)
        chord = sum(np.sin(2 * np.pi * hz * k * time) / k for hz in _CHORDS[letter] for k in partials)
        beat = np.exp(-12 * (time % 0.4)) * random.normal(size=time.size)
        parts.append(_CHORD[letter] * chord + _BEAT[letter] * beat + 0.001 * random.normal(size=time.size))
    return Clip(np.concatenate(parts)[None].astype(np.float32), rate, "song")


def levels(samples: np.ndarray, rate: int, low: float, high: float) -> np.ndarray:
    """Decibels of a band in each twentieth of a second, (n,)."""
    size = rate // 20
    frames = samples[: len(samples) // size * size].reshape(-1, size) * np.hanning(size)
    bins = np.fft.rfftfreq(size, 1 / rate)
    power = np.abs(np.fft.rfft(frames)[:, (bins >= low) & (bins < high)]) ** 2
    return 10 * np.log10(power.mean(axis=1) + 1e-9)


@dataclass
class Listener:
    """A scorer that says what a function of samples and rate says. window: whether it is cut to windows."""

    hears: Callable[[np.ndarray, int], float]
    window: bool = False
    noise_floor: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def windows(self) -> list[dict | None]:
        return [{"length": 100} if self.window else None]

    target = SimpleNamespace(low=0.0, high=100.0)

    def score(self, sound) -> ScoreRecord:
        samples = sound.clip().samples.mean(axis=0)
        score = float(self.hears(samples, sound.rate))
        warnings = (*self.warnings, *(("silent: no sound",) if not samples.any() else ()))
        model = ModelReference("planted", "1", "0" * 64)
        return ScoreRecord(
            sound.name, sound.name, sound.duration, score, 50.0, (0, 100), 0.8, "none", warnings, model, "cpu"
        )
