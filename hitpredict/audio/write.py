"""Write audio: exact WAV to any stream, and WAV, FLAC, OGG or MP3 to files, with tags, atomically."""

import io
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Literal

import numpy as np

from hitpredict.audio.clip import Clip
from hitpredict.errors import InputError, UsageError

Encoding = Literal["16", "24", "float"]
SUFFIXES = (".wav", ".flac", ".ogg", ".mp3")
_BYTES = {"16": 2, "24": 3, "float": 4}
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_INFO_CHUNKS = {"title": b"INAM", "artist": b"IART", "comment": b"ICMT"}
_BLOCK_FRAMES = 2**16


def write_wav(clip: Clip, stream: IO[bytes], encoding: Encoding = "16") -> None:
    """Write a RIFF/WAVE with exact sizes and INFO tags to a stream that need not be seekable.

    encoding: 16- or 24-bit integers (samples beyond full scale are clipped, rounding is to nearest, no dither),
    or 32-bit float. Tags `title`, `artist` and `comment` of the clip are written. The bytes depend on nothing
    but the clip. Raises `InputError` when the sound is too long for WAV's 32-bit sizes.
    """
    size = clip.frames * clip.channels * _BYTES[encoding]
    info = _info_chunk(clip.tags)
    header = b"WAVE" + _format_chunk(clip, encoding) + info
    total = len(header) + 8 + size + size % 2
    if total >= 2**32:
        raise InputError(f"{clip.name}: {clip.duration / 3600:.1f} h is too long for WAV; write FLAC with -o")
    stream.write(b"RIFF" + struct.pack("<I", total) + header + b"data" + struct.pack("<I", size))
    for start in range(0, clip.frames, _BLOCK_FRAMES):
        stream.write(_encode(clip.samples[:, start : start + _BLOCK_FRAMES], encoding))
    stream.write(b"\0" * (size % 2))


def wav_bytes(clip: Clip, encoding: Encoding = "16") -> bytes:
    """The WAV of a clip, in memory; see `write_wav`."""
    buffer = io.BytesIO()
    write_wav(clip, buffer, encoding)
    return buffer.getvalue()


def write_audio(clip: Clip, path: str | os.PathLike[str], encoding: Encoding = "16") -> None:
    """Write a clip to a file in the format of its suffix (.wav, .flac, .ogg, .mp3), atomically.

    encoding applies to WAV and FLAC (FLAC has no float). Raises `UsageError` for another suffix and
    `InputError` when the format cannot hold the clip (MP3: two channels and 48 kHz at most).
    """
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: audio is written as {', '.join(SUFFIXES)}; give the file one of these suffixes")
    if suffix == ".flac" and encoding == "float":
        raise UsageError(f"{path}: FLAC holds integers only; use --bits 16 or 24, or write .wav")
    with atomic(path) as file:
        if suffix == ".wav":
            write_wav(clip, file, encoding)
        else:
            _write_soundfile(clip, file, suffix, encoding, str(path))


@contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing that appears under its name only when everything has been written."""
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name[:100]}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(target)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise


def clipped_frames(clip: Clip) -> int:
    """How many frames exceed full scale in any channel, and would be clipped by an integer encoding."""
    return int((np.abs(clip.samples) > 1).any(axis=0).sum())


def _format_chunk(clip: Clip, encoding: Encoding) -> bytes:
    width = _BYTES[encoding]
    align = clip.channels * width
    code = _FLOAT if encoding == "float" else _PCM
    if clip.channels <= 2 and encoding != "24":
        body = struct.pack("<HHIIHH", code, clip.channels, clip.rate, clip.rate * align, align, width * 8)
        # Non-PCM formats must carry the size of their (empty) extension and a fact chunk.
        extra = struct.pack("<H", 0) if code == _FLOAT else b""
    else:
        body = struct.pack("<HHIIHH", _EXTENSIBLE, clip.channels, clip.rate, clip.rate * align, align, width * 8)
        extra = struct.pack("<HHIH", 22, width * 8, 0, code) + _GUID_TAIL
    fact = b"fact" + struct.pack("<II", 4, clip.frames) if code == _FLOAT else b""
    return b"fmt " + struct.pack("<I", len(body + extra)) + body + extra + fact


def _info_chunk(tags: Mapping[str, str]) -> bytes:
    parts = b""
    for key, code in _INFO_CHUNKS.items():
        if text := tags.get(key):
            data = text.encode() + b"\0"
            parts += code + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"LIST" + struct.pack("<I", len(parts) + 4) + b"INFO" + parts if parts else b""


def _encode(block: np.ndarray, encoding: Encoding) -> bytes:
    interleaved = np.ascontiguousarray(block.T, dtype=np.float32)
    if encoding == "float":
        return interleaved.astype("<f4").tobytes()
    scale = 2 ** (8 * _BYTES[encoding] - 1)
    integers = np.clip(np.rint(interleaved.astype(np.float64) * scale), -scale, scale - 1).astype("<i4")
    if encoding == "16":
        return bytes(integers.astype("<i2").data)
    return bytes(np.ascontiguousarray(integers.view(np.uint8).reshape(-1, 4)[:, :3]).data)


def _write_soundfile(clip: Clip, file: IO[bytes], suffix: str, encoding: Encoding, path: str) -> None:
    import soundfile

    subtype = {".flac": f"PCM_{encoding}", ".ogg": "VORBIS", ".mp3": "MPEG_LAYER_III"}[suffix]
    try:
        with soundfile.SoundFile(
            file, "w", clip.rate, clip.channels, subtype=subtype, format=suffix[1:].upper()
        ) as out:
            for key in ("title", "artist", "comment"):
                if text := clip.tags.get(key):
                    setattr(out, key, text)
            # Blocks, because libsndfile's Vorbis encoder overflows its stack on one huge write.
            for start in range(0, clip.frames, _BLOCK_FRAMES):
                out.write(np.clip(clip.samples[:, start : start + _BLOCK_FRAMES].T, -1, 1))
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"{path}: {suffix[1:].upper()} cannot hold {clip.channels} channels at {clip.rate} Hz; write .wav"
        ) from error
