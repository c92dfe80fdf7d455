"""Pages of a site that is made for people: asked for one at a time, as its robots.txt allows, and kept in the cache.

`robots.txt` is read as RFC 9309 says: where there is none, or HTTP 4xx, all is allowed; 401 and 403 allow nothing here.
Pages that are kept are not asked for again for some hours, and then only whether they have changed (RFC 9110,
conditional requests).
"""

import hashlib
import math
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urljoin
from urllib.robotparser import RobotFileParser

import msgspec

from hitpredict.datasets.web.answers import expected
from hitpredict.datasets.web.cache import cache_folder
from hitpredict.datasets.web.disk import full_disk_explained, made
from hitpredict.datasets.web.download import GaveUp, Refused, Web
from hitpredict.datasets.web.limits import RateLimiter
from hitpredict.errors import InputError
from hitpredict.files.owned import atomic, locked

T = TypeVar("T")
_AGENT = "hitpredict"
_VALIDATORS = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
_FRACTION = re.compile(r"(?im)^(\s*crawl-delay\s*:\s*)([0-9]{1,9}\.[0-9]{1,9})")


@dataclass(frozen=True)
class _Kept:
    """What is known of a page in the cache. asked: seconds since 1970; validators: headers to ask with."""

    url: str
    sha256: str
    asked: float
    validators: dict[str, str]


class Site:
    """One site, in a `with` block. address: without a final slash; folder: of the cache.

    pause: seconds from one question to the next; a longer `Crawl-delay` of robots.txt wins. max_age: seconds for which
    a page that is kept is not asked for. The site belongs to one process from the first question to the end of the
    block: another one's raises `EnvironmentProblem`.
    """

    def __init__(
        self,
        web: Web,
        address: str,
        folder: str,
        pause: float,
        max_age: float,
        clock: Callable[[], float] = time.time,
    ):
        self._web, self._address, self._max_age, self._clock = web, address, max_age, clock
        self._folder = cache_folder(folder, offline=web.offline)
        self._limiter = RateLimiter(1, pause, sleep=web.sleep)
        self._robots: RobotFileParser | None = None
        self._refused = ""
        self._hold = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self._hold.__exit__(*error)

    def page(self, path: str, read: Callable[[bytes], T]) -> tuple[T, str]:
        """What `read` makes of a page, and when the site was last asked for it (ISO time, UTC).

        Only what could be read is kept. Raises what `read` raises, `InputError` for a page that robots.txt keeps from
        robots, and what `Web.page` does, offline for every page that is not in the cache.
        """
        url, place = f"{self._address}/{path}", self._folder / path.replace("/", "-")
        kept, body = self._kept(url, place)
        if kept and (self._web.offline or 0 <= self._clock() - kept.asked < self._max_age):
            return read(body), _iso(kept.asked)
        if not self._web.offline:
            self._ask_robots()
            if self._robots and not self._robots.can_fetch(_AGENT, url):
                raise InputError(f"{url}: the site's robots.txt{self._refused} keeps programs from it; not fetched")
        asked = self._clock()
        try:
            validators = {} if kept is None else kept.validators
            body, headers = self._web.page(url, headers=validators, limiter=self._limiter)
            validators = {ask: headers[name] for name, ask in _VALIDATORS.items() if name in headers}
        except Refused as error:
            if error.status != 304 or kept is None:
                raise
        found = read(body)
        self._keep(place, body, _Kept(url, hashlib.sha256(body).hexdigest(), asked, validators))
        return found, _iso(asked)

    def _kept(self, url: str, place: Path) -> tuple[_Kept | None, bytes]:
        """The page at its place in the cache with its note, if they belong together."""
        try:
            kept = msgspec.json.decode(_note_of(place).read_bytes(), type=_Kept)
            body = place.read_bytes()
        except (OSError, ValueError, msgspec.DecodeError, RecursionError):
            return None, b""
        ours = kept.url == url and kept.sha256 == hashlib.sha256(body).hexdigest()
        return (kept, body) if ours else (None, b"")

    def _keep(self, place: Path, body: bytes, kept: _Kept) -> None:
        with full_disk_explained(place.parent):
            for path, content in {place: body, _note_of(place): msgspec.json.encode(kept)}.items():
                with atomic(path) as file:
                    file.write(content)

    def _ask_robots(self) -> None:
        """Read robots.txt, once, before the first question. Raises `GaveUp` where it cannot be read or kept to."""
        if self._robots:
            return
        self._hold.enter_context(made(self._folder))
        self._hold.enter_context(locked(self._folder / "site"))
        url = urljoin(self._address, "/robots.txt")
        try:
            with expected(url):
                robots = self._read_robots(url)
                rate = robots.request_rate(_AGENT)
                asked = max(float(robots.crawl_delay(_AGENT) or 0), rate.seconds / rate.requests if rate else 0.0)
        except InputError as error:
            raise GaveUp(str(error)) from error
        if asked > self._web.longest_wait:
            raise GaveUp(f"{url}: asks for {asked:,.0f} s between two pages, so that nothing is fetched")
        self._limiter.slow_down(asked)
        self._robots = robots

    def _read_robots(self, url: str) -> RobotFileParser:
        robots = RobotFileParser(url)
        try:
            body, _ = self._web.page(url, limiter=self._limiter)
        except Refused as error:
            self._refused = f" (HTTP {error.status})" if error.status in (401, 403) else ""
            robots.parse(["User-agent: *", "Disallow: /"] if self._refused else [])
        else:
            robots.parse(_whole_seconds(body.decode("utf-8-sig", errors="replace")).splitlines())
        return robots


def _whole_seconds(robots: str) -> str:
    """A robots.txt whose delays are rounded up, as the parser passes over fractions of a second."""
    return _FRACTION.sub(lambda found: f"{found[1]}{math.ceil(float(found[2]))}", robots)


def _note_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.json")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
