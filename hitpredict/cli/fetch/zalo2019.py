"""`hitpredict fetch zalo2019`: the table that the bundled model learnt from."""

import sys
from typing import Any

from hitpredict.cli import options
from hitpredict.cli.fetch import shared
from hitpredict.cli.messages import Messages

COMMAND: dict[str, Any] = {
    "help": "Zalo AI Challenge 2019: 9,070 songs with chart ranks and MFCC statistics; no audio.",
    "epilog": "Example: hitpredict fetch zalo2019 -o zalo/",
}


def zalo2019(
    output: shared.Output,
    mirror: shared.Mirror = None,
    offline: shared.Offline = False,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Fetch four small files and write the table with its split."""
    messages = Messages(quiet, verbose)
    if not shared.wanted(output, force, skip_existing, messages):
        return 0
    from hitpredict.errors import needs

    with needs("fetch"), shared.network(offline, messages, output) as web:
        from hitpredict.datasets import zalo2019 as source

        manifest, counts = source.fetch(web, output, mirror)
        messages.note(", ".join(f"{count:,} {split} tracks" for split, count in sorted(counts.items(), reverse=True)))
        sys.stdout.write(f"{manifest}\n")
    return 0
