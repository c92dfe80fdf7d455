"""`hitpredict fetch kworb`: charts of countries, with what each track has gathered in them."""

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.fetch import shared
from hitpredict.cli.progress import Progress, watched

COMMAND: dict[str, Any] = {
    "help": "kworb.net (Spotify charts by country): time on the chart, peak, streams and totals of tracks; no audio.",
    "epilog": "Examples: hitpredict fetch kworb us gb --page weekly-totals -o totals/ · "
    "hitpredict fetch kworb global --page daily -o today/",
}


class PageKind(StrEnum):
    """The pages that each country has."""

    daily = "daily"
    weekly = "weekly"
    daily_totals = "daily-totals"
    weekly_totals = "weekly-totals"


@options.spread
def kworb(
    output: shared.OutputFolder,
    regions: Annotated[
        list[str], typer.Argument(metavar="REGION", help="Countries by their two letters (us, gb, vn), or global.")
    ],
    page: Annotated[
        PageKind, typer.Option(help="The newest chart of a day or a week, or all tracks that were ever in one.")
    ] = PageKind.daily_totals,
    pause: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, max=3600, help="From one page to the next; robots.txt may ask for more."
        ),
    ] = 1.0,
    max_age: Annotated[
        float, typer.Option(metavar="HOURS", min=0, max=10**6, help="Take younger pages from the cache, unasked.")
    ] = 20.0,
    *,
    existing: shared.Existing,
    network: shared.Network,
) -> int:
    """Fetch the page of each region; those that fail cost a line each."""
    messages = network.messages
    if existing.kept(output, messages):
        return 0
    with network.web(output) as web:
        from hitpredict.datasets.kworb import CountryCharts

        name: Any = page.value.replace("-", "_")
        charts = CountryCharts(web, name, regions, network.mirror, pause, max_age)
        failed = 0
        with Progress("pages", watched(messages.quiet, rows_elsewhere=True), len(charts.regions)) as bar:
            for problem in bar.over(charts.fetched(output)):
                if problem:
                    failed += 1
                    messages.failure(problem)
        for region, (found, when) in charts.pages.items():
            span = f", charts from {found.since} to {found.until}" if found.since else ""
            left_out = f", {found.nameless:,} without a link left out" if found.nameless else ""
            messages.note(f"{region}: {len(found.rows):,} tracks{span}{left_out}, of {when}")
        if charts.manifest:
            sys.stdout.write(f"{charts.manifest}\n")
    return 1 if failed else 0
