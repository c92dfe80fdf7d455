"""`hitpredict fetch weights`: pretrained checkpoints."""

import sys
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.fetch import shared
from hitpredict.cli.messages import in_options
from hitpredict.errors import UsageError

COMMAND: dict[str, Any] = {
    "help": "Pretrained weights (VGGish, AST, wav2vec 2.0, CLAP, MERT…) into the cache; prints name and path.",
    "epilog": "Examples: hitpredict fetch weights --list · hitpredict fetch weights vggish ast · "
    "hitpredict fetch weights mert-95m --accept-licence",
}


def _names() -> list[str]:
    from hitpredict.datasets import weights as source

    return list(source.ALL)


@options.spread
def weights(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME", help="Which weights; see --list.", autocompletion=_names),
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="List name, size in MB, licence, whether it must be accepted, and source.")
    ] = False,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept licences that do not allow every use (or state none).")
    ] = False,
    *,
    network: shared.Network,
) -> int:
    """Print the table of weights, or fetch some of them."""
    if not (names or show):
        raise UsageError("give the names of weights, or --list")
    with network.web() as web:
        from hitpredict.datasets import weights as source

        if show:
            _table(source)
            return 0
        for name, found in source.chosen(names or [], accept_licence).items():
            network.messages.note(f"{name}: {found.source}, about {found.size:,g} MB, licence {found.licence}")
            sys.stdout.write(f"{name}\t{source.fetch(web, found, network.mirror)}\n")
            sys.stdout.flush()
    return 0


def _table(source: Any) -> None:
    sys.stdout.write("name\tmegabytes\tlicence\taccept\tsource\tuse\n")
    for name, entry in source.ALL.items():
        accept, use = "no" if entry.free else "yes", in_options(entry.use or "scripts of your own")
        sys.stdout.write(f"{name}\t{entry.size:g}\t{entry.licence}\t{accept}\t{entry.source}\t{use}\n")
