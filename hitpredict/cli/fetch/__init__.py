"""`hitpredict fetch`: public data sets, labels, charts and weights, one sub-command per source."""

from collections.abc import Callable
from typing import Any

import typer

from hitpredict.cli.fetch import charts as fetch_charts
from hitpredict.cli.fetch import deezer as fetch_deezer
from hitpredict.cli.fetch import fma as fetch_fma
from hitpredict.cli.fetch import spotgentrack as fetch_spotgentrack
from hitpredict.cli.fetch import spotify as fetch_spotify
from hitpredict.cli.fetch import synth as fetch_synth
from hitpredict.cli.fetch import weights as fetch_weights
from hitpredict.cli.fetch import zalo2019 as fetch_zalo2019

_SOURCES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "fma": (fetch_fma.fma, fetch_fma.COMMAND),
    "spotgentrack": (fetch_spotgentrack.spotgentrack, fetch_spotgentrack.COMMAND),
    "zalo2019": (fetch_zalo2019.zalo2019, fetch_zalo2019.COMMAND),
    "deezer": (fetch_deezer.deezer, fetch_deezer.COMMAND),
    "spotify": (fetch_spotify.spotify, fetch_spotify.COMMAND),
    "charts": (fetch_charts.charts, fetch_charts.COMMAND),
    "weights": (fetch_weights.weights, fetch_weights.COMMAND),
    "synth": (fetch_synth.synth, fetch_synth.COMMAND),
}


def app(reported: Callable[..., Any]) -> typer.Typer:
    """The sub-commands, each wrapped by `reported`."""
    commands = typer.Typer(
        help="Get data sets, popularity labels, chart histories and pretrained weights.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    for name, (command, settings) in _SOURCES.items():
        commands.command(name, **settings)(reported(command))
    return commands
