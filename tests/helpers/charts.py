"""Pages of a chart site as its countries have them: the layout is kworb.net's, what is in them is made up."""

from collections.abc import Sequence

FIRST, SECOND, THIRD = "0bAkKNCQfWkexHFn7fIKns", "36ONiya0OANYknz0GgJmwB", "7tFiyTwD0nx5a1eklYtX2J"
SINGER, GUEST = "3TVXtAsR1Inumwj472S9r4", "1Xyo4u8uXC1ZmMpatF05PJ"
CHART = ("Pos", "P+", "Artist and Title", "Days", "Pk", "(x?)", "Streams", "Streams+", "7Day", "7Day+", "Total")
WEEK = ("Pos", "P+", "Artist and Title", "Wks", "Pk", "(x?)", "Streams", "Streams+", "Total")
TOTALS = ("Artist and Title", "Days", "T10", "Pk", "(x?)", "PkStreams ▾", "Total")


def song(track: str, title: str, guests: str = "", artist: str = "Singer &amp; Sons") -> str:
    """The cell of a song."""
    credit = f'<a href="../artist/{SINGER}.html">{artist}</a>'
    return f'<div>{credit} - <a href="../track/{track}.html">{title}</a>{guests}</div>'


WITH_GUEST = f' (w/ <a href="../artist/{GUEST}.html">Guest</a>)'
DAILY_ROWS = (
    (
        "1",
        "=",
        song(FIRST, "In My Feelings"),
        "302",
        "1",
        "(x88)",
        "1,466,839",
        "+84,270",
        "10,022",
        "-1",
        "389,670,040",
    ),
    ("2", "NEW", song(SECOND, "Don’t - Live", WITH_GUEST), "1", "2", "", "900,000", "", "900,000", "", "900,000"),
)
WEEKLY_ROWS = (("1", "+3", song(FIRST, "In My Feelings"), "43", "1", "(x3)", "9,000,000", "-5", "390,000,000"),)
TOTAL_ROWS = (
    (song(FIRST, "In My Feelings"), "302", "99", "1", "(x88)", "2,000,000", "389,670,040"),
    (song(THIRD, "Older"), "7", "", "42", "", "--", "8,500,000"),
)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th class="np">{name}</th>' for name in headings)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    return f'<table class="sortable"><thead><tr>{head}</tr></thead><tbody>\n{body}</tbody></table>'


def whole(heading: str, found: str, note: str = "") -> str:
    return (
        f"<!DOCTYPE html><html><head><title>{heading.partition(' - 2')[0]}</title></head><body>"
        f'<span class="pagetitle">{heading} | <a href="us_daily_totals.html">Totals</a></span><br>{note}\n'
        f"{found}</body></html>"
    )


def daily(rows: Sequence[Sequence[str]] = DAILY_ROWS, day: str = "2026/06/29") -> str:
    return whole(f"Spotify Daily Chart - United States - {day}", table(CHART, rows))


def weekly(rows: Sequence[Sequence[str]] = WEEKLY_ROWS, day: str = "2026/04/02") -> str:
    return whole(f"Spotify Weekly Chart - Brazil - {day}", table(WEEK, rows))


def totals(rows: Sequence[Sequence[str]] = TOTAL_ROWS) -> str:
    note = "Covers charts from 2014/08/10 to 2026/03/17."
    return whole("Spotify Daily Chart Totals - United States", table(TOTALS, rows), note)
