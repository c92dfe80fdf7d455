"""`hitpredict fetch spotgentrack`: the data set of HitMusicNet."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.fetch import shared

COMMAND: dict[str, Any] = {
    "help": "SpotGenTrack (101,900 tracks): Spotify popularity with HitMusicNet's 207 and 228 features; no audio.",
    "epilog": "Examples: hitpredict fetch spotgentrack -o spotgentrack/ · "
    "hitpredict fetch spotgentrack --archive 4m2x4zngny-1.zip -o spotgentrack/",
}


@options.spread
def spotgentrack(
    output: shared.OutputFolder,
    archive: Annotated[
        Path | None,
        typer.Option("--archive", metavar="FILE", help="Read this zip, downloaded by hand, instead of fetching."),
    ] = None,
    *,
    existing: shared.Existing,
    network: shared.Network,
) -> int:
    """Fetch the five tables (0.7 GB), or take them from `archive`, and join them."""
    if existing.kept(output, network.messages):
        return 0
    with network.web(output) as web:
        from hitpredict.datasets import spotgentrack as source
        from hitpredict.datasets.mendeley import dataset_tables, tables_in

        found = (
            tables_in(archive, source.TABLES)
            if archive
            else dataset_tables(web, source.DATASET, source.TABLES, network.mirror)
        )
        manifest, counts = source.convert(found, output)
        network.messages.note(", ".join(f"{name}: {count:,} tracks" for name, count in counts.items()))
        sys.stdout.write(f"{manifest}\n")
    return 0
