"""Damaged sounds that only FFmpeg can open: failures and warnings in words, whatever its bindings raise."""

import io

import av
import numpy as np
import pytest

from hitpredict.audio.read import _Seekable, read_audio
from hitpredict.errors import InputError
from tests.helpers.sounds import encoded, tune


def ac3(rate: int, layout: str) -> bytes:
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="ac3") as container:
        track = container.add_stream("ac3", rate=rate)
        track.layout = layout
        samples = np.random.default_rng(0).normal(0, 0.1, (len(track.layout.channels), rate // 2))
        frame = av.AudioFrame.from_ndarray(samples.astype(np.float32), format="fltp", layout=layout)
        frame.rate = rate
        for packet in (*track.encode(frame), *track.encode(None)):
            container.mux(packet)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["WAV", "W64"])
def test_a_codec_that_nobody_knows_is_a_failure(kind):
    sound = bytearray(encoded(tune(), kind))
    sound[sound.index(b"\x01\x00\x02\x00", 12)] = 0x99
    with pytest.raises(InputError, match="not audio that can be read"):
        read_audio(bytes(sound))


@pytest.mark.parametrize(("rate", "layout"), [(48000, "stereo"), (44100, "mono")])
def test_a_sound_whose_format_changes_ends_there_with_a_warning(rate, layout):
    warnings: list[str] = []
    clip = read_audio(ac3(44100, "stereo") + ac3(rate, layout), warnings.append)
    assert clip.duration == pytest.approx(0.5, abs=0.05)
    assert "the rate or the channels change" in warnings[0]


@pytest.mark.parametrize(("kind", "place"), [("W64", 16), ("RF64", 20)])
@pytest.mark.parametrize("size", [2**61, 2**62, 2**63])
def test_sizes_beyond_any_file_are_not_sought(tmp_path, kind, place, size):
    sound = bytearray(encoded(tune(), kind))
    sound[place : place + 8] = size.to_bytes(8, "little")
    path = tmp_path / "sound"
    path.write_bytes(sound)
    try:
        assert read_audio(path).duration > 1
    except InputError as error:
        assert "not audio that can be read" in str(error)


def test_ffmpeg_is_told_by_minus_one_where_it_may_not_seek():
    stream = _Seekable(io.BytesIO(b"abc"))
    assert stream.seek(-1) == -1
    assert stream.seek(1) == 1
    assert stream.read(1) == b"b"
