"""The sounds whose answers are frozen, made from NumPy alone and the same on every machine."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

Wave = NDArray[np.float64]
SECONDS = 3.0


def _sine(time: Wave, channels: int) -> Wave:
    return np.stack([0.5 * np.sin(2 * np.pi * (440 + 7 * c) * time) for c in range(channels)])


def _noise(time: Wave, channels: int) -> Wave:
    loudness = np.array([[0.1], [0.03]])[:channels]
    return np.random.default_rng(1).normal(size=(channels, time.size)) * loudness


def _chords(time: Wave, channels: int) -> Wave:
    """Four chords of three notes with overtones, a beat, and a little noise; different in each channel."""
    roots = np.array([196.0, 220.0, 164.81, 246.94])[(4 * time / SECONDS).astype(int)]
    turns = 2 * np.pi * np.cumsum(roots) * (time[1] - time[0])
    tones = sum(np.sin(ratio * k * turns) / k for ratio in (1, 1.26, 1.5) for k in (1, 2, 3))
    noise = np.random.default_rng(2).normal(size=(channels, time.size))
    beat = np.exp(-12 * (time % 0.375))
    return np.stack([0.07 * (1 - 0.1 * c) * tones + (0.06 * beat + 0.002) * noise[c] for c in range(channels)])


def _clicks(time: Wave, channels: int) -> Wave:
    train = np.arange(time.size) % round(time.size / 7.3) == 5
    return 0.9 * train + 0.001 * np.random.default_rng(3).normal(size=(channels, time.size))


def _silence(time: Wave, channels: int) -> Wave:
    return np.zeros((channels, time.size))


_MADE: dict[str, tuple[Callable[[Wave, int], Wave], int, int, str]] = {
    "sine, 44.1 kHz": (_sine, 44100, 1, "PCM_16"),
    "noise, 22.05 kHz, stereo": (_noise, 22050, 2, "FLOAT"),
    "chords, 48 kHz, stereo": (_chords, 48000, 2, "PCM_16"),
    "chords, 96 kHz, six channels": (_chords, 96000, 6, "PCM_24"),
    "chords, 16 kHz": (_chords, 16000, 1, "FLOAT"),
    "clicks, 8 kHz": (_clicks, 8000, 1, "FLOAT"),
    "silence, 32 kHz, stereo": (_silence, 32000, 2, "PCM_16"),
}
NAMES = tuple(_MADE)


def samples(name: str, seconds: float = SECONDS) -> tuple[NDArray[np.float32], int]:
    """Samples (channels, frames) and their rate in Hz."""
    make, rate, channels, _ = _MADE[name]
    time = np.arange(round(SECONDS * rate)) / rate
    return make(time, channels)[:, : round(seconds * rate)].astype(np.float32), rate


def write(folder: Path, *names: str) -> Path:
    """The folder with these sounds, all without names given, as WAV files."""
    folder.mkdir()
    for name in names or NAMES:
        wave, rate = samples(name)
        soundfile.write(folder / f"{name}.wav", wave.T, rate, subtype=_MADE[name][3])
    return folder
