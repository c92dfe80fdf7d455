"""Spotify's Web API with an application's own credentials (client-credentials flow): metadata and `popularity`.

What an application may have depends on its age and kind. Since November 2024 new ones get no previews; since
February 2026 those in development mode get no popularity, no batches of tracks, and `items` instead of `tracks` in
playlists. Each is tried the old way and the new, and what is missing is said once.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from hitpredict.datasets.collection import Collection
from hitpredict.datasets.deezer import PREVIEW_BYTES, PREVIEW_TIME, Deezer, Unknown, flaw
from hitpredict.datasets.manifest import Track, now
from hitpredict.datasets.web.addresses import base
from hitpredict.datasets.web.answers import expected, pages
from hitpredict.datasets.web.download import Refused, Web
from hitpredict.errors import EnvironmentProblem, InputError, UsageError

OFFICIAL_TOKEN, OFFICIAL = "https://accounts.spotify.com", "https://api.spotify.com"
LICENCE = "Spotify developer terms"
_BATCH = 50
_MOST_FOUND = 1000
_IDENTIFIER = re.compile(r"(?:^|track[:/]|playlist[:/])([A-Za-z0-9]{22})(?:\?|$)")
_WHOLE_IDENTIFIER = re.compile("[A-Za-z0-9]{22}")
_GONE = (400, 403, 404, 410)


class Spotify:
    """The API. credentials: client id and secret; they are sent to Spotify and written nowhere."""

    def __init__(
        self,
        web: Web,
        credentials: tuple[str, str],
        mirror: str | None = None,
        note: Callable[[str], None] = lambda _: None,
    ):
        self._web, self._credentials, self._note = web, credentials, note
        self._token_base, self._base = (base("spotify", site, mirror) for site in (OFFICIAL_TOKEN, OFFICIAL))
        self._token: str | None = None
        self._said: set[str] = set()
        self._batches = True

    def tracks(self, identifiers: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Up to 50 tracks by id; unknown ones are absent."""
        if self._batches:
            try:
                answer = self._ask(f"{self._base}/v1/tracks", {"ids": ",".join(identifiers)})
            except Refused as error:
                if error.status not in _GONE:
                    raise
                self._batches = False
                self._once("Spotify gives this application no batches of tracks; asking for one at a time")
            else:
                found = answer.get("tracks") if isinstance(answer, dict) else None
                if not isinstance(found, list):
                    raise InputError("Spotify: the answer holds no list of tracks; the service's format has changed")
                return {key: track for key, track in zip(identifiers, found, strict=False) if track}
        return {key: track for key in identifiers if (track := self._track(key))}

    def playlist(self, identifier: str) -> Iterator[dict[str, Any]]:
        """The tracks of a playlist; local files, episodes and removed entries are left out."""
        where = f"{self._base}/v1/playlists/{identifier}"
        old, new = (f"{where}/{name}?limit={_BATCH}" for name in ("tracks", "items"))

        def ask(url: str) -> Any:
            try:
                return self._ask(url)
            except Refused as error:
                if url != new or error.status not in _GONE:
                    raise
            return self._ask(old)

        with expected(where):
            for page in pages(new, ask, "items", (self._base, OFFICIAL)):
                entries = (entry.get(name) for entry in page for name in ("track", "item"))
                yield from (entry for entry in entries if isinstance(entry, dict) and _is_song(entry))

    def search(self, genre: str | None, year: str | None) -> Iterator[dict[str, Any]]:
        """The tracks that a search finds by genre and year (`2019` or `2017-2019`), at most 1,000 for each year.

        Raises `UsageError` for a year of another form.
        """
        for each in _years(year):
            parts = [f'genre:"{genre}"'] if genre else []
            query = " ".join([*parts, *([f"year:{each}"] if each else [])])
            yield from islice(self._found(query), _MOST_FOUND)

    def _found(self, query: str) -> Iterator[dict[str, Any]]:
        where = f"{self._base}/v1/search?{urlencode({'q': query, 'type': 'track'})}"

        def ask(url: str) -> Any:
            try:
                answer = self._ask(f"{url}&limit={_BATCH}" if url == where else url)
            except Refused as error:
                if url != where or error.status != 400:
                    raise
                # Applications in development mode get pages of ten.
                answer = self._ask(f"{url}&limit=10")
            return answer.get("tracks") if isinstance(answer, dict) else None

        with expected(where):
            for page in pages(where, ask, "items", (self._base, OFFICIAL)):
                yield from (entry for entry in page if isinstance(entry, dict) and _is_song(entry))

    def preview(self, track: Mapping[str, Any], output: Path) -> str | None:
        """Bring the preview of a track to `output`, where the API gives one; its path there, or None.

        Raises `InputError` for what is no sound preview.
        """
        name = f"audio/{track['id']}.mp3"
        target = output / name
        if target.exists() and not flaw(target):
            return name
        if not track.get("preview_url"):
            return None
        target.unlink(missing_ok=True)
        self._web.download(str(track["preview_url"]), target, most=PREVIEW_BYTES, within=PREVIEW_TIME)
        if reason := flaw(target):
            target.unlink()
            raise InputError(f"Spotify track {track['id']}: the preview {reason}; run the same command again")
        return name

    def explain_missing(self, track: Mapping[str, Any]) -> None:
        """Say once what this application is not given."""
        if "popularity" not in track:
            self._once("Spotify gives this application no popularity: the label is empty")
        if not track.get("preview_url"):
            self._once("Spotify gives this application no previews; `previews` deezer fetches them by ISRC")

    def _track(self, key: str) -> dict[str, Any] | None:
        try:
            answer = self._ask(f"{self._base}/v1/tracks/{key}")
        except Refused as error:
            if error.status in (400, 404):
                return None
            raise
        if not isinstance(answer, dict) or "id" not in answer:
            raise InputError(f"Spotify track {key}: lacks its id; the service's format has changed")
        return answer

    def _ask(self, url: str, params: Mapping[str, str | int] | None = None) -> Any:
        for retry in (True, False):
            try:
                return self._web.json(url, params=params, headers={"Authorization": f"Bearer {self._bearer()}"})
            except Refused as error:
                # A token lives for an hour.
                if error.status != 401 or not retry:
                    raise
                self._token = None
        raise AssertionError

    def _bearer(self) -> str:
        if self._token is None:
            identifier, secret = self._credentials
            form = {"grant_type": "client_credentials", "client_id": identifier, "client_secret": secret}
            try:
                answer = self._web.json(f"{self._token_base}/api/token", form=form)
            except Refused as error:
                raise EnvironmentProblem(
                    f"Spotify refused SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET (HTTP {error.status})"
                ) from None
            self._token = str(answer.get("access_token") or "") if isinstance(answer, dict) else ""
            if not self._token:
                raise InputError("Spotify: the answer holds no access_token; the service's format has changed")
        return self._token

    def _once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._note(text)


def _years(text: str | None) -> list[str]:
    if text is None:
        return [""]
    if not (found := re.fullmatch(r"(\d{4})(?:-(\d{4}))?", text)) or found[1] > (found[2] or found[1]):
        raise UsageError(f"`year` {text}: must be a year, or a range such as 2017-2019")
    return [str(year) for year in range(int(found[1]), int(found[2] or found[1]) + 1)]


def _is_song(entry: Mapping[str, Any]) -> bool:
    known = isinstance(entry.get("id"), str) and _WHOLE_IDENTIFIER.fullmatch(entry["id"])
    return bool(known) and entry.get("type", "track") == "track" and not entry.get("is_local")


def identifier_of(text: str) -> str:
    """The id in an id, a URI or a link. Raises `InputError`."""
    if found := _IDENTIFIER.search(text.strip()):
        return found[1]
    raise InputError(f"{text}: is no Spotify id, URI or link")


def collection(
    api: Spotify,
    listed: Sequence[str],
    playlists: Sequence[str],
    output: Path,
    limit: int | None = None,
    deezer: Deezer | None = None,
    searches: Sequence[tuple[str | None, str | None]] = (),
    own_previews: bool = False,
) -> Collection:
    """The listed tracks, those of the playlists, and those that searches by genre and year find, each once.

    With previews of Deezer's where `deezer` is given, with Spotify's own where the API gives them and `own_previews`.
    """
    in_playlists = (track for name in playlists for track in api.playlist(identifier_of(name)))
    searched = (track for genre, year in searches for track in api.search(genre, year))
    known: dict[str, dict[str, Any]] = {}
    for track in chain(in_playlists, searched):
        known[track["id"]] = track
        if len(known) == limit:
            break
    keys = [*islice(dict.fromkeys([*(_key(text) for text in listed), *known]), limit)]

    def make(key: str) -> Track:
        if key not in known:
            wanted = [name for name in keys[keys.index(key) :] if name not in known and _IDENTIFIER.search(name)]
            known.update(api.tracks(wanted[:_BATCH]) if identifier_of(key) else {})
        if key not in known:
            raise InputError(f"{key}: Spotify knows no such track")
        track = known[key]
        if deezer is None:
            api.explain_missing(track)
            return as_track(track, api.preview(track, output) if own_previews else None)
        if "popularity" not in track:
            api.explain_missing({**track, "preview_url": "asked of Deezer"})
        return _with_preview(track, deezer, output)

    settings = {"source": "spotify", "keys": keys, "previews": deezer is not None or own_previews}
    return Collection(output, settings, keys, make)


def _key(text: str) -> str:
    try:
        return identifier_of(text)
    except InputError:
        return text


def _with_preview(track: Mapping[str, Any], deezer: Deezer, output: Path) -> Track:
    isrc = (track.get("external_ids") or {}).get("isrc")
    if not isrc:
        return as_track(track)
    try:
        answer = deezer.track(f"isrc:{isrc}")
    except Unknown:
        return as_track(track)
    return as_track(track, deezer.preview(answer, output), answer["rank"])


def as_track(answer: Mapping[str, Any], path: str | None = None, deezer_rank: float | None = None) -> Track:
    """A track of the API as a line of the manifest."""
    artists, album = answer.get("artists") or [], answer.get("album") or {}
    return Track(
        track_id=answer["id"],
        source="spotify",
        retrieved=now(),
        path=path,
        title=answer.get("name"),
        artist=", ".join(artist["name"] for artist in artists) or None,
        artist_ids=tuple(artist["id"] for artist in artists),
        album=album.get("name"),
        release_date=album.get("release_date"),
        duration=answer["duration_ms"] / 1000 if "duration_ms" in answer else None,
        licence=LICENCE,
        labels={"popularity": answer.get("popularity"), "deezer_rank": deezer_rank},
        extra={"isrc": (answer.get("external_ids") or {}).get("isrc")},
    )
