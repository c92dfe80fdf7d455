"""Bytes that pass for sounds and archives: headers with sizes and chunks that cannot be, cut anywhere."""

import io
import struct
import tarfile
import tempfile
from contextlib import nullcontext

import numpy as np
from hypothesis import strategies as st

from hitpredict.audio import formats
from hitpredict.audio.archive import DamagedTarError, TarWriter, members
from hitpredict.audio.expand import Scratch, Stream, read_list, read_stream
from hitpredict.audio.formats import HEAD_BYTES, recognised, refusal
from hitpredict.audio.read import BLOCK_SAMPLES, open_audio
from hitpredict.errors import InputError
from tests.helpers.fuzz import damaged, fuzzed, unless_refused
from tests.helpers.sounds import encoded, tune

SIGNATURES = st.sampled_from([(offset, magic) for offset, magic, _ in formats._SIGNATURES])
BEGINNINGS = st.builds(lambda signature, rest: rest[: signature[0]].ljust(signature[0], b"\0") + signature[1] + rest,
                       SIGNATURES, st.binary(max_size=300))  # fmt: skip
SIZES = st.sampled_from([0, 1, 2, 15, 16, 17, 2**31 - 1, 2**31, 0x7FFFF000, 2**32 - 2, 2**32 - 1])


@fuzzed(BEGINNINGS | st.binary(max_size=600))
def test_any_bytes_are_a_format_or_none(data):
    form = recognised(data[:HEAD_BYTES])
    assert refusal(form) is None or refusal(form).strip()


@st.composite
def chunks(draw, known):
    """A chunk of a RIFF file, of a size that may lie."""
    name = draw(st.sampled_from(known) | st.binary(min_size=4, max_size=4))
    data = draw(st.binary(max_size=64))
    if name == b"fmt " and draw(st.booleans()):
        numbers = st.sampled_from([0, 1, 2, 3, 8, 16, 24, 32, 64, 85, 0xFFFE, 0xFFFF])
        rates = st.sampled_from([0, 1, 4000, 22050, 44100, 768000, 2**31, 2**32 - 1])
        form, channels, align, bits = (draw(numbers) for _ in range(4))
        data = struct.pack("<HHIIHH", form, channels, draw(rates), draw(rates), align, bits) + data[:24]
    size = draw(st.just(len(data)) | SIZES)
    return name + struct.pack("<I", size) + data + bytes(len(data) % 2)


FORMAT = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 22050, 44100, 2, 16)
RIFF = st.builds(
    lambda magic, size, first, found, cut: (magic + struct.pack("<I", size) + b"WAVE" + first + b"".join(found))[:cut],
    st.sampled_from([b"RIFF", b"RIFF", b"RIFX", b"RF64"]),
    SIZES,
    st.sampled_from([FORMAT, b""]),
    st.lists(
        chunks([b"fmt ", b"data", b"data", b"LIST", b"fact", b"bext", b"id3 ", b"ds64", b"cue ", b"smpl", b"PAD "])
    ),
    st.integers(12, 2000),
)
SOUND = tune(0.05, channels=1)
ENCODED = [encoded(SOUND, *kind) for kind in (
    ("WAV",), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("WAVEX",), ("RF64",), ("W64",), ("AIFF",), ("AU",), ("CAF",),
    ("FLAC",), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3",), ("VOC",), ("NIST",), ("SVX",), ("PAF",), ("XI", "DPCM_16"),
    ("MAT5",), ("AVR",), ("PVF",), ("IRCAM",),
) if kind[-1] != "OPUS"]  # fmt: skip
SOUNDS = st.sampled_from(ENCODED).flatmap(damaged)


def decoded(data):
    """Frames by channels, whatever they are; nothing more than a block at a time."""
    with open_audio(data) as reader:
        for block in reader.blocks(reuse=True):
            assert block.size <= max(BLOCK_SAMPLES, reader.channels)
            assert np.isfinite(block).all()
        assert 4000 <= reader.rate <= 768_000
        return reader.frames_read * reader.channels


@fuzzed(RIFF)
def test_chunks_that_cannot_be(data):
    samples = unless_refused(lambda: decoded(data), InputError)
    # Four bits is the least that a sample takes in what may be in such a file, but for MP3.
    assert samples is None or samples <= 2 * len(data) or data[20:22] == b"\x55\x00"


# libsndfile wants to go to a place before the beginning, which Python's files refuse by an exception that is lost.
LOST = bytearray(encoded(SOUND, "AIFF"))
LOST[40:43] = b"\xff\xff\xff"


@fuzzed(SOUNDS, examples=[(bytes(LOST),)])
def test_damaged_sounds(data):
    unless_refused(lambda: decoded(data), InputError)


def test_the_sounds_that_are_damaged_can_be_read():
    assert all(decoded(data) >= SOUND.frames - 1 for data in ENCODED)


NAMES = st.sampled_from(
    ["a.wav", "b/c.flac", "d.txt", ".e.wav", "../f.wav", "/g.wav", "h" * 200 + ".wav", ""]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
KINDS = st.sampled_from([*tarfile.SUPPORTED_TYPES, tarfile.SOLARIS_XHDTYPE, b"?", b"\xff"])
PAX = st.dictionaries(
    st.sampled_from(["path", "size", "GNU.sparse.name", "GNU.sparse.major", "linkpath", "mtime", "x"]),
    st.sampled_from(["", "-1", "5", "a.wav", "../x.wav", "9" * 30, "1e3", "a\0b"]) | st.text(max_size=6),
    max_size=2,
)


@st.composite
def tars(draw):
    """A tar whose headers have checksums that are right, and anything else."""
    written = b""
    for name, kind, pax, data in draw(
        st.lists(st.tuples(NAMES, KINDS, PAX, st.binary(max_size=30) | st.sampled_from(ENCODED[:2])), max_size=4)
    ):
        member = tarfile.TarInfo(name)
        member.type, member.size, member.pax_headers = kind, len(data), pax
        try:
            header = bytearray(member.tobuf(tarfile.PAX_FORMAT))
        except (ValueError, UnicodeError, TypeError):
            continue
        if draw(st.booleans()):
            size = draw(
                st.sampled_from(
                    [b"00000000000\0", b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0", b"\xff" * 12]
                )
            )
            header[-388:-376] = size
            header[-364:-356] = b" " * 8
            header[-364:-356] = b"%06o\0 " % sum(header[-512:])
        written += bytes(header) + data + bytes(-len(data) % 512)
    return written + bytes(draw(st.sampled_from([1024, 1024, 512, 0, 10240])))


ARCHIVES = tars() | tars().flatmap(damaged)


@fuzzed(ARCHIVES)
def test_archives_are_listed_or_damaged(data):
    found, end = 0, 0
    try:
        for member in members(io.BytesIO(data)):
            found += 1
            assert end <= member.start and member.size >= 0
            end = member.start
    except DamagedTarError as error:
        assert str(error).strip()
    assert found <= len(data) // 512


@fuzzed(ARCHIVES | RIFF | SOUNDS | st.binary(max_size=600) | BEGINNINGS)
def test_streams_hold_sounds_or_are_refused(data):
    with tempfile.TemporaryDirectory() as folder:
        stream = Stream("-", lambda: nullcontext(io.BytesIO(data)))
        for source in read_stream(stream, Scratch(folder, 10**6), []):
            assert source.path.startswith("-")
            unless_refused(lambda source=source: _read(source), InputError)


def _read(source):
    with open_audio(source) as reader:
        for _ in reader.blocks():
            pass


@fuzzed(st.lists(st.tuples(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1),
                           st.binary(max_size=2000)), max_size=4))  # fmt: skip
def test_what_is_written_into_a_tar_is_in_it(given):
    buffer = io.BytesIO()
    with TarWriter(buffer) as tar:
        for name, data in given:
            tar.add(name, len(data), [data[:7], data[7:]])
    found = list(members(io.BytesIO(buffer.getvalue())))
    assert [(each.name, buffer.getvalue()[each.start : each.start + each.size]) for each in found] == given


@fuzzed(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), min_size=1)))
def test_lists_of_names(names):
    for end, null in (("\n", False), ("\r\n", False), ("\0", True)):
        data = "".join(name + end for name in names).encode()
        assert list(read_list(io.BytesIO(data), null=null)) == names
