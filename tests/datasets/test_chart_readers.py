from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from hitpredict.datasets.chart_dates import last_friday_before
from hitpredict.datasets.chart_readers import read_chart
from hitpredict.errors import InputError

FIRST, SECOND = "0bAkKNCQfWkexHFn7fIKns", "36ONiya0OANYknz0GgJmwB"
NOTE = ',,,"Note that these figures are generated using a formula that protects against any artificial inflation.",\n'
OLD = (
    f"{NOTE}"
    'Position,"Track Name",Artist,Streams,URL\n'
    f'1,"In My ""Feelings"", again",Drake,43950715,https://open.spotify.com/track/{FIRST}\n'
    f"2,Don’t,Drake,33681056,https://open.spotify.com/track/{SECOND}\n"
)
NEW = (
    "\ufeffrank,uri,artist_names,track_name,source,peak_rank,previous_rank,weeks_on_chart,streams\n"
    f'1,"spotify:track:{FIRST}","Ryan Castro, Kapo","LA VILLA","AWOO Corp./Sony",1,1,9,"1989059"\n'
)
PAGE = f"""<!DOCTYPE html><html><head><title>Drake - In My Feelings | Spotify Chart History</title></head><body>
<a href="https://open.spotify.com/track/{FIRST}">play</a>
<table><thead><tr><th>Date</th><th>Global</th><th>US</th></tr></thead><tbody>
<tr><td>Total</td><td>3,000</td><td>--</td></tr>
<tr><td>Peak</td><td><span class="p">1</span> <span class="s">(2,000)</span></td><td>--</td></tr>
<tr><td>2023/05/11</td><td><span class="p">1</span> <span class="s">(2,000)</span></td><td>--</td></tr>
<tr><td>2023/05/18</td><td><span class="p">12</span><span class="s"> (1,000)</span></td><td>200 (77)</td></tr>
</tbody></table>
<table><tr><th>Date</th><th>Global</th></tr>
<tr><td>2023/05/10</td><td>3 (300)</td></tr><tr><td>2023/05/11</td><td>4 (200)</td></tr></table></body></html>"""
BILLBOARD = """{"date": "1960-05-16", "data": [
{"song": "Stuck On You", "artist": "Elvis Presley With The Jordanaires", "this_week": 1, "last_week": 1},
{"song": "City Lights", "artist": "Debbie Reynolds", "this_week": 2, "last_week": null}]}"""


def rows(folder: Path, name: str, text: str | bytes) -> list[dict]:
    return chart(folder, name, text).table.to_pylist()


def chart(folder: Path, name: str, text: str | bytes):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_chart(path)


def test_older_spotify_weeks(tmp_path):
    found = rows(tmp_path, "regional-us-weekly-2020-01-03--2020-01-10.csv", OLD)
    assert found[0] == {
        "region": "us",
        "date": date(2020, 1, 3),
        "track_id": FIRST,
        "rank": 1,
        "streams": 43950715,
        "title": 'In My "Feelings", again',
        "artist": "Drake",
    }
    assert [row["track_id"] for row in found] == [FIRST, SECOND]


def test_newer_spotify_weeks_are_named_by_their_last_day(tmp_path):
    newer = chart(tmp_path, "regional-global-weekly-2023-05-11.csv", NEW)
    row = newer.table.to_pylist()[0]
    assert (row["region"], row["date"], row["track_id"], row["rank"]) == ("global", date(2023, 5, 5), FIRST, 1)
    assert (row["streams"], row["artist"], newer.period) == (1989059, "Ryan Castro, Kapo", "weekly")


def test_daily_charts_are_named_by_their_day(tmp_path):
    daily = chart(tmp_path, "regional-de-daily-2020-01-23 (1).csv", OLD)
    assert daily.period == "daily"
    assert {row["date"] for row in daily.table.to_pylist()} == {date(2020, 1, 23)}


@pytest.mark.parametrize("name", ["us/2020-01-03--2020-01-10.csv", "us_2020-01-03--2020-01-10.csv"])
def test_region_from_other_names(tmp_path, name):
    assert rows(tmp_path, name, OLD)[0]["region"] == "us"


def test_a_header_alone_is_an_empty_chart(tmp_path):
    assert rows(tmp_path, "regional-us-weekly-2020-01-03--2020-01-10.csv", NEW.splitlines()[0] + "\n") == []


@pytest.mark.parametrize("name", [f"{FIRST}.html", "page.html"])
def test_kworb_pages_give_the_weekly_table(tmp_path, name):
    found = rows(tmp_path, name, PAGE)
    assert [(row["region"], row["date"], row["rank"], row["streams"]) for row in found] == [
        ("global", date(2023, 5, 5), 1, 2000),
        ("global", date(2023, 5, 12), 12, 1000),
        ("us", date(2023, 5, 12), 200, 77),
    ]
    assert {(row["track_id"], row["title"], row["artist"]) for row in found} == {(FIRST, "In My Feelings", "Drake")}


@pytest.mark.parametrize("text", [BILLBOARD, f"[{BILLBOARD}]"])
def test_billboard_has_places_but_no_streams(tmp_path, text):
    found = rows(tmp_path, "1960-05-16.json", text)
    assert [(row["rank"], row["streams"], row["date"]) for row in found] == [
        (1, None, date(1960, 5, 16)),
        (2, None, date(1960, 5, 16)),
    ]
    assert found[1]["track_id"] == "debbie-reynolds--city-lights"


def test_parquet_with_the_usual_names(tmp_path):
    table = pa.table(
        {
            "region": pa.array(["US"], pa.large_string()),
            "week_start": ["2020-01-03"],
            "position": [7],
            "track_id": [FIRST],
            "streams": [5],
            "__index_level_0__": [0],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "weekly.parquet")
    found = read_chart(tmp_path / "weekly.parquet")
    row = found.table.to_pylist()[0]
    assert (row["region"], row["date"], row["rank"], row["title"]) == ("us", date(2020, 1, 3), 7, None)
    assert found.period == "weekly"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("regional-us-weekly-2020-01-03--2020-01-10.csv", "Place,Song\n1,x\n", "format has changed"),
        ("regional-us-weekly-2020-01-03--2020-01-10.csv", OLD.replace("\n1,", "\none,"), "changed format"),
        ("regional-us-weekly-2020-01-03--2020-01-10.csv", OLD.replace("\n1,", "\n0,"), "a place of 0"),
        ("regional-us-weekly-2020-13-03--2020-01-10.csv", OLD, "2020-13-03 is no date"),
        ("regional-us-daily-latest.csv", OLD, "no date in the file's name"),
        ("2020-01-10.csv", OLD, "no region in the file's name"),
        (f"{FIRST}.html", "<html><p>503 Service Unavailable</p></html>", "not a kworb.net track page"),
        (f"{FIRST}.html", PAGE.replace("200 (77)", "200 of (77) 5"), "format has changed"),
        ("x.html", PAGE.replace(FIRST, ""), "no Spotify track id"),
        ("a.json", '{"date": "1960-05-16", "data": [{"song": "x", "artist": "y"}]}', "no 'this_week'"),
        ("a.json", '["1960-05-16"]', "not Billboard chart JSON"),
        ("a.json", '{"date": ', "not Billboard chart JSON"),
        ("a.csv", "", "empty"),
        ("a.csv", b"\x00\x01\x02", "not a chart"),
        (f"{FIRST}.html", "<html>é".encode("latin-1"), "not UTF-8"),
        ("a.parquet", b"PAR1 and then nothing", "damaged"),
    ],
)
def test_what_is_no_chart_is_said_in_a_line(tmp_path, name, text, words):
    with pytest.raises(InputError, match=words) as raised:
        chart(tmp_path, name, text)
    assert str(raised.value).startswith(str(tmp_path / name))
    assert "\n" not in str(raised.value)


def test_parquet_of_something_else(tmp_path):
    pyarrow.parquet.write_table(pa.table({"region": ["us"], "tempo": [1.0]}), tmp_path / "x.parquet")
    with pytest.raises(InputError, match="no column date or week_start or week; track_id"):
        read_chart(tmp_path / "x.parquet")


def test_weeks_run_from_friday_to_thursday():
    thursday, friday = date(2023, 5, 11), date(2023, 5, 12)
    assert thursday.weekday() == 3
    assert last_friday_before(thursday) == last_friday_before(friday) == date(2023, 5, 5)
