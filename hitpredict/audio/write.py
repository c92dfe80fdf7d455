"""Write audio: exact WAV to any stream, and WAV, FLAC, OGG or MP3 to files, with tags, atomically."""

import os
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Literal, TypeVar

import numpy as np

from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError, UsageError
from hitpredict.files.owned import atomic

T = TypeVar("T")
Encoding = Literal["16", "24", "float"]
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_BYTES = {"16": 2, "24": 3, "float": 4}
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_INFO_CHUNKS = {"title": b"INAM", "artist": b"IART", "comment": b"ICMT"}


def write_wav(sound: Clip | Sound, stream: IO[bytes], encoding: Encoding = "16") -> None:
    """Write a RIFF/WAVE with exact sizes and INFO tags to a stream that need not be seekable; see `wav_chunks`."""
    for chunk in wav_chunks(sound, encoding):
        stream.write(chunk)


def wav_chunks(sound: Clip | Sound, encoding: Encoding = "16") -> Iterator[bytes]:
    """The bytes of a RIFF/WAVE with exact sizes and INFO tags, block by block.

    encoding: 16- or 24-bit integers (samples beyond full scale are clipped, rounding is to nearest, no dither),
    or 32-bit float. Tags `title`, `artist` and `comment` of the sound are written. The bytes depend on nothing
    but the sound. Raises `InputError` when the sound is too long for WAV's 32-bit sizes.
    """
    sound = _streamed(sound)
    header, size = _wav_header(sound, encoding)
    yield header
    for block in sound.blocks():
        yield _encode(block, encoding)
    yield b"\0" * (size % 2)


def wav_size(sound: Sound, encoding: Encoding) -> int:
    """How many bytes `wav_chunks` gives. Raises `InputError` as it does."""
    header, size = _wav_header(sound, encoding)
    return len(header) + size + size % 2


def _streamed(sound: Clip | Sound) -> Sound:
    return Sound.of(sound) if isinstance(sound, Clip) else sound


def _wav_header(sound: Sound, encoding: Encoding) -> tuple[bytes, int]:
    """All that comes before the samples, and how many bytes these take."""
    size = sound.frames * sound.channels * _BYTES[encoding]
    header = b"WAVE" + _format_chunk(sound, encoding) + _info_chunk(sound.tags)
    total = len(header) + 8 + size + size % 2
    if total >= 2**32:
        raise InputError(f"{sound.name}: {sound.duration / 3600:.1f} h is too long for WAV; write FLAC with -o")
    return b"RIFF" + struct.pack("<I", total) + header + b"data" + struct.pack("<I", size), size


def write_audio(sound: Clip | Sound, path: str | os.PathLike[str], encoding: Encoding = "16") -> None:
    """Write a sound to a file in the format of its suffix (.wav, .flac, .ogg, .mp3), atomically.

    encoding applies to WAV and FLAC (FLAC has no float). Raises `UsageError` for another suffix and
    `InputError` when the format cannot hold the sound (MP3: two channels and 48 kHz at most).
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: audio is written as {', '.join(SUFFIXES)}; give the file one of these suffixes")
    if suffix == ".flac" and encoding == "float":
        raise UsageError(f"{path}: FLAC holds integers only; use `bits` 16 or 24, or write .wav")
    with atomic(path) as file:
        if suffix == ".wav":
            write_wav(sound, file, encoding)
        else:
            _write_soundfile(_streamed(sound), file, suffix, encoding, str(path))


def _format_chunk(sound: Sound, encoding: Encoding) -> bytes:
    width = _BYTES[encoding]
    align = sound.channels * width
    code = _FLOAT if encoding == "float" else _PCM
    if sound.channels <= 2 and encoding != "24":
        body = struct.pack("<HHIIHH", code, sound.channels, sound.rate, sound.rate * align, align, width * 8)
        # Non-PCM formats must carry the size of their (empty) extension and a fact chunk.
        extra = struct.pack("<H", 0) if code == _FLOAT else b""
    else:
        body = struct.pack("<HHIIHH", _EXTENSIBLE, sound.channels, sound.rate, sound.rate * align, align, width * 8)
        extra = struct.pack("<HHIH", 22, width * 8, 0, code) + _GUID_TAIL
    fact = b"fact" + struct.pack("<II", 4, sound.frames) if code == _FLOAT else b""
    return b"fmt " + struct.pack("<I", len(body + extra)) + body + extra + fact


def _info_chunk(tags: Mapping[str, str]) -> bytes:
    parts = b""
    for key, code in _INFO_CHUNKS.items():
        if text := tags.get(key):
            data = text.encode() + b"\0"
            parts += code + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"LIST" + struct.pack("<I", len(parts) + 4) + b"INFO" + parts if parts else b""


def _encode(block: Samples, encoding: Encoding) -> bytes:
    interleaved = np.ascontiguousarray(block.T, dtype="<f4")
    if encoding == "float":
        return interleaved.tobytes()
    scale = np.float32(2 ** (8 * _BYTES[encoding] - 1))
    # Exact in float32: the scale is a power of two, and 24 bits are its mantissa.
    integers = np.clip(np.rint(interleaved * scale), -scale, scale - 1)
    if encoding == "16":
        return integers.astype("<i2").tobytes()
    return np.ascontiguousarray(integers.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3]).tobytes()


def _write_soundfile(sound: Sound, file: IO[bytes], suffix: str, encoding: Encoding, path: str) -> None:
    import soundfile

    careful = _Careful(file)
    subtype = {".flac": f"PCM_{encoding}", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}[suffix]
    try:
        with soundfile.SoundFile(
            careful, "w", sound.rate, sound.channels, subtype=subtype, format=suffix[1:].upper()
        ) as out:
            for key in ("title", "artist", "comment"):
                if text := sound.tags.get(key):
                    setattr(out, key, text)
            # Blocks, because libsndfile's Vorbis encoder overflows its stack on one huge write.
            for block in sound.blocks():
                out.write(np.clip(block.T, -1, 1))
                careful.check()
        careful.check()
    except (RuntimeError, ValueError) as error:
        careful.check()
        raise InputError(
            f"{path}: {suffix[1:].upper()} cannot hold {sound.channels} channels at {sound.rate} Hz; write .wav"
        ) from error


class _Careful:
    """A file for libsndfile, whose C code cannot pass an error on: it is kept until somebody asks."""

    def __init__(self, file: IO[bytes]):
        self._file = file
        self._error: OSError | None = None

    def write(self, data: bytes) -> int:
        self._attempt(lambda: self._file.write(data))
        return len(data)

    def read(self, size: int) -> bytes:
        return self._attempt(lambda: self._file.read(size)) or b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._attempt(lambda: self._file.seek(offset, whence)) or 0

    def tell(self) -> int:
        return self._attempt(self._file.tell) or 0

    def _attempt(self, call: Callable[[], T]) -> T | None:
        try:
            return call() if self._error is None else None
        except OSError as error:
            self._error = error
            return None

    def check(self) -> None:
        """Raise the error that there was."""
        if self._error is not None:
            raise self._error
