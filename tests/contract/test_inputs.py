"""Promises 3, 7 and 23: every container from a pipe, every kind of damage, nothing trusted."""

import io
import json
import os
import struct
import tarfile
from dataclasses import replace

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from tests.helpers.archives import tar_of
from tests.helpers.commands import ON_INPUTS
from tests.helpers.processes import measured, run
from tests.helpers.sounds import encoded, saved, tune

SAME = ("score", "percentile", "interval", "warnings", "duration")


def with_sizes(wav: bytes, riff: int, data: int) -> bytes:
    """The WAV as a program writes it that does not know how long it will be."""
    at = wav.index(b"data")
    return wav[:4] + struct.pack("<I", riff) + wav[8 : at + 4] + struct.pack("<I", data) + wav[at + 8 :]


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3", "AIFF", "CAF"])
def test_containers_from_a_pipe(tmp_path, kind):
    sound = encoded(tune(4), kind)
    (tmp_path / "sound").write_bytes(sound)
    (piped,), (filed,) = run("score", "-", stdin=sound).records, run("score", tmp_path / "sound").records
    assert {key: piped[key] for key in SAME} == {key: filed[key] for key in SAME}
    assert piped["path"] == "-"


def test_tar_from_a_pipe(tmp_path):
    songs = {f"{n}.{kind}": encoded(tune(2, seed=n), kind.upper()) for n, kind in enumerate(("wav", "flac", "ogg"))}
    outcome = run("score", "-", stdin=tar_of({**songs, "notes.txt": b"words"}))
    assert outcome.code == 0
    assert [r["path"] for r in outcome.records] == [f"-/{name}" for name in songs]
    for name, sound in songs.items():
        (tmp_path / name).write_bytes(sound)
    filed = run("score", *(tmp_path / name for name in songs)).records
    assert [[r[key] for key in SAME] for r in outcome.records] == [[r[key] for key in SAME] for r in filed]


@pytest.mark.parametrize("sizes", [(0xFFFFFFFF, 0xFFFFFFFF), (0x7FFFF024, 0x7FFFF000), (0xFFFFFFFF, 0xFFFFFFD8)])
def test_unknown_sizes_mean_the_whole_stream(sizes):
    wav = encoded(tune(3))
    (whole,), (unknown,) = (
        run("score", "-", stdin=wav).records,
        run("score", "-", stdin=with_sizes(wav, *sizes)).records,
    )
    assert unknown == whole
    assert unknown["duration"] == 3.0


@pytest.mark.parametrize("command", ON_INPUTS, ids=str)
def test_zero_frames_are_an_error(command):
    outcome = run(*command.call("-"), stdin=encoded(replace(tune(1), samples=np.zeros((1, 0), np.float32))))
    assert outcome.code == 1
    assert outcome.complaints == ["hitpredict: -: holds no audio frames"]


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_truncation_warns(kind):
    sound = encoded(tune(20), kind)
    (record,) = run("score", "-", stdin=sound[: len(sound) * 2 // 3]).records
    assert [warning for warning in record["warnings"] if warning.startswith("truncated: ")]
    assert 5 < record["duration"] < 19


def test_truncated_tar_keeps_what_was_whole():
    sound = encoded(tune(2))
    tar = tar_of({"a.wav": sound, "b.wav": sound})
    outcome = run("score", "-", stdin=tar[: len(sound) * 3 // 2])
    assert outcome.code == 1
    assert [r["path"] for r in outcome.records] == ["-/a.wav"]
    assert all(line.startswith("hitpredict: -") for line in outcome.complaints)
    assert outcome.complaints


@pytest.fixture
def batch(tmp_path):
    """Good and bad inputs in turn: path, and whether a row is expected."""
    good = encoded(tune(3))
    shaped = tune(3).samples
    contents: dict[str, tuple[bytes, bool]] = {
        "00 good.wav": (good, True),
        "01 corrupt.flac": (encoded(tune(3), "FLAC")[:200] + b"\x55" * 3000, False),
        "02 no frames.wav": (encoded(Clip(np.zeros((2, 0), np.float32), 44100)), False),
        "03 silent.wav": (encoded(Clip(np.zeros((2, 60_000), np.float32), 22050)), True),
        "04 text.mp3": ("This is no music. Ceci n’est pas une chanson.\n".encode() * 9, False),
        "05 zero bytes.wav": (b"", False),
        "06 truncated.wav": (good[: len(good) // 2], True),
        "07 nan.wav": (encoded(Clip(np.where(shaped > 0.3, np.nan, shaped), 22050), "WAV", "FLOAT"), False),
        "08 infinite.wav": (encoded(Clip(np.where(shaped > 0.3, np.inf, shaped), 22050), "WAV", "FLOAT"), False),
        "09 one second.ogg": (encoded(tune(1), "OGG"), True),
        "10 2^31 frames.wav": (with_sizes(good, 0xFFFFFF00, 0xFFFFFF00 - 36), True),
        "11 wild header.wav": (good[:20] + b"\xff" * 12 + good[32:], False),
        "12 good.mp3": (encoded(tune(3), "MP3"), True),
        "13 zeros.wav": (bytes(5000), False),
        "14 archive.tar": (tar_of({"../../escaped.wav": good}), False),
        "15 html.ogg": (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", False),
        "16 new\nline \x1b[31m.wav": (b"words", False),
        "17 good.ogg": (encoded(tune(3), "OGG"), True),
    }
    inputs = []
    for name, (data, expected) in contents.items():
        (tmp_path / name).write_bytes(data)
        inputs.append((tmp_path / name, expected))
    (tmp_path / "18 folder.wav").mkdir()
    (tmp_path / "19 dangling.wav").symlink_to(tmp_path / "nowhere")
    return [*inputs, (tmp_path / "18 folder.wav", False), (tmp_path / "19 dangling.wav", False)]


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_a_batch_loses_nothing(batch, jobs):
    outcome = run("score", "-j", jobs, *(path for path, _ in batch))
    assert outcome.code == 1
    assert [r["path"] for r in outcome.records] == [str(path) for path, good in batch if good]
    bad = [str(path) for path, good in batch if not good]
    assert len(outcome.complaints) == len(bad), outcome.err
    for line, path in zip(outcome.complaints, bad, strict=True):
        printed = path.replace("\n", "\\n").replace("\x1b", "\\x1b")
        assert line.startswith((f"hitpredict: {printed}: ", f"hitpredict: {printed}/../../escaped.wav: "))
    assert "Traceback" not in outcome.err
    assert "\x1b" not in outcome.err


def test_a_batch_of_variants_loses_nothing(batch, tmp_path):
    outcome = run("mutate", "--gain", "-3", *(path for path, _ in batch), "-o", tmp_path / "variants")
    bad = [path for path, good in batch if not good]
    assert outcome.code == 1
    written = {path.name for path in (tmp_path / "variants").iterdir()}
    assert written == {f"{path.stem}.gain-3.wav" for path, good in batch if good}
    printed = [str(path).encode("unicode_escape").decode() for path in bad]
    assert [name for name in printed if f"hitpredict: {name}" not in outcome.err] == []
    warned = [line for line in outcome.complaints if ": truncated: " in line]
    assert ["06 truncated.wav" in line for line in warned] == [True]
    assert len(outcome.complaints) == len(bad) + len(warned)
    assert "Traceback" not in outcome.err


def test_warnings_say_what_is_wrong_with_the_sound(tmp_path):
    paths = [
        saved(tmp_path, "silent.wav", Clip(np.zeros((1, 200_000), np.float32), 22050)),
        saved(tmp_path, "short.wav"),
    ]
    silent, short = run("score", *paths).records
    assert [w for w in silent["warnings"] if w.startswith("silent: ")]
    assert [w for w in short["warnings"] if w.startswith("short: ")]


@pytest.mark.parametrize("frames", [1, 2, 700])
def test_very_short_sounds_are_answered(tmp_path, frames):
    path = saved(tmp_path, "short.wav", Clip(tune().samples[:, :frames], 22050))
    outcome = run("score", path)
    if outcome.code:
        assert outcome.complaints[0].startswith(f"hitpredict: {path}: ")
    else:
        assert [w for w in outcome.records[0]["warnings"] if w.startswith("short: ")]


def test_archives_write_nothing_outside(tmp_path):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    tar = inside / "evil.tar"
    absolute = str(tmp_path / "absolute.wav")
    members = {"../../climbed.wav": encoded(tune(2)), absolute: encoded(tune(2)), "fine.wav": encoded(tune(2))}
    tar.write_bytes(tar_of(members))
    for arguments in (("score", tar), ("mutate", tar, "--gain", "-3", "-o", inside / "out")):
        outcome = run(*arguments, cwd=inside)
        assert outcome.code == 1
        assert len([line for line in outcome.complaints if "unsafe member name" in line]) == 2
    assert {p.name for p in tmp_path.rglob("*.wav")} == {"fine.gain-3.wav"}


def test_links_and_devices_in_archives_are_refused(tmp_path):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, kind, target in (("link.wav", tarfile.SYMTYPE, "/etc/passwd"), ("device.wav", tarfile.CHRTYPE, "")):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    outcome = run("score", "-", stdin=buffer.getvalue())
    assert outcome.code == 1
    assert len(outcome.complaints) == 2


def patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


WAV, FLAC, AIFF = encoded(tune(2)), encoded(tune(2), "FLAC"), encoded(tune(2), "AIFF")
HUGE_CLAIMS = {
    "data of 2 GB": with_sizes(WAV, 0x7FFFFF00, 0x7FFFFE00),
    "1024 channels": patched(patched(WAV, 22, struct.pack("<H", 1024)), 32, struct.pack("<H", 2048)),
    "2^36 frames": patched(FLAC, 21, bytes([FLAC[21] | 0x0F]) + b"\xff" * 4),
    "2^32 AIFF frames": patched(AIFF, AIFF.index(b"COMM") + 10, b"\xff" * 4),
}


@pytest.mark.parametrize("claim", HUGE_CLAIMS)
def test_a_crafted_header_does_not_allocate(tmp_path, claim):
    path = tmp_path / "crafted"
    path.write_bytes(HUGE_CLAIMS[claim])
    outcome, used = measured("score", path)
    assert outcome.code in (0, 1)
    assert "Traceback" not in outcome.err
    assert used.peak < 400


def test_garbage_is_not_a_model(tmp_path):
    garbage, missing = tmp_path / "garbage.onnx", tmp_path / "missing.onnx"
    garbage.write_bytes(os.urandom(4096))
    for model in (garbage, missing, tmp_path):
        for arguments in (("score", "-m", model, saved(tmp_path)), ("models", "show", model)):
            outcome = run(*arguments)
            assert outcome.code == 3
            assert not outcome.out
            assert len(outcome.complaints) == 1
            subject = model if arguments[0] == "score" and model is tmp_path else f"model {model}"
            assert outcome.err.startswith(f"hitpredict: {subject}: ")


def foreign_model(metadata: dict[str, str]) -> bytes:
    """An ONNX network that adds up its inputs, and what it says of itself."""
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
        "foreign",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


CLAIMS: dict[str, dict[str, str]] = {
    "nothing": {},
    "only a schema": {"hitpredict.schema": "hitpredict.model/1"},
    "another schema": {"hitpredict.schema": "hitpredict.model/9"},
    "broken entries": {
        "hitpredict.schema": "hitpredict.model/1",
        "hitpredict.frontend": "{",
        "hitpredict.domain": "[]",
    },
    "an unknown front-end": {"hitpredict.schema": "hitpredict.model/1", "hitpredict.frontend": '{"kind": "psychic"}'},
    "entries of other types": {
        "hitpredict.schema": "hitpredict.model/1",
        **{
            f"hitpredict.{key}": json.dumps([1, 2])
            for key in ("frontend", "calibration", "domain", "reference", "target")
        },
    },
}


@pytest.mark.parametrize("claims", CLAIMS)
def test_models_that_are_not_ours_are_refused(tmp_path, claims):
    model = tmp_path / "foreign.onnx"
    model.write_bytes(foreign_model(CLAIMS[claims]))
    outcome = run("score", "-m", model, saved(tmp_path))
    assert outcome.code == 3, outcome.err
    assert len(outcome.complaints) == 1
    assert outcome.err.startswith("hitpredict: ")
    assert not outcome.out
