"""A web server on the loopback address that answers as the test says, with the faults the test wants."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Reply:
    """One answer. cut: close the connection after this many bytes. delay: seconds before each hundred bytes.

    raw: sent piece by piece instead of everything else, status line and headers (the first piece) included; then the
    connection ends.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    delay: float = 0.0
    raw: Iterable[bytes] | None = None


@dataclass
class Request:
    """One question, as it came."""

    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


Answer = Callable[[Request], Reply]


@dataclass
class Server:
    """Where it is, what it answers by path (the longest matching beginning), and what it was asked."""

    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)

    def file(
        self, path: str, body: bytes, tag: str | None = '"one"', ranges: bool = True, cuts: list[int] | None = None
    ) -> None:
        """Serve a file as static servers do. cuts: after how many bytes each of the first answers breaks off."""
        pending = [*(cuts or [])]

        def answer(request: Request) -> Reply:
            headers = {"ETag": tag} if tag else {}
            cut = pending.pop(0) if pending else None
            asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
            if ranges and asked and request.headers.get("If-Range", tag) == tag:
                start = int(asked[1])
                if start >= len(body):
                    return Reply(status=416, headers={"Content-Range": f"bytes */{len(body)}"})
                headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
                return Reply(body[start:], 206, headers, cut)
            return Reply(body, 200, headers, cut)

        self.answers[path] = answer

    def json(self, path: str, *values: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Answer with JSON: each value once, the last from then on."""
        pending = [*values]

        def answer(_: Request) -> Reply:
            value = pending.pop(0) if len(pending) > 1 else pending[0]
            return value if isinstance(value, Reply) else Reply(json.dumps(value).encode(), status, headers or {})

        self.answers[path] = answer

    def paths(self, beginning: str = "") -> list[str]:
        """The paths that were asked for, in order."""
        return [request.path for request in self.asked if request.path.startswith(beginning)]


@contextmanager
def serving() -> Iterator[Server]:
    """Run a server for the time of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(parts.path, dict(parse_qsl(parts.query)), self.headers, body)
            server.asked.append(request)
            fitting = [path for path in server.answers if parts.path == path or parts.path.startswith(f"{path}/")]
            reply = server.answers[max(fitting, key=len)](request) if fitting else Reply(status=404)
            if reply.raw is not None:
                self.close_connection = True
                for piece in reply.raw:
                    self.wfile.write(piece)
                    self.wfile.flush()
                    if self.command == "HEAD":
                        break
                return
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            body = reply.body if reply.cut is None else reply.body[: reply.cut]
            for start in range(0, len(body), 100 if reply.delay else len(body) or 1):
                time.sleep(reply.delay)
                self.wfile.write(body[start : start + 100] if reply.delay else body)
                self.wfile.flush()
            if reply.cut is not None:
                self.close_connection = True

        do_POST = do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Clients that hang up are part of the tests."""

    with Quiet(("127.0.0.1", 0), Handler) as listener:
        server = Server(f"http://127.0.0.1:{listener.server_address[1]}")
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listener.shutdown()
            thread.join()


HEAD = b"HTTP/1.1 200 OK\r\n"
"""How a raw answer begins."""


def dripping(start: bytes, pieces: Iterable[bytes], pause: float = 0.05) -> Iterator[bytes]:
    """The parts of a raw answer, with seconds of silence before all but the first."""
    yield start
    for piece in pieces:
        time.sleep(pause)
        yield piece


BODY = bytes(range(256)) * 400
SHA1 = f"sha1:{hashlib.sha1(BODY).hexdigest()}"
"""A file to serve, and its hash."""
