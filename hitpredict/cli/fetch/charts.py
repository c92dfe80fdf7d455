"""`hitpredict fetch charts`: chart files on disk to a tidy table, popularity measures and stream curves."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import check_writable, distinct
from hitpredict.cli.progress import Progress, watched
from hitpredict.errors import InputError, UsageError, needs

if TYPE_CHECKING:
    from hitpredict.datasets.chart_readers import Chart
    from hitpredict.datasets.charts import Charts

COMMAND: dict[str, Any] = {
    "help": "Turn chart files (Spotify CSV, kworb.net pages, Billboard JSON, Parquet) into one table, with popularity "
    "measures and weekly stream curves of every track. Reads files only; nothing is downloaded.",
    "epilog": "Example: hitpredict fetch charts spotify-weekly/ -o charts/",
}
CHARTS, MEASURES, CURVES = "charts.parquet", "measures.parquet", "curves.parquet"
_DAY = ["%Y-%m-%d"]


@options.spread
def charts(
    *,
    inputs: Annotated[
        list[str],
        typer.Argument(metavar="INPUT", help="Chart files, or folders of them (.csv, .html, .json, .parquet)."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Write the tables into this folder.")],
    chart_size: Annotated[
        int | None,
        typer.Option(
            min=1, max=10**6, metavar="N", help="Places of a chart: place r scores N + 1 - r [default: 100 or 200]."
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, metavar="DATE", help="Leave out earlier charts [default: the first there is]."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(formats=_DAY, metavar="DATE", help="The data end here, as at a crawl [default: the last chart]."),
    ] = None,
    weeks: Annotated[int, typer.Option(min=2, max=10_000, metavar="N", help="Length of the stream curves.")] = 104,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    messages: Messages,
) -> int:
    """Write the tables and `tracks.jsonl`; what was read and left out goes to standard error."""
    if not _ready(output, inputs, force, skip_existing):
        messages.note(f"{output}: the tables exist already, left as they are")
        return 0
    with needs("fetch"):
        from hitpredict.datasets.charts import Window, tidy
    window = Window(since.date() if since else None, until.date() if until else None)
    found, failed = _read(inputs, messages)
    if not found and failed:
        return 1
    joined = tidy(found, window, chart_size)
    _describe(joined, messages)
    _write(joined, output, messages, weeks)
    return 1 if failed else 0


def _ready(output: Path, inputs: list[str], force: bool, skip_existing: bool) -> bool:
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output}: is a file; give a folder")
    output.mkdir(parents=True, exist_ok=True)
    from hitpredict.datasets.manifest import MANIFEST

    files = [output / name for name in (CHARTS, MEASURES, CURVES, MANIFEST)]
    distinct({f"-o {path.name}": path for path in files}, inputs)
    keep = [check_writable(path, force, skip_existing) for path in files]
    return all(keep)


def _read(inputs: list[str], messages: Messages) -> "tuple[list[Chart], int]":
    """The charts that could be read, and how many files could not."""
    from hitpredict.datasets.chart_readers import read_chart
    from hitpredict.datasets.charts import files

    found, failed = [], 0
    skipped: Callable[[Path], None] = lambda path: messages.detail(f"{path}: passed over, no chart by its suffix")  # noqa: E731
    with Progress("read", watched(messages.quiet, rows_elsewhere=True)) as bar:
        for path in bar.over(files(inputs, skipped)):
            try:
                found.append(read_chart(path))
                messages.detail(f"{path}: {found[-1].kind}, {len(found[-1].table)} rows")
            except InputError as error:
                failed += 1
                messages.failure(error)
    if not found and not failed:
        raise InputError(f"{', '.join(inputs)}: no chart files (.csv, .html, .json, .parquet) there")
    for kind, count in Counter(chart.kind for chart in found).items():
        rows = sum(len(chart.table) for chart in found if chart.kind == kind)
        messages.note(f"{kind}: {count:,} {'file' if count == 1 else 'files'}, {rows:,} rows")
    return found, failed


def _describe(charts: "Charts", messages: Messages) -> None:
    sizes = ", ".join(str(size) for size in sorted({int(size) for size in charts.size}))
    messages.note(f"{charts.period} charts of {len(charts.regions)} regions; place r scores N + 1 - r, N = {sizes}")
    if charts.duplicates:
        messages.note(f"{charts.duplicates:,} rows were there already (same region, date and track) and are left out")
    if charts.nameless:
        messages.note(f"{charts.nameless:,} rows without a track id are left out")
    if missing := charts.missing():
        regions = ", ".join(
            f"{name} {count}" for name, count in sorted(missing.items(), key=lambda m: (-m[1], m[0]))[:5]
        )
        messages.note(
            f"{sum(missing.values()):,} charts are missing between a region's first and last ({regions}); tracks "
            "count as off the chart there"
        )


def _write(charts: "Charts", output: Path, messages: Messages, weeks: int) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet

    from hitpredict.datasets.charts import charts_table, curves_table, manifest, measures_table
    from hitpredict.datasets.manifest import now, write_tracks
    from hitpredict.files.owned import atomic
    from hitpredict.tables.label_inputs import ALL_REGIONS

    measured, curved = measures_table(charts), curves_table(charts, weeks)
    write_tracks(output, manifest(charts, now()))
    tables = {CURVES: curved, MEASURES: measured, CHARTS: charts_table(charts)}
    for name, table in tables.items():
        with atomic(output / name) as file:
            pyarrow.parquet.write_table(table, file, compression="zstd")
    censored = pc.mean(measured["censored"]).as_py()
    total = pc.equal(curved["region"], ALL_REGIONS)
    known = pc.is_valid(curved["log_sum"])
    whole, tracks = (pc.sum(pc.and_(known, rows)).as_py() or 0 for rows in (pc.invert(total), total))
    summed = pc.sum(total).as_py() or 0
    messages.note(
        f"{output}: {len(tables[CHARTS]):,} rows, {len(charts.tracks):,} tracks, {len(measured):,} histories of a "
        f"track in a region ({censored:.0%} censored), {len(curved) - summed:,} stream curves ({whole:,} with a start "
        f"that is seen and {weeks + 1} weeks after it)"
    )
    if summed:
        messages.note(
            f"{CURVES}: also {summed:,} tracks in all regions together, region {ALL_REGIONS} ({tracks:,} with a start "
            "that is seen and the weeks after it)"
        )
    messages.note(
        "log_sum is null where the charts do not show the whole curve; shorter ones (--weeks) lose fewer tracks"
    )
