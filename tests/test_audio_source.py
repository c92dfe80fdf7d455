"""Expanding inputs: order, archives, streams, and what is reported for what cannot be used."""

import io
import os
import tarfile
from pathlib import Path

import pytest
from sounds import encoded, saved, tune

from hitpredict.audio import source as module
from hitpredict.audio.read import read_audio
from hitpredict.audio.source import Source, expand, read_list
from hitpredict.errors import InputError


def paths(inputs, scratch) -> list[str]:
    return [source.path for source in expand([str(i) for i in inputs], str(scratch))]


def tar_of(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def test_folders_are_searched_in_order_and_only_for_audio(tmp_path):
    for name in ("b/2.wav", "b/10.wav", "a/z.flac", "c.ogg"):
        saved(tmp_path / "music", name)
    for name in ("cover.jpg", "notes.txt", "._2.wav"):
        (tmp_path / "music" / name).write_bytes(b"x")
    skipped: list[str] = []
    found = [s.path for s in expand([str(tmp_path / "music")], str(tmp_path), skipped=skipped)]
    assert [os.path.relpath(path, tmp_path / "music") for path in found] == ["c.ogg", "a/z.flac", "b/10.wav", "b/2.wav"]
    assert {Path(name).name for name in skipped} == {"cover.jpg", "notes.txt", "._2.wav"}


def test_arguments_keep_their_order_and_are_taken_whatever_their_suffix(tmp_path):
    wav = tmp_path / "b.dat"
    wav.write_bytes(encoded(tune()))
    text = tmp_path / "a.txt"
    text.write_text("words")
    assert paths([wav, text, wav], tmp_path) == [str(wav), str(text), str(wav)]


@pytest.mark.parametrize(("name", "problem"), [("missing.wav", "no such file"), ("empty", "no audio files")])
def test_what_cannot_be_opened_says_so_when_opened(tmp_path, name, problem):
    (tmp_path / "empty").mkdir()
    (source,) = expand([str(tmp_path / name)], str(tmp_path))
    with pytest.raises(InputError, match=problem):
        read_audio(source)


def test_devices_are_refused(tmp_path):
    (source,) = expand(["/dev/zero"], str(tmp_path))
    assert source.problem == "not a regular file"


def test_tar_members_are_found_by_content_and_named_after_the_archive(tmp_path):
    archive = tmp_path / "shard"
    archive.write_bytes(tar_of({"1.wav": encoded(tune()), "1.json": b"{}", "sub/2.flac": encoded(tune(), "FLAC")}))
    found = list(expand([str(archive)], str(tmp_path)))
    assert [source.path for source in found] == [f"{archive}/1.wav", f"{archive}/sub/2.flac"]
    assert [read_audio(source).frames for source in found] == [44100, 44100]
    (one,) = expand([f"{archive}/sub/2.flac"], str(tmp_path))
    assert read_audio(one).frames == 44100


@pytest.mark.parametrize("name", ["../out.wav", "/etc/out.wav", "a/../../out.wav"])
def test_members_that_climb_out_are_refused_and_the_others_read(tmp_path, name):
    archive = tmp_path / "bad.tar"
    archive.write_bytes(tar_of({name: encoded(tune()), "good.wav": encoded(tune())}))
    bad, good = expand([str(archive)], str(tmp_path))
    with pytest.raises(InputError, match="unsafe member name"):
        read_audio(bad)
    assert read_audio(good).frames == 44100


def test_links_in_archives_are_refused(tmp_path):
    archive = tmp_path / "link.tar"
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("x.wav")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    (source,) = expand([str(archive)], str(tmp_path))
    assert "not a regular file" in (source.problem or "")


def test_a_torn_archive_gives_its_whole_members_and_one_failure(tmp_path):
    data = tar_of({"1.wav": encoded(tune()), "2.wav": encoded(tune())})
    archive = tmp_path / "torn.tar"
    archive.write_bytes(data[: len(data) * 3 // 5])
    first, second, *rest = expand([str(archive)], str(tmp_path))
    assert read_audio(first).frames == 44100
    assert "ends inside this member" in (second.problem or "")
    assert all(source.problem for source in rest)


def test_named_pipes_are_streams(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    if os.fork() == 0:
        pipe.write_bytes(encoded(tune()))
        os._exit(0)
    (source,) = expand([str(pipe)], str(tmp_path))
    assert read_audio(source).frames == 44100
    os.wait()


def test_large_streams_are_spooled_and_the_copy_deleted_after_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_IN_MEMORY", 1000)
    archive = tmp_path / "x.tar"
    archive.write_bytes(tar_of({"1.wav": encoded(tune())}))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (source,) = expand([str(archive)], str(scratch))
    assert source.temporary
    assert read_audio(source).frames == 44100
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "null", "names"),
    [
        (b"a.wav\nb c.wav\r\n\nlast", False, ["a.wav", "b c.wav", "last"]),
        (b"a\nb.wav\0c.wav\0", True, ["a\nb.wav", "c.wav"]),
        (b"", False, []),
        (b"x\xff.wav\n", False, [os.fsdecode(b"x\xff.wav")]),
    ],
)
def test_lists_of_names(data, null, names):
    assert list(read_list(io.BytesIO(data), null=null)) == names


def test_stems():
    assert Source("-").stem == "stdin"
    assert Source("x.tar/a/song.pitch+2.wav").stem == "song.pitch+2"
