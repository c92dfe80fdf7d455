"""Formats told by their first bytes: who reads them, or why nobody does; files that were joined, or cut."""

import gzip
import io
import shutil
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.formats import AUDIO_SUFFIXES, HEAD_BYTES, Reader, recognised
from hitpredict.audio.read import open_audio, read_audio
from hitpredict.errors import InputError
from tests.helpers.archives import tar_of
from tests.helpers.sounds import encoded, tune

SECONDS = 4
OWN = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3", "VOC", "NIST", "IRCAM", "PAF", "AVR")
THROUGH_FFMPEG = {
    "mkv": "Matroska",
    "webm": "Matroska",
    "wma": "WMA",
    "avi": "AVI",
    "ts": "MPEG transport",
    "mpg": "MPEG programme",
    "flv": "FLV",
    "wv": "WavPack",
    "tta": "True Audio",
    "ac3": "AC-3",
    "m4a": "MP4",
    "mov": "MP4",
    "aac": "AAC",
    "spx": "OGG",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A function that has the ffmpeg program write a tune in the format of a suffix."""
    if not shutil.which("ffmpeg"):
        pytest.skip("needs the program ffmpeg to write test files")
    folder = tmp_path_factory.mktemp("made")
    (folder / "tune.wav").write_bytes(encoded(tune(SECONDS, 44100)))

    def make(name: str, *options: str) -> bytes:
        path = folder / name
        command = ["ffmpeg", "-v", "error", "-y", "-i", folder / "tune.wav", *options, path]
        done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            pytest.skip(f"this ffmpeg writes no {path.suffix}: {done.stderr.decode().strip()}")
        return path.read_bytes()

    return make


def duration_and_warnings(data: bytes) -> tuple[float, list[str]]:
    with open_audio(data) as reader:
        return sum(block.shape[1] for block in reader.blocks()) / reader.rate, reader.warnings


@pytest.mark.parametrize("kind", OWN)
def test_what_libsndfile_writes_is_recognised(kind):
    form = recognised(encoded(tune(1, 44100), kind)[:HEAD_BYTES])
    assert form is not None
    assert form.reader in (Reader.libsndfile, Reader.either)


@pytest.mark.parametrize("suffix", THROUGH_FFMPEG)
def test_what_ffmpeg_reads_is_read(made, suffix):
    data = made(f"tune.{suffix}")
    form = recognised(data[:HEAD_BYTES])
    assert form is not None
    assert form.name.startswith(THROUGH_FFMPEG[suffix])
    duration, warnings = duration_and_warnings(data)
    assert duration == pytest.approx(SECONDS, abs=0.1)
    assert warnings == []
    decoded = read_audio(data)
    shapes = [np.abs(np.fft.rfft(c.samples[0, :65536] * np.hanning(65536))) for c in (tune(SECONDS, 44100), decoded)]
    assert decoded.rate != 44100 or np.corrcoef(*shapes)[0, 1] > 0.9


@pytest.mark.parametrize("suffix", THROUGH_FFMPEG)
def test_without_pyav_the_message_names_the_format_and_the_package(made, suffix, monkeypatch):
    data = made(f"tune.{suffix}")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'hitpredict\[m4a\]'") as failure:
        read_audio(data)
    assert suffix == "spx" or f"{THROUGH_FFMPEG[suffix]}" in str(failure.value)


def test_video_gives_its_sound(made):
    picture = ("-f", "lavfi", "-i", "color=red:s=64x64:r=25:d=6", "-map", "0:a", "-map", "1:v")
    for name in ("film.mkv", "film.avi", "film.mpg"):
        duration, warnings = duration_and_warnings(made(name, *picture))
        assert (duration, warnings) == (pytest.approx(SECONDS, abs=0.1), [])


def test_pictures_in_sound_files_do_no_harm(made):
    picture = ("-f", "lavfi", "-i", "color=red:s=64x64:d=1", "-map", "0:a", "-map", "1:v", "-frames:v", "1")
    attached = ("-c:v", "mjpeg", "-disposition:v", "attached_pic")
    for name, options in {"a.ogg": ("-c:v", "libtheora"), "a.mp3": attached, "a.flac": attached}.items():
        duration, warnings = duration_and_warnings(made(name, *picture, *options))
        assert (duration, warnings) == (pytest.approx(SECONDS, abs=0.1), [])


def test_the_length_of_raw_aac_is_not_guessed():
    """FFmpeg reckons it from the bit rate at the start, which is not that of the rest."""
    av = pytest.importorskip("av")
    loud, buffer = tune(8, 44100).samples.copy(), io.BytesIO()
    loud[:, :88200] = 0
    with av.open(buffer, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=44100, layout="stereo", options={"global_quality": "200"})
        stream.codec_context.flags |= 2
        frame = av.AudioFrame.from_ndarray(loud, format="fltp", layout="stereo")
        frame.sample_rate = 44100
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    duration, warnings = duration_and_warnings(buffer.getvalue())
    assert duration == pytest.approx(8, abs=0.1)
    assert warnings == []


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.wav", encoded(tune(0.1)))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(tar_of({"a.wav": encoded(tune(0.1))})), r"is a gzip file \(.gz, .tgz\), not sound; unpack it"),
        (zipped(), "is a ZIP archive, not sound; unpack it first"),
        (b"MThd\0\0\0\x06" + bytes(100), "is a MIDI file, not sound"),
        (b"#EXTM3U\na.mp3\n", "is a playlist, not sound"),
        (b"music/a.mp3\nmusic/b.mp3\n", "is a list of file names, not sound"),
        (b"music/a.mp3\0music/b.mp3\0", "is a list of file names, not sound"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "is a PNG picture, not sound"),
    ],
)
def test_what_is_no_sound_is_named(data, message):
    with pytest.raises(InputError, match=message):
        read_audio(data)


def test_every_suffix_of_a_common_format_is_looked_for_in_folders():
    assert {f".{suffix}" for suffix in ("wav", "mp3", "flac", "ogg", "m4a", "webm", "mkv", "wma")} <= AUDIO_SUFFIXES


@pytest.mark.parametrize("other", ["same", "another format"])
@pytest.mark.parametrize("kind", ["WAV", "RF64", "W64", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3"])
def test_of_joined_files_the_first_is_read_and_the_others_told_of(kind, other):
    first = encoded(tune(5, 44100), kind)
    second = encoded(
        tune(1, 44100, seed=1), kind if other == "same" or kind in ("CAF", "FLAC", "OGG", "MP3") else "MP3"
    )
    with open_audio(first + second) as reader:
        samples = np.concatenate(list(reader.blocks()), axis=1)
    assert (samples == read_audio(first).samples).all()
    assert [warning.split(":")[0] for warning in reader.warnings] == ["joined"]


def test_joined_mp3s_without_a_length_are_one_sound(made):
    data = made("plain.mp3", "-write_xing", "0")
    duration, warnings = duration_and_warnings(data * 2)
    assert duration == pytest.approx(2 * SECONDS, abs=0.2)
    assert warnings == []


@pytest.mark.parametrize("kind", ["WAV", "AIFF", "MP3"])
def test_what_is_not_sound_may_follow(kind):
    data = encoded(tune(2, 44100), kind)
    assert duration_and_warnings(data + b"TAG" + bytes(125))[1] == []


def test_samples_behind_a_wrong_size_are_no_second_sound():
    """Programs that were killed leave the size of an empty file in the header."""
    data = bytearray(encoded(Clip(np.full((2, 44100), -1 / 32768, np.float32), 22050)))
    assert data[44:48] == b"\xff" * 4
    data[4:8] = struct.pack("<I", 36)
    assert duration_and_warnings(bytes(data)) == (2, [])


@pytest.mark.parametrize("kind", ["AIFF", "AU", "W64", "RF64"])
def test_truncation_of_headers_with_sizes(kind):
    data = encoded(tune(20, 44100), kind)
    duration, (warning,) = duration_and_warnings(data[: len(data) // 2])
    assert duration == pytest.approx(10, abs=0.1)
    assert warning.startswith("truncated: only the first 10.0 s could be decoded (the header says ")
    assert duration_and_warnings(data) == (20, [])


@pytest.mark.parametrize(("kind", "at"), [("AIFF", "SSND"), ("AU", ".snd")])
def test_unknown_sizes_of_other_streams_are_no_truncation(kind, at):
    data = bytearray(encoded(tune(2), kind))
    where = data.index(at.encode()) + (4 if kind == "AIFF" else 8)
    data[where : where + 4] = struct.pack(">I", 0x7FFFF000 if kind == "AIFF" else 0xFFFFFFFF)
    assert duration_and_warnings(bytes(data)) == (2, [])


@pytest.mark.parametrize("suffix", ["mkv", "webm", "m4a"])
def test_truncation_of_what_ffmpeg_reads(made, suffix):
    data = made(f"whole.{suffix}", *(("-movflags", "faststart") if suffix == "m4a" else ()))
    duration, (warning,) = duration_and_warnings(data[: len(data) // 2])
    assert 0.2 * SECONDS < duration < 0.8 * SECONDS
    assert warning.startswith("truncated: ")
