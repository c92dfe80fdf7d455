"""CountryCharts of countries on kworb.net: what each track has gathered in them, as a table and a manifest."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet

from hitpredict.datasets.kworb_pages import CountryPage, Page, country_page
from hitpredict.datasets.manifest import MANIFEST, Track, write_tracks
from hitpredict.datasets.web.addresses import base
from hitpredict.datasets.web.disk import full_disk_explained
from hitpredict.datasets.web.download import GaveUp, Web
from hitpredict.datasets.web.site import Site
from hitpredict.errors import InputError, UsageError
from hitpredict.files.owned import atomic, locked

OFFICIAL = "https://kworb.net"
HISTORIES = "histories.parquet"
PAUSE, MAX_AGE = 1.0, 20.0
_WORLD = "global"
_REGION = re.compile(rf"{_WORLD}|[a-z]{{2}}")
_FIRST = [("region", pa.string()), ("period", pa.string())]
_SONG = [("track_id", pa.string()), ("title", pa.string()), ("artist", pa.string())]
_SONG += [("artist_ids", pa.list_(pa.string()))]
_LABELS: dict[str, Callable[[list[Any]], float]] = {
    "peak_rank": min,
    "length": max,
    "streams": sum,
    "total_streams": sum,
}

PageName = Literal["daily", "weekly", "daily_totals", "weekly_totals"]


class CountryCharts:
    """The same page of several regions. pause: seconds between pages; max_age: hours for which they are not asked for.

    After `fetched`: `pages` by region, each with the time of the last question, and `manifest`, None without any page.
    Raises `UsageError` for a region that is neither `global` nor two letters.
    """

    def __init__(
        self,
        web: Web,
        name: PageName,
        regions: Sequence[str],
        mirror: str | None = None,
        pause: float = PAUSE,
        max_age: float = MAX_AGE,
    ):
        self._name, self.regions = name, [*dict.fromkeys(region.lower() for region in regions)]
        if wrong := [region for region in self.regions if not _REGION.fullmatch(region)]:
            raise UsageError(f"region {', '.join(wrong)}: is neither {_WORLD} nor a country's two letters, as in us")
        self._site = Site(web, base("kworb", OFFICIAL, mirror), "kworb", pause, max_age * 3600)
        self.pages: dict[str, tuple[CountryPage, str]] = {}
        self.manifest: Path | None = None

    def fetched(self, output: Path) -> Iterator[InputError | None]:
        """Fetch page by page, then write `histories.parquet` and `tracks.jsonl`; yields the failure of each, or None.

        A killed run's pages are in the cache for the next one. Raises `EnvironmentProblem` while another run fetches
        into the same folder or from the same site.
        """
        with ExitStack() as hold:
            hold.enter_context(locked(output / MANIFEST))
            hold.enter_context(self._site)
            for region in self.regions:
                yield self._one(region)
            if self.pages:
                self._write(output)

    def _one(self, region: str) -> InputError | None:
        path = f"spotify/country/{region}_{self._name}.html"
        try:
            self.pages[region] = self._site.page(path, lambda body: self._read(body, path))
        except GaveUp:
            raise
        except InputError as error:
            return error
        return None

    def _read(self, body: bytes, path: str) -> CountryPage:
        try:
            page = country_page(Page(body.decode("utf-8-sig")), path)
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: the format has changed: the text is not UTF-8 (byte {error.start})") from error
        period, _, totals = self._name.partition("_")
        if page.period != period or page.totals != bool(totals):
            found = f"{page.period}{' totals' if page.totals else ''}"
            raise InputError(f"{path}: the format has changed: the page holds {found}")
        return page

    def _write(self, output: Path) -> None:
        with full_disk_explained(output):
            with atomic(output / HISTORIES) as file:
                pyarrow.parquet.write_table(histories_table(self.pages), file, compression="zstd")
            self.manifest = write_tracks(output, country_tracks(self.pages))


def histories_table(pages: dict[str, tuple[CountryPage, str]]) -> Any:
    """A row for each track of each region, in the order of the pages.

    Columns: `region`, `period`; of charts `date` (its first day), of totals `since` and `until`; `track_id`, `title`,
    `artist`, `artist_ids`; then the numbers of `CountryPage`, null where the page does not tell them.
    """
    first, _ = next(iter(pages.values()))
    days = [("since", pa.date32()), ("until", pa.date32())] if first.totals else [("date", pa.date32())]
    numbers = [(name, pa.int64() if "streams" in name else pa.int32()) for name in first.columns]
    rows = [
        row | {"region": region, "period": page.period, "date": page.day, "since": page.since, "until": page.until}
        for region, (page, _) in pages.items()
        for row in page.rows
    ]
    return pa.Table.from_pylist(rows, schema=pa.schema([*_FIRST, *days, *_SONG, *numbers]))


def country_tracks(pages: dict[str, tuple[CountryPage, str]]) -> Iterator[Track]:
    """One line for each track, in the order in which the pages have it first.

    Labels are over regions: `chart_regions` their number, `peak_rank` the best, `length` the longest, `streams` and
    `total_streams` sums, null where a page does not tell. Beside other regions the whole world's does not count.
    """
    summed = {region: page for region, page in pages.items() if region != _WORLD} or pages
    found: dict[str, list[dict[str, Any]]] = {}
    asked: dict[str, str] = {}
    for page, when in summed.values():
        for row in page.rows:
            found.setdefault(row["track_id"], []).append(row)
            asked[row["track_id"]] = when
    for key, rows in found.items():
        yield Track(
            key,
            "kworb",
            asked[key],
            title=rows[0]["title"],
            artist=rows[0]["artist"],
            artist_ids=tuple(rows[0]["artist_ids"]),
            labels={"chart_regions": len(rows), **_labels(rows)},
        )


def _labels(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    values = {name: [row[name] for row in rows] for name in _LABELS if name in rows[0]}
    return {name: None if None in known else _LABELS[name](known) for name, known in values.items()}
