"""Deezer's public API: tracks with the label `rank` (0 to about 1,000,000) and 30-second previews as MP3.

50 requests in 5 seconds at most. Errors come as objects inside HTTP 200: code 4 (quota) and 700 (busy) pass, 800 is
an unknown track. The address of a preview is signed and lives for minutes, so it is asked for just before.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hitpredict.audio.read import open_audio
from hitpredict.datasets.collection import Collection
from hitpredict.datasets.manifest import Track, now
from hitpredict.datasets.web.addresses import base
from hitpredict.datasets.web.answers import brief, expected, pages
from hitpredict.datasets.web.download import GaveUp, Temporary, Unreachable, Web
from hitpredict.datasets.web.limits import RateLimiter
from hitpredict.errors import InputError

OFFICIAL = "https://api.deezer.com"
REQUESTS, SECONDS = 50, 5.0
LICENCE = "Deezer terms of use"
_FOLDER = "previews"
_PAGE = 100
# A preview has half a megabyte and 30 s.
PREVIEW_BYTES, PREVIEW_TIME, _LONGEST_PREVIEW = 8 * 10**6, 300.0, 90
_MOST_LOST = 3
_QUOTA, _BUSY, _UNKNOWN = 4, 700, 800
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")


class Unknown(InputError):
    """Deezer has no such track, playlist or artist."""


@dataclass(frozen=True)
class Query:
    """What to list. kind: chart, playlist, search, artist or isrc. value: the id or text. isrcs: the codes."""

    kind: str
    value: str = ""
    isrcs: tuple[str, ...] = ()


class Deezer:
    """The API behind its rate limit."""

    def __init__(self, web: Web, mirror: str | None = None, seconds: float = SECONDS):
        self._web, self._base, self._seconds = web, base("deezer", OFFICIAL, mirror), seconds
        self._limiter = RateLimiter(REQUESTS, seconds)
        self._lost = 0

    def keys(self, query: Query, limit: int | None = None) -> list[str]:
        """The tracks of a query, each once, as the last part of their address in the API; no more are asked for."""
        if query.kind == "isrc":
            return [*islice(dict.fromkeys(f"isrc:{code}" for code in query.isrcs), limit)]
        found: dict[str, None] = {}
        with expected(f"{self._base}/{query.kind}"):
            for key in self._listed(query):
                found[key] = None
                if len(found) == limit:
                    break
        return [*found]

    def track(self, key: str) -> dict[str, Any]:
        """All that the API says of a track. Raises `Unknown`, or `InputError` for an answer of another form."""
        if key.startswith("isrc:"):
            key = f"isrc:{isrc_of(key.removeprefix('isrc:'))}"
        answer = self._ask(f"{self._base}/track/{key}")
        if not isinstance(answer, dict) or not {"title", "rank"} <= {*answer} or type(answer.get("id")) is not int:
            raise InputError(f"Deezer track {key}: lacks id, title or rank; the service's format has changed")
        return answer

    def preview(self, track: Mapping[str, Any], output: Path) -> str | None:
        """Bring the preview of a track to `output`; gives its path there, or None where there is none.

        What is there already is kept if it is sound. Raises `InputError` for what is not; a host that cannot be had
        costs a track each, and after three in a row the run.
        """
        name = f"{_FOLDER}/{track['id']:d}.mp3"
        target = output / name
        if target.exists() and not flaw(target):
            return name
        if not track.get("preview"):
            return None
        target.unlink(missing_ok=True)
        try:
            self._web.download(track["preview"], target, most=PREVIEW_BYTES, within=PREVIEW_TIME)
        except (Unreachable, GaveUp) as error:
            self._lost += 1
            if self._lost >= _MOST_LOST:
                raise
            raise InputError(f"Deezer track {track['id']}: {error}") from error
        self._lost = 0
        if reason := flaw(target):
            target.unlink()
            raise InputError(f"Deezer track {track['id']}: the preview {reason}; run the same command again")
        return name

    def _listed(self, query: Query) -> Iterator[str]:
        path, params = {
            "chart": ("/chart/0/tracks", {}),
            "playlist": (f"/playlist/{query.value}/tracks", {}),
            "search": ("/search", {"q": query.value}),
            "artist": (f"/artist/{query.value}/top", {}),
        }[query.kind]
        first = f"{self._base}{path}?{urlencode({**params, 'limit': _PAGE})}"
        for entries in pages(first, self._ask, "data", (self._base, OFFICIAL)):
            yield from (f"{entry['id']:d}" for entry in entries if "id" in entry)

    def _ask(self, url: str) -> Any:
        return self._web.json(url, limiter=self._limiter, check=lambda answer: self._check(url, answer))

    def _check(self, url: str, answer: Any) -> None:
        error = answer.get("error") if isinstance(answer, dict) else None
        if not error:
            return
        code, text = (error.get("code"), error.get("message")) if isinstance(error, dict) else (None, error)
        if code in (_QUOTA, _BUSY):
            raise Temporary(f"Deezer says {brief(text)!r}", self._seconds)
        if code == _UNKNOWN:
            raise Unknown(f"{brief(url)}: Deezer knows no such thing")
        raise InputError(f"{brief(url)}: Deezer says {brief(text)!r}")


def collection(api: Deezer, query: Query, output: Path, limit: int | None = None) -> Collection:
    """The tracks of a query with their previews, to be fetched into `output`."""

    def make(key: str) -> Track:
        answer = api.track(key)
        return as_track(answer, api.preview(answer, output))

    return Collection(output, {"source": "deezer", **_jsonable(query)}, api.keys(query, limit), make)


def _jsonable(query: Query) -> dict[str, Any]:
    return {**asdict(query), "isrcs": [*query.isrcs]}


def as_track(answer: Mapping[str, Any], path: str | None) -> Track:
    """A track of the API as a line of the manifest."""
    artists = answer.get("contributors") or [answer["artist"]]
    return Track(
        track_id=str(answer["id"]),
        source="deezer",
        retrieved=now(),
        path=path,
        title=answer["title"],
        artist=", ".join(str(artist["name"]) for artist in artists) or None,
        artist_ids=tuple(str(artist["id"]) for artist in artists),
        album=(answer.get("album") or {}).get("title"),
        release_date=answer.get("release_date") or (answer.get("album") or {}).get("release_date"),
        duration=answer.get("duration"),
        licence=LICENCE,
        labels={"rank": answer["rank"]},
        extra={"isrc": answer.get("isrc") or None},
    )


def isrc_of(text: str) -> str:
    """An ISRC without hyphens, in capitals. Raises `InputError` for anything else."""
    code = text.replace("-", "").replace(" ", "").upper()
    if not _ISRC.fullmatch(code):
        raise InputError(f"{text}: is no ISRC (two letters, three letters or digits, seven digits)")
    return code


def flaw(path: Path) -> str | None:
    """What is wrong with a preview, or None: it must be MP3 that decodes from its beginning to its end."""
    with path.open("rb") as file:
        start = file.read(3)
    if not (start == b"ID3" or (len(start) == 3 and start[0] == 0xFF and start[1] & 0xE6 == 0xE2)):
        return "is not MP3"
    try:
        with open_audio(path) as reader:
            for _ in reader.blocks(reuse=True):
                if reader.frames_read > _LONGEST_PREVIEW * reader.rate:
                    return f"is longer than {_LONGEST_PREVIEW} s"
            return reader.warnings[0] if reader.warnings else None
    except InputError as error:
        return f"cannot be decoded ({error})"
