"""Decoding: every container, honest about damage, bounded whatever a header claims."""

import io
import resource
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from hitpredict.audio.clip import Clip
from hitpredict.audio.read import open_audio, read_audio
from hitpredict.errors import InputError
from tests.helpers.sounds import encoded, saved, tune


@pytest.mark.parametrize(
    ("kind", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1e-2),
        ("WAV", "PCM_16", 1e-4),
        ("WAV", "PCM_24", 1e-6),
        ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 0),
        ("WAV", "DOUBLE", 1e-7),
        ("FLAC", "PCM_16", 1e-4),
        ("AIFF", "PCM_16", 1e-4),
        ("CAF", "PCM_16", 1e-4),
        ("OGG", "VORBIS", 0.3),
        ("MP3", "MPEG_LAYER_III", 0.3),
    ],
)
def test_containers_decode_to_what_was_written(kind, subtype, tolerance):
    clip = tune(rate=44100)
    decoded = read_audio(encoded(clip, kind, subtype))
    assert (decoded.rate, decoded.channels, decoded.frames) == (44100, 2, clip.frames)
    assert decoded.samples.dtype == np.float32
    assert np.abs(decoded.samples - clip.samples).max() <= tolerance


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 8])
@pytest.mark.parametrize("rate", [8000, 48000, 192000])
def test_channels_and_rates(channels, rate):
    clip = tune(0.1, rate, channels)
    decoded = read_audio(encoded(clip))
    assert decoded.samples.shape == clip.samples.shape
    assert decoded.rate == rate


def test_opus_at_its_own_rate():
    decoded = read_audio(encoded(tune(rate=48000), "OGG", "OPUS"))
    assert (decoded.rate, decoded.frames) == (48000, 96000)


def aac(clip: Clip, kind: str) -> bytes:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream("aac", rate=clip.rate, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(clip.samples), format="fltp", layout="stereo")
        frame.sample_rate = clip.rate
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["mp4", "adts"])
def test_m4a_and_aac_through_pyav(kind):
    clip = tune(rate=44100)
    decoded = read_audio(aac(clip, kind))
    assert (decoded.rate, decoded.channels) == (44100, 2)
    assert decoded.frames == pytest.approx(clip.frames, abs=4096)
    spectra = [np.abs(np.fft.rfft(c.samples[0, :65536] * np.hanning(65536))) for c in (clip, decoded)]
    assert np.corrcoef(*spectra)[0, 1] > 0.98


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "MP3", "OGG", "mp4"])
def test_blocks_may_be_kept_unless_their_memory_is_shared(monkeypatch, kind):
    monkeypatch.setattr("hitpredict.audio.read.BLOCK_SAMPLES", 3000)
    clip = tune(1.0, 44100)
    data = aac(clip, kind) if kind == "mp4" else encoded(clip, kind)
    with open_audio(data) as reader:
        kept = list(reader.blocks())
    with open_audio(data) as reader:
        passing = [(block, block.copy()) for block in reader.blocks(reuse=True)]
        assert reader.peak == max(np.abs(block).max() for block in kept)
    assert len(kept) > 20
    assert {block.shape for block in kept[:-1]} == {(2, 1500)}
    np.testing.assert_array_equal(np.concatenate(kept, axis=1), read_audio(data).samples)
    np.testing.assert_array_equal(np.concatenate([copy for _, copy in passing], axis=1), read_audio(data).samples)
    assert np.shares_memory(passing[0][0], passing[1][0])


def test_m4a_without_pyav_says_what_to_install(monkeypatch):
    data = aac(tune(0.2, 44100), "mp4")
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match=r"pip install 'hitpredict\[m4a\]'"):
        read_audio(data)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
def test_unknown_wav_sizes_of_streams_give_all_frames_and_no_warning(size):
    data = bytearray(encoded(tune()))
    where = data.find(b"data") + 4
    data[where : where + 4] = struct.pack("<I", size)
    data[4:8] = struct.pack("<I", min(size + 36, 0xFFFFFFFF))
    with open_audio(bytes(data)) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == 44100
        assert reader.warnings == []


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_truncation_warns_and_keeps_what_is_there(kind):
    data = encoded(tune(20, 44100), kind)
    with open_audio(data[: len(data) // 2]) as reader:
        frames = sum(block.shape[1] for block in reader.blocks())
        assert 0.2 * 882000 < frames < 0.8 * 882000
        assert len(reader.warnings) == 1
        assert reader.warnings[0].startswith("truncated: only the first ")
    with open_audio(data) as reader:
        assert sum(block.shape[1] for block in reader.blocks()) == 882000
        assert reader.warnings == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"just some words, long enough to be a file of text\n" * 20, "not audio"),
        (bytes(4096), "not audio"),
        (encoded(tune(0.1))[:30], "not audio"),
    ],
)
def test_what_is_not_audio_is_refused_by_name(tmp_path, data, message):
    path = tmp_path / "thing.wav"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as failure:
        read_audio(path)
    assert str(failure.value).startswith(f"{path}: ")
    assert "\n" not in str(failure.value)


def test_no_frames_is_an_error():
    with pytest.raises(InputError, match="no audio frames"):
        read_audio(encoded(Clip(np.empty((1, 0), np.float32), 44100)))


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_audio(tmp_path / "nothing.mp3")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_with_their_place(value):
    clip = tune(1.0)
    clip.samples[1, 11025] = value
    with pytest.raises(InputError, match=r"NaN or infinite samples \(first at 0\.500 s\)"):
        read_audio(encoded(clip, "WAV", "FLOAT"))


def test_one_sample_is_audio():
    assert read_audio(encoded(Clip(np.full((1, 1), 0.5, np.float32), 44100))).samples.tolist() == [[0.5]]


@pytest.mark.parametrize("rate", [1, 2_000_000_000])
def test_absurd_rates_are_refused(rate):
    data = bytearray(encoded(tune(0.1)))
    data[24:28] = struct.pack("<I", rate)
    with pytest.raises(InputError, match="sample rate"):
        read_audio(bytes(data))


def test_a_header_that_claims_2_to_the_31_frames_costs_no_memory(tmp_path):
    path = tmp_path / "claims.w64"
    soundfile.write(path, tune(1.0).samples.T, 22050, format="W64", subtype="PCM_16")
    data = bytearray(path.read_bytes())
    where = data.find(b"data\xf3\xac") + 16
    data[where : where + 8] = struct.pack("<Q", 24 + 2**31 * 4)
    path.write_bytes(data)
    code = (
        "import resource, sys; from hitpredict.audio.read import open_audio\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31))\n"
        "with open_audio(sys.argv[1]) as reader: print(sum(b.shape[1] for b in reader.blocks()))"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert int(done.stdout) <= 22050
    assert resource.getrlimit(resource.RLIMIT_AS)[0] != 2**31


def test_tags_and_names(tmp_path):
    path = saved(tmp_path, "my song.wav")
    assert read_audio(path).name == "my song"
    with soundfile.SoundFile(tmp_path / "x.flac", "w", 22050, 2) as file:
        file.title = "Título"
        file.write(tune().samples.T)
    assert read_audio(tmp_path / "x.flac").name == "Título"


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("two\nlines", "two lines"),
        ("tab\there\r\n", "tab here"),
        ("   ", "x"),
        ("\x1b[31mred", "[31mred"),
        (" a  b ", "a b"),
    ],
)
def test_names_are_one_line(tmp_path, title, name):
    with soundfile.SoundFile(tmp_path / "x.flac", "w", 22050, 2) as file:
        file.title = title
        file.write(tune().samples.T)
    assert read_audio(tmp_path / "x.flac").name == name
