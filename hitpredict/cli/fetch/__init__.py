"""`hitpredict fetch`: public data sets, labels, charts and weights, one sub-command per source."""

from collections.abc import Callable
from typing import Any

import typer

from hitpredict.cli.fetch import charts, deezer, fma, kworb, spotgentrack, spotify, synth, weights, zalo2019

_SOURCES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "fma": (fma.fma, fma.COMMAND),
    "spotgentrack": (spotgentrack.spotgentrack, spotgentrack.COMMAND),
    "zalo2019": (zalo2019.zalo2019, zalo2019.COMMAND),
    "deezer": (deezer.deezer, deezer.COMMAND),
    "spotify": (spotify.spotify, spotify.COMMAND),
    "charts": (charts.charts, charts.COMMAND),
    "kworb": (kworb.kworb, kworb.COMMAND),
    "weights": (weights.weights, weights.COMMAND),
    "synth": (synth.synth, synth.COMMAND),
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
