"""`hitpredict fetch deezer`: 30-second previews and the `rank` label."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.fetch import shared
from hitpredict.errors import UsageError

COMMAND: dict[str, Any] = {
    "help": "Deezer: 30 s previews (MP3) of a chart, playlist, search, artist or list of ISRCs, with the rank label.",
    "epilog": "Examples: hitpredict fetch deezer --chart -o chart/ · "
    "hitpredict fetch deezer --playlist 3155776842 --limit 50 -o top/",
}


@options.spread
def deezer(
    output: shared.OutputFolder,
    chart: Annotated[bool, typer.Option("--chart", help="The tracks of Deezer's own chart.")] = False,
    playlist: Annotated[str | None, typer.Option(metavar="ID", help="The tracks of a public playlist.")] = None,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="The tracks a search finds.")] = None,
    artist: Annotated[str | None, typer.Option(metavar="ID", help="An artist's top tracks.")] = None,
    isrc: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The recordings with these ISRCs, one a line.")
    ] = None,
    limit: shared.TrackLimit = None,
    *,
    existing: shared.Existing,
    network: shared.Network,
) -> int:
    """List the tracks asked for, then fetch each one's details and preview; what is there is kept."""
    asked = {"chart": "" if chart else None, "playlist": playlist, "search": search, "artist": artist, "isrc": isrc}
    chosen = {kind: value for kind, value in asked.items() if value is not None}
    if len(chosen) != 1:
        raise UsageError("give one of --chart, --playlist, --search, --artist or --isrc")
    if existing.kept(output, network.messages):
        return 0
    with network.web(output) as web:
        from hitpredict.datasets.deezer import Deezer, Query, collection

        ((kind, value),) = chosen.items()
        query = Query("isrc", isrcs=shared.lines_of(isrc)) if isrc else Query(kind, str(value))
        return shared.collect(collection(Deezer(web, network.mirror), query, output, limit), network.messages)
