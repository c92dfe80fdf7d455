"""Sounds and files that tests make for themselves."""

import io
from pathlib import Path

import numpy as np
import soundfile

from hitpredict.audio.clip import Clip


def tune(seconds: float = 2.0, rate: int = 22050, channels: int = 2, seed: int = 0) -> Clip:
    """A chord with a beat, different in each channel; peak well below full scale."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * f * k * time) / k for f in (196.0, 246.9, 293.7) for k in (1, 2, 3))
    beat = np.exp(-12 * (time % 0.4)) * random.normal(size=time.size)
    parts = [0.07 * chord + 0.08 * (1 + 0.4 * c) * beat for c in range(channels)]
    return Clip(np.clip(np.array(parts), -0.99, 0.99).astype(np.float32), rate, "tune")


def sine(hz: float, seconds: float, rate: int, peak: float = 1.0) -> np.ndarray:
    """Samples (n,) of a tone."""
    return (peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(clip: Clip, kind: str = "WAV", subtype: str | None = None) -> bytes:
    """The clip in a container that libsndfile writes."""
    buffer = io.BytesIO()
    soundfile.write(buffer, clip.samples.T, clip.rate, format=kind, subtype=subtype)
    return buffer.getvalue()


def saved(folder: Path, name: str = "tune.wav", clip: Clip | None = None) -> Path:
    """A sound file, in the format of its suffix."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(clip or tune(), path.suffix.removeprefix(".").upper()))
    return path


def cut(clip: Clip, seed: int = 0) -> list[np.ndarray]:
    """The samples of a clip in blocks of odd sizes."""
    edges = np.cumsum(np.random.default_rng(seed).integers(1, 9000, clip.frames // 4500))
    return [block for block in np.split(clip.samples, edges, axis=1) if block.size]
