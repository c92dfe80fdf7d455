"""Countries' pages of kworb.net: numbers, days and links of the layout, and one line for any other."""

from datetime import date

import pytest

from hitpredict.datasets.chart_readers import read_chart
from hitpredict.datasets.kworb_pages import Page, country_page
from hitpredict.errors import InputError
from tests.helpers.charts import CHART, DAILY_ROWS, FIRST, SECOND, daily, song, table, totals, weekly, whole


def parsed(text: str):
    return country_page(Page(text), "page")


def changed(column: str, value: str) -> str:
    """The daily chart with another cell in its second row."""
    row = [*DAILY_ROWS[1]]
    row[CHART.index(column)] = value
    return daily([DAILY_ROWS[0], row])


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("900,000", 900_000), ("1,234,567,890", 1_234_567_890), ("12345", 12_345), (" 7 ", 7)],
)
def test_numbers(text, number):
    assert parsed(changed("Streams", text)).rows[1]["streams"] == number


@pytest.mark.parametrize("text", ["", "-", "--"])
def test_numbers_that_the_page_does_not_tell(text):
    assert parsed(changed("Streams", text)).rows[1]["streams"] is None


@pytest.mark.parametrize(
    "text", ["1,2", "1.5", "12,34,567", "+5", "1 000", "９", "1e6", "n/a", "1" * 20, "-5", ",", "1,"]
)
def test_what_is_no_number_is_said(text):
    with pytest.raises(InputError, match=r"page: the format has changed: '.*' in row 2 is no Streams"):
        parsed(changed("Streams", text))


@pytest.mark.parametrize(("text", "times"), [("(x1)", 1), ("(x1,234)", 1234), ("", None)])
def test_how_often_at_the_peak(text, times):
    assert parsed(changed("(x?)", text)).rows[1]["peak_times"] == times


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (daily(day="2026/06/29"), date(2026, 6, 29)),
        (daily(day="2024-02-29"), date(2024, 2, 29)),
        (weekly(day="2026/04/02"), date(2026, 3, 27)),
        (weekly(day="2026/04/03"), date(2026, 3, 27)),
    ],
)
def test_charts_are_named_by_their_first_day(text, first):
    assert parsed(text).day == first


def test_a_chart_says_its_kind():
    found = parsed(daily()), parsed(weekly()), parsed(totals())
    assert [(page.period, page.totals) for page in found] == [("daily", False), ("weekly", False), ("daily", True)]
    assert found[2].day is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html><p>503 Service Unavailable</p></html>", "not a chart of kworb.net"),
        (daily(day="2026/02/30"), "2026/02/30 is no date"),
        (daily(day="today"), "no heading with the date of a daily chart"),
        (daily().replace("Spotify Daily", "Spotify Weekly"), "no heading with the date of a daily chart"),
        (weekly(day="2026/03/30"), "the week is named by 2026-03-30, which is not its end"),
        (daily().replace(">Pk<", ">Peak<"), "no column Pk"),
        (daily().replace(">Days<", ">Time<"), "no column Days or Wks"),
        (daily().replace(">Streams+<", ">Streams<"), "no column Streams"),
        (totals().replace(">T10<", "><"), "no column T10"),
        (daily([(*DAILY_ROWS[0], "more")]), "row 1 has 12 of 11 cells"),
        (daily([DAILY_ROWS[0][:4]]), "row 1 has 4 of 11 cells"),
        (daily([]), "no row with a link"),
        (changed("Artist and Title", song("abc", "Short")), "row 2 does not link to one track"),
        (changed("Artist and Title", song(SECOND, "")), "row 2 does not link to one track"),
        (changed("Artist and Title", song(SECOND, "a") + song(FIRST, "b")), "row 2 does not link to one track"),
        (changed("Pos", "1"), "the places do not go up from 1"),
        (changed("Pos", "0"), "the places do not go up from 1"),
        (changed("Pos", ""), "is no Pos"),
        (changed("Pk", "3"), "do not fit together"),
        (changed("Days", "0"), "do not fit together"),
        (changed("Pk", "--"), "is no Pk"),
        (changed("(x?)", "x9"), "is no (x?)"),
        (daily().partition("Don’t")[0], "the page ends within its table"),
        (totals().replace("2026/03/17", "2013/03/17"), "begin on 2014-08-10 and end on 2013-03-17"),
    ],
)
def test_another_layout_is_one_line(text, words):
    with pytest.raises(InputError) as raised:
        parsed(text)
    assert words in str(raised.value)
    assert str(raised.value).startswith("page: ")
    assert "\n" not in str(raised.value)


def test_columns_are_found_by_their_headings():
    order = [*range(len(CHART))][::-1]
    turned = [[row[place] for place in order] for row in DAILY_ROWS]
    heading = "Spotify Daily Chart - US - 2026/06/29"
    assert parsed(whole(heading, table([CHART[place] for place in order], turned))).rows == parsed(daily()).rows


def test_rows_without_a_link_and_tracks_that_are_there_twice_are_left_out():
    nameless = ("3", "=", "Singer - Removed", "5", "3", "", "9", "", "9", "", "9")
    again = ("4", "=", song(FIRST, "In My Feelings"), "5", "3", "", "9", "", "9", "", "9")
    found = parsed(daily([*DAILY_ROWS, nameless, again]))
    assert [row["rank"] for row in found.rows] == [1, 2]
    assert found.nameless == 1


def test_an_artist_without_a_page_is_named_by_the_text():
    cell = f'<div>Some - One - <a href="../track/{SECOND}.html">Song</a></div>'
    row = parsed(changed("Artist and Title", cell)).rows[1]
    assert (row["artist"], row["artist_ids"], row["title"]) == ("Some - One", [], "Song")


@pytest.mark.parametrize(
    ("name", "text", "period", "region"),
    [("us_daily.html", daily(), "daily", "us"), ("global_weekly.htm", weekly(), "weekly", "global")],
)
def test_saved_pages_are_charts(tmp_path, name, text, period, region):
    (tmp_path / name).write_text(text)
    found = read_chart(tmp_path / name)
    row = found.table.to_pylist()[0]
    assert (found.kind, found.period, row["region"], row["rank"]) == (f"kworb.net {period} chart", period, region, 1)
    assert (row["track_id"], row["title"], row["artist"]) == (FIRST, "In My Feelings", "Singer & Sons")


@pytest.mark.parametrize(("name", "text", "words"), [("us_daily_totals.html", totals(), "tell no places")])
def test_saved_totals_are_no_charts(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words):
        read_chart(tmp_path / name)
