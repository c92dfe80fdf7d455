"""`hitpredict fetch spotify`: track metadata with the user's own credentials."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.fetch import shared
from hitpredict.errors import EnvironmentProblem, UsageError

COMMAND: dict[str, Any] = {
    "help": "Spotify: metadata and popularity of tracks and playlists. Needs SPOTIFY_CLIENT_ID and "
    "SPOTIFY_CLIENT_SECRET in the environment.",
    "epilog": "Examples: hitpredict fetch spotify 11dFghVXANMlKmJXsNCbNl -o songs/ · "
    "hitpredict fetch spotify --playlist 37i9dQZEVXbMDoHDwVN2tF --previews deezer -o top/ · "
    "hitpredict fetch spotify --genre mandopop --year 2017-2019 -o mandopop/",
}


class Previews(StrEnum):
    """Where 30-second previews come from."""

    deezer = "deezer"
    spotify = "spotify"


@options.spread
def spotify(
    output: shared.OutputFolder,
    tracks: Annotated[list[str] | None, typer.Argument(metavar="TRACK", help="Ids, URIs or links of tracks.")] = None,
    playlist: Annotated[list[str] | None, typer.Option(metavar="ID", help="Also a playlist's tracks.")] = None,
    ids: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also the tracks listed in FILE, one a line (- for stdin).")
    ] = None,
    genre: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Also what a search by genre finds.")] = None,
    year: Annotated[
        str | None,
        typer.Option(
            metavar="YEAR", help="Also what a search by year finds (2019 or 2017-2019), of the genres if any."
        ),
    ] = None,
    previews: Annotated[
        Previews | None,
        typer.Option(
            help="Fetch previews (MP3) from Deezer, joined by ISRC, with its rank; or from Spotify, where it gives any."
        ),
    ] = None,
    limit: shared.TrackLimit = None,
    *,
    existing: shared.Existing,
    network: shared.Network,
) -> int:
    """List the tracks, ask Spotify for them in batches, and Deezer for previews where wanted."""
    if not (tracks or playlist or ids or genre or year):
        raise UsageError("give tracks, --playlist ID, --ids FILE, --genre NAME or --year YEAR")
    credentials = _credentials()
    if existing.kept(output, network.messages):
        return 0
    with network.web(output) as web:
        from hitpredict.datasets.deezer import Deezer
        from hitpredict.datasets.spotify import Spotify, collection

        api = Spotify(web, credentials, network.mirror, network.messages.note)
        listed = [*(tracks or []), *(shared.lines_of(ids) if ids else ())]
        deezer = Deezer(web) if previews is Previews.deezer else None
        genres: list[str | None] = [*genre] if genre else [None] if year else []
        searches = [(name, year) for name in genres]
        own = previews is Previews.spotify
        tracks_wanted = collection(api, listed, playlist or [], output, limit, deezer, searches, own)
        return shared.collect(tracks_wanted, network.messages, previews is not None)


def _credentials() -> tuple[str, str]:
    found = tuple(os.environ.get(f"SPOTIFY_CLIENT_{name}", "") for name in ("ID", "SECRET"))
    if not all(found):
        raise EnvironmentProblem(
            "set SPOTIFY_CLIENT_ID and SPOTIFY_CLIENT_SECRET to those of your own application "
            "(developer.spotify.com/dashboard)"
        )
    return found[0], found[1]
