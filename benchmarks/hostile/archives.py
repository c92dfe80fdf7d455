"""Damaged tar archives through `score`, on disk and as streams: what an archive held is a row or a failure.

    python benchmarks/hostile/archives.py [--count 1000] [--seed 0]

Half of the archives go in folders of ten, where an archive must not take the others with it; half come one by one
through standard input, where large members are copied into a folder for temporary files.
"""

import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
from common import Ended, Tally, command, each, program, random_of, scratch
from sounds import tone

COUNT = 1_000
_FOLDER = 10
_LIMIT_SECONDS = 120
_PEAK_MB = 400
_BLOCK = 512
_LONG = "long/" + "n" * 150


def attack(count: int, seed: int, deadline: float) -> Tally:
    """Every second ten as a folder, the others as streams."""
    total = each(_folder, range(0, count - _FOLDER + 1, 2 * _FOLDER), seed, deadline)
    streamed = [number for number in range(count) if number // _FOLDER % 2]
    total.add(each(_stream, streamed, seed, deadline))
    total.counts["archives"] = count
    return total


def _sound(number: int) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, tone(0.3, 16000, 1, number), 16000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _intact(random: np.random.Generator) -> tuple[bytes, list[str], list[int]]:
    """An archive, the names of the sounds in it, and where their headers begin."""
    buffer, names = io.BytesIO(), []
    form = int(random.choice([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for number in range(int(random.integers(3, 7))):
            name = f"{number}-\u00e9.wav" if number == 1 else f"{number}.wav"
            if number == 2 and form != tarfile.USTAR_FORMAT:
                name = f"{_LONG}{number}.wav"
            info, data = tarfile.TarInfo(name), _sound(number)
            if form == tarfile.PAX_FORMAT and number == 0:
                info.pax_headers = {"comment": "x" * 40}
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
            names.append(name)
            if number == 1:
                folder = tarfile.TarInfo("folder")
                folder.type = tarfile.DIRTYPE
                tar.addfile(folder)
    data = buffer.getvalue()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        places = [info.offset_data - _BLOCK for info in tar if info.isreg()]
    return data, names, places


Change = Callable[[bytearray, list[int], np.random.Generator], None]


def _with_sum(data: bytearray, place: int) -> None:
    """Make a header's checksum right again, so that what was changed in it is believed."""
    data[place + 148 : place + 156] = b" " * 8
    data[place + 148 : place + 156] = b"%06o\0 " % sum(data[place : place + _BLOCK])


def _field(data: bytearray, place: int, offset: int, value: bytes) -> None:
    data[place + offset : place + offset + len(value)] = value
    _with_sum(data, place)


def _header_bits(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    place = int(random.choice(places))
    data[place + int(random.integers(_BLOCK - 12))] ^= 1 << int(random.integers(8))


def _anywhere(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    for _ in range(int(random.integers(1, 10))):
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))


def _truncated(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    del data[int(random.integers(len(data))) :]


def _cut_at_header(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    del data[int(random.choice(places)) + int(random.choice([0, 0, 1, 100, 511])) :]


def _zeros_between(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    place = int(random.choice(places))
    data[place:place] = bytes(_BLOCK * int(random.integers(1, 4)))


def _lost_block(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    start = int(random.integers(len(data) // _BLOCK)) * _BLOCK
    del data[start : start + _BLOCK * int(random.integers(1, 5))]


def _huge_size(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    sizes = (
        b"77777777777\0",
        b"\x80" + b"\xff" * 11,
        b"\xff" * 12,
        b"\x80\0\0\0\0\0\xe8\xd4\xa5\x10\0\0",
        b"-1\0",
        b"x",
    )
    _field(data, int(random.choice(places)), 124, sizes[int(random.integers(len(sizes)))])


def _odd_number(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    values = (b"\xff" * 8, b"99999999", b"\0" * 8, b"\x80\xff\xff\xff\xff\xff\xff\xff", b"\xe9\x1b[2J")
    _field(
        data, int(random.choice(places)), int(random.choice([100, 108, 116, 136, 329])), values[int(random.integers(5))]
    )


def _kind(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    kinds = b"1234567DKLMNSVXgxAZ\0\xff"
    _field(data, int(random.choice(places)), 156, bytes([kinds[int(random.integers(len(kinds)))]]))


def _name(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    names = (
        b"../../up.wav",
        b"/etc/up.wav",
        b"\xff\xfe.wav",
        b"\x1b[2J\x07.wav",
        b"a\nb.wav",
        b"=1+1.wav",
        b"\xed\xa0\x80.wav",
    )
    _field(data, int(random.choice(places)), 0, names[int(random.integers(len(names)))] + b"\0")


def _pax(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    """Extended headers that lie before a member."""
    records = (
        _record("size", "1000000000000"),
        _record("size", str(2**87)),
        _record("size", "-5"),
        _record("path", "p" * 100_000 + ".wav"),
        _record("path", "nul\0inside.wav"),
        _record("GNU.sparse.major", "1") + _record("GNU.sparse.minor", "0") + _record("GNU.sparse.realsize", "9" * 13),
        _record("GNU.sparse.map", "0," + "9" * 4000),
        b"9" * 20_000 + b" path=x\n",
        b"0 path=x\n",
        b"12 path=\xff\xfe\n",
        b"30 hdrcharset=BINARY\n",
        _record("mtime", "1e999") + _record("uid", "9" * 5000),
    )
    body = records[int(random.integers(len(records)))]
    info = tarfile.TarInfo("pax")
    info.type, info.size = bytes(random.choice([b"x", b"g"])), len(body)
    header = info.tobuf(tarfile.USTAR_FORMAT)
    place = int(random.choice(places))
    data[place:place] = header + body + bytes(-len(body) % _BLOCK)


def _record(key: str, value: str) -> bytes:
    text = f" {key}={value}\n".encode()
    length = len(text) + len(str(len(text)))
    length = len(text) + len(str(length))
    return str(length).encode() + text


def _nested_extension(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    """Long-name headers, one after the other, that never come to a member."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = bytes(random.choice([b"L", b"K", b"x"])), 0
    place = int(random.choice(places))
    data[place:place] = info.tobuf(tarfile.USTAR_FORMAT) * int(random.choice([3, 3000]))


def _joined(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    data += bytes(data)


def _random_block(data: bytearray, places: list[int], random: np.random.Generator) -> None:
    place = int(random.choice(places))
    data[place : place + _BLOCK] = random.bytes(_BLOCK)


# Damage after which every sound of the intact archive must be accounted for. After the others the archive says
# something else, and says it with right checksums.
LOSING: dict[str, Change] = {
    "header-bits": _header_bits,
    "anywhere": _anywhere,
    "truncated": _truncated,
    "cut-at-header": _cut_at_header,
    "zeros-between": _zeros_between,
    "lost-block": _lost_block,
    "random-block": _random_block,
    "joined": _joined,
}
LYING: dict[str, Change] = {
    "huge-size": _huge_size,
    "odd-number": _odd_number,
    "kind": _kind,
    "name": _name,
    "pax": _pax,
    "nested-extension": _nested_extension,
}


def _damaged(seed: int, number: int) -> tuple[str, bytes, int]:
    """Name of the damage, the archive, and how many sounds must be accounted for."""
    random = random_of(seed, number)
    data, names, places = _intact(random)
    changes = LOSING | LYING
    kind = list(changes)[int(random.integers(len(changes)))]
    changed = bytearray(data)
    changes[kind](changed, places, random)
    return kind, bytes(changed), len(names) if kind in LOSING else 0


def _folder(seed: int, start: int) -> Tally:
    tally = Tally()
    with scratch() as folder:
        (folder / "tmp").mkdir()
        batch, due = folder / "in", {}
        batch.mkdir()
        for number in range(start, start + _FOLDER):
            kind, data, sounds = _damaged(seed, number)
            (batch / f"{number:05}-{kind}.tar").write_bytes(data)
            due[str(batch / f"{number:05}-{kind}.tar")] = sounds
        ended = _scored(folder, [batch], b"")
        clean = tally.check(ended, [1 if (folder / "failed").read_bytes() else 0], f"folder {start}", batch)
        if clean:
            for archive, sounds in due.items():
                _account(tally, folder, archive, sounds)
        _leftovers(tally, folder, ended, f"folder {start}")
    return tally


def _stream(seed: int, number: int) -> Tally:
    tally = Tally()
    kind, data, sounds = _damaged(seed, number)
    with scratch() as folder:
        (folder / "tmp").mkdir()
        archive = folder / f"{number:05}-{kind}.tar"
        archive.write_bytes(data)
        ended = _scored(folder, ["-"], data)
        failed = (folder / "failed").exists() and (folder / "failed").read_bytes()
        if tally.check(ended, [1 if failed else 0], f"stream {number} {kind}", archive):
            _account(tally, folder, "-", sounds, archive)
        _leftovers(tally, folder, ended, f"stream {number} {kind}")
    return tally


def _scored(folder: Path, inputs: list[object], stdin: bytes) -> Ended:
    options = (
        "score",
        "-q",
        "-j",
        1,
        *inputs,
        "-o",
        folder / "rows",
        "-f",
        "jsonl",
        "--failures",
        folder / "failed",
        "-0",
    )
    return program(*options, stdin=stdin, seconds=_LIMIT_SECONDS, env={"TMPDIR": str(folder / "tmp")})


def _account(tally: Tally, folder: Path, archive: str, sounds: int, evidence: Path | None = None) -> None:
    """Rows and failures of an archive's members, or a failure of the archive itself, make up for all its sounds."""
    rows = [json.loads(line)["path"] for line in (folder / "rows").read_text().splitlines()]
    failed = (folder / "failed").read_bytes().decode(errors="surrogateescape").split("\0")[:-1]
    good = sum(path.startswith(f"{archive}/") for path in rows)
    bad = sum(path.startswith(f"{archive}/") for path in failed)
    whole = archive in failed
    tally.counts += Counter({"rows": good, "members that failed": bad, "archives said to be incomplete": int(whole)})
    if good + bad < sounds and not whole:
        tally.fault(f"{archive}: {good} rows and {bad} failures of {sounds} sounds", evidence or Path(archive))


def _leftovers(tally: Tally, folder: Path, ended: Ended, what: str) -> None:
    if left := [path.name for path in (folder / "tmp").iterdir()]:
        tally.fault(f"{what}: left {left} in the folder for temporary files")
    if ended.peak_mb > _PEAK_MB:
        tally.fault(f"{what}: took {ended.peak_mb:.0f} MB")


if __name__ == "__main__":
    command("archives", attack, COUNT, __doc__)
