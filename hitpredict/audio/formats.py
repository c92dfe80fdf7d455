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
class FileFormat:
    """name: as users know it. reader: who decodes it. advice: what to do with what nobody decodes."""

    name: str
    reader: Reader
    advice: str = "give a file of sound"


TAR = FileFormat("a tar archive", Reader.nobody, "give it as an input by itself")
MP3 = FileFormat("MP3", Reader.libsndfile)
FLAC = FileFormat("FLAC", Reader.libsndfile)
ADTS = FileFormat("AAC", Reader.ffmpeg)
NAME_LIST = FileFormat("a list of file names", Reader.nobody, "give it as `files_from`")
_UNPACK = "unpack it first"
_SOUND, _FFMPEG, _EITHER, _NOBODY = Reader.libsndfile, Reader.ffmpeg, Reader.either, Reader.nobody
_SIGNATURES: tuple[tuple[int, bytes, FileFormat], ...] = (
    (257, b"ustar", TAR),
    (8, b"AVI ", FileFormat("AVI", _FFMPEG)),
    (8, b"WAVE", FileFormat("WAV", _EITHER)),
    (0, b"RIFF", FileFormat("RIFF file", _EITHER)),
    (0, b"RIFX", FileFormat("WAV", _EITHER)),
    (0, b"RF64", FileFormat("RF64", _EITHER)),
    (0, b"riff\x2e\x91\xcf\x11", FileFormat("W64", _EITHER)),
    (0, b"FORM", FileFormat("AIFF", _EITHER)),
    (0, b"caff", FileFormat("CAF", _EITHER)),
    (0, b".snd", FileFormat("AU", _EITHER)),
    (0, b"dns.", FileFormat("AU", _EITHER)),
    (0, b"fLaC", FLAC),
    (0, b"OggS", FileFormat("OGG", _EITHER)),
    (0, b"ID3", MP3),
    (0, b"Creative Voice File", FileFormat("VOC", _EITHER)),
    (0, b"NIST_1A", FileFormat("NIST SPHERE", _EITHER)),
    (0, b"\x64\xa3", FileFormat("IRCAM", _EITHER)),
    (2, b"\xa3\x64", FileFormat("IRCAM", _EITHER)),
    (0, b" paf", FileFormat("PAF", _SOUND)),
    (0, b"fap ", FileFormat("PAF", _SOUND)),
    (0, b"PVF1", FileFormat("PVF", _EITHER)),
    (0, b"2BIT", FileFormat("AVR", _SOUND)),
    (0, b"Extended Instrument: ", FileFormat("XI", _SOUND)),
    (0, b"MATLAB 5.0 MAT-file", FileFormat("MAT-file", _SOUND)),
    (4, b"ftyp", FileFormat("MP4 (M4A)", _FFMPEG)),
    *((4, box, FileFormat("QuickTime", _FFMPEG)) for box in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),
    (0, b"\x1a\x45\xdf\xa3", FileFormat("Matroska (MKV, WebM)", _FFMPEG)),
    (0, bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), FileFormat("WMA (ASF)", _FFMPEG)),
    (0, b"wvpk", FileFormat("WavPack", _FFMPEG)),
    (0, b"TTA1", FileFormat("True Audio", _FFMPEG)),
    (0, b"MAC ", FileFormat("Monkey's Audio", _FFMPEG)),
    (0, b"MP+", FileFormat("Musepack", _FFMPEG)),
    (0, b"MPCK", FileFormat("Musepack", _FFMPEG)),
    (0, b"tBaK", FileFormat("TAK", _FFMPEG)),
    (0, b"ajkg", FileFormat("Shorten", _FFMPEG)),
    (0, b"DSD ", FileFormat("DSF", _FFMPEG)),
    (0, b"FRM8", FileFormat("DSDIFF", _FFMPEG)),
    (0, b"#!AMR", FileFormat("AMR", _FFMPEG)),
    (0, b"\x0b\x77", FileFormat("AC-3", _FFMPEG)),
    (0, b"\x7f\xfe\x80\x01", FileFormat("DTS", _FFMPEG)),
    (0, b".RMF", FileFormat("RealMedia", _FFMPEG)),
    (0, b".ra\xfd", FileFormat("RealAudio", _FFMPEG)),
    (0, b"FLV\x01", FileFormat("FLV", _FFMPEG)),
    (0, b"\x00\x00\x01\xba", FileFormat("MPEG programme stream", _FFMPEG)),
    (0, b"\x1f\x8b", FileFormat("a gzip file (.gz, .tgz)", _NOBODY, _UNPACK)),
    (0, b"PK\x03\x04", FileFormat("a ZIP archive", _NOBODY, _UNPACK)),
    (0, b"BZh", FileFormat("a bzip2 file", _NOBODY, _UNPACK)),
    (0, b"\xfd7zXZ\x00", FileFormat("an XZ file", _NOBODY, _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", FileFormat("a Zstandard file", _NOBODY, _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", FileFormat("a 7-Zip archive", _NOBODY, _UNPACK)),
    (0, b"Rar!", FileFormat("a RAR archive", _NOBODY, _UNPACK)),
    (0, b"MThd", FileFormat("a MIDI file", _NOBODY, "it holds notes; render it to sound first")),
    (0, b"#EXTM3U", FileFormat("a playlist", _NOBODY, "give the names in it as inputs")),
    (0, b"\x89PNG", FileFormat("a PNG picture", _NOBODY)),
    (0, b"\xff\xd8\xff", FileFormat("a JPEG picture", _NOBODY)),
    (0, b"GIF8", FileFormat("a GIF picture", _NOBODY)),
    (0, b"%PDF", FileFormat("a PDF", _NOBODY)),
    (0, b"<!DOCTYPE", FileFormat("a web page", _NOBODY)),
    (0, b"<html", FileFormat("a web page", _NOBODY)),
)


def recognised(head: bytes) -> FileFormat | None:
    """The format that the first `HEAD_BYTES` of something belong to, or None for one that is not known."""
    for offset, magic, form in _SIGNATURES:
        if head.startswith(magic, offset):
            return form
    return _mpeg(head) or _names(head)


def refusal(form: FileFormat | None) -> str | None:
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


def _mpeg(head: bytes) -> FileFormat | None:
    """MPEG's elementary streams begin with a frame header, and transport streams with packets of 188 bytes."""
    if len(head) >= 3 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        return ADTS if head[1] & 0x06 == 0 else MP3
    packets = head[0 : 188 * 5 : 188]
    return FileFormat("MPEG transport stream", Reader.ffmpeg) if packets == b"G" * 5 else None


def _names(head: bytes) -> FileFormat | None:
    """What `find` prints: a first line that is the name of a file, or looks like one of sound."""
    first, end, _ = head.replace(b"\0", b"\n").partition(b"\n")
    name = first.decode(errors="surrogateescape")
    if not end or not name.strip().isprintable() or not name.strip():
        return None
    with suppress(OSError):
        return NAME_LIST if has_audio_suffix(name.strip()) or Path(name).exists() else None
    return None


def has_audio_suffix(name: str) -> bool:
    """Whether a file name ends like audio that hitpredict reads."""
    return PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES


def is_hidden(path: str) -> bool:
    """Whether a name, or a folder that it lies in, begins with a dot: what other programs keep for themselves."""
    return any(part.startswith(".") and part not in (".", "..") for part in PurePosixPath(path).parts)
