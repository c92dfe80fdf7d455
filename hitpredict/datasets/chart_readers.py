"""Chart files in their sources' own formats, each into the same columns; the format is told from the content."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from hitpredict.datasets.chart_dates import DATE, Period, day_of, last_friday_before
from hitpredict.datasets.kworb_pages import (
    CountryPage,
    Page,
    country_page,
    is_country_page,
    song_names,
    weekly_places,
)
from hitpredict.errors import InputError

COLUMNS = pa.schema(
    [
        ("region", pa.string()),
        ("date", pa.date32()),
        ("track_id", pa.string()),
        ("rank", pa.int32()),
        ("streams", pa.int64()),
        ("title", pa.string()),
        ("artist", pa.string()),
    ]
)
CHART_SUFFIXES = {".csv", ".json", ".html", ".htm", ".parquet"}
BILLBOARD_REGION = "billboard-hot-100"
_GZIP = b"\x1f\x8b"
_TRACK_ID = re.compile(r"[0-9A-Za-z]{22}")
_SPOTIFY_NAME = re.compile(r"(?:^|[^a-z])(global|[a-z]{2})-(daily|weekly)-\d{4}-\d{2}-\d{2}", re.IGNORECASE)


@dataclass(frozen=True)
class Chart:
    """The rows of one file. table: `COLUMNS`; `date` is the first day a chart covers; kind: the format's name."""

    table: Any
    kind: str
    period: Period


def read_chart(path: Path) -> Chart:
    """Read one chart file.

    Known by their content: Spotify's CSV charts of both its chart sites (region and dates come from the file
    name), kworb.net pages of a track or of a country's chart, Billboard Hot 100 JSON (one chart or a list of them), and
    Parquet tables with a row for each place of each chart. Streams a source does not give are null. Raises
    `InputError` for anything else, and for a known format that has changed.
    """
    try:
        data = path.read_bytes()
        return _whole(_reader(data, path)(data, path), path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the text is not UTF-8 (byte {error.start})") from error
    except InputError:
        raise
    except Exception as error:
        # Damage ends in many unrelated exceptions of pyarrow, json and the readers here.
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise InputError(f"{path}: damaged or of a changed format: {reason}") from error


def _whole(chart: Chart, path: Path) -> Chart:
    for name in ("region", "date", "rank"):
        if chart.table[name].null_count:
            raise InputError(f"{path}: {chart.table[name].null_count} rows without a {name}")
    if len(chart.table) and (best := pc.min(chart.table["rank"]).as_py()) < 1:
        raise InputError(f"{path}: a place of {best}; the best is 1")
    return chart


def _reader(data: bytes, path: Path) -> Callable[[bytes, Path], Chart]:
    if data.startswith(b"PAR1"):
        return _read_parquet
    start = data[:4096].removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[:1] in (b"{", b"["):
        return _read_billboard
    if start[:1] == b"<":
        return _read_kworb
    if data.startswith(_GZIP):
        raise InputError(f"{path}: is compressed; unpack it first (gunzip)")
    if b"," in start and b"\0" not in start:
        return _read_spotify
    raise InputError(f"{path}: {'not CSV, HTML, JSON or Parquet' if start else 'empty'}, so not a chart")


# Spotify CSV


_SPOTIFY_COLUMNS = {
    "rank": ("position", "rank"),
    "track_id": ("url", "uri"),
    "streams": ("streams",),
    "title": ("track name", "track_name"),
    "artist": ("artist", "artist_names"),
}


def _read_spotify(data: bytes, path: Path) -> Chart:
    line, names = _spotify_header(data, path)
    options = pyarrow.csv.ConvertOptions(
        include_columns=list(names.values()),
        column_types={**dict.fromkeys(names.values(), pa.string()), names["rank"]: pa.int32()}
        | {names["streams"]: pa.int64()},
    )
    start = pyarrow.csv.ReadOptions(skip_rows=line)
    table = pyarrow.csv.read_csv(pa.BufferReader(data), start, convert_options=options).rename_columns(list(names))
    day, region, period = _named(path)
    count = len(table)
    # `https://open.spotify.com/track/ID` in the older files, `spotify:track:ID` in the newer.
    ids = pc.replace_substring_regex(table["track_id"], r"^.*[/:]|\?.*$", "")
    columns = {
        **{name: table[name] for name in names},
        "track_id": ids,
        "region": pa.repeat(pa.scalar(region), count),
        "date": pa.repeat(pa.scalar(day, pa.date32()), count),
    }
    return Chart(pa.table([columns[name] for name in COLUMNS.names], schema=COLUMNS), f"Spotify {period} CSV", period)


def _spotify_header(data: bytes, path: Path) -> tuple[int, dict[str, str]]:
    """Which line holds the header (a note may come before it), and what our columns are called in it."""
    lines = data[:65536].decode("utf-8-sig", "ignore").splitlines()[:2]
    for number, line in enumerate(lines):
        cells = next(csv.reader([line]), [])
        known = {cell.strip().lower(): cell for cell in cells}
        names = {ours: next((known[n] for n in theirs if n in known), "") for ours, theirs in _SPOTIFY_COLUMNS.items()}
        if all(names.values()):
            return number, names
    raise InputError(
        f"{path}: not a Spotify top chart, or its format has changed: no header with rank, track, artist, streams "
        f"and address in {lines[-1][:100]!r}"
    )


def _named(path: Path) -> tuple[date, str, Period]:
    """First day, region and period in a name such as `regional-us-weekly-2020-01-03--2020-01-10.csv`."""
    days = [day_of(match[0], path) for match in DATE.finditer(path.name)]
    match = _SPOTIFY_NAME.search(path.name)
    region = match[1].lower() if match else _region(path)
    if not days or region is None:
        raise InputError(
            f"{path}: no {'region' if days else 'date'} in the file's name; "
            "name it like regional-us-weekly-2020-01-03--2020-01-10.csv or regional-us-weekly-2020-01-09.csv"
        )
    daily = match[2].lower() == "daily" if match else "daily" in str(path).lower()
    if daily:
        return days[0], region, "daily"
    # Two dates are the first day and the day after the last; a single one is the last.
    return (days[0] if len(days) > 1 else last_friday_before(days[0])), region, "weekly"


def _region(path: Path) -> str | None:
    words = {word for word in re.split(r"[^a-z]+", path.stem.lower()) if word == "global" or len(word) == 2}
    if len(words) == 1:
        return words.pop()
    folders = (parent.name.lower() for parent in path.absolute().parents)
    return next((name for name in folders if re.fullmatch("global|[a-z]{2}", name)), None)


# kworb.net


def _read_kworb(data: bytes, path: Path) -> Chart:
    page = Page(data.decode("utf-8-sig"))
    if is_country_page(page):
        return _country(country_page(page, path), path)
    track = path.stem if _TRACK_ID.fullmatch(path.stem) else page.track
    if not track:
        raise InputError(f"{path}: no Spotify track id; name the page after its track, like on kworb.net")
    rows = weekly_places(page, path)
    title, artist = song_names(page)
    count = len(rows)
    regions, days, ranks, streams = zip(*rows, strict=True)
    columns = [regions, days, [track] * count, ranks, streams, [title] * count, [artist] * count]
    arrays = [pa.array(column, field.type) for column, field in zip(columns, COLUMNS, strict=True)]
    return Chart(pa.table(arrays, schema=COLUMNS), "kworb.net track page", "weekly")


def _country(page: CountryPage, path: Path) -> Chart:
    if page.totals:
        raise InputError(f"{path}: totals of kworb.net, which tell no places; take the page of a day or a week")
    if not (region := _region(path)):
        raise InputError(f"{path}: no region in the file's name; name it like on kworb.net: us_{page.period}.html")
    rows = [{**row, "region": region, "date": page.day} for row in page.rows]
    return Chart(pa.Table.from_pylist(rows, schema=COLUMNS), f"kworb.net {page.period} chart", page.period)


# Billboard JSON


def _read_billboard(data: bytes, path: Path) -> Chart:
    try:
        content = json.loads(data)
        charts = content if isinstance(content, list) else [content]
        rows = [_billboard_row(date.fromisoformat(chart["date"]), entry) for chart in charts for entry in chart["data"]]
    except (ValueError, TypeError, KeyError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: not Billboard chart JSON, or its format has changed: {what}") from error
    table = pa.Table.from_pylist(rows, schema=COLUMNS)
    return Chart(table, "Billboard JSON", "weekly")


def _billboard_row(day: date, entry: dict[str, Any]) -> dict[str, Any]:
    title, artist = str(entry["song"]), str(entry["artist"])
    words = (re.sub(r"\W+", "-", text.casefold()).strip("-") for text in (artist, title))
    return {
        "region": BILLBOARD_REGION,
        "date": day,
        "track_id": "--".join(words),
        "rank": int(entry["this_week"]),
        "streams": None,
        "title": title,
        "artist": artist,
    }


# Parquet


_PARQUET_COLUMNS = {
    "region": ("region", "country"),
    "date": ("date", "week_start", "week"),
    "track_id": ("track_id", "id", "uri", "url"),
    "rank": ("rank", "position"),
    "streams": ("streams",),
    "title": ("title", "track_name"),
    "artist": ("artist", "artist_names"),
}
_REQUIRED = ("region", "date", "track_id", "rank")


def _read_parquet(data: bytes, path: Path) -> Chart:
    file = pyarrow.parquet.ParquetFile(pa.BufferReader(data))
    present = set(file.schema_arrow.names)
    names = {ours: next((n for n in theirs if n in present), None) for ours, theirs in _PARQUET_COLUMNS.items()}
    if missing := [" or ".join(_PARQUET_COLUMNS[name]) for name in _REQUIRED if names[name] is None]:
        raise InputError(f"{path}: not a chart table: no column {'; '.join(missing)}")
    table = file.read(columns=[name for name in names.values() if name])
    empty = pa.nulls(len(table), pa.string())
    columns = {ours: table[theirs] if theirs else empty for ours, theirs in names.items()}
    columns["track_id"] = pc.replace_substring_regex(columns["track_id"].cast(pa.string()), r"^.*[/:]|\?.*$", "")
    columns["region"] = pc.utf8_lower(columns["region"].cast(pa.string()))
    if not pa.types.is_temporal(columns["date"].type):
        columns["date"] = columns["date"].cast(pa.string())
    cast = [columns[field.name].cast(field.type) for field in COLUMNS]
    periods = file.read(columns=["period"])["period"].unique().to_pylist() if "period" in present else []
    period = periods[0] if periods in (["daily"], ["weekly"]) else _period(cast[1])
    return Chart(pa.table(cast, schema=COLUMNS), "Parquet table", period)


def _period(days: Any) -> Period:
    """Daily when most charts come a day after another; else weekly."""
    ordered = pc.unique(days).sort().cast(pa.int32()).to_numpy(zero_copy_only=False)
    gaps = ordered[1:] - ordered[:-1]
    return "daily" if len(gaps) and (gaps == 1).mean() > 0.5 else "weekly"
