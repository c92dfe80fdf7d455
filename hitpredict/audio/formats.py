"""What the first bytes of a file or a stream say it is, and who reads that."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath

HEAD_BYTES = 4096
"""How much of a stream is looked at before it is taken in or refused."""
CONVERT = "convert it to WAV, FLAC, OGG, MP3 or AIFF"
INSTALL_FFMPEG = "pip install 'hitpredict[m4a]'"
AUDIO_SUFFIXES = frozenset(
    f".{name}"
    for name in (
        *("wav", "wave", "rf64", "w64", "aif", "aiff", "aifc", "caf", "au", "snd", "flac"),
        *("ogg", "oga", "opus", "spx", "mp3", "mp2", "m4a", "m4b", "mp4", "aac", "ac3", "mka", "mkv", "webm", "wma"),
        *("wv", "ape", "tta", "mpc"),
    )
)


class Reader(StrEnum):
    """Who decodes a format. either: libsndfile, and FFmpeg what it has no decoder for."""

    libsndfile = "libsndfile"
    ffmpeg = "FFmpeg"
    either = "either"
    nobody = "nobody"


@dataclass(frozen=True)
class Format:
    """name: as users know it. reader: who decodes it. advice: what to do with what nobody decodes."""

    name: str
    reader: Reader
    advice: str = "give a file of sound"


TAR = Format("a tar archive", Reader.nobody, "give it as an input by itself")
MP3 = Format("MP3", Reader.libsndfile)
FLAC = Format("FLAC", Reader.libsndfile)
ADTS = Format("AAC", Reader.ffmpeg)
NAMES = Format("a list of file names", Reader.nobody, "give the list to files_from")
_UNPACK = "unpack it first"
_SOUND, _FFMPEG, _EITHER, _NOBODY = Reader.libsndfile, Reader.ffmpeg, Reader.either, Reader.nobody
_SIGNATURES: tuple[tuple[int, bytes, Format], ...] = (
    (257, b"ustar", TAR),
    (8, b"AVI ", Format("AVI", _FFMPEG)),
    (8, b"WAVE", Format("WAV", _EITHER)),
    (0, b"RIFF", Format("RIFF file", _EITHER)),
    (0, b"RIFX", Format("WAV", _EITHER)),
    (0, b"RF64", Format("RF64", _EITHER)),
    (0, b"riff\x2e\x91\xcf\x11", Format("W64", _EITHER)),
    (0, b"FORM", Format("AIFF", _EITHER)),
    (0, b"caff", Format("CAF", _EITHER)),
    (0, b".snd", Format("AU", _EITHER)),
    (0, b"dns.", Format("AU", _EITHER)),
    (0, b"fLaC", FLAC),
    (0, b"OggS", Format("OGG", _EITHER)),
    (0, b"ID3", MP3),
    (0, b"Creative Voice File", Format("VOC", _EITHER)),
    (0, b"NIST_1A", Format("NIST SPHERE", _EITHER)),
    (0, b"\x64\xa3", Format("IRCAM", _EITHER)),
    (2, b"\xa3\x64", Format("IRCAM", _EITHER)),
    (0, b" paf", Format("PAF", _SOUND)),
    (0, b"fap ", Format("PAF", _SOUND)),
    (0, b"PVF1", Format("PVF", _EITHER)),
    (0, b"2BIT", Format("AVR", _SOUND)),
    (0, b"Extended Instrument: ", Format("XI", _SOUND)),
    (0, b"MATLAB 5.0 MAT-file", Format("MAT-file", _SOUND)),
    (4, b"ftyp", Format("MP4 (M4A)", _FFMPEG)),
    *((4, box, Format("QuickTime", _FFMPEG)) for box in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),
    (0, b"\x1a\x45\xdf\xa3", Format("Matroska (MKV, WebM)", _FFMPEG)),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), Format("WMA (ASF)", _FFMPEG)),
    (0, b"wvpk", Format("WavPack", _FFMPEG)),
    (0, b"TTA1", Format("True Audio", _FFMPEG)),
    (0, b"MAC ", Format("Monkey's Audio", _FFMPEG)),
    (0, b"MP+", Format("Musepack", _FFMPEG)),
    (0, b"MPCK", Format("Musepack", _FFMPEG)),
    (0, b"tBaK", Format("TAK", _FFMPEG)),
    (0, b"ajkg", Format("Shorten", _FFMPEG)),
    (0, b"DSD ", Format("DSF", _FFMPEG)),
    (0, b"FRM8", Format("DSDIFF", _FFMPEG)),
    (0, b"#!AMR", Format("AMR", _FFMPEG)),
    (0, b"\x0b\x77", Format("AC-3", _FFMPEG)),
    (0, b"\x7f\xfe\x80\x01", Format("DTS", _FFMPEG)),
    (0, b".RMF", Format("RealMedia", _FFMPEG)),
    (0, b".ra\xfd", Format("RealAudio", _FFMPEG)),
    (0, b"FLV\x01", Format("FLV", _FFMPEG)),
    (0, b"\x00\x00\x01\xba", Format("MPEG programme stream", _FFMPEG)),
    (0, b"\x1f\x8b", Format("a gzip file (.gz, .tgz)", _NOBODY, _UNPACK)),
    (0, b"PK\x03\x04", Format("a ZIP archive", _NOBODY, _UNPACK)),
    (0, b"BZh", Format("a bzip2 file", _NOBODY, _UNPACK)),
    (0, b"\xfd7zXZ\x00", Format("an XZ file", _NOBODY, _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", Format("a Zstandard file", _NOBODY, _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", Format("a 7-Zip archive", _NOBODY, _UNPACK)),
    (0, b"Rar!", Format("a RAR archive", _NOBODY, _UNPACK)),
    (0, b"MThd", Format("a MIDI file", _NOBODY, "it holds notes; render it to sound first")),
    (0, b"#EXTM3U", Format("a playlist", _NOBODY, "give the names in it as inputs")),
    (0, b"\x89PNG", Format("a PNG picture", _NOBODY)),
    (0, b"\xff\xd8\xff", Format("a JPEG picture", _NOBODY)),
    (0, b"GIF8", Format("a GIF picture", _NOBODY)),
    (0, b"%PDF", Format("a PDF", _NOBODY)),
    (0, b"<!DOCTYPE", Format("a web page", _NOBODY)),
    (0, b"<html", Format("a web page", _NOBODY)),
)


def recognised(head: bytes) -> Format | None:
    """The format that the first `HEAD_BYTES` of something belong to, or None for one that is not known."""
    for offset, magic, form in _SIGNATURES:
        if head.startswith(magic, offset):
            return form
    return _mpeg(head) or _names(head)


def refusal(form: Format | None) -> str | None:
    """Why a format is not decoded on this machine, and what to do about it; None where it is."""
    if form is None:
        return f"not audio that can be read (format not recognised); {CONVERT}"
    if form.reader is Reader.nobody:
        return f"is {form.name}, not sound; {form.advice}"
    if form.reader is Reader.ffmpeg and not ffmpeg_is_there():
        return f"{form.name} needs the package av: {INSTALL_FFMPEG}"
    return None


def ffmpeg_is_there() -> bool:
    """Whether PyAV, which holds FFmpeg, can be imported."""
    try:
        import av  # noqa: F401
    except ImportError:
        return False
    return True


def _mpeg(head: bytes) -> Format | None:
    """MPEG's elementary streams begin with a frame header, and transport streams with packets of 188 bytes."""
    if len(head) >= 3 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return ADTS if head[1] & 0x06 == 0 else MP3
    packets = head[0 : 188 * 5 : 188]
    return Format("MPEG transport stream", Reader.ffmpeg) if packets == b"G" * 5 else None


def _names(head: bytes) -> Format | None:
    """What `find` prints: a first line that is the name of a file, or looks like one of sound."""
    first, end, _ = head.replace(b"\0", b"\n").partition(b"\n")
    name = first.decode(errors="surrogateescape")
    if not end or not name.strip().isprintable() or not name.strip():
        return None
    with suppress(OSError):
        return NAMES if has_audio_suffix(name.strip()) or Path(name).exists() else None
    return None


def has_audio_suffix(name: str) -> bool:
    """Whether a file name ends like audio that hitpredict reads."""
    return PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES


def is_hidden(path: str) -> bool:
    """Whether a name, or a folder that it lies in, begins with a dot: what other programs keep for themselves."""
    return any(part.startswith(".") and part not in (".", "..") for part in PurePosixPath(path).parts)
