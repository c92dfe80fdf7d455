"""`hitpredict fetch fma`: the Free Music Archive data set."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.fetch import shared
from hitpredict.cli.progress import Progress, watched

COMMAND: dict[str, Any] = {
    "help": "FMA (Free Music Archive, 106,574 tracks): listens, favourites, comments, interest; features; audio.",
    "epilog": "Examples: hitpredict fetch fma --subset large --metadata-only -o fma/ · "
    "hitpredict fetch fma --subset small -o fma/",
}


class Subset(StrEnum):
    """The nested subsets, each with its archive of audio."""

    small = "small"
    medium = "medium"
    large = "large"
    full = "full"


@options.spread
def fma(
    output: shared.OutputFolder,
    subset: Annotated[
        Subset,
        typer.Option(help="8,000, 25,000 or 106,574 clips of 30 s (7, 22, 93 GiB), or all tracks in full (879 GiB)."),
    ] = Subset.small,
    metadata_only: Annotated[
        bool, typer.Option("--metadata-only", help="Labels and features without the audio (342 MiB).")
    ] = False,
    delete_archive: Annotated[
        bool, typer.Option("--delete-archive", help="Delete the audio archive from the cache once it is unpacked.")
    ] = False,
    checksums: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="SHA-1 of a mirror's archives, as sha1sum lists them [default: published]."),
    ] = None,
    *,
    existing: shared.Existing,
    network: shared.Network,
) -> int:
    """Fetch the metadata, and the audio unless `metadata_only`."""
    if existing.kept(output, network.messages):
        return 0
    with network.web(output) as web:
        from hitpredict.datasets.fma import BIAS, BIASED, SHA1, Fma, checksums_in

        if subset in BIASED:
            network.messages.note(f"FMA {subset} {BIAS}")
        source = Fma(web, subset, network.mirror, checksums_in(checksums) if checksums else SHA1)
        if not metadata_only:
            archive = source.audio_archive()
            with Progress("files unpacked", watched(network.messages.quiet, rows_elsewhere=True)) as bar:
                for _ in bar.over(source.unpack_audio(archive, output)):
                    pass
            if delete_archive:
                archive.unlink()
        sys.stdout.write(f"{source.tables(output, with_audio=not metadata_only)}\n")
    return 0
