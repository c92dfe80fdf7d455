"""Expanding inputs: order, archives, streams, and what is reported for what cannot be used."""

import io
import os
import resource
import subprocess
import tarfile
from pathlib import Path

import pytest

from hitpredict.audio import expand as module
from hitpredict.audio.expand import Scratch, Stream, braced, entries, expand, list_shard, read_list, read_stream
from hitpredict.audio.read import read_audio
from hitpredict.audio.source import Source
from hitpredict.errors import InputError
from tests.helpers.archives import tar_of
from tests.helpers.sounds import encoded, saved, tune


def paths(inputs, scratch) -> list[str]:
    return [source.path for source in expand([str(i) for i in inputs], Scratch(str(scratch)))]


def test_folders_are_searched_in_order_and_only_for_audio(tmp_path):
    for name in ("b/2.wav", "b/10.wav", "a/z.flac", "c.ogg"):
        saved(tmp_path / "music", name)
    for name in ("cover.jpg", "notes.txt", "._2.wav"):
        (tmp_path / "music" / name).write_bytes(b"x")
    skipped: list[str] = []
    found = [s.path for s in expand([str(tmp_path / "music")], Scratch(str(tmp_path)), skipped=skipped)]
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
    (source,) = expand([str(tmp_path / name)], Scratch(str(tmp_path)))
    with pytest.raises(InputError, match=problem):
        read_audio(source)


def test_devices_are_refused(tmp_path):
    (source,) = expand(["/dev/zero"], Scratch(str(tmp_path)))
    assert source.problem == "cannot be read: not a regular file"


def test_tar_members_are_found_by_content_and_named_after_the_archive(tmp_path):
    archive = tmp_path / "shard"
    archive.write_bytes(tar_of({"1.wav": encoded(tune()), "1.json": b"{}", "sub/2.flac": encoded(tune(), "FLAC")}))
    found = list(expand([str(archive)], Scratch(str(tmp_path))))
    assert [source.path for source in found] == [f"{archive}/1.wav", f"{archive}/sub/2.flac"]
    assert [read_audio(source).frames for source in found] == [44100, 44100]
    (one,) = expand([f"{archive}/sub/2.flac"], Scratch(str(tmp_path)))
    assert read_audio(one).frames == 44100


@pytest.mark.parametrize("name", ["../out.wav", "/etc/out.wav", "a/../../out.wav"])
def test_members_that_climb_out_are_refused_and_the_others_read(tmp_path, name):
    archive = tmp_path / "bad.tar"
    archive.write_bytes(tar_of({name: encoded(tune()), "good.wav": encoded(tune())}))
    bad, good = expand([str(archive)], Scratch(str(tmp_path)))
    with pytest.raises(InputError, match="unsafe member name"):
        read_audio(bad)
    assert read_audio(good).frames == 44100


def test_links_in_archives_are_refused(tmp_path):
    archive = tmp_path / "link.tar"
    with tarfile.open(archive, "w") as tar:
        info = tarfile.TarInfo("x.wav")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    (source,) = expand([str(archive)], Scratch(str(tmp_path)))
    assert "not a regular file" in (source.problem or "")


def test_a_torn_archive_gives_its_whole_members_and_one_failure(tmp_path):
    data = tar_of({"1.wav": encoded(tune()), "2.wav": encoded(tune())})
    archive = tmp_path / "torn.tar"
    archive.write_bytes(data[: len(data) * 3 // 5])
    first, second, *rest = expand([str(archive)], Scratch(str(tmp_path)))
    assert read_audio(first).frames == 44100
    assert "ends inside this member" in (second.problem or "")
    assert all(source.problem for source in rest)


def test_named_pipes_are_streams(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    if os.fork() == 0:
        pipe.write_bytes(encoded(tune()))
        os._exit(0)
    (source,) = expand([str(pipe)], Scratch(str(tmp_path)))
    assert read_audio(source).frames == 44100
    os.wait()


def test_large_streams_are_spooled_and_the_copy_deleted_after_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_IN_MEMORY", 1000)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    stream = Stream("x", lambda: io.BytesIO(tar_of({"1.wav": encoded(tune())})))
    (source,) = read_stream(stream, Scratch(str(scratch)), [])
    assert source.temporary
    assert read_audio(source).frames == 44100
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_members_of_archives_on_disk_are_read_where_they_lie(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(module, "_spool", None)
    names = [f"{number}.{kind.lower()}" for number in range(3)]
    archive = tmp_path / "music" / "x.tar"
    archive.parent.mkdir()
    archive.write_bytes(tar_of({name: encoded(tune(seed=seed), kind) for seed, name in enumerate(names)}))
    found = list(expand([str(archive.parent)], Scratch("/nowhere")))
    assert [source.path for source in found] == [f"{archive}/{name}" for name in names]
    for seed, source in enumerate(found):
        expected = read_audio(encoded(tune(seed=seed), kind)).samples
        assert (read_audio(source).samples == expected).all()


def test_names_are_known_before_any_stream_is_read(tmp_path):
    archive = tmp_path / "x.tar"
    archive.write_bytes(tar_of({"1.wav": b"never read"}))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    song = saved(tmp_path)
    found = list(entries([str(archive), str(pipe), "-", "/dev/stdin", str(song)], []))
    assert [entry.path for entry in found] == [f"{archive}/1.wav", str(pipe), "-", "/dev/stdin", str(song)]
    assert [isinstance(entry, Stream) for entry in found] == [False, True, True, True, False]


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (source,) = expand([str(tmp_path)], Scratch(str(tmp_path)))
    assert source.problem == "cannot be read: not a regular file"


@pytest.mark.parametrize("name", ["._1.wav", ".hidden/1.wav", "a/.hidden/1.wav"])
def test_what_is_hidden_is_passed_over_in_folders_and_archives(tmp_path, name):
    saved(tmp_path / "music", name)
    saved(tmp_path / "music", "a/2.wav")
    archive = tmp_path / "x.tar"
    archive.write_bytes(tar_of({f"./{name}": encoded(tune()), "./a/2.wav": encoded(tune())}))
    assert paths([tmp_path / "music", archive], tmp_path) == [f"{tmp_path}/music/a/2.wav", f"{archive}/./a/2.wav"]
    assert len(paths([tmp_path / "music" / name], tmp_path)) == 1
    hidden_itself = tmp_path / "music" / ".given"
    saved(hidden_itself)
    assert len(paths([hidden_itself], tmp_path)) == 1


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("more", ["second archive", "torn header"])
def test_what_follows_the_end_of_an_archive_is_told_of(tmp_path, more, streamed):
    data = tar_of({"1.wav": encoded(tune()), "2.wav": encoded(tune())})
    if more == "second archive":
        data, whole = data * 2, 2
    else:
        second = data.index(b"2.wav")
        data, whole = data[:second] + b"\xff" * 512 + data[second + 512 :], 1
    archive = tmp_path / "x.tar"
    archive.write_bytes(data)
    found = list(
        read_stream(Stream("x", lambda: archive.open("rb")), Scratch(str(tmp_path)), [])
        if streamed
        else expand([str(archive)], Scratch(str(tmp_path)))
    )
    assert [source.problem is None for source in found] == [True] * whole + [False]
    assert "members from here on are lost" in (found[-1].problem or "")


class Endless(io.RawIOBase):
    """A stream without end; taken: how much of it was read."""

    def __init__(self, head: bytes, more: bytes):
        self._head, self._more, self.taken = head, more, 0

    def read(self, size: int = -1) -> bytes:
        assert size > 0
        data = (self._head + self._more * (size // len(self._more) + 1))[:size]
        self._head, self.taken = self._head[size:], self.taken + size
        return data


@pytest.mark.parametrize("head", [b"", b"PK\x03\x04", b"\x1f\x8b", b"\x00" * 20])
def test_streams_that_are_no_sound_are_refused_by_their_first_bytes(tmp_path, head):
    stream = Endless(head, b"y\n")
    (source,) = read_stream(Stream("-", lambda: stream), Scratch(str(tmp_path)), [])
    assert source.problem
    assert stream.taken <= 4096


def test_streams_without_end_are_given_up_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_IN_MEMORY", 1000)
    stream = Endless(encoded(tune()), b"\0" * 64)
    (source,) = read_stream(Stream("-", lambda: stream), Scratch(str(tmp_path), max_bytes=5_000_000), [])
    assert source.problem == "has more than 0.005 GB; is it without end? `max_bytes` allows more"
    assert 5_000_000 < stream.taken < 8_000_000
    assert list(tmp_path.iterdir()) == []


def test_the_limit_holds_for_members_before_they_are_read(tmp_path):
    large, small = encoded(tune(4)), encoded(tune(1))
    stream = Stream("-", lambda: io.BytesIO(tar_of({"large.wav": large, "small.wav": small})))
    first, second = read_stream(stream, Scratch(str(tmp_path), max_bytes=len(small)), [])
    assert "has more than" in (first.problem or "")
    assert read_audio(second).frames == 22050


def test_a_full_disk_costs_one_input_and_names_the_folder_and_the_size(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_IN_MEMORY", 300_000)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    data = tar_of({"large.wav": encoded(tune(60)), "small.wav": encoded(tune(1))})
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, limits[1]))
    try:
        first, second = read_stream(Stream("-", lambda: io.BytesIO(data)), Scratch(str(tmp_path)), [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (first.problem or "").startswith(f"there is no room for more than 2 MB of it in {tmp_path} (File too large)")
    assert "TMPDIR" in (first.problem or "")
    assert read_audio(second).frames == 22050
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("shard-{000..002}.tar", ["shard-000.tar", "shard-001.tar", "shard-002.tar"]),
        ("s3://b/{8..10}/x{1..0}.tar", [f"s3://b/{a}/x{b}.tar" for a in (8, 9, 10) for b in (1, 0)]),
        ("{98..101}.wav", ["98.wav", "99.wav", "100.wav", "101.wav"]),
        ("{098..101}.wav", ["098.wav", "099.wav", "100.wav", "101.wav"]),
        ("a{b,c}{1..}{..}.wav", ["a{b,c}{1..}{..}.wav"]),
    ],
)
def test_ranges_in_braces(text, names):
    assert list(braced(text)) == names
    if "," not in text:
        assert subprocess.check_output(["bash", "-c", f"echo {text}"]).decode().split() == names


def test_a_name_with_braces_that_is_there_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path, "{1..3}.wav")
    assert paths(["{1..3}.wav"], tmp_path) == ["{1..3}.wav"]


def test_shards_of_webdataset_by_their_range(tmp_path):
    """Members of one key: the sound is taken, what describes it is counted."""
    for shard in range(2):
        keys = {f"{key:04}": encoded(tune(0.1)) for key in range(2)}
        members = {f"{key}.{kind}": data for key, sound in keys.items()
                   for kind, data in (("wav", sound), ("json", b"{}"), ("cls", b"1"))}  # fmt: skip
        (tmp_path / f"shard-{shard:03}.tar").write_bytes(tar_of(members))
    skipped = list[str]()
    named = f"{tmp_path}/shard-{{000..001}}.tar"
    found = list(expand([named], Scratch(str(tmp_path)), skipped=skipped))
    names = [f"shard-{shard:03}.tar/{key:04}.wav" for shard in range(2) for key in range(2)]
    assert [source.path for source in found] == [f"{tmp_path}/{name}" for name in names]
    assert skipped == [f"{tmp_path}/shard-00{shard}.tar: 4 of its members (2 .cls, 2 .json)" for shard in range(2)]
    # Listed where it lies, a shard at a URL holds the same, and each of its sounds can be had alone.
    for shard in range(2):
        url = f"file://{tmp_path}/shard-{shard:03}.tar"
        streamed = list(expand([url], Scratch(str(tmp_path))))
        listed, others = list_shard(url)
        assert [source.path for source in listed] == [source.path for source in streamed]
        assert others == [f"{url}: 4 of its members (2 .cls, 2 .json)"]
        for one, other in zip(listed, streamed, strict=True):
            assert (one.data, one.url) == (None, url)
            assert one.opened().read() == other.opened().read() == encoded(tune(0.1))
    assert [source.problem for source in list_shard(url, max_bytes=10)[0]] == [
        "has more than 1e-08 GB; `max_bytes` allows more"
    ] * 2


def test_a_shard_that_is_cut_fails_where_it_is_cut(tmp_path):
    whole = tar_of({"a.wav": encoded(tune(0.1)), "b.wav": encoded(tune(0.1))})
    (tmp_path / "cut.tar").write_bytes(whole[: len(whole) // 2])
    for name in (str(tmp_path / "cut.tar"), f"file://{tmp_path}/cut.tar"):
        local = [(source.path, source.problem) for source in expand([name], Scratch(str(tmp_path)))]
        assert any("ends inside" in (problem or "") for _, problem in local)
    assert [(source.path, source.problem) for source in list_shard(name)[0]] == local


def test_a_shard_that_cannot_be_listed_is_a_stream(tmp_path):
    assert list_shard(f"file://{tmp_path}/none.tar") is None
