"""Answers that mean harm: packed, endless, slow, deep, or odd; each costs one line, within bounds."""

import gzip
import time
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import repeat

import pytest

from hitpredict.datasets.web.download import GaveUp
from hitpredict.errors import InputError
from tests.helpers.folders import names_in
from tests.helpers.servers import HEAD, Reply, dripping

BODIES = {
    "gzip bomb": gzip.compress(bytes(2**26)),
    "gzip bomb of JSON": gzip.compress(b"[" + b"0," * 2**25),
    "damaged gzip": gzip.compress(b"{}")[:-6] + b"\xff" * 6,
    "half a gzip": gzip.compress(b"{}" * 100)[:20],
    "no gzip": b"{}",
}


@pytest.mark.parametrize("name", BODIES)
def test_packed_answers_have_bounds(server, web, name):
    server.answers["/x"] = lambda _: Reply(BODIES[name], 200, {"Content-Encoding": "gzip"})
    with pytest.raises(InputError, match=r"larger than|gzip"):
        web.json(f"{server.url}/x")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "deflate"])
def test_answers_packed_in_other_ways_are_refused(server, web, encoding):
    server.answers["/x"] = lambda _: Reply(b"{}", 200, {"Content-Encoding": encoding})
    with pytest.raises(InputError, match="which was not asked for"):
        web.json(f"{server.url}/x")


def test_endless_json_is_refused(server, web):
    server.answers["/x"] = lambda _: Reply(raw=dripping(HEAD + b"\r\n[", repeat(b"0," * 2**15), 0))
    with pytest.raises(InputError, match="larger than"):
        web.json(f"{server.url}/x")


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"[" * 100 + b"]" * 100, b'{"a":' * 50 + b"1" + b"}" * 50, b"NaN", b"[Infinity]", b"1e999"]
)
def test_depth_and_numbers_without_value_are_refused(server, web, body):
    server.file("/x", body)
    with pytest.raises(InputError, match=r"nested too deep|is not JSON"):
        web.json(f"{server.url}/x")


DRIPS = {
    "headers": (HEAD, b"X-1: a\r\n"),
    "content": (HEAD + b"\r\n[", b" "),
    "size of a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a"),
}


@pytest.mark.parametrize("name", DRIPS)
@pytest.mark.parametrize("kind", ["json", "download"])
def test_a_byte_now_and_then_is_no_answer(tmp_path, server, web, name, kind):
    start_of, piece = DRIPS[name]
    server.answers["/x"] = lambda _: Reply(raw=dripping(start_of, repeat(piece, 400)))
    began = time.monotonic()
    with pytest.raises(GaveUp, match="hardly anything"):
        web.json(f"{server.url}/x") if kind == "json" else web.download(f"{server.url}/x", tmp_path / "x", "sha1:00")
    assert time.monotonic() - began < 5


def test_a_slow_answer_ends_in_time(server, web):
    server.answers["/x"] = lambda _: Reply(raw=dripping(HEAD + b"\r\n[", repeat(b" " * 4096, 400), 0.1))
    with pytest.raises(GaveUp, match="no end in 2 s"):
        web.json(f"{server.url}/x")


FAR = format_datetime(datetime(9999, 12, 31, tzinfo=UTC))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        *(
            (text, "HTTP 429")
            for text in ["\xb2", "-1", "nan", "1.5", "", "x" * 1000, "Wed, 21 Oct 2015 07:28:00 -0000"]
        ),
        *(
            (text, "HTTP 429")
            for text in ["Mon, 01 Jan 0000 00:00:00 GMT", "9" * 400, "Wed, 21 Oct 2015 7:28:0 +99999999"]
        ),
        *((text, "asks to wait") for text in ["9" * 12, FAR]),
    ],
)
def test_odd_waits_are_passed_over(server, web, asked, said):
    server.json("/x", {}, status=429, headers={"Retry-After": asked})
    with pytest.raises(GaveUp, match=said):
        web.json(f"{server.url}/x")


@pytest.mark.parametrize("status", [204, 206, 304, 416])
def test_odd_statuses_are_no_file(tmp_path, server, web, status):
    server.answers["/x"] = lambda _: Reply(b"", status, {"Content-Range": "bytes */0"})
    with pytest.raises(InputError):
        web.download(f"{server.url}/x", tmp_path / "x")
    assert names_in(tmp_path) == []
