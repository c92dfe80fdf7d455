"""Archives that were damaged or made to harm: no member is lost without a word, nothing hangs, nothing swells."""

import io
import tarfile
from itertools import product
from pathlib import Path

import pytest

from hitpredict.audio.archive import DamagedTarError, members
from hitpredict.audio.expand import Scratch, Stream, expand, read_stream
from hitpredict.audio.source import Source
from tests.helpers.marks import few_by_default
from tests.helpers.processes import measured, run
from tests.helpers.sounds import encoded, tune

NAMES = ("1.wav", "2.wav", f"{'long' * 30}/3.wav", "4\u266b.wav", "5.wav", "6.wav")
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def contents(name: str) -> bytes:
    return b"RIFF" + name.encode() * 20


def archive(form: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=FORMATS[form]) as tar:
        for name in NAMES:
            info = tarfile.TarInfo(name)
            info.size = len(contents(name))
            tar.addfile(info, io.BytesIO(contents(name)))
    return buffer.getvalue()


def streamed(data: bytes, tmp_path: Path) -> list[Source]:
    return list(read_stream(Stream("x", lambda: io.BytesIO(data)), Scratch(str(tmp_path)), []))


def on_disk(data: bytes, tmp_path: Path) -> list[Source]:
    path = tmp_path / "x.tar"
    path.write_bytes(data)
    return list(expand([str(path)], Scratch(str(tmp_path))))


def header(name: str = "1.wav", size: int = 0, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(records: bytes) -> bytes:
    return header("pax", len(records), tarfile.XHDTYPE) + records + bytes(-len(records) % 512)


def record(key: str, value: bytes) -> bytes:
    body = f" {key}=".encode() + value + b"\n"
    length = len(body) + 1
    while len(str(length)) + len(body) != length:
        length += 1
    return str(length).encode() + body


END = bytes(1024)
GOOD = header("good.wav", 512) + b"RIFF" + bytes(508)


def told(sources: list[Source]) -> bool:
    """Whether all members came out as they were, or somebody is told."""
    whole = [source.data for source in sources if not source.problem] == [contents(name) for name in NAMES]
    return whole or any(source.problem for source in sources)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("flip", few_by_default([0xFF, 0x80, 0x01]))
def test_every_byte_of_every_header_may_be_damaged(tmp_path, form, flip):
    data = archive(form)
    headers = [at for at in range(0, len(data) - 512, 512) if data[at + 257 : at + 262] == b"ustar"]
    assert len(headers) == {"ustar": 6, "gnu": 7, "pax": 8}[form]
    silent = []
    for at, offset in product(headers, range(512)):
        damaged = bytearray(data)
        damaged[at + offset] ^= flip
        if not told(streamed(bytes(damaged), tmp_path)):
            silent.append(at + offset)
    assert silent == []


@pytest.mark.parametrize("read", [streamed, on_disk])
def test_an_archive_may_be_cut_at_every_block(tmp_path, read):
    data = archive("pax")
    last = data.rindex(b"6.wav" * 20) + 100
    for end in range(1024, last + 412, 512):
        found = read(data[:end], tmp_path)
        assert any(source.problem for source in found), end
        assert not all(source.problem for source in found)
    assert not any(source.problem for source in read(data, tmp_path))


@pytest.mark.parametrize("at", ["length", "key", "end"])
def test_a_damaged_extended_header_costs_one_member(tmp_path, at):
    data = bytearray(archive("pax"))
    place = data.index(b" path=4") + {"length": -1, "key": 5, "end": len(" path=4\u266b.wav".encode())}[at]
    data[place] = ord("~")
    found = streamed(bytes(data), tmp_path)
    assert [source.problem for source in found if source.problem] == ["its extended header is damaged"]
    assert len(found) == len(NAMES)


SIZES = {
    "2^87 in the header": header("big.wav", 2**87),
    "negative": header("big.wav", -512),
    "a tebibyte by PAX": pax(record("size", b"1099511627776")) + header("big.wav"),
    "2^87 by PAX": pax(record("size", str(2**87).encode())) + header("big.wav"),
    "5,000 digits": pax(record("size", b"9" * 5000)) + header("big.wav"),
    "a length of 300,000 digits": pax(b"9" * 300_000 + b" path=x.wav\n") + header("big.wav", 2),
    "digits without end": pax(b"9" * 1_000_000) + header("big.wav", 2),
    "no number": pax(record("size", "\u0663".encode())) + header("big.wav"),
    "an extended header of a terabyte": header("pax", 10**12, tarfile.XHDTYPE),
    "a long name of a terabyte": header("name", 10**12, tarfile.GNUTYPE_LONGNAME),
}


@pytest.mark.parametrize("read", [streamed, on_disk])
@pytest.mark.parametrize("claim", SIZES)
def test_sizes_are_not_believed(tmp_path, claim, read):
    found = read(GOOD + SIZES[claim] + b"ab" + bytes(510) + END, tmp_path)
    assert found[0].problem is None
    assert all(source.problem for source in found[1:])
    assert len(found) > 1


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_chain_of_extended_headers_ends(tmp_path, kind):
    """Python's own reader calls itself for each."""
    found = streamed(GOOD + header("x", 0, kind) * 3000 + GOOD + END, tmp_path)
    assert [source.problem for source in found] == [None, None]


NAMES_TO_REFUSE = {
    "zero byte": pax(record("path", b"a\0b.wav")),
    "100,000 characters": pax(record("path", b"a" * 100_000 + b".wav")),
    "100,000 characters in GNU's way": header("name", 100_000, tarfile.GNUTYPE_LONGNAME)
    + b"a" * 99_999
    + bytes(1 + -100_000 % 512),
}


@pytest.mark.parametrize("name", NAMES_TO_REFUSE)
def test_odd_names_cost_one_member(tmp_path, name):
    odd, good = streamed(NAMES_TO_REFUSE[name] + header("1.wav") + GOOD + END, tmp_path)
    assert "member name" in (odd.problem or "")
    assert len(odd.path) < 100
    assert good.problem is None


def test_sparse_members_are_refused_before_anything_is_copied(tmp_path):
    sparse = pax(record("GNU.sparse.major", b"1") + record("GNU.sparse.realsize", b"1000000000000"))
    found = streamed(sparse + header("sparse.wav", 512) + bytes(512) + GOOD + END, tmp_path)
    assert ["sparse" in (source.problem or "") for source in found] == [True, False]
    assert list(tmp_path.iterdir()) == []


def test_a_member_larger_than_the_disk_is_not_begun(tmp_path, monkeypatch):
    monkeypatch.setattr("hitpredict.audio.expand.disk_usage", lambda _: Room())
    found = streamed(header("big.wav", 3_000_000) + bytes(3_000_320) + GOOD + END, tmp_path)
    assert [(source.problem or "")[:35] for source in found] == [
        "there is no room for its 3 MB in " + str(tmp_path)[:2],
        "",
    ]
    assert list(tmp_path.iterdir()) == []


class Room:
    free = 2_000_000


def test_what_is_no_header_is_an_error():
    with pytest.raises(DamagedTarError, match="before its end marker"):
        list(members(io.BytesIO(b"")))


@pytest.mark.slow
def test_a_stream_of_large_members_takes_little_memory(tmp_path):
    path, sound = tmp_path / "x.tar", encoded(tune(95, 44100))
    assert len(sound) > 15e6
    with tarfile.open(path, "w") as tar:
        for number in range(16):
            info = tarfile.TarInfo(f"{number}.wav")
            info.size = len(sound)
            tar.addfile(info, io.BytesIO(sound))
    outcome, used = measured("score", "-j", 4, f"file://{path}")
    assert len(outcome.records) == 16
    assert used.peak < 200


def test_a_damaged_archive_costs_what_is_lost_and_exits_1(tmp_path):
    sound = encoded(tune(2))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(6):
            info = tarfile.TarInfo(f"{number}.wav")
            info.size = len(sound)
            tar.addfile(info, io.BytesIO(sound))
    data = bytearray(buffer.getvalue())
    data[data.index(b"2.wav") + 3] ^= 0x20
    (tmp_path / "x.tar").write_bytes(data)
    for outcome in (run("score", tmp_path / "x.tar"), run("score", "-", stdin=bytes(data))):
        assert (outcome.code, len(outcome.records), len(outcome.complaints)) == (1, 2, 1)
        assert "members from here on are lost" in outcome.err
