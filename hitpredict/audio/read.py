"""Decode audio by blocks, whatever the container.

libsndfile reads WAV, FLAC, OGG, Opus, MP3, AIFF, CAF and their kin; PyAV (an optional extra) reads M4A and AAC.
Nothing here trusts a header: memory is bounded by the block size, and the frames really decoded are counted.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO, Any, Protocol

import numpy as np

from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.source import Source
from hitpredict.errors import InputError

BLOCK_SAMPLES = 2**18
"""Samples decoded at a time, over all channels."""
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
_UNKNOWN_WAV_SIZE = 0x7FFFF000 - 2**12
"""Streaming programs write 0x7FFFF000 or 0xFFFFFFFF, less a header, where the data size is not yet known."""
_UNKNOWN_FRAMES = 2**63 - 1
"""libsndfile's answer for a FLAC that was streamed."""
_OGG_LAST_PAGE = 0x04


class _Decoder(Protocol):
    rate: int
    channels: int

    @property
    def tags(self) -> Mapping[str, str]: ...

    def read(self, frames: int) -> Samples:
        """The next frames as (frames, channels); fewer at the end, none after it. Raises on damage."""

    def shortfall(self, frames: int) -> str | None:
        """Why the sound is shorter than the file says, once `frames` have been decoded."""

    def close(self) -> None: ...


class AudioReader:
    """An opened piece of audio: its format, its tags, and its samples block by block.

    path: what records call it. rate: Hz. channels: count. tags: `title`, `artist`, `comment`… where present.
    name: the title in the tags, or the file's stem.
    warnings: what was found wrong and survived, filled while reading.
    frames_read: frames decoded so far.
    """

    def __init__(self, source: Source, decoder: _Decoder):
        self.path, self._decoder = source.path, decoder
        self.rate, self.channels, self.tags = decoder.rate, decoder.channels, decoder.tags
        self.name = self.tags.get("title") or source.stem
        self.warnings: list[str] = []
        self.frames_read = 0

    def blocks(self) -> Iterator[Samples]:
        """Yield float32 arrays of shape (channels, frames) until the sound ends.

        Raises `InputError` when there are no frames at all, or when a sample is NaN or infinite.
        """
        size = max(1, BLOCK_SAMPLES // self.channels)
        while (block := self._next(size)).shape[0]:
            if not np.isfinite(block.sum(dtype=np.float64)):
                self._refuse_non_finite(block)
            self.frames_read += block.shape[0]
            yield block.T
        if not self.frames_read:
            raise InputError(f"{self.path}: holds no audio frames")
        if reason := self._decoder.shortfall(self.frames_read):
            self._warn_truncated(reason)

    def _next(self, size: int) -> Samples:
        try:
            return self._decoder.read(size)
        except (RuntimeError, OSError) as error:
            if not self.frames_read:
                raise InputError(f"{self.path}: damaged audio: {_reason(error)}") from error
            self._warn_truncated(_reason(error))
            return np.empty((0, self.channels), np.float32)

    def _warn_truncated(self, reason: str) -> None:
        if not self.warnings:
            seconds = self.frames_read / self.rate
            self.warnings.append(f"truncated: only the first {seconds:.1f} s could be decoded ({reason})")

    def _refuse_non_finite(self, block: Samples) -> None:
        bad = ~np.isfinite(block).all(axis=1)
        where = (self.frames_read + int(bad.argmax())) / self.rate
        raise InputError(f"{self.path}: holds NaN or infinite samples (first at {where:.3f} s); render the file again")


@contextmanager
def open_audio(source: Source | str | os.PathLike[str] | bytes, *, keep: bool = False) -> Iterator[AudioReader]:
    """Open a file, encoded bytes or a `Source` for reading by blocks.

    keep: leave a spooled copy where it is, to be opened again.

    Raises `InputError`, naming the input and what to do, when it is missing, unreadable or not audio.
    """
    source = _as_source(source)
    with ExitStack() as stack:
        if not keep:
            stack.callback(source.discard)
        decoder = _decoder(source, stack.enter_context(source.opened()))
        stack.callback(decoder.close)
        if not LOWEST_RATE <= decoder.rate <= HIGHEST_RATE:
            raise InputError(f"{source.path}: sample rate {decoder.rate} Hz is outside 4 to 768 kHz")
        yield AudioReader(source, decoder)


def read_audio(source: Source | str | os.PathLike[str] | bytes, warn: Callable[[str], None] | None = None) -> Clip:
    """Decode a whole file (or encoded bytes, or a `Source`) into a `Clip`. Raises `InputError`.

    warn: called with each thing that was found wrong and survived, such as a truncated file.
    """
    with open_audio(source) as reader:
        samples = np.concatenate(list(reader.blocks()), axis=1)
        if warn:
            for warning in reader.warnings:
                warn(warning)
        return Clip(np.ascontiguousarray(samples), reader.rate, reader.name, reader.tags)


def _as_source(source: Source | str | os.PathLike[str] | bytes) -> Source:
    if isinstance(source, Source):
        return source
    if isinstance(source, bytes):
        return Source("bytes", data=source)
    return Source(os.fspath(source), file=os.fspath(source))


def _decoder(source: Source, stream: IO[bytes]) -> _Decoder:
    head = stream.read(16)
    stream.seek(0)
    if not head:
        raise InputError(f"{source.path}: the file is empty (0 bytes)")
    if _is_for_pyav(head):
        return _PyavDecoder(source, stream)
    try:
        return _SoundfileDecoder(source, stream)
    except (RuntimeError, TypeError, ValueError) as error:
        hint = "convert it to WAV, FLAC, OGG, MP3 or AIFF"
        raise InputError(f"{source.path}: not audio that can be read ({_reason(error)}); {hint}") from error


def _reason(error: Exception) -> str:
    """libsndfile's and FFmpeg's own words, without the file name and the trailing full stop."""
    text = str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error)
    return text.strip().rstrip(".").splitlines()[0] if text.strip() else type(error).__name__


class _SoundfileDecoder:
    def __init__(self, source: Source, stream: IO[bytes]):
        import soundfile

        self._stream = stream

        class Forward(soundfile.SoundFile):  # type: ignore[misc]
            """After each block soundfile seeks to where it is; in FLAC of unknown length that fails."""

            def seekable(self) -> bool:
                return False

        # As bytes, because a file name need not be Unicode; on Windows it always is.
        name = source.whole_file if os.name == "nt" or not source.whole_file else os.fsencode(source.whole_file)
        self._file = Forward(name or stream)
        self.rate, self.channels = self._file.samplerate, self._file.channels
        self.tags: Mapping[str, str] = {key: text for key, text in self._file.copy_metadata().items() if text}

    def read(self, frames: int) -> Samples:
        block: Samples = self._file.read(frames, dtype="float32", always_2d=True)
        return block

    def shortfall(self, frames: int) -> str | None:
        if self._file.format in ("WAV", "WAVEX") and (found := _wav_shortfall(self._file.extra_info)):
            return found
        if self._file.format == "OGG" and not _ends_ogg(self._stream):
            return "the last page of the stream is missing"
        # Decoders of lossy formats may count a few frames of padding more or less.
        if frames < self._file.frames - self.rate // 10 and self._file.frames != _UNKNOWN_FRAMES:
            return f"the file says {self._file.frames / self.rate:.1f} s"
        return None

    def close(self) -> None:
        self._file.close()


def _wav_shortfall(log: str) -> str | None:
    """libsndfile clamps the data size to the file's; its log tells what the header claimed."""
    match = re.search(r"^\s*data : (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if match and int(match[2]) < int(match[1]) < _UNKNOWN_WAV_SIZE:
        return f"the header says {match[1]} bytes, {match[2]} are there"
    return None


def _ends_ogg(stream: IO[bytes]) -> bool:
    stream.seek(max(0, stream.seek(0, os.SEEK_END) - 2**16))
    tail = stream.read()
    last = tail.rfind(b"OggS")
    return last < 0 or bool(tail[last + 5 : last + 6] and tail[last + 5] & _OGG_LAST_PAGE)


def _is_for_pyav(head: bytes) -> bool:
    mp4 = head[4:8] == b"ftyp"
    adts = len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
    return mp4 or adts


class _PyavDecoder:
    def __init__(self, source: Source, stream: IO[bytes]):
        try:
            import av
        except ImportError as error:
            fix = "pip install 'hitpredict[m4a]'"
            raise InputError(f"{source.path}: M4A and AAC need the package av: {fix}") from error
        try:
            self._container: Any = av.open(stream)
            track: Any = self._container.streams.audio[0]
        except (av.FFmpegError, IndexError) as error:
            raise InputError(f"{source.path}: no audio track can be read ({_reason(error)})") from error
        self._failures = av.FFmpegError
        self.rate, self.channels = track.rate, track.channels
        self.tags: Mapping[str, str] = {**self._container.metadata, **track.metadata}
        self._claimed = float(track.duration * track.time_base) if track.duration else 0.0
        self._resampler = av.AudioResampler(format="fltp", layout=track.layout, rate=track.rate)
        self._blocks = self._decode(track)

    def _decode(self, stream: Any) -> Iterator[Samples]:
        try:
            for frame in self._container.decode(stream):
                for converted in self._resampler.resample(frame):
                    yield converted.to_ndarray().T.astype(np.float32, copy=False)
        except self._failures as error:
            raise OSError(_reason(error)) from error

    def read(self, frames: int) -> Samples:
        parts, count = [np.empty((0, self.channels), np.float32)], 0
        while count < frames and (block := next(self._blocks, None)) is not None:
            parts.append(block)
            count += block.shape[0]
        return np.concatenate(parts)

    def shortfall(self, frames: int) -> str | None:
        if frames < (self._claimed - 0.2) * self.rate:
            return f"the file says {self._claimed:.1f} s"
        return None

    def close(self) -> None:
        self._container.close()
