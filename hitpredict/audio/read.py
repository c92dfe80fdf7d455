"""Decode audio by blocks, whatever the container.

libsndfile reads WAV, FLAC, OGG, Opus, MP3, AIFF, CAF and their kin; PyAV (an optional extra) what else FFmpeg reads.
Nothing here trusts a header: memory is bounded by the block size, and the frames really decoded are counted.
"""

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import IO, Any, Protocol

import numpy as np

from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.endings import ends_ogg, id3_size, joined_at, joined_flac_at, missing
from hitpredict.audio.formats import (
    ADTS,
    CONVERT,
    FLAC,
    HEAD_BYTES,
    INSTALL_FFMPEG,
    MP3,
    FileFormat,
    Reader,
    ffmpeg_is_there,
    recognised,
    refusal,
)
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source, part_of
from hitpredict.errors import InputError

BLOCK_SAMPLES = 2**17
"""Samples decoded at a time, over all channels; few enough to stay in the processor's cache."""
FULL_SCALE = 1 + 1 / 32768
"""What a sample may reach before it counts as above full scale: rounding to 16 bits is forgiven."""
_HELD_SAMPLES = 2**25
"""Samples, over all channels, up to which a sound that is read more than once stays in memory: 128 MiB."""
LOWEST_RATE, HIGHEST_RATE = 4_000, 768_000
_UNKNOWN_FRAMES = 2**63 - 1
"""libsndfile's answer for a FLAC that was streamed."""
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_JOINED = "joined: another sound follows in the same file and was not read; split the file to have both"
_WITHOUT_LENGTH = frozenset(("aac", "ac3", "amr", "dts", "dtshd", "eac3", "loas", "mp3", "mpeg", "mpegts"))


class _Decoder(Protocol):
    rate: int
    channels: int
    joined: bool

    @property
    def tags(self) -> Mapping[str, str]: ...

    def read(self, out: Samples) -> Samples:
        """The next frames, put into `out` (frames, channels): the part of it that was filled, all but at the end.

        Raises on damage.
        """

    def cut(self, frames: int) -> bool:
        """After damage at `frames`: whether the rest of the file could be left out, to read on up to there."""

    def shortfall(self, frames: int) -> str | None:
        """Why the sound is shorter than the file says, once `frames` have been decoded."""

    def close(self) -> None: ...


class AudioReader:
    """An opened piece of audio: its format, its tags, and its samples block by block.

    path: what records call it. rate: Hz. channels: count. tags: `title`, `artist`, `comment`… where present.
    name: the title in the tags, in one line, or the file's stem.
    warnings: what was found wrong and survived, filled while reading.
    frames_read: frames decoded so far. peak: the largest magnitude among them. over: samples (of all channels) above
    full scale by more than the smallest 16-bit step.
    """

    def __init__(self, source: Source, decoder: _Decoder):
        self.path, self._decoder = source.path, decoder
        self.rate, self.channels, self.tags = decoder.rate, decoder.channels, decoder.tags
        self.name = " ".join(_CONTROL.sub(" ", self.tags.get("title", "")).split()) or source.stem
        self.warnings: list[str] = []
        self.frames_read, self.peak, self.over = 0, 0.0, 0
        self._damage: str | None = None

    def blocks(self, *, reuse: bool = False) -> Iterator[Samples]:
        """Yield float32 arrays of shape (channels, frames) until the sound ends.

        reuse: all blocks share memory, so that each is valid only until the next is asked for. A batch is faster
        for it: memory that is allocated for each block goes back to the system and is faulted in again.
        Raises `InputError` when there are no frames at all, or when a sample is NaN or infinite.
        """
        shape = (max(1, BLOCK_SAMPLES // self.channels), self.channels)
        room = np.empty(shape, np.float32)
        while (block := self._next(room)).shape[0]:
            highest, lowest = float(block.max()), float(block.min())
            if not (math.isfinite(highest) and math.isfinite(lowest)):
                self._refuse_non_finite(block)
            self.frames_read, self.peak = self.frames_read + block.shape[0], max(self.peak, highest, -lowest)
            if max(highest, -lowest) > FULL_SCALE:
                self.over += int(np.count_nonzero(np.abs(block) > FULL_SCALE))
            yield block.T
            if not reuse:
                room = np.empty(shape, np.float32)
        if not self.frames_read:
            raise InputError(f"{self.path}: holds no audio frames")
        if reason := self._decoder.shortfall(self.frames_read) or self._damage:
            seconds = self.frames_read / self.rate
            self.warnings.append(f"truncated: only the first {seconds:.1f} s could be decoded ({reason})")
        if self._decoder.joined:
            self.warnings.append(_JOINED)

    def _next(self, room: Samples) -> Samples:
        try:
            return self._decoder.read(room)
        except (RuntimeError, OSError) as error:
            if self._decoder.cut(self.frames_read):
                return self._next(room)
            if not self.frames_read:
                raise InputError(f"{self.path}: damaged audio: {_reason(error)}") from error
            self._damage = _reason(error)
            return np.empty((0, self.channels), np.float32)

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


def read_sound(source: Source, warn: Callable[[str], None] | None = None) -> Sound:
    """A source as a `Sound`: in memory when it is short, else decoded anew whenever it is read. Raises `InputError`.

    It is read once here, for its exact length. warn: as in `read_audio`. A spooled copy of a long sound stays.
    """
    with open_audio(source, keep=True) as reader:
        held: list[Samples] = []
        for block in reader.blocks():
            if reader.frames_read * reader.channels <= _HELD_SAMPLES:
                held.append(block)
            else:
                held.clear()
        if warn:
            for warning in reader.warnings:
                warn(warning)
        sound = Sound(reader.rate, reader.channels, reader.frames_read, lambda: held, reader.name, reader.tags)
    if held:
        source.discard()
        return sound
    return replace(sound, parts=lambda: _blocks(source))


def _blocks(source: Source) -> Iterator[Samples]:
    with open_audio(source, keep=True) as reader:
        yield from reader.blocks()


def _as_source(source: Source | str | os.PathLike[str] | bytes) -> Source:
    if isinstance(source, Source):
        return source
    if isinstance(source, bytes):
        return Source("bytes", data=source)
    return Source(os.fspath(source), file=os.fspath(source))


def _decoder(source: Source, stream: IO[bytes]) -> _Decoder:
    form = _format(source, stream)
    if form and (reason := refusal(form)):
        raise InputError(f"{source.path}: {reason}")
    if form and form.reader is Reader.ffmpeg:
        return _PyavDecoder(source, stream)
    end = joined_at(stream)
    stream.seek(0)
    try:
        if end:
            return _SoundfileDecoder(part_of(stream, 0, end), None, joined=True)
        return _SoundfileDecoder(stream, source.whole_file)
    except (RuntimeError, TypeError, ValueError) as error:
        more = form is None or form.reader is Reader.either
        if more and ffmpeg_is_there():
            with suppress(InputError):
                stream.seek(0)
                return _PyavDecoder(source, stream)
        hint = f"{CONVERT}, or {INSTALL_FFMPEG}" if more and not ffmpeg_is_there() else CONVERT
        raise InputError(f"{source.path}: not audio that can be read ({_reason(error)}); {hint}") from error


def _format(source: Source, stream: IO[bytes]) -> FileFormat | None:
    head = stream.read(HEAD_BYTES)
    if not head:
        raise InputError(f"{source.path}: the file is empty (0 bytes)")
    form = recognised(head)
    if tag := id3_size(head):
        stream.seek(tag)
        # Whatever cannot be told after a tag is libsndfile's to judge.
        form = inside if (inside := recognised(stream.read(HEAD_BYTES))) in (ADTS, FLAC) else MP3
    stream.seek(0)
    return form


def _reason(error: Exception) -> str:
    """libsndfile's and FFmpeg's own words, without the file name and the trailing full stop."""
    text = str(getattr(error, "error_string", None) or getattr(error, "strerror", None) or error)
    return text.strip().rstrip(".").splitlines()[0] if text.strip() else type(error).__name__


class _Seekable:
    """A stream whose `seek` answers -1, and stays where it is, where damage sends it out of the file: an exception
    would be lost on its way through libsndfile or FFmpeg, and show up in the wrong place."""

    def __init__(self, stream: IO[bytes]):
        self.read, self.tell, self._seek = stream.read, stream.tell, stream.seek
        self.name = getattr(stream, "name", "")

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._seek(offset, whence)
        except (OSError, ValueError):
            return -1


class _SoundfileDecoder:
    def __init__(self, stream: IO[bytes], path: str | None, joined: bool = False):
        self.joined = joined
        self._open(stream, path)
        self.rate, self.channels = self._file.samplerate, self._file.channels
        self.tags: Mapping[str, str] = {key: text for key, text in self._file.copy_metadata().items() if text}

    def _open(self, stream: IO[bytes], path: str | None) -> None:
        import soundfile

        class Forward(soundfile.SoundFile):  # type: ignore[misc]
            """After each block soundfile seeks to where it is; in FLAC of unknown length that fails."""

            def seekable(self) -> bool:
                return False

        # As bytes, because a file name need not be Unicode; on Windows it always is.
        name = path if os.name == "nt" or not path else os.fsencode(path)
        self._stream, self._file = stream, Forward(name or _Seekable(stream))

    def read(self, out: Samples) -> Samples:
        block: Samples = self._file.read(out=out)
        return block

    def cut(self, frames: int) -> bool:
        end = joined_flac_at(self._stream) if self._file.format == "FLAC" and not self.joined else None
        if end is None:
            return False
        self._file.close()
        self._open(part_of(self._stream, 0, end), None)
        self._file.seek(frames)
        self.joined = True
        return True

    def shortfall(self, frames: int) -> str | None:
        if found := missing(self._file.extra_info, self._file.format):
            return found
        if self._file.format == "OGG" and not ends_ogg(self._stream):
            return "the last page of the stream is missing"
        # Decoders of lossy formats may count a few frames of padding more or less.
        if frames < self._file.frames - self.rate // 10 and self._file.frames != _UNKNOWN_FRAMES:
            return f"the file says {self._file.frames / self.rate:.1f} s"
        return None

    def close(self) -> None:
        self._file.close()


class _PyavDecoder:
    joined = False

    def __init__(self, source: Source, stream: IO[bytes]):
        import av

        try:
            self._container: Any = av.open(_Seekable(stream), metadata_errors="replace")
        except av.FFmpegError as error:
            raise InputError(f"{source.path}: no audio track can be read ({_reason(error)})") from error
        track: Any = self._container.streams.best("audio")
        # A track whose codec nobody knows has no rate at all.
        if track is None or not getattr(track, "rate", 0):
            self._container.close()
            raise InputError(f"{source.path}: holds no audio track that can be decoded")
        self._failures = av.FFmpegError
        self.rate, self.channels = track.rate, track.channels
        self.tags: Mapping[str, str] = {**self._container.metadata, **track.metadata}
        self._claimed = self._claim(track)
        self._damage: str | None = None
        self._resampler = av.AudioResampler(format="fltp", layout=track.layout, rate=track.rate)
        self._blocks, self._rest = self._decode(track), np.empty((0, self.channels), np.float32)

    def _claim(self, track: Any) -> float:
        """Seconds by the file's own account; of raw streams FFmpeg only guesses them from the first bit rates."""
        if self._container.format.name in _WITHOUT_LENGTH:
            return 0.0
        if track.duration:
            return float(track.duration * track.time_base)
        alone = len(self._container.streams) == 1 and self._container.duration
        return float(self._container.duration) / 1e6 if alone else 0.0

    def _decode(self, stream: Any) -> Iterator[Samples]:
        began = False
        try:
            for frame in self._container.decode(stream):
                for converted in self._resampler.resample(frame):
                    began = True
                    yield converted.to_ndarray().T.astype(np.float32, copy=False)
        except self._failures as error:
            if not began:
                raise OSError(_reason(error)) from error
            # What was decoded before the damage is still to be read.
            self._damage = _reason(error)
        except ValueError as error:
            self._damage = "the rate or the channels change there"
            if not began:
                raise OSError(self._damage) from error

    def read(self, out: Samples) -> Samples:
        filled = 0
        while filled < len(out) and self._more():
            taken = self._rest[: len(out) - filled]
            out[filled : filled + len(taken)] = taken
            filled, self._rest = filled + len(taken), self._rest[len(taken) :]
        return out[:filled]

    def _more(self) -> bool:
        while not self._rest.size:
            if (block := next(self._blocks, None)) is None:
                return False
            self._rest = block
        return True

    def cut(self, frames: int) -> bool:
        return False

    def shortfall(self, frames: int) -> str | None:
        if frames < (self._claimed - 0.2) * self.rate:
            return f"the file says {self._claimed:.1f} s"
        return self._damage

    def close(self) -> None:
        self._container.close()
