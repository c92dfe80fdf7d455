"""The sound of a synthetic song: chords, bass, drums and a melody in NumPy, on which the drivers act one by one."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitpredict.datasets.synth import Settings, Song, audio_path, generator, style_generator
from hitpredict.datasets.web.disk import full_disk_explained
from hitpredict.files.arrays import Floats
from hitpredict.files.owned import atomic

RATE = 22_050
LEVEL_DB = -20.0
_PEAK = 0.95
_STEPS_PER_BEAT, _STEPS_PER_BAR = 4, 16
_TABLE = 8192
_BRIGHTEST = 9000.0
_BLOCK = 2**16
_MAJOR, _MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
_PROGRESSIONS = ((0, 4, 5, 3), (0, 5, 3, 4), (5, 3, 0, 4), (0, 3, 5, 4), (0, 2, 3, 4), (0, 3, 0, 4))
_LEVELS = {"pad": 0.10, "lead": 0.45, "bass": 0.55, "kick": 0.9, "snare": 0.5, "hat": 0.35}
_BANDS = tuple(62.5 * 2 ** (0.5 * i) for i in range(15))
_ROOM_DB = 4.0
_NOISE_KEY = 3


@dataclass(frozen=True)
class Style:
    """An artist's sound, the same in all their songs: scale, chords, tone and touch."""

    scale: tuple[int, ...]
    chords: tuple[int, ...]
    slope: float  # a harmonic n sounds at n ** -slope
    even: float  # level of the even harmonics
    decay: float  # seconds in which a note falls to a third
    detune: float  # cycles a second between the two voices of the pad
    drum: float  # pitch of the kick in Hz
    walk: tuple[int, ...]  # steps of the melody along the chord
    room: tuple[float, ...]  # gain in dB at each of the frequencies of `_BANDS`

    @classmethod
    def of(cls, seed: int, artist: int) -> "Style":
        """The style of an artist."""
        rng = style_generator(seed, artist)
        return cls(
            (_MAJOR, _MINOR)[rng.integers(2)],
            _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))],
            rng.uniform(0.7, 1.6),
            rng.uniform(0.2, 1.0),
            rng.uniform(0.12, 0.4),
            rng.uniform(0.2, 2.0),
            rng.uniform(42, 62),
            tuple(rng.integers(0, 5, 8).tolist()),
            tuple(rng.normal(0, _ROOM_DB, len(_BANDS)).tolist()),
        )


def render_song(settings: Settings, song: Song) -> NDArray[np.float32]:
    """The song: float32 (frames,) at 22,050 Hz, RMS at -20 dBFS unless its peak would exceed 0.95."""
    frames = round(settings.seconds * RATE)
    rng = generator(settings.seed, _NOISE_KEY, song.number)
    drivers = song.drivers
    style = Style.of(settings.seed, song.artist)
    music = shape(_music(frames, song, style, rng), drivers["brightness"], style.room)
    noise = shape(rng.standard_normal(frames), drivers["brightness"], style.room)
    # Both are filtered and then levelled together, so that no driver moves what another one is measured by.
    mix = music / _rms(music) + noise / _rms(noise) * 10 ** (drivers["noise"] / 20)
    mix *= 10 ** (contour(frames, drivers["loudness_range"], rng.random()) / 20)
    mix *= min(10 ** (LEVEL_DB / 20) / _rms(mix), _PEAK / np.abs(mix).max())
    return mix.astype(np.float32)


def contour(frames: int, depth: float, phase: float) -> Floats:
    """Gain in dB, (frames,): rises and falls twice between -depth and 0; phase: 0 to 1, where it begins."""
    turn = 2 * np.pi * (2 * np.arange(frames) / frames + phase)
    return depth * (0.5 * np.cos(turn) - 0.5)


def shape(x: Floats, cutoff: float, room: Sequence[float]) -> Floats:
    """Take off what is above `cutoff` hertz, 24 dB an octave, and below 25 Hz, with no phase shift.

    room: the gains in dB of the artist's room, at `_BANDS`; what stays the same from song to song.
    """
    f = np.fft.rfftfreq(x.size, 1 / RATE)
    gain = np.clip(f / 25, 0, 1) / np.sqrt(1 + (f / cutoff) ** 8)
    gain *= 10 ** (np.interp(np.log(np.maximum(f, 1)), np.log(_BANDS), room) / 20)
    return np.fft.irfft(np.fft.rfft(x) * gain, x.size)


def onsets(song: Song, frames: int) -> NDArray[np.int64]:
    """The sixteenth steps on which something is struck, spread as evenly as the density allows."""
    count = int(frames / RATE / step_seconds(song)) + 1
    marks = [ceil(i * song.drivers["density"] / _STEPS_PER_BEAT) for i in range(count + 1)]
    return np.flatnonzero(np.diff(marks))


def step_seconds(song: Song) -> float:
    """Length of a sixteenth note."""
    return 60 / song.drivers["tempo"] / _STEPS_PER_BEAT


def _music(frames: int, song: Song, style: Style, rng: np.random.Generator) -> Floats:
    bus = np.zeros(frames)
    step = step_seconds(song)
    _play_pad(bus, song, style, step)
    for stroke in onsets(song, frames).tolist():
        at = round(stroke * step * RATE)
        chord = _chord(stroke, song, style)
        note = chord[style.walk[(stroke // 2) % 8] % len(chord)] + 12
        touch = rng.uniform(0.85, 1.0)
        _place(bus, _pluck(note, style), at, touch * _LEVELS["lead"])
        drum = _drum_at(stroke)
        _place(bus, _drum(drum, style.drum), at, touch * _LEVELS[drum])
        if stroke % _STEPS_PER_BEAT == 0:
            _place(bus, _pluck(chord[0] - 12, style), at, _LEVELS["bass"])
    return bus


def _chord(stroke: int, song: Song, style: Style) -> list[int]:
    """MIDI notes of the chord at a step, a new one each bar: triad and octave, above the tonic."""
    degree = style.chords[(stroke // _STEPS_PER_BAR) % len(style.chords)]
    tonic = int(song.drivers["key_height"])
    return [tonic + style.scale[(degree + i) % 7] + 12 * ((degree + i) // 7) for i in (0, 2, 4, 7)]


def _drum_at(stroke: int) -> str:
    beat, part = divmod(stroke, _STEPS_PER_BEAT)
    return "hat" if part else ("kick", "snare")[beat % 2]


def _place(bus: Floats, sound: Floats, at: int, level: float) -> None:
    end = min(at + sound.size, bus.size)
    bus[at:end] += level * sound[: max(end - at, 0)]


def _hertz(note: float) -> float:
    return float(440 * 2 ** ((note - 69) / 12))


@lru_cache(maxsize=256)
def _cycle(partials: int, slope: float, even: float) -> Floats:
    """One cycle of a tone with this many harmonics."""
    n = np.arange(1, partials + 1)
    spectrum = np.zeros(_TABLE // 2 + 1, complex)
    spectrum[n] = -1j * np.where(n % 2, 1.0, even) * n**-slope
    cycle: Floats = np.fft.irfft(spectrum)
    return cycle / _rms(cycle)


def _tone(note: float, frames: int, style: Style, offset: float = 0.0) -> Floats:
    f = _hertz(note) + offset
    cycle = _cycle(int(_BRIGHTEST / _hertz(note)), style.slope, style.even)
    return np.take(cycle, (np.arange(frames) * (f * _TABLE / RATE)).astype(np.int64) & (_TABLE - 1))


@lru_cache(maxsize=256)
def _pluck(note: int, style: Style) -> Floats:
    """A struck note that dies away."""
    frames = round(3 * style.decay * RATE)
    t = np.arange(frames) / RATE
    envelope = np.clip(t / 0.003, 0, 1) * np.exp(-t / style.decay) * np.clip((t[-1] - t) / 0.02, 0, 1)
    sound: Floats = 0.5 * envelope * _tone(note, frames, style)
    return sound


@lru_cache(maxsize=16)
def _drum(kind: str, pitch: float) -> Floats:
    """One stroke; the same each time, as from a drum machine."""
    t: Floats = np.arange(round({"kick": 0.25, "snare": 0.2, "hat": 0.06}[kind] * RATE)) / RATE
    noise = np.random.default_rng(0).standard_normal(t.size)
    sounds: dict[str, Floats] = {
        "kick": np.sin(2 * np.pi * (pitch * t + 3 * (1 - np.exp(-t / 0.02)))) * np.exp(-t / 0.07),
        "snare": (0.6 * noise + np.sin(2 * np.pi * 3.4 * pitch * t)) * np.exp(-t / 0.05),
        "hat": np.diff(noise, prepend=0.0) * np.exp(-t / 0.015),
    }
    return sounds[kind]


def _play_pad(bus: Floats, song: Song, style: Style, step: float) -> None:
    """Soft chords, each swelling slowly so that it makes no onset."""
    bar = round(step * _STEPS_PER_BAR * RATE)
    overlap = bar // 4
    swell = np.clip(np.minimum(np.arange(bar + overlap), np.arange(bar + overlap)[::-1]) / overlap, 0, 1)
    envelope = 0.5 - 0.5 * np.cos(np.pi * swell)
    for number in range(ceil(bus.size / bar)):
        for note in _chord(number * _STEPS_PER_BAR, song, style)[:3]:
            for side in (-0.5, 0.5):
                tone = _tone(note, bar + overlap, style, side * style.detune)
                _place(bus, envelope * tone, number * bar, _LEVELS["pad"])


def _rms(x: Floats) -> float:
    return float(np.sqrt(np.mean(x**2)))


def encoded(samples: NDArray[np.float32], form: str, serial: int) -> bytes:
    """A mono sound file in memory: wav or flac (16 bits), or ogg (Vorbis). The bytes depend on nothing else.

    serial: number of the Ogg stream, which the encoder would otherwise draw at random.
    """
    import soundfile

    buffer = io.BytesIO()
    subtype = "VORBIS" if form == "ogg" else "PCM_16"
    with soundfile.SoundFile(buffer, "w", RATE, 1, subtype=subtype, format=form.upper()) as file:
        # Blocks, because libsndfile's Vorbis encoder overflows its stack on one huge write.
        for start in range(0, samples.size, _BLOCK):
            file.write(samples[start : start + _BLOCK])
    return _with_serial(bytearray(buffer.getvalue()), serial) if form == "ogg" else buffer.getvalue()


def _with_serial(data: bytearray, serial: int) -> bytes:
    """The Ogg file with this serial number in each page (RFC 3533, section 6)."""
    start = 0
    while start < len(data):
        segments = data[start + 26]
        end = start + 27 + segments + sum(data[start + 27 : start + 27 + segments])
        struct.pack_into("<I", data, start + 14, serial)
        struct.pack_into("<I", data, start + 22, 0)
        struct.pack_into("<I", data, start + 22, _ogg_crc(bytes(data[start:end])))
        start = end
    return bytes(data)


_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _ogg_crc(page: bytes) -> int:
    """CRC-32 with the usual polynomial, but most significant bit first and beginning with 0."""
    register = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{register:032b}"[::-1], 2)


def writer(settings: Settings, folder: str) -> Callable[[Song], None]:
    """The function that renders and writes one song, as each process of a run has it."""

    def write(song: Song) -> None:
        with full_disk_explained(Path(folder)), atomic(Path(folder) / audio_path(settings, song)) as file:
            file.write(encoded(render_song(settings, song), settings.format, song.number + 1))

    return write
