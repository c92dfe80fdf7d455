"""Sounds that strain descriptors: all usual rates, one channel and two, tones, noise, clicks and silence."""

import numpy as np

from hitpredict.audio.clip import Clip


def strained() -> list[Clip]:
    """A few seconds of each."""
    random = np.random.default_rng(1)
    chord = sum(np.sin(2 * np.pi * f * k * _time(2, 44100)) / k for f in (196.0, 246.9, 331.5) for k in (1, 2, 3))
    noise = random.normal(size=(2, 88200)) * np.array([[0.1], [0.02]])
    music = 0.1 * chord + noise * (np.arange(88200) % 22050 < 4000)
    clicks = np.where(np.arange(66150) % 7001 == 0, 0.9, 0.001 * random.normal(size=66150))
    sounds = {
        "music, 44.1 kHz": (music, 44100),
        "fading into digital silence, 44.1 kHz": (
            np.pad(music[:1] * np.linspace(1, 0, 88200), ((0, 0), (0, 30000))),
            44100,
        ),
        "music, 48 kHz": (music[:, :60001], 48000),
        "music, 22.05 kHz": (music[:, :50000], 22050),
        "noise, 16 kHz": (noise[:, :32000], 16000),
        "noise, 96 kHz": (noise, 96000),
        "chirp, 8 kHz": (0.5 * np.sin(2 * np.pi * 500 * _time(2, 8000) ** 2)[None], 8000),
        "sine, 44.1 kHz": (0.5 * np.sin(2 * np.pi * 440 * _time(1, 44100))[None], 44100),
        "clicks, 22.05 kHz": (clicks[None], 22050),
        "1000 samples, 44.1 kHz": (noise[:, :1000], 44100),
        "one sample, 44.1 kHz": (noise[:, :1], 44100),
    }
    return [Clip(samples.astype(np.float32), rate, name) for name, (samples, rate) in sounds.items()]


def _time(seconds: float, rate: int) -> np.ndarray:
    return np.arange(round(seconds * rate)) / rate
