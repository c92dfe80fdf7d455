"""Damage: noise, distortion, bit crushing, MP3 coding."""

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import BinaryIO, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import BLOCK_FRAMES, Sound, reblocked
from hitpredict.errors import InputError
from hitpredict.mutations.effects import through_plugins
from hitpredict.mutations.resampling import fitted, resampled
from hitpredict.mutations.step import Context, Step, decibels, parameter

_SLOPES = {"white": 0.0, "pink": 0.5, "brown": 1.0}  # amplitude falls as frequency to this power
_FLAT_BELOW = 20.0  # Hz; else most of brown noise would be below hearing
_KERNEL_SECONDS = 0.25
_HELD_SAMPLES = 2**23  # over all channels
_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_MP3_BIT_RATES = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MP3_DELAY = 1105  # samples LAME and a decoder add when the stream has no room for the tag that says so
_MP3_SHORTEST = 1152  # samples in a frame
_IN_MEMORY = 16 * 2**20
# So that of threads that want the same noise one makes it.
_making = Lock()


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

    def apply(self, sound: Sound, context: Context) -> Sound:
        made = context, sound.channels, sound.rate, self.colour, sound.frames
        if sound.frames * sound.channels <= _HELD_SAMPLES:
            with _making:
                noise, added = _held_noise(*made)
        else:
            noise = _noise(*made)
            added = _energy(noise)
        signal = _energy(sound)
        if signal == 0:
            raise InputError("`noise`: the clip is silent, so it has no signal-to-noise ratio")
        scale = np.float32(np.sqrt(signal / added) * decibels(-self.snr_db))
        return sound.through(
            lambda blocks: (block + scale * other for block, other in zip(blocks, noise.blocks(), strict=True))
        )


def _noise(context: Context, channels: int, rate: int, colour: str, frames: int) -> Sound:
    endless = Sound(rate, channels, frames, lambda: coloured_noise(context.generator(), channels, rate, colour))
    return endless.between(0, frames)


@lru_cache(maxsize=1)
def _held_noise(context: Context, channels: int, rate: int, colour: str, frames: int) -> tuple[Sound, float]:
    """The noise and its energy: every ratio of a sweep needs them, and they cost more to make than all the rest."""
    noise = Sound.of(_noise(context, channels, rate, colour, frames).clip())
    return noise, _energy(noise)


def coloured_noise(generator: np.random.Generator, channels: int, rate: int, colour: str) -> Iterator[Samples]:
    """Endless Gaussian noise in blocks of shape (channels, `BLOCK_FRAMES`): white noise through a linear filter."""
    kernel = _kernel(rate, _SLOPES[colour])
    size = 1 << (BLOCK_FRAMES + kernel.size - 2).bit_length()
    response = np.fft.rfft(kernel, size)
    before = generator.standard_normal((kernel.size - 1, channels), dtype=np.float32)
    while True:
        white = np.concatenate([before, generator.standard_normal((BLOCK_FRAMES, channels), dtype=np.float32)])
        before = white[BLOCK_FRAMES:]
        if kernel.size == 1:
            yield white.T
        else:
            spectrum = np.fft.rfft(white.T, size) * response
            yield np.fft.irfft(spectrum, size)[:, kernel.size - 1 : len(white)].astype(np.float32)


def _kernel(rate: int, slope: float) -> NDArray[np.float64]:
    """Impulse response whose amplitude falls as frequency to the power of `slope`."""
    if not slope:
        return np.ones(1)
    size = 1 << round(rate * _KERNEL_SECONDS).bit_length()
    frequencies = np.maximum(np.fft.rfftfreq(size, 1 / rate), _FLAT_BELOW)
    return np.fft.fftshift(np.fft.irfft((frequencies / _FLAT_BELOW) ** -slope, size))


def _energy(sound: Sound) -> float:
    return sum(float(np.square(block, dtype=np.float64).sum()) for block in sound.blocks())


@dataclass(frozen=True)
class Distortion(Step):
    """Amplifies by `drive_db`, then bends the wave with tanh; quiet sounds also become louder."""

    op: ClassVar[str] = "distortion"
    family: ClassVar[str] = "damage"
    metavar: ClassVar[str] = "DRIVE"
    help: ClassVar[str] = "Overdrive: amplify, then saturate."
    example: ClassVar[str] = "12"
    drive_db: float = parameter("dB", 0, 60)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return through_plugins(sound, lambda board: [board.Distortion(self.drive_db)])


@dataclass(frozen=True)
class Bitcrush(Step):
    """Rounds to 2 ** `bits` levels per unit of amplitude."""

    op: ClassVar[str] = "bitcrush"
    family: ClassVar[str] = "damage"
    metavar: ClassVar[str] = "BITS"
    help: ClassVar[str] = "Round the samples to fewer bits."
    example: ClassVar[str] = "8"
    bits: int = parameter("bits", 1, 24, whole=True)

    def apply(self, sound: Sound, context: Context) -> Sound:
        return through_plugins(sound, lambda board: [board.Bitcrush(self.bits)])


@dataclass(frozen=True)
class Mp3Compression(Step):
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

    def apply(self, sound: Sound, context: Context) -> Sound:
        if sound.channels > 2:
            raise InputError(f"`mp3` needs one or two channels; the clip has {sound.channels}")
        rate = min(_MP3_RATES, key=lambda each: (abs(each - sound.rate), -each))

        def process(blocks: Iterator[Samples]) -> Iterator[Samples]:
            coded = _through_mp3(resampled(blocks, sound.rate, rate), sound.channels, rate, self.kbits)
            return fitted(resampled(coded, rate, sound.rate), sound.channels, sound.frames)

        return sound.through(process)


def _through_mp3(parts: Iterable[Samples], channels: int, rate: int, kbits: int) -> Iterator[Samples]:
    """What is decoded of the encoded sound, from where the sound began; the stream is on disk when it is long."""
    import soundfile

    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spooled:
        stream = cast("BinaryIO", spooled)
        frames = _encode(parts, stream, channels, rate, kbits)
        stream.seek(0)
        with soundfile.SoundFile(stream) as file:
            file.seek(0 if file.frames == frames else _MP3_DELAY)
            while (block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)).size:
                yield block.T


def _encode(parts: Iterable[Samples], stream: BinaryIO, channels: int, rate: int, kbits: int) -> int:
    """The number of frames encoded: those of `parts`, or as many as the format needs."""
    from pedalboard.io import AudioFile

    frames = 0
    with AudioFile(stream, "w", samplerate=rate, num_channels=channels, quality=kbits, format="mp3") as file:
        for part in reblocked(parts, BLOCK_FRAMES):
            padded = np.pad(part, ((0, 0), (0, max(0, _MP3_SHORTEST - frames - part.shape[1]))))
            file.write(np.ascontiguousarray(padded))
            frames += padded.shape[1]
    return frames
