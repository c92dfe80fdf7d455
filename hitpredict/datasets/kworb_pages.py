"""Pages of kworb.net as rows. Columns are found by their headings; a page that is not as expected is an `InputError`.

A song's page has a table with a row for each week and a column for each region. A country's page is its chart (of a
day or a week, with what each track has gathered until then) or its totals (every track that was ever in the chart).
"""

import html.parser
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from hitpredict.datasets.chart_dates import DATE, FRIDAY, THURSDAY, Period, day_of, last_friday_before
from hitpredict.datasets.web.answers import brief
from hitpredict.errors import InputError

_SONG = "Artist and Title"
_PLACE = {"rank": "Pos", "streams": "Streams"}
_TOTALS = {"top_10": "T10", "peak_streams": "PkStreams"}
_BOTH = {"peak_rank": "Pk", "peak_times": "(x?)", "total_streams": "Total"}
_LENGTHS: dict[str, Period] = {"Days": "daily", "Wks": "weekly"}
_ALWAYS = ("rank", "length", "peak_rank")
_UNKNOWN = ("", "-", "--")
_NUMBER = re.compile(r"[0-9]{1,15}|[0-9]{1,3}(?:,[0-9]{3}){1,4}")
_TRACK = re.compile(r"(?:^|/)track/([0-9A-Za-z]{22})\.html$")
_ARTIST = re.compile(r"(?:^|/)artist/([0-9A-Za-z]{22})(?:_songs)?\.html$")
_HEADING = re.compile(rf"Spotify (Daily|Weekly) Chart - .{{1,60}}?(?=({DATE.pattern}))")
_SPAN = re.compile(rf"Covers charts from\s+{DATE.pattern}\s+to\s+{DATE.pattern}")


@dataclass
class PageCell:
    """The text of a table's cell, and the links in it: where each leads, its text, and where in the cell it begins."""

    text: str = ""
    links: list[tuple[str, str, int]] = field(default_factory=list)


class Page(html.parser.HTMLParser):
    """The tables of a page as rows of cells, its title, other words, and the Spotify track it links to.

    closed: whether all tables came to their ends.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[PageCell]]] = []
        self.words: list[str] = []
        self.title = self.track = ""
        self.closed = True
        self._inside = ""
        self._linking = False
        self.feed(text)
        self.close()

    @property
    def _cell(self) -> PageCell | None:
        return self.tables[-1][-1][-1] if self.tables and self.tables[-1] and self.tables[-1][-1] else None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append([])
            self.closed = False
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self.tables[-1][-1].append(PageCell())
        elif tag == "a" and self._inside and self._cell:
            self._cell.links.append((dict(attrs).get("href") or "", "", len(self._cell.text)))
            self._linking = True
        for _, value in attrs:
            if not self.track and (found := re.search(r"spotify.*[:/]track[:/]([0-9A-Za-z]{22})", value or "")):
                self.track = found[1]
        self._inside = tag if tag in ("td", "th", "title") else self._inside

    def handle_endtag(self, tag: str) -> None:
        self.closed = self.closed or tag == "table"
        self._linking = self._linking and tag != "a"
        if tag == self._inside:
            self._inside = ""
            self._linking = False

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.title += data
        elif self._inside and (cell := self._cell):
            cell.text += data
            if self._linking:
                address, text, start = cell.links[-1]
                cell.links[-1] = address, text + data, start
        else:
            self.words.append(data.strip())


# The page of a song


def weekly_places(page: Page, where: object) -> list[tuple[str, date, int, int]]:
    """(region, first day, rank, streams) from the weekly table of a song's page. Raises `InputError`."""
    rows = next((rows for table in page.tables if (rows := list(_weeks(table, where)))), None)
    if rows is None:
        raise InputError(
            f"{where}: not a kworb.net track page, or its format has changed: no weekly table of Date and regions"
        )
    return rows


def _weeks(table: list[list[PageCell]], where: object) -> Iterator[tuple[str, date, int, int]]:
    header = [cell.text.strip().lower() for cell in table[0]] if table else []
    dated = [(match, row) for row in table if row and (match := DATE.fullmatch(row[0].text.strip()))]
    weekdays = {day_of(match[0], where).weekday() for match, _ in dated}
    # A page has a weekly and a daily table; a week is named by its last day or, in older pages, the day after it.
    if header[:1] != ["date"] or len(weekdays) != 1 or not weekdays <= {THURSDAY, FRIDAY}:
        return
    for match, row in dated:
        start = last_friday_before(day_of(match[0], where))
        for region, cell in zip(header[1:], row[1:], strict=False):
            # The page writes rank and streams as two elements, with or without brackets.
            if numbers := re.findall(r"\d[\d,]*", cell.text):
                if len(numbers) != 2:
                    raise InputError(
                        f"{where}: the format has changed: {cell.text.strip()!r} is not a rank and streams"
                    )
                yield region, start, int(numbers[0].replace(",", "")), int(numbers[1].replace(",", ""))


def song_names(page: Page) -> tuple[str | None, str | None]:
    """Title and artist of a song's page."""
    text = "\n".join(page.words)
    title, artist = (re.search(rf"{name}:\s*(\S.*)", text) for name in ("Title", "Artist"))
    if title:
        return title[1].strip(), artist[1].strip() if artist else None
    first, dash, rest = re.split(r"\s[|–]\s|\s-\s(?=Spotify)", page.title.strip())[0].partition(" - ")
    return (rest.strip(), first.strip()) if dash else (first or None, None)


# The page of a country


@dataclass(frozen=True)
class CountryPage:
    """The chart of a country, or its totals.

    day: the first of the chart; None for totals, which have `since` and `until` instead where the page tells them.
    rows: in the page's order, each with `track_id`, `title`, `artist`, `artist_ids` and the numbers of `columns`; of a
    track that is there twice the first. nameless: how many rows lead to no track of Spotify and are left out.
    """

    period: Period
    totals: bool
    day: date | None
    since: date | None
    until: date | None
    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    nameless: int


def is_country_page(page: Page) -> bool:
    """Whether one of its tables has the heading of a country's chart."""
    return any(table and _SONG in _headings(table[0]) for table in page.tables)


def country_page(page: Page, where: object) -> CountryPage:
    """Take a country's page apart. Raises `InputError` for any that is not quite as such a page is."""
    table = next((table for table in page.tables if table and _SONG in _headings(table[0])), None)
    if table is None:
        raise InputError(
            f"{where}: not a chart of kworb.net, or its format has changed: no table with the column {_SONG!r}"
        )
    if not page.closed:
        raise InputError(f"{where}: the page ends within its table; fetch it again")
    headings = _headings(table[0])
    period = next((period for name, period in _LENGTHS.items() if name in headings), None)
    totals = _PLACE["rank"] not in headings
    columns = {"length": next((name for name in _LENGTHS if name in headings), " or ".join(_LENGTHS))}
    columns = ({} if totals else _PLACE) | columns | _BOTH | (_TOTALS if totals else {})
    missing = [name for name in columns.values() if headings.count(name) != 1]
    if missing or period is None:
        raise InputError(
            f"{where}: the format has changed: no column {', '.join(missing)} (there are {brief(headings)})"
        )
    rows = [*_rows(table, headings, columns, where)]
    known = {row["track_id"]: row for row in reversed(rows) if row["track_id"]}
    kept = [row for row in rows if known.get(row["track_id"]) is row]
    if not kept:
        raise InputError(f"{where}: the format has changed: no row with a link to its track")
    _check_order(kept, where)
    day = None if totals else _chart_day(page, period, where)
    nameless = sum(not row["track_id"] for row in rows)
    return CountryPage(period, totals, day, *_span(page, where), tuple(columns), kept, nameless)


def _headings(row: list[PageCell]) -> list[str]:
    """Names of columns, without the arrow on the one that the page is sorted by."""
    return [cell.text.strip(" \t\r\n▾▼▲▴") for cell in row]


def _rows(
    table: list[list[PageCell]], headings: list[str], columns: Mapping[str, str], where: object
) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(table[1:], 1):
        if len(row) != len(headings):
            raise InputError(f"{where}: the format has changed: row {number} has {len(row)} of {len(headings)} cells")
        cells = dict(zip(headings, row, strict=True))
        numbers = {ours: _number(cells[theirs].text, ours, theirs, number, where) for ours, theirs in columns.items()}
        yield _song(cells[_SONG], number, where) | numbers


def _number(text: str, ours: str, theirs: str, row: int, where: object) -> int | None:
    text = text.strip()
    if text in _UNKNOWN and ours not in _ALWAYS:
        return None
    digits = re.fullmatch(r"\(x(.*)\)", text) if ours == "peak_times" else re.fullmatch("(.*)", text)
    if not digits or not _NUMBER.fullmatch(digits[1]):
        raise InputError(f"{where}: the format has changed: {brief(text, 50)!r} in row {row} is no {theirs}")
    return int(digits[1].replace(",", ""))


def _song(cell: PageCell, row: int, where: object) -> dict[str, Any]:
    """Names and ids in `Artist - Title (w/ Artist, …)`, where the names are links."""
    tracks = [link for link in cell.links if "track/" in link[0]]
    artists = [(found[1], text.strip()) for address, text, _ in cell.links if (found := _ARTIST.search(address))]
    if not tracks:
        return {"track_id": None}
    address, title, start = tracks[0]
    found = _TRACK.search(address)
    if len(tracks) > 1 or not found or not title.strip():
        raise InputError(f"{where}: the format has changed: row {row} does not link to one track with a Spotify id")
    credit = ", ".join(name for _, name in artists) or cell.text[:start].strip().removesuffix("-").strip()
    return {
        "track_id": found[1],
        "title": title.strip(),
        "artist": credit or None,
        "artist_ids": [identifier for identifier, _ in artists],
    }


def _check_order(rows: list[dict[str, Any]], where: object) -> None:
    """Raise `InputError` for places that are not those of a chart."""
    ranks = [row["rank"] for row in rows if "rank" in row]
    if any(later <= earlier for earlier, later in zip([0, *ranks], ranks, strict=False)):
        raise InputError(f"{where}: the format has changed: the places do not go up from 1")
    for row in rows:
        if not 1 <= row["peak_rank"] <= row.get("rank", row["peak_rank"]) or row["length"] < 1:
            raise InputError(
                f"{where}: the format has changed: peak and place of {row['track_id']} do not fit together"
            )


def _chart_day(page: Page, period: Period, where: object) -> date:
    match = _HEADING.search(" ".join([*page.words, page.title]))
    if match is None or match[1].lower() != period:
        raise InputError(f"{where}: the format has changed: no heading with the date of a {period} chart")
    day = day_of(match[2], where)
    if period == "daily":
        return day
    if day.weekday() not in (THURSDAY, FRIDAY):
        raise InputError(f"{where}: the format has changed: the week is named by {day}, which is not its end")
    return last_friday_before(day)


def _span(page: Page, where: object) -> tuple[date | None, date | None]:
    """The first and the last day of the charts that totals are of."""
    if not (found := _SPAN.search(" ".join(page.words))):
        return None, None
    since, until = (day_of(match[0], where) for match in DATE.finditer(found[0]))
    if since > until:
        raise InputError(f"{where}: the format has changed: its charts begin on {since} and end on {until}")
    return since, until
