"""Damage: noise, distortion, bit crushing, MP3 coding."""

import io
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip, Samples
from hitpredict.errors import InputError
from hitpredict.mutations.effects import through_plugins
from hitpredict.mutations.step import Context, Step, decibels, parameter, with_samples

_SLOPES = {"white": 0.0, "pink": 0.5, "brown": 1.0}  # amplitude falls as frequency to this power
_FLAT_BELOW = 20.0  # Hz; else most of brown noise would be below hearing
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP3_BIT_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_DELAY = 1105  # samples LAME and a decoder add when the stream has no room for the tag that says so
_MP3_SHORTEST = 1152  # samples in a frame


@dataclass(frozen=True)
class Noise(Step):
    """Adds Gaussian noise, independent in each channel, `snr_db` below the RMS of the whole clip.

    white: flat; pink: -3 dB per octave; brown: -6 dB per octave; both flat below 20 Hz.
    """

    op: ClassVar[str] = "noise"
    family: ClassVar[str] = "damage"
    metavar: ClassVar[str] = "SNR[:white|pink|brown]"
    help: ClassVar[str] = "Add noise at a signal-to-noise ratio."
    example: ClassVar[str] = "20:pink"
    snr_db: float = parameter("dB", -60, 120)
    colour: str = parameter(choices=("white", "pink", "brown"), default="white")

    def apply(self, clip: Clip, context: Context) -> Clip:
        signal = _rms(clip.samples)
        if signal == 0:
            raise InputError("--noise: the clip is silent, so it has no signal-to-noise ratio")
        noise = coloured_noise(context.generator(), clip.channels, clip.frames, clip.rate, self.colour)
        scale = signal * decibels(-self.snr_db) / _rms(noise)
        return with_samples(clip, clip.samples + noise * np.float32(scale))


def coloured_noise(generator: np.random.Generator, channels: int, frames: int, rate: int, colour: str) -> Samples:
    """Gaussian noise of shape (channels, frames), made by shaping the spectrum of white noise."""
    noise: Samples = generator.standard_normal((channels, frames), dtype=np.float32)
    slope = _SLOPES[colour]
    if slope:
        frequencies = np.maximum(np.fft.rfftfreq(frames, 1 / rate), _FLAT_BELOW)
        for channel in noise:
            channel[:] = np.fft.irfft(np.fft.rfft(channel) * frequencies**-slope, frames)
    return noise


def _rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@dataclass(frozen=True)
class Distortion(Step):
    """Amplifies by `drive_db`, then bends the wave with tanh; quiet sounds also become louder."""

    op: ClassVar[str] = "distortion"
    family: ClassVar[str] = "damage"
    metavar: ClassVar[str] = "DRIVE"
    help: ClassVar[str] = "Overdrive: amplify, then saturate."
    example: ClassVar[str] = "12"
    drive_db: float = parameter("dB", 0, 60)

    def apply(self, clip: Clip, context: Context) -> Clip:
        return through_plugins(clip, lambda board: [board.Distortion(self.drive_db)])


@dataclass(frozen=True)
class Bitcrush(Step):
    """Rounds to 2 ** `bits` levels per unit of amplitude."""

    op: ClassVar[str] = "bitcrush"
    family: ClassVar[str] = "damage"
    metavar: ClassVar[str] = "BITS"
    help: ClassVar[str] = "Round the samples to fewer bits."
    example: ClassVar[str] = "8"
    bits: int = parameter("bits", 1, 24, whole=True)

    def apply(self, clip: Clip, context: Context) -> Clip:
        return through_plugins(clip, lambda board: [board.Bitcrush(self.bits)])


@dataclass(frozen=True)
class Mp3(Step):
    """Encodes as MP3 (LAME) at a constant bit rate and decodes; the result is aligned with the input.

    The format allows at most 160 kbit/s below 32 kHz, and 64 below 16 kHz: higher rates mean these. Sample
    rates the format lacks are resampled to the nearest one it has, and back. Peaks above full scale are clipped
    by the encoder. One or two channels.
    """

    op: ClassVar[str] = "mp3"
    family: ClassVar[str] = "damage"
    metavar: ClassVar[str] = "KBITS"
    help: ClassVar[str] = "Encode as MP3 and decode."
    example: ClassVar[str] = "64,128,320"
    kbits: int = parameter("kbit/s", choices=_MP3_BIT_RATES, whole=True)

    def apply(self, clip: Clip, context: Context) -> Clip:
        if clip.channels > 2:
            raise InputError(f"--mp3 needs one or two channels; the clip has {clip.channels}")
        rate = min(_MP3_RATES, key=lambda each: (abs(each - clip.rate), -each))
        samples = _mp3_round_trip(_resampled(clip.samples, clip.rate, rate), rate, self.kbits)
        samples = _resampled(samples, rate, clip.rate)[:, : clip.frames]
        return with_samples(clip, np.pad(samples, ((0, 0), (0, clip.frames - samples.shape[1]))))


def _resampled(samples: Samples, source: int, target: int) -> Samples:
    if source == target:
        return samples
    import soxr

    result: NDArray[np.float32] = soxr.resample(samples.T, source, target).T
    return result


def _mp3_round_trip(samples: Samples, rate: int, kbits: int) -> Samples:
    import soundfile
    from pedalboard.io import AudioFile

    channels, frames = samples.shape
    padded = np.pad(samples, ((0, 0), (0, max(0, _MP3_SHORTEST - frames))))
    stream = io.BytesIO()
    with AudioFile(stream, "w", samplerate=rate, num_channels=channels, quality=kbits, format="mp3") as file:
        file.write(np.ascontiguousarray(padded))
    stream.seek(0)
    decoded = soundfile.read(stream, dtype="float32", always_2d=True)[0].T
    start = 0 if decoded.shape[1] == padded.shape[1] else _MP3_DELAY
    result: Samples = decoded[:, start : start + frames]
    return result
