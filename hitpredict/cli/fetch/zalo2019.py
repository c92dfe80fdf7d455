"""`hitpredict fetch zalo2019`: the table that the bundled model learnt from."""

import sys
from typing import Any

from hitpredict.cli import options
from hitpredict.cli.fetch import shared

COMMAND: dict[str, Any] = {
    "help": "Zalo AI Challenge 2019: 9,070 songs with chart ranks and MFCC statistics; no audio.",
    "epilog": "Example: hitpredict fetch zalo2019 -o zalo/",
}


@options.spread
def zalo2019(
    output: shared.OutputFolder,
    *,
    existing: shared.Existing,
    network: shared.Network,
) -> int:
    """Fetch four small files and write the table with its split."""
    if existing.kept(output, network.messages):
        return 0
    with network.web(output) as web:
        from hitpredict.datasets import zalo2019 as source

        manifest, counts = source.fetch(web, output, network.mirror)
        network.messages.note(
            ", ".join(f"{count:,} {split} tracks" for split, count in sorted(counts.items(), reverse=True))
        )
        sys.stdout.write(f"{manifest}\n")
    return 0
