"""Encoding: exact sizes, tags, equal bytes for equal clips, and no half files."""

import io
import shutil
import struct
import subprocess
import tarfile

import numpy as np
import pytest
import soundfile

from hitpredict.audio.archive import TarWriter
from hitpredict.audio.clip import Clip
from hitpredict.audio.read import read_audio
from hitpredict.audio.sound import Sound
from hitpredict.audio.write import wav_chunks, wav_size, write_audio
from hitpredict.errors import InputError, UsageError
from hitpredict.files.owned import atomic
from tests.helpers.sounds import tune


def wav_bytes(clip, encoding="16"):
    return b"".join(wav_chunks(clip, encoding))


@pytest.mark.parametrize(("encoding", "error"), [("16", 2e-5), ("24", 1e-7), ("float", 0)])
@pytest.mark.parametrize("channels", [1, 2, 3, 8])
@pytest.mark.parametrize("frames", [1, 2, 777])
def test_wav_round_trip_with_exact_sizes(encoding, error, channels, frames):
    clip = tune(1, 48000, channels)
    clip = Clip(clip.samples[:, :frames], 48000, "x", {"title": "Odd", "comment": "größer", "artist": "A"})
    data = wav_bytes(clip, encoding)
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    assert wav_size(Sound.of(clip), encoding) == len(data)
    decoded = read_audio(data)
    assert decoded.samples.shape == (channels, frames)
    assert np.abs(decoded.samples - clip.samples).max() <= error
    assert {k: decoded.tags[k] for k in ("title", "comment", "artist")} == dict(clip.tags)


def test_equal_clips_have_equal_bytes():
    assert wav_bytes(tune(), "float") == wav_bytes(tune(), "float")


def test_16_bit_survives_unchanged():
    values = np.arange(-32768, 32768, dtype=np.int16)
    clip = Clip((values / np.float32(32768))[None], 44100)
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(wav_bytes(clip)), dtype="int16")[0], values)


def test_beyond_full_scale_is_cut_in_integers_and_kept_in_float():
    clip = Clip(np.array([[1.5, -1.5, 0.25]], np.float32), 44100)
    np.testing.assert_allclose(read_audio(wav_bytes(clip)).samples, [[1, -1, 0.25]], atol=1e-4)
    np.testing.assert_array_equal(read_audio(wav_bytes(clip, "float")).samples, clip.samples)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_files_with_tags(tmp_path, suffix):
    clip = Clip(tune(1, 44100).samples, 44100, "t", {"title": "A song", "comment": '{"steps":[]}'})
    write_audio(clip, tmp_path / f"x{suffix}")
    decoded = read_audio(tmp_path / f"x{suffix}")
    assert decoded.frames == clip.frames
    assert decoded.name == "A song"
    assert decoded.tags["comment"] == '{"steps":[]}'
    assert np.corrcoef(decoded.samples[0], clip.samples[0])[0, 1] > 0.98
    assert [path.name for path in tmp_path.iterdir()] == [f"x{suffix}"]


def test_flac_24_bit(tmp_path):
    write_audio(tune(), tmp_path / "x.flac", "24")
    assert soundfile.info(tmp_path / "x.flac").subtype == "PCM_24"


@pytest.mark.parametrize(("name", "bits"), [("x.xyz", "16"), ("x.flac", "float")])
def test_formats_that_cannot_be_written_are_refused(tmp_path, name, bits):
    with pytest.raises(UsageError):
        write_audio(tune(), tmp_path / name, bits)
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_cannot_hold_leaves_no_file(tmp_path):
    with pytest.raises(InputError, match="MP3 cannot hold 6 channels"):
        write_audio(tune(1, 44100, 6), tmp_path / "x.mp3")
    assert list(tmp_path.iterdir()) == []


def test_too_long_for_wav():
    samples = np.broadcast_to(np.zeros((1, 1), np.float32), (2, 2**30))
    with pytest.raises(InputError, match="too long for WAV"):
        wav_bytes(Clip(samples, 44100, "long"))


def test_an_interrupted_write_keeps_the_old_file(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt), atomic(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "command", [["ffmpeg", "-v", "error", "-i", "-", "-f", "f32le", "-"], ["sox", "-t", "wav", "-", "-t", "f32", "-"]]
)
@pytest.mark.parametrize("encoding", ["16", "24", "float"])
def test_other_programs_read_the_stream(command, encoding):
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    clip = tune()
    done = subprocess.run(command, input=wav_bytes(clip, encoding), capture_output=True, check=True)
    decoded = np.frombuffer(done.stdout, "<f4").reshape(-1, 2).T
    np.testing.assert_allclose(decoded, clip.samples, atol=1e-4)


def test_tar_of_variants_is_reproducible_and_plain():
    def archive() -> bytes:
        buffer = io.BytesIO()
        with TarWriter(buffer) as tar:
            for name, clip in (("a.pitch+2.wav", tune(0.1)), ("ü.wav", tune(0.2))):
                tar.add(name, wav_size(Sound.of(clip), "16"), wav_chunks(clip))
        return buffer.getvalue()

    assert archive() == archive()
    with tarfile.open(fileobj=io.BytesIO(archive())) as tar:
        assert tar.getnames() == ["a.pitch+2.wav", "ü.wav"]
        member = tar.extractfile("ü.wav")
        assert member is not None
        assert read_audio(member.read()).frames == 4410
