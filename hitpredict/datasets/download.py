"""Files and JSON from the network: retried, resumed, checked by hash, and never half there.

A failure that may pass (a broken connection, silence, HTTP 429, 5xx) is tried again with growing pauses or after the
time the server asks for; as long as a download grows it is never given up. A host to which no connection can be made is
`Unreachable` at once, unless it has answered before. Everything else is one `InputError`.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)

from hitpredict import __version__
from hitpredict.datasets.disk import full_disk_explained, need_room
from hitpredict.datasets.limits import RateLimiter
from hitpredict.errors import EnvironmentProblem, InputError

T = TypeVar("T")
_SLOWEST = 1024
_HINTS = {
    401: "the credentials were refused",
    403: "the server refuses it; a mirror may have it (--mirror)",
    404: "it is not there (any more); a mirror may have it (--mirror)",
    410: "it is not there any more; a mirror may have it (--mirror)",
}


class Temporary(Exception):
    """A failure that may pass. wait: the seconds the server asks for, or None."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class GaveUp(InputError):
    """The server cannot be had now; there is no sense in asking it for anything else."""


class Refused(InputError):
    """The server answered with an error that will not pass; `status` is its HTTP code."""

    def __init__(self, url: str, status: int, reason: str):
        super().__init__(f"{url}: HTTP {status} {reason}: {_HINTS.get(status, 'the server refuses it')}")
        self.status = status


class Unreachable(EnvironmentProblem):
    """No connection can be made: the network is down, a firewall is in the way, or there is no such host."""

    def __init__(self, url: str, reason: object):
        super().__init__(f"no connection to {urlsplit(url).netloc} ({reason}); are you offline?")


def _nothing(*_: object) -> None:
    return None


@dataclass
class Web:
    """The network, or with `offline` none of it.

    timeout: seconds without a byte (or with hardly any) after which a connection counts as broken. attempts: before
    giving up, and pause: seconds before the second, growing from there. longest_wait: seconds a server may ask for.
    note: takes lines for the user. report: takes (name, bytes so far, bytes in all or None) as a download grows.
    """

    offline: bool = False
    timeout: float = 30.0
    attempts: int = 6
    pause: float = 0.5
    longest_wait: float = 300.0
    note: Callable[[str], None] = _nothing
    report: Callable[[str, int, int | None], None] = _nothing
    sleep: Callable[[float], None] = time.sleep
    _client: httpx.Client = field(init=False)
    _answered: set[str] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            timeout=self.timeout, follow_redirects=True, headers={"User-Agent": f"hitpredict/{__version__}"}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def json(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        limiter: RateLimiter | None = None,
        check: Callable[[Any], None] = _nothing,
    ) -> Any:
        """What a service answers. form: posts it. check: raises for answers that are errors in disguise.

        Raises `Refused` for HTTP 4xx, `Unreachable`, and `InputError` for anything that is not JSON.
        """
        self._need_network(url)

        def ask() -> Any:
            if limiter:
                limiter.wait()
            with self._connection_errors(url):
                method = "POST" if form else "GET"
                response = self._client.request(method, url, params=params, headers=headers, data=form)
                self._check_status(url, response)
            try:
                answer = response.json()
            except ValueError as error:
                raise InputError(f"{url}: the answer is not JSON; the service has changed or is not the one") from error
            check(answer)
            return answer

        return self._persist(url, ask)

    def download(self, url: str, target: Path, digest: str | None = None) -> Path:
        """Bring a file to `target`, unless it is there; it appears only when it is whole and its hash right.

        digest: "sha1:…" or "sha256:…" in hexadecimal; a shorter value is a prefix. Goes on with what an earlier run
        left in `.NAME.part`; the folder is made when the first bytes come. Raises `EnvironmentProblem` when offline or
        when the disk is full.
        """
        if target.exists():
            return target
        self._need_network(url, target.name)
        part = _Part(target)
        with full_disk_explained(target.parent):
            self._grow(url, part, digest)
            if not _right(part, digest) and part.pieced:
                part.drop()
                self._grow(url, part, digest)
            if not _right(part, digest):
                part.drop()
                raise InputError(f"{url}: the file is damaged or another one: its hash is not {digest}")
            part.path.replace(target)
        part.forget()
        return target

    def _grow(self, url: str, part: "_Part", digest: str | None) -> None:
        """Receive to the end; as long as tries bring something there are more of them."""
        while True:
            before = part.size
            try:
                return self._persist(url, lambda: self._receive(url, part, bool(digest)))
            except InputError:
                if part.size <= before:
                    raise

    def _receive(self, url: str, part: "_Part", verified: bool) -> None:
        headers = {"Accept-Encoding": "identity", **part.range_headers(verified)}
        with self._connection_errors(url), self._client.stream("GET", url, headers=headers) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if response.headers.get("Content-Range", "").endswith(f"/{part.size}"):
                    return
                part.drop()
                raise Temporary("the server has another file now")
            self._check_status(url, response)
            if _continues(response, part.size):
                part.pieced = True
            else:
                part.begin(response)
            length = response.headers.get("Content-Length")
            total = part.size + int(length) if length else None
            need_room(part.path.parent, int(length or 0), part.target.name)
            self._pour(response, part, total)
        if total is not None and part.size != total:
            raise Temporary(f"the connection ended after {part.size:,} of {total:,} bytes")

    def _pour(self, response: httpx.Response, part: "_Part", total: int | None) -> None:
        done, mark, marked = part.size, time.monotonic(), part.size
        with part.path.open("ab") as file:
            for chunk in response.iter_raw():
                file.write(chunk)
                done += len(chunk)
                self.report(part.target.name, done, total)
                if (now := time.monotonic()) - mark > self.timeout:
                    if done - marked < _SLOWEST:
                        raise Temporary(f"hardly anything came in {self.timeout:.0f} s")
                    mark, marked = now, done

    def _persist(self, url: str, action: Callable[[], T]) -> T:
        retrying = Retrying(
            retry=retry_if_exception_type(Temporary),
            stop=stop_after_attempt(self.attempts),
            wait=self._pause_after,
            sleep=self.sleep,
            before_sleep=lambda state: self._say_why(url, state),
            reraise=True,
        )
        try:
            return retrying(action)
        except Temporary as error:
            raise GaveUp(f"{url}: {error}; gave up after {self.attempts} tries: run the same command later") from error

    def _pause_after(self, state: RetryCallState) -> float:
        wait = getattr(state.outcome and state.outcome.exception(), "wait", None)
        growing = wait_exponential(self.pause, max=60) + wait_random(0, self.pause)
        return float(growing(state)) if wait is None else wait

    def _say_why(self, url: str, state: RetryCallState) -> None:
        reason = state.outcome.exception() if state.outcome else None
        self.note(f"{url}: {reason}; trying again in {state.upcoming_sleep:.1f} s")

    @contextmanager
    def _connection_errors(self, url: str) -> Iterator[None]:
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects) as error:
            raise InputError(f"{url}: cannot be fetched ({error})") from error
        except httpx.TimeoutException as error:
            raise Temporary("no answer in time") from error
        except httpx.TransportError as error:
            host = urlsplit(str(error.request.url)).netloc
            if isinstance(error, httpx.ConnectError) and host not in self._answered:
                raise Unreachable(str(error.request.url), error) from error
            raise Temporary(f"the connection failed ({error})") from error

    def _check_status(self, url: str, response: httpx.Response) -> None:
        self._answered.add(urlsplit(str(response.url)).netloc)
        code = response.status_code
        if code < httpx.codes.BAD_REQUEST:
            return
        if code not in (408, 425, 429) and code < httpx.codes.INTERNAL_SERVER_ERROR:
            raise Refused(url, code, response.reason_phrase)
        wait = _asked_wait(response)
        if wait is not None and wait > self.longest_wait:
            raise GaveUp(f"{url}: HTTP {code}: the server asks to wait {wait:,.0f} s; run the same command then")
        raise Temporary(f"HTTP {code} {response.reason_phrase}", wait)

    def _need_network(self, url: str, name: str | None = None) -> None:
        if self.offline:
            what = f"{name} is not in the cache" if name else f"{url} cannot be asked"
            raise EnvironmentProblem(f"{what} and --offline forbids the network; run once without --offline")


def hash_of(path: Path, digest: str) -> str:
    """The hash of a file, in hexadecimal, by the algorithm that `digest` names before its colon."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, digest.partition(":")[0]).hexdigest()


def _right(part: "_Part", digest: str | None) -> bool:
    return digest is None or hash_of(part.path, digest).startswith(digest.partition(":")[2].lower())


def _continues(response: httpx.Response, size: int) -> bool:
    return response.status_code == httpx.codes.PARTIAL_CONTENT and response.headers.get("Content-Range", "").startswith(
        f"bytes {size}-"
    )


def _asked_wait(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    if text.isdigit():
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


class _Part:
    """The bytes that have come so far, and which version of the remote file they belong to.

    pieced: they came in several answers, so that they may be of several versions.
    """

    def __init__(self, target: Path):
        self.pieced = False
        self.target = target
        self.path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def range_headers(self, verified: bool) -> dict[str, str]:
        """Ask for the rest, if the file at the other end can be told to be the same or its hash will be checked."""
        version = self._version()
        if not self.size or not (version or verified):
            return {}
        return {"Range": f"bytes={self.size}-", **({"If-Range": version} if version else {})}

    def begin(self, response: httpx.Response) -> None:
        """Start from nothing, with the version of this answer."""
        tag = response.headers.get("ETag", "")
        strong = "" if tag.startswith("W/") else tag
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._note.write_text(json.dumps({"version": strong or response.headers.get("Last-Modified", "")}))
        self.path.write_bytes(b"")

    def drop(self) -> None:
        """Forget the bytes as well."""
        self.path.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        self._note.unlink(missing_ok=True)

    def _version(self) -> str:
        try:
            return str(json.loads(self._note.read_text())["version"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""
