"""Very short sounds in every container, and ways to damage bytes."""

import io
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from hitpredict.audio.clip import Clip
from hitpredict.audio.write import write_audio

_LIBSNDFILE = {
    "wav": ("WAV", "PCM_16"),
    "float.wav": ("WAV", "FLOAT"),
    "adpcm.wav": ("WAV", "IMA_ADPCM"),
    "rf64": ("RF64", "PCM_24"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
_FFMPEG = {
    "m4a": ("-c:a", "aac"),
    "alac.m4a": ("-c:a", "alac"),
    "aac": ("-c:a", "aac"),
    "wma": ("-c:a", "wmav2"),
    "mkv": ("-c:a", "libvorbis"),
    "webm": ("-c:a", "libopus"),
    "wv": ("-c:a", "wavpack"),
    "tta": ("-c:a", "tta"),
    "ac3": ("-c:a", "ac3"),
    "tagged.mp3": ("-c:a", "libmp3lame", "-id3v2_version", "4"),
}
_TAGS = ("-metadata", "title=Lantern \u2014 Paper", "-metadata", "artist=The \u00c4tzers", "-metadata", "comment={}")


def tone(seconds: float = 0.4, rate: int = 48000, channels: int = 2, seed: int = 0) -> np.ndarray:
    """A chord with noise, (frames, channels), well below full scale."""
    random, time = np.random.default_rng(seed), np.arange(round(seconds * rate)) / rate
    chord = sum(np.sin(2 * np.pi * f * time) for f in (196.0, 246.9, 523.3)) / 8
    return (chord[:, None] + 0.05 * random.normal(size=(len(time), channels))).astype(np.float32)


def seeds(folder: Path) -> dict[str, bytes]:
    """Encoded sounds by suffix: our own writer's, libsndfile's and, where there is a program ffmpeg, FFmpeg's."""
    found, samples = {}, tone()
    for suffix, (kind, subtype) in _LIBSNDFILE.items():
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, 48000, format=kind, subtype=subtype)
        found[suffix] = buffer.getvalue()
    for suffix in ("wav", "flac", "ogg", "mp3"):
        path = folder / f"own.{suffix}"
        tags = {"title": "Lantern", "artist": "Somebody", "comment": '{"steps": []}'}
        write_audio(Clip(np.ascontiguousarray(samples.T), 48000, "own", tags), path)
        found[f"own.{suffix}"] = path.read_bytes()
    if shutil.which("ffmpeg"):
        for suffix, options in _FFMPEG.items():
            path = folder / f"ffmpeg.{suffix}"
            quiet = ("ffmpeg", "-v", "error", "-y", "-i", str(folder / "own.wav"))
            subprocess.run([*quiet, *options, *_TAGS, str(path)], check=True, stdin=subprocess.DEVNULL)
            found[suffix] = path.read_bytes()
    return found


_ODD = tuple(
    value.to_bytes(width, order)
    for width in (2, 4, 8)
    for order in ("little", "big")
    for value in (0, 1, 2 ** (8 * width) - 1, 2 ** (8 * width - 1), 2 ** (8 * width - 1) - 1, 0x7FFF)
)


def _bits(data: bytearray, random: np.random.Generator, until: int | None = None) -> None:
    for _ in range(int(random.integers(1, 30))):
        data[int(random.integers(min(len(data), until or len(data))))] ^= 1 << int(random.integers(8))


def _header_bits(data: bytearray, random: np.random.Generator) -> None:
    _bits(data, random, 300)


def _header_field(data: bytearray, random: np.random.Generator) -> None:
    for _ in range(int(random.integers(1, 4))):
        value, place = _ODD[int(random.integers(len(_ODD)))], int(random.integers(min(len(data) - 8, 200)))
        data[place : place + len(value)] = value


def _bytes(data: bytearray, random: np.random.Generator) -> None:
    for _ in range(int(random.integers(1, 40))):
        data[int(random.integers(len(data)))] = int(random.integers(256))


def _truncated(data: bytearray, random: np.random.Generator) -> None:
    del data[int(random.integers(len(data))) :]


def _cut_out(data: bytearray, random: np.random.Generator) -> None:
    start = int(random.integers(len(data)))
    del data[start : start + int(random.integers(1, 5000))]


def _inserted(data: bytearray, random: np.random.Generator) -> None:
    place = int(random.integers(len(data)))
    data[place:place] = random.bytes(int(random.integers(1, 5000)))


def _zeroed(data: bytearray, random: np.random.Generator) -> None:
    start = int(random.integers(len(data)))
    length = min(int(random.integers(1, 5000)), len(data) - start)
    data[start : start + length] = bytes([int(random.choice([0, 255]))]) * length


def _repeated(data: bytearray, random: np.random.Generator) -> None:
    start = int(random.integers(len(data)))
    piece = bytes(data[start : start + int(random.integers(1, 3000))])
    data[start:start] = piece * int(random.integers(1, 5))


def _texts(data: bytearray, random: np.random.Generator) -> None:
    """Tags that are no Unicode, or would drive a terminal; where there are none, a header's bytes."""
    for word in (b"Lantern", b"Somebody", b"steps", b"tzers"):
        if (place := data.find(word)) >= 0:
            odd = (b"\xff\xfe\xc3", b"\x1b[2J\x07", b"\xed\xa0\x80", b"\0\0\0", b"\r\n\x9b1m")
            piece = odd[int(random.integers(len(odd)))][: len(word)]
            data[place : place + len(piece)] = piece
            return
    _header_bits(data, random)


DAMAGE: dict[str, Callable[[bytearray, np.random.Generator], None]] = {
    "bits": _bits,
    "header-bits": _header_bits,
    "header-field": _header_field,
    "bytes": _bytes,
    "truncated": _truncated,
    "cut-out": _cut_out,
    "inserted": _inserted,
    "zeroed": _zeroed,
    "repeated": _repeated,
    "texts": _texts,
}


def damaged(data: bytes, others: list[bytes], random: np.random.Generator) -> tuple[str, bytes]:
    """One way of damage, by chance, or a splice with another sound; its name and what became of the bytes."""
    kinds = [*DAMAGE, "spliced", "joined"]
    kind, other = kinds[int(random.integers(len(kinds)))], others[int(random.integers(len(others)))]
    if kind == "spliced":
        return kind, data[: int(random.integers(len(data)))] + other[int(random.integers(len(other))) :]
    if kind == "joined":
        return kind, data + other
    changed = bytearray(data)
    DAMAGE[kind](changed, random)
    return kind, bytes(changed)
