"""Attack `fetch` through servers on the loopback address that send what no server should.

Each case is one way of answering every question (or one question in particular) put to one real `hitpredict fetch`
process. It must end by itself, with one line for each failure, and must leave every file outside its folders as it was.

    python benchmarks/hostile/downloads.py [--count N] [--save]
"""

import gzip
import json
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from pathlib import Path

from common import Tally, command, each, program, scratch

from tests.helpers.servers import Answer, Reply, Request, Server, serving

COMMIT, VICTIM = "a" * 40, "mine"
REPOSITORY = "facebook/wav2vec2-base"
HEAD = b"HTTP/1.1 200 OK\r\n"
MOST_MB, MOST_SECONDS = 1000, 1500
COMMANDS: dict[str, tuple[str, ...]] = {
    "hub": ("weights", "wav2vec2"),
    "file": ("weights", "vggish-pca"),
    "deezer": ("deezer", "--chart", "-o", "../out"),
    "spotify": ("spotify", "11dFghVXANMlKmJXsNCbNl", "-o", "../out"),
    "mendeley": ("spotgentrack", "-o", "../out"),
    "fma": ("fma", "--metadata-only", "-o", "../out"),
    "zalo2019": ("zalo2019", "-o", "../out"),
}

Variant = tuple[str, str, Callable[[Server], None]]


def endless(start: bytes, piece: bytes, pause: float = 0.0, pieces: int = 2**62) -> Answer:
    def sent() -> Iterator[bytes]:
        yield start
        for each_piece in repeat(piece, min(pieces, 10**9)):
            time.sleep(pause)
            yield each_piece

    return lambda _: Reply(raw=sent())


def plain(body: bytes, status: int = 200, **headers: str) -> Answer:
    return lambda _: Reply(body, status, {name.replace("_", "-"): text for name, text in headers.items()})


BOMB = gzip.compress(bytes(2**28), 1)
TRANSPORT: dict[str, Answer] = {
    "gzip bomb": plain(BOMB, Content_Encoding="gzip"),
    "gzip bomb twice": plain(gzip.compress(BOMB), Content_Encoding="gzip, gzip"),
    "damaged gzip": plain(gzip.compress(b"{}")[:-6] + b"\xff" * 6, Content_Encoding="gzip"),
    "gzip that is none": plain(b"{}", Content_Encoding="gzip"),
    "brotli": plain(b"\x8b\x00\x80{}\x03", Content_Encoding="br"),
    "deep lists": plain(b"[" * 10**6),
    "deep objects": plain(b'{"a":' * 10**5 + b"1" + b"}" * 10**5),
    "NaN": plain(b"NaN"),
    "a number of 10,000 digits": plain(b"1" * 10**4),
    "no JSON": plain(b"<html>"),
    "nothing": plain(b""),
    "UTF-16": plain('{"a": 1}'.encode("utf-16")),
    "bytes that are no text": plain(b"\xff\xfe\xfd"),
    "a lone surrogate": plain(b'{"\\ud800": "\\udfff"}'),
    "a list of lists": plain(b"[[[[]]]]"),
    "a text": plain(b'"text"'),
    "null": plain(b"null"),
    "endless content": endless(HEAD + b"\r\n[", b"0," * 2**15),
    "endless chunks": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"0," * 2**15 + b"\r\n"),
    "endless headers": endless(HEAD, b"X-A: " + b"a" * 1000 + b"\r\n"),
    "endless status line": endless(b"HTTP/1.1 200 ", b"a" * 1000),
    "a length that is none": endless(HEAD + b"Content-Length: -5\r\n\r\n{}", b"", pieces=0),
    "a length of 10^18": endless(HEAD + b"Content-Length: 1000000000000000000\r\n\r\n{}", b"", pieces=0),
    "two lengths": endless(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", b"", pieces=0),
    "no HTTP": endless(b"\0\1\2 hello\r\n\r\n", b"", pieces=0),
    "a circle of redirects": plain(b"", 302, Location="/again"),
    "a redirect to a file": plain(b"", 302, Location="file:///etc/passwd"),
    "a redirect to nowhere": plain(b"", 302, Location="http://\ufffd.invalid/".encode("ascii", "replace").decode()),
    "a redirect without place": plain(b"", 302),
    "not modified": plain(b"", 304),
    "partial content": plain(b"{}", 206, Content_Range="bytes 5-6/7"),
    "range not satisfiable": plain(b"", 416, Content_Range="bytes */0"),
    "a long wait": plain(b"", 429, Retry_After="9" * 400),
    "a wait of letters": plain(b"", 429, Retry_After="99999999"),
    "a wait till the year 9999": plain(b"", 429, Retry_After="Fri, 31 Dec 9999 23:59:59 GMT"),
    "a name in Content-Disposition": plain(b"{}", Content_Disposition='attachment; filename="../../../VICTIM"'),
}
SLOW: dict[str, Answer] = {
    "a byte every 3 s": endless(HEAD + b"Content-Length: 100000\r\n\r\n[", b" ", 3),
    "a header every 3 s": endless(HEAD, b"X-A: a\r\n", 3),
    "an odd wait": plain(b"", 429, Retry_After="\xb2"),
    "errors": plain(b"", 503),
}
NAMES = (
    *("../../../VICTIM", "../../../../VICTIM.json", "/VICTIM.json", "a/../../../../../VICTIM.json", "..\\VICTIM.json"),
    *("a\0b.json", "\ud800.json", "x" * 300 + ".json", "C:VICTIM.json", "a\x1b[2J.json", "..", ""),
)
TAGS = ('"../../../../VICTIM"', '"../../../../../VICTIM"', '"/VICTIM"', f'"{"0" * 64}"', f'"{"0" * 40}"')
RANKS = ("NaN", "Infinity", "1e999", "1" + "0" * 400, '"many"', "true", "null", "[]", "{}", '"\\ud800"')
PREVIEWS = (
    *("file:///etc/passwd", "http://nowhere.invalid/x", "//", "\ud800", "ftp://127.0.0.1/", "http://[::1", "x" * 10**5),
    *(5, {}, [], True),
)
NEXT = (
    *("SELF", "@evil.invalid/", ".evil.invalid/", "http://evil.invalid/", "x", 5, {}, ["x"], "\ud800", "/" * 10**5),
)


def variants() -> Iterator[Variant]:
    """Every way, with what it is put to."""
    for source in COMMANDS:
        for name, answer in TRANSPORT.items():
            yield source, name, lambda server, answer=answer: server.answers.update({"": answer})
    for name in NAMES:
        yield "hub", f"a file {name[:30]!r}", lambda server, name=name: hub(server, siblings=[sibling(name)])
        yield "mendeley", f"a file {name[:30]!r}", lambda server, name=name: mendeley(server, name)
    for tag in TAGS:
        yield "hub", f"ETag {tag}", lambda server, tag=tag: hub(server, tag)
    for sha in ("../../..", "", 5, "A" * 40):
        yield "hub", f"commit {sha!r}", lambda server, sha=sha: hub(server, sha=sha)
    for rank in RANKS:
        yield "deezer", f"rank {rank[:20]}", lambda server, rank=rank: deezer(server, rank=rank)
    for preview in PREVIEWS:
        text = json.dumps(preview)
        yield "deezer", f"preview {text[:30]}", lambda server, text=text: deezer(server, preview=text)
    for following in NEXT:
        text = json.dumps(following)
        yield "deezer", f"next {text[:30]}", lambda server, text=text: deezer(server, following=text)
    for name, answer in TRANSPORT.items():
        yield "deezer", f"a preview that is {name}", lambda server, answer=answer: deezer(server, sound=answer)
    for source in ("hub", "file", "deezer"):
        for name, answer in SLOW.items():
            yield source, name, lambda server, answer=answer: server.answers.update({"": answer})
    for name, answer in SLOW.items():
        yield "deezer", f"a preview that is {name}", lambda server, answer=answer: deezer(server, sound=answer)


def sibling(name: str) -> dict[str, object]:
    return {"rfilename": name, "blobId": "0" * 40, "size": 2}


def hub(server: Server, tag: str = '"x"', sha: object = COMMIT, siblings: Iterable[dict[str, object]] = ()) -> None:
    files = [*siblings] or [sibling("config.json"), sibling("model.safetensors")]
    tree = [{"type": "file", "path": file["rfilename"], "size": 2, "oid": "0" * 40} for file in files]
    server.json(f"/api/models/{REPOSITORY}/tree", tree)
    server.json("/api/models", {"id": REPOSITORY, "sha": sha, "siblings": files})
    told = {"ETag": tag, "X-Linked-Etag": tag, "X-Repo-Commit": COMMIT}
    server.answers["/facebook"] = lambda _: Reply(b"{}", 200, told)


def mendeley(server: Server, name: str) -> None:
    content = {"download_url": f"{server.url}/x.zip", "sha256_hash": "0" * 64}
    files = [{"filename": f"{name}.zip", "content_details": content}]
    server.answers["/public-api"] = lambda request: Reply(
        b"[]" if "/folders/" in request.path else json.dumps(files).encode()
    )
    server.file("/x.zip", b"PK")


def deezer(
    server: Server, rank: str = "5", preview: str = "", following: str = "null", sound: Answer | None = None
) -> None:
    preview = preview or (json.dumps(f"{server.url}/sound") if sound else "null")
    following = following.replace("SELF", f"{server.url}/chart/0/tracks?limit=100")
    server.file("/chart", f'{{"data": [{{"id": 1}}, {{"id": 2}}], "next": {following}}}'.encode())

    def track(request: Request) -> Reply:
        number = request.path.rpartition("/")[2]
        told = f'"id": {number}, "title": "a", "rank": {rank}, "preview": {preview}, "artist": {{"id": 1, "name": "b"}}'
        return Reply(f"{{{told}}}".encode())

    server.answers["/track"] = track
    server.answers["/sound"] = sound or plain(b"")


ALL = [*variants()]
COUNT = len(ALL)


def case(_: int, number: int) -> Tally:
    """Put one variant to the program, and look at what it says and leaves."""
    source, name, prepare = ALL[number % len(ALL)]
    tally, what = Tally(), f"{source}: {name}"
    with scratch() as root, serving() as server:
        prepare(server)
        work = root / "one" / "two" / "three" / "four"
        for folder in ("cache", "out", "home", "tmp", "cwd"):
            (work / folder).mkdir(parents=True)
        victims = [folder / "VICTIM" for folder in (work, *list(work.parents)[:4])]
        for victim in victims:
            victim.write_text(VICTIM)
        ended = program(
            *("fetch", *COMMANDS[source], "--mirror", server.url, "-q"),
            cwd=work / "cwd",
            seconds=MOST_SECONDS,
            env={
                **{"HITPREDICT_CACHE": str(work / "cache"), "HOME": str(work / "home"), "TMPDIR": str(work / "tmp")},
                **{"SPOTIFY_CLIENT_ID": "a", "SPOTIFY_CLIENT_SECRET": "b", "HF_ENDPOINT": server.url},
            },
        )
        clean = tally.check(ended, (0, 1, 3), what)
        lines = "no line" if not ended.lines else "one line" if len(ended.lines) == 1 else "two lines"
        tally.counts[f"exit {ended.code}, {lines}" if clean else "faulty"] += 1
        if len(ended.lines) > 2 or max(map(len, ended.lines), default=0) > 1500:
            tally.fault(f"{what}: {len(ended.lines)} lines of {max(map(len, ended.lines), default=0)} characters")
        if ended.peak_mb > MOST_MB:
            tally.fault(f"{what}: {ended.peak_mb:,.0f} MB of memory")
        look(tally, what, root, work, victims)
    return tally


def look(tally: Tally, what: str, root: Path, work: Path, victims: list[Path]) -> None:
    """Whether everything outside is as it was, and what is left inside."""
    for victim in victims:
        if not victim.is_file() or victim.read_text() != VICTIM:
            tally.counts["outside: changed or deleted"] += 1
            tally.fault(f"{what}: {victim.relative_to(root)} was changed or deleted")
    for path in sorted(root.rglob("*")):
        if path.is_dir() or path in victims:
            continue
        place = path.relative_to(work).parts[0] if path.is_relative_to(work) else "outside"
        if place in ("outside", "cwd", "home"):
            tally.counts["outside: written"] += 1
            tally.fault(f"{what}: wrote {path.relative_to(root)}")
        elif place == "tmp":
            tally.counts["left among temporary files"] += 1
            tally.fault(f"{what}: left {path.relative_to(root)}")
        elif path.name == "tracks.jsonl":
            tally.counts["manifests of what was good"] += 1
        elif path.name.startswith("."):
            tally.counts["parts kept to go on from"] += 1
        else:
            tally.counts["files left"] += 1
            tally.fault(f"{what}: left {path.relative_to(work)} ({path.lstat().st_size:,} bytes)")


def attack(count: int, seed: int, deadline: float) -> Tally:
    """The first `count` variants; the slow ones, of some minutes each, are the last."""
    return each(case, range(min(count, len(ALL))), seed, deadline, jobs=4)


if __name__ == "__main__":
    command("downloads", attack, COUNT, __doc__, 60)
