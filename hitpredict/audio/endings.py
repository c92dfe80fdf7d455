"""Where a sound ends: what headers say, what is there, and whether another sound was joined to it."""

import re
import struct
from typing import IO

from hitpredict.audio.formats import HEAD_BYTES, MP3, recognised

_CHUNK = 2**20
_UNKNOWN_SIZE = {
    # Streaming programs write 0x7FFFF000 or 0xFFFFFFFF, less a header, where the size is not yet known.
    **dict.fromkeys(("WAV", "WAVEX", "AIFF", "AU"), 0x7FFFF000 - 2**12),
    **dict.fromkeys(("W64", "RF64"), 2**62),
}
_SOUND_CHUNK = {"WAV": "data", "WAVEX": "data", "AIFF": "SSND", "AU": "Data Size", "W64": "riff", "RF64": "Riff size"}
_OGG_LAST_PAGE = 0x04
_OGG_BEGINNING = re.compile(rb"OggS\x00[\x02\x06]")
_OGG_MULTIPLEXED = 1024
"""Within so many bytes from the start, several streams of one Ogg file begin."""
_CAF_BEGINNING = re.compile(rb"caff\x00\x01\x00\x00desc")
_FLAC_BEGINNING = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_XING = rb"\xff[\xe2-\xff].{11}(?:.{8}(?:.{15})?)?(?:Xing|Info)"
"""In MPEG's first frame, 13, 21 or 36 bytes on: the length of the whole, after which decoders stop."""
_XING_FRAMES, _XING_BYTES = 1, 2
_XING_TOLERANCE = 4096
"""Programs do not agree on what the number of bytes counts, and small tags may follow."""
_MPEG_BEGINNING = re.compile(rb"ID3[\x02-\x04]\x00.[\x00-\x7f]{4}|" + _XING, re.DOTALL)
_BEGINNING = re.compile(
    rb"(?:RIFF|RIFX|RF64).{4}WAVE|riff\x2e\x91\xcf\x11|FORM.{4}AIF[FC]|\.snd\x00\x00|caff\x00\x01|"
    rb"OggS\x00[\x02\x06]|fLaC[\x00\x80]\x00\x00\x22|" + _MPEG_BEGINNING.pattern,
    re.DOTALL,
)
_LONGEST_BEGINNING = 64


def missing(log: str, container: str) -> str | None:
    """Why a file is truncated: libsndfile clamps sizes to the file's; its log tells what the header claimed."""
    match = re.search(rf"^\s*{_SOUND_CHUNK.get(container, 'none')}\s*: (\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if match and int(match[2]) < int(match[1]) < _UNKNOWN_SIZE[container]:
        return f"the header says {match[1]} bytes, {match[2]} are there"
    return None


def ends_ogg(stream: IO[bytes]) -> bool:
    """Whether the last page of an Ogg file says that it is the last."""
    stream.seek(max(0, stream.seek(0, 2) - 2**16))
    tail = stream.read()
    last = tail.rfind(b"OggS")
    return last < 0 or bool(tail[last + 5 : last + 6] and tail[last + 5] & _OGG_LAST_PAGE)


def joined_at(stream: IO[bytes]) -> int | None:
    """Where another sound begins behind the first, which alone is decoded: files that were joined. Else None."""
    stream.seek(0)
    head = stream.read(HEAD_BYTES)
    if (size := _declared_size(head)) is not None:
        if size >= stream.seek(0, 2):
            return None
        stream.seek(size)
        # Samples may look like the two bytes that other formats begin with, where a header is wrong.
        return size if _BEGINNING.match(stream.read(HEAD_BYTES)) else None
    if head.startswith(b"OggS"):
        return _first_from(stream, _OGG_MULTIPLEXED, _OGG_BEGINNING)
    if head.startswith(b"caff"):
        return _first_from(stream, len(head), _CAF_BEGINNING)
    if recognised(head) is MP3:
        return _behind_mpeg(stream, id3_size(head))
    return None


def joined_flac_at(stream: IO[bytes]) -> int | None:
    """Where another FLAC begins behind the first. Its decoder stumbles there, so that nobody need look before."""
    return _first_from(stream, 4, _FLAC_BEGINNING)


def _behind_mpeg(stream: IO[bytes], start: int) -> int | None:
    """The second of two MP3s, near the end of the first by its Xing tag; without one decoders read on."""
    stream.seek(start)
    first = re.match(_XING, stream.read(_LONGEST_BEGINNING), re.DOTALL)
    if not first:
        return None
    stream.seek(start + first.end())
    flags, *fields = struct.unpack(">III", stream.read(12).ljust(12, b"\0"))
    if not flags & _XING_BYTES:
        return None
    end = start + fields[flags & _XING_FRAMES] - _XING_TOLERANCE
    stream.seek(max(end, start + _LONGEST_BEGINNING))
    near = stream.tell()
    found = _MPEG_BEGINNING.search(stream.read(2 * _XING_TOLERANCE))
    return near + found.start() if found else None


def id3_size(head: bytes) -> int:
    """How many bytes the ID3v2 tag takes that a file begins with."""
    if not head.startswith(b"ID3") or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return size + (20 if head[5] & 0x10 else 10)


def _declared_size(head: bytes) -> int | None:
    """The length of the whole file by its own header, for those that begin with it, where it is known."""
    kinds = {
        b"RIFF": ("<4xI", 8, "WAV"),
        b"RIFX": (">4xI", 8, "WAV"),
        b"FORM": (">4xI", 8, "AIFF"),
        b"RF64": ("<20xQ", 8, "RF64"),
        b"riff": ("<16xQ", 0, "W64"),
    }
    if head.startswith(b".snd") and len(head) >= 12:
        offset, size = struct.unpack(">II", head[4:12])
        return offset + size if size < _UNKNOWN_SIZE["AU"] else None
    if head[:4] not in kinds or len(head) < 28:
        return None
    layout, more, container = kinds[head[:4]]
    (size,) = struct.unpack_from(layout, head)
    return size + more + size % 2 if 0 < size < _UNKNOWN_SIZE[container] else None


def _first_from(stream: IO[bytes], start: int, beginning: re.Pattern[bytes]) -> int | None:
    """The first match at or after `start`, reading by chunks that overlap."""
    stream.seek(start)
    kept = b""
    while chunk := stream.read(_CHUNK):
        data = kept + chunk
        if found := beginning.search(data):
            return start - len(kept) + found.start()
        kept, start = data[-_LONGEST_BEGINNING:], start + len(chunk)
    return None
