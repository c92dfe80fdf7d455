"""Files and JSON from the network: retried, resumed, checked by hash, and never half there.

A failure that may pass (a broken connection, silence, HTTP 429, 5xx) is tried again with growing pauses or after the
time the server asks for; as long as a download grows it is never given up. A host to which no connection can be made is
`Unreachable` at once, unless it has answered before. Everything else is one `InputError`.
"""

import re
import socket
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
from hitpredict.datasets.web.answers import brief, parsed_answer, unpacked
from hitpredict.datasets.web.disk import full_disk_explained, made, need_room
from hitpredict.datasets.web.hashes import matches
from hitpredict.datasets.web.limits import SLOWEST, RateLimiter, Watch
from hitpredict.datasets.web.part import Part
from hitpredict.errors import EnvironmentProblem, InputError

T = TypeVar("T")
_HINTS = {
    401: "the credentials were refused",
    403: "the server refuses it; a mirror may have it (`mirror`)",
    404: "it is not there (any more); a mirror may have it (`mirror`)",
    410: "it is not there any more; a mirror may have it (`mirror`)",
}


class Temporary(Exception):
    """A failure that may pass. wait: the seconds the server asks for, or None."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


class GaveUp(InputError):
    """The server cannot be had now; there is no sense in asking it for anything else."""


class Refused(InputError):
    """The server answered with what will not pass; `status` is its HTTP code, `code` what a hub calls it."""

    def __init__(self, url: str, status: int, reason: str, code: str = ""):
        super().__init__(f"{url}: HTTP {status} {reason}: {_HINTS.get(status, 'the server refuses it')}")
        self.status, self.code = status, code


class Unreachable(EnvironmentProblem):
    """No connection can be made: the network is down, a firewall is in the way, or there is no such host."""

    def __init__(self, url: str, reason: object):
        super().__init__(f"no connection to {urlsplit(url).netloc} ({reason}); are you offline?")


def _nothing(*_: object) -> None:
    return None


@dataclass
class Web:
    """The network, or with `offline` none of it.

    timeout: seconds without a byte (or twice as many with hardly any) after which a connection counts as broken.
    attempts: before giving up, and pause: seconds before the second, growing from there. longest_wait: seconds a
    server may ask for. longest_answer: seconds that a page or an answer in JSON may take.
    note: takes lines for the user. report: takes (name, bytes so far, bytes in all or None) as a download grows.
    """

    offline: bool = False
    timeout: float = 30.0
    attempts: int = 6
    pause: float = 0.5
    longest_wait: float = 300.0
    longest_answer: float = 120.0
    note: Callable[[str], None] = _nothing
    report: Callable[[str, int, int | None], None] = _nothing
    sleep: Callable[[float], None] = time.sleep
    _client: httpx.Client = field(init=False)
    _answered: set[str] = field(init=False, default_factory=set)
    _sockets: list[socket.socket] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self._client = httpx.Client(
            timeout=self.timeout, follow_redirects=True, headers={"User-Agent": f"hitpredict/{__version__}"}
        )
        self._extensions = {"trace": self._remember}

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

        Raises `Refused` for HTTP 4xx, `Unreachable`, and `InputError` for anything that is not JSON within the bounds
        of `answers`; `GaveUp` when it takes longer than `longest_answer`.
        """
        what = brief(url)

        def parsed(body: bytes, _: Mapping[str, str]) -> Any:
            answer = parsed_answer(what, body)
            check(answer)
            return answer

        return self._ask(url, parsed, params, headers, form, limiter)

    def page(
        self, url: str, *, headers: Mapping[str, str] | None = None, limiter: RateLimiter | None = None
    ) -> tuple[bytes, Mapping[str, str]]:
        """The content of a page, unpacked, and the headers it came with.

        Raises as `json` does: `Refused` also for 304, which answers a question whether a page has changed.
        """
        return self._ask(url, lambda body, came_with: (body, came_with), None, headers, None, limiter)

    def _ask(
        self,
        url: str,
        read: Callable[[bytes, Mapping[str, str]], T],
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
        form: Mapping[str, str] | None,
        limiter: RateLimiter | None,
    ) -> T:
        what = brief(url)
        self._need_network(what)

        def ask() -> T:
            if limiter:
                limiter.wait()
            asked = {"Accept-Encoding": "gzip", **(headers or {})}
            with (
                self._watched(what, self.longest_answer) as watch,
                self._client.stream(
                    "POST" if form else "GET", url, params=params, headers=asked, data=form, extensions=self._extensions
                ) as response,
            ):
                self._check_status(what, response)
                encoding = response.headers.get("Content-Encoding", "").strip().lower()
                body = unpacked(what, _counted(response, watch), encoding)
            return read(body, response.headers)

        return self._persist(what, ask)

    def download(
        self,
        url: str,
        target: Path,
        digest: str | None = None,
        *,
        most: int = 10**9,
        within: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Path:
        """Bring a file to `target`, unless it is there with this hash; it appears only when it is whole and right.

        digest: "sha1:…", "sha256:…" or "git:…" in hexadecimal; a shorter value is the beginning of one. Without it
        the answer must tell its own length. most: bytes, beyond which it is refused. within: seconds for each try.
        headers: are sent to the host of `url` alone. Goes on with what an earlier run left in `.NAME.part`, which one
        process holds at a time; folders are made and go again when nothing came. Raises `EnvironmentProblem` when
        offline or when the disk is full.
        """
        what = brief(url)
        if self._is_there(target, digest):
            return target
        self._need_network(what, target.name)
        with full_disk_explained(target.parent), made(target.parent), Part.of(target) as part:
            fetch = _Fetch(url, what, part, digest is not None, most, within, headers or {})
            self._grow(fetch)
            if not _right(part, digest) and part.pieced:
                part.empty()
                self._grow(fetch)
            if not _right(part, digest):
                part.drop()
                raise InputError(f"{what}: the file is damaged or another one: its hash is not {digest}")
            part.place()
        return target

    def _is_there(self, target: Path, digest: str | None) -> bool:
        if not target.exists():
            return False
        if digest is None or matches(target, digest):
            return True
        if self.offline:
            raise EnvironmentProblem(
                f"{target}: is damaged or another file (its hash is not {digest}) and `offline` forbids the network; "
                "run once without `offline`"
            )
        self.note(f"{target}: is damaged or another file (its hash is not {digest}); fetching it again")
        return False

    def _grow(self, fetch: "_Fetch") -> None:
        """Receive to the end; as long as tries bring enough for the time they take there are more of them."""
        while True:
            before, began = fetch.part.size, time.monotonic()
            try:
                return self._persist(fetch.what, lambda: self._receive(fetch))
            except GaveUp:
                if fetch.part.size - before <= SLOWEST * (time.monotonic() - began):
                    raise

    def _receive(self, fetch: "_Fetch") -> None:
        part, what = fetch.part, fetch.what
        ranged = part.range_headers(fetch.verified)
        headers = {**fetch.headers, "Accept-Encoding": "identity", **ranged}
        with (
            self._watched(what, fetch.within) as watch,
            self._client.stream("GET", fetch.url, headers=headers, extensions=self._extensions) as response,
        ):
            if ranged and response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                if response.headers.get("Content-Range", "").endswith(f"/{part.size}"):
                    return
                part.empty()
                raise Temporary("the server has another file now")
            self._check_status(what, response, bool(ranged))
            if _continues(response, part.size):
                part.pieced = True
            else:
                part.begin(response.headers)
            total = _total(response, part.size, fetch)
            need_room(part.path.parent, (total or 0) - part.size, part.target.name)
            self._pour(_counted(response, watch), fetch, total)
        if total is not None and part.size != total:
            raise Temporary(f"the connection ended after {part.size:,} of {total:,} bytes")

    def _pour(self, chunks: Iterator[bytes], fetch: "_Fetch", total: int | None) -> None:
        part, done = fetch.part, fetch.part.size
        try:
            for chunk in chunks:
                done += len(chunk)
                if done > fetch.most:
                    part.drop()
                    raise InputError(f"{fetch.what}: more than {fetch.most:,} bytes came; refused")
                part.write(chunk)
                self.report(part.target.name, done, total)
        finally:
            part.flush()

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
    def _watched(self, what: str, within: float | None) -> Iterator[Watch]:
        """Errors of a connection in our own words, for one that is slow as well."""
        with Watch(lambda: self._sockets, 2 * self.timeout, within) as watch:
            try:
                with self._connection_errors(what):
                    yield watch
            except Temporary:
                self._blame(what, watch, within)
                raise
            self._blame(what, watch, within)

    def _blame(self, what: str, watch: Watch, within: float | None) -> None:
        if watch.late:
            raise GaveUp(f"{what}: no end in {within:,.0f} s; gave up")
        if watch.slow:
            raise Temporary(f"hardly anything came in {2 * self.timeout:.0f} s")

    @contextmanager
    def _connection_errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, httpx.TooManyRedirects, UnicodeError) as error:
            raise InputError(f"{what}: cannot be fetched ({brief(error)})") from error
        except httpx.TimeoutException as error:
            raise Temporary("no answer in time") from error
        except httpx.TransportError as error:
            host = urlsplit(str(error.request.url)).netloc
            if isinstance(error, httpx.ConnectError) and host not in self._answered:
                raise Unreachable(str(error.request.url), brief(error)) from error
            raise Temporary(f"the connection failed ({brief(error)})") from error

    def _remember(self, _: str, details: Mapping[str, Any]) -> None:
        """Keep the sockets that are opened, for a watch to shut."""
        described = getattr(details.get("return_value"), "get_extra_info", None)
        if described and (opened := described("socket")):
            self._sockets = [*(each for each in self._sockets if each.fileno() >= 0), opened]

    def _check_status(self, what: str, response: httpx.Response, ranged: bool = False) -> None:
        self._answered.add(urlsplit(str(response.url)).netloc)
        code, reason = response.status_code, brief(response.reason_phrase, 50)
        if code == httpx.codes.OK or (ranged and code == httpx.codes.PARTIAL_CONTENT):
            return
        if code not in (408, 425, 429) and code < httpx.codes.INTERNAL_SERVER_ERROR:
            raise Refused(what, code, reason, response.headers.get("X-Error-Code", ""))
        wait = _asked_wait(response)
        if wait is not None and wait > self.longest_wait:
            raise GaveUp(f"{what}: HTTP {code}: the server asks to wait {wait:,.0f} s; run the same command then")
        raise Temporary(f"HTTP {code} {reason}", wait)

    def _need_network(self, url: str, name: str | None = None) -> None:
        if self.offline:
            what = f"{name} is not in the cache" if name else f"{url} cannot be asked"
            raise EnvironmentProblem(f"{what} and `offline` forbids the network; run once without `offline`")


@dataclass(frozen=True)
class _Fetch:
    """One file under way; the names are those of `Web.download`. what: its address in messages."""

    url: str
    what: str
    part: Part
    verified: bool
    most: int
    within: float | None
    headers: Mapping[str, str]


def _counted(response: httpx.Response, watch: Watch) -> Iterator[bytes]:
    for chunk in response.iter_raw():
        watch.count(len(chunk))
        yield chunk


def _right(part: Part, digest: str | None) -> bool:
    return digest is None or matches(part.path, digest)


def _continues(response: httpx.Response, size: int) -> bool:
    return response.status_code == httpx.codes.PARTIAL_CONTENT and response.headers.get("Content-Range", "").startswith(
        f"bytes {size}-"
    )


def _total(response: httpx.Response, size: int, fetch: _Fetch) -> int | None:
    """Bytes that the file will have, where the answer says so. Raises `InputError` where they are too many."""
    if "chunked" in response.headers.get("Transfer-Encoding", "").lower():
        return None
    length = response.headers.get("Content-Length")
    if length is None and not fetch.verified:
        raise InputError(f"{fetch.what}: the answer does not tell its length, so that its end cannot be told")
    total = size + int(length) if length else None
    if total is not None and total > fetch.most:
        raise InputError(f"{fetch.what}: claims {total:,} bytes, where at most {fetch.most:,} are expected; refused")
    return total


def _asked_wait(response: httpx.Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    if re.fullmatch("[0-9]{1,12}", text):
        return float(text)
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, LookupError):
        return None
