"""kworb.net: how politely it is asked, what is kept, and what is written."""

import json
import threading
from datetime import date

import pyarrow.parquet
import pytest

from hitpredict import __version__
from hitpredict.cli.fetch import charts as fetch_charts
from hitpredict.cli.fetch import kworb as fetch_kworb
from hitpredict.datasets.web.download import GaveUp, Web
from hitpredict.datasets.web.site import Site
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.files.owned import locked
from tests.helpers.charts import DAILY_ROWS, FIRST, GUEST, SECOND, SINGER, THIRD, daily, song, totals, weekly
from tests.helpers.manifests import manifest_rows
from tests.helpers.processes import finished, run, start, until
from tests.helpers.servers import Reply, Server, serving

COUNTRY = "/spotify/country"


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_KWORB", running.url)
        yield running


def serve(server: Server, name: str, text: str, **headers: str) -> None:
    """Serve a page that says its version, and 304 to whoever has it."""

    def answer(request):
        tags = {"If-None-Match": headers.get("ETag"), "If-Modified-Since": headers.get("Last-Modified")}
        same = any(value and request.headers.get(name) == value for name, value in tags.items())
        return Reply(status=304) if same else Reply(text.encode(), headers=headers)

    server.answers[f"{COUNTRY}/{name}.html"] = answer


def fetched(output, *regions, page="daily", **options) -> int:
    return fetch_kworb.kworb(output, [*regions], page=fetch_kworb.PageKind(page), pause=0, **options)


def rows_of(folder) -> list[dict]:
    return pyarrow.parquet.read_table(folder / "histories.parquet").to_pylist()


def test_a_chart_becomes_a_table_and_a_manifest(server, tmp_path, capsys):
    serve(server, "us_daily", daily())
    assert fetched(tmp_path / "out", "US") == 0
    first, second = rows_of(tmp_path / "out")
    assert first == {
        "region": "us",
        "period": "daily",
        "date": date(2026, 6, 29),
        "track_id": FIRST,
        "title": "In My Feelings",
        "artist": "Singer & Sons",
        "artist_ids": [SINGER],
        "rank": 1,
        "streams": 1_466_839,
        "length": 302,
        "peak_rank": 1,
        "peak_times": 88,
        "total_streams": 389_670_040,
    }
    assert (second["artist"], second["artist_ids"]) == ("Singer & Sons, Guest", [SINGER, GUEST])
    assert (second["title"], second["peak_times"]) == ("Don’t - Live", None)
    line = manifest_rows(tmp_path / "out")[0]
    assert line["labels"] == ["chart_regions", "peak_rank", "length", "streams", "total_streams"]
    assert (line["track_id"], line["source"], line["total_streams"], line["path"]) == (
        FIRST,
        "kworb",
        389_670_040,
        None,
    )
    said = capsys.readouterr()
    assert said.out == f"{tmp_path / 'out' / 'tracks.jsonl'}\n"
    assert "us: 2 tracks, of 20" in said.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["histories.parquet", "tracks.jsonl"]


def test_totals_tell_what_they_cover(server, tmp_path):
    serve(server, "us_daily_totals", totals())
    assert fetched(tmp_path / "out", "us", page="daily-totals") == 0
    first, older = rows_of(tmp_path / "out")
    assert (first["since"], first["until"], first["top_10"]) == (date(2014, 8, 10), date(2026, 3, 17), 99)
    assert (first["peak_streams"], first["total_streams"], "rank" in first) == (2_000_000, 389_670_040, False)
    assert (older["track_id"], older["top_10"], older["peak_rank"], older["peak_streams"]) == (THIRD, None, 42, None)


def test_labels_are_over_regions_and_the_world_counts_alone(server, tmp_path):
    serve(server, "us_daily", daily())
    place = ("1", "=", song(SECOND, "Don’t"), "9", "1", "", "100", "", "7", "", "1,000,000")
    serve(server, "gb_daily", daily([place]))
    serve(server, "global_daily", daily([("1", "=", song(THIRD, "Else"), "9", "1", "", "5", "", "7", "", "8")]))
    assert fetched(tmp_path / "out", "us", "gb", "global", "us") == 0
    assert [row["region"] for row in rows_of(tmp_path / "out")] == ["us", "us", "gb", "global"]
    lines = {row["track_id"]: row for row in manifest_rows(tmp_path / "out")}
    assert [*lines] == [FIRST, SECOND]
    names = ("chart_regions", "peak_rank", "length", "streams", "total_streams")
    assert [lines[SECOND][name] for name in names] == [2, 1, 9, 900_100, 1_900_000]
    assert fetched(tmp_path / "world", "global") == 0
    assert [row["total_streams"] for row in manifest_rows(tmp_path / "world")] == [8]


def test_charts_of_several_days_join(server, tmp_path, capsys):
    for day in ("2026/06/29", "2026/06/30"):
        serve(server, "us_daily", daily(day=day))
        assert fetched(tmp_path / day[-2:], "us", max_age=0) == 0
    assert fetch_charts.charts(inputs=[str(tmp_path / "29"), str(tmp_path / "30")], output=tmp_path / "out") == 0
    assert "daily charts of 1 regions" in capsys.readouterr().err
    joined = pyarrow.parquet.read_table(tmp_path / "out" / "charts.parquet").to_pylist()
    assert [(row["date"].day, row["rank"], row["streams"]) for row in joined[::2]] == [
        (29, 1, 1466839),
        (30, 1, 1466839),
    ]


def test_a_second_run_asks_for_nothing_that_is_there(server, tmp_path):
    serve(server, "us_daily", daily())
    assert fetched(tmp_path / "a", "us") == 0
    assert server.paths() == ["/robots.txt", f"{COUNTRY}/us_daily.html"]
    assert server.asked[0].headers["User-Agent"] == f"hitpredict/{__version__}"
    for output, offline in [("b", False), ("c", True)]:
        assert fetched(tmp_path / output, "us", offline=offline) == 0
        assert (tmp_path / output / "tracks.jsonl").read_bytes() == (tmp_path / "a" / "tracks.jsonl").read_bytes()
    with pytest.raises(EnvironmentProblem, match=r"gb_daily.html cannot be asked and `offline` forbids the network"):
        fetched(tmp_path / "d", "us", "gb", offline=True)
    assert len(server.asked) == 2


@pytest.mark.parametrize("headers", [{"ETag": '"one"'}, {"Last-Modified": "Mon, 29 Jun 2026 08:00:00 GMT"}])
def test_old_pages_are_asked_for_only_if_they_have_changed(server, tmp_path, headers):
    now = [1000.0]

    def read() -> tuple[bytes, str]:
        with Web() as web, Site(web, server.url, "kworb", 0, max_age=60, clock=lambda: now[0]) as site:
            return site.page("spotify/country/us_daily.html", lambda body: body)

    serve(server, "us_daily", "first", **headers)
    assert read() == (b"first", "1970-01-01T00:16:40+00:00")
    now[0] += 61
    assert read() == (b"first", "1970-01-01T00:17:41+00:00")
    assert {**server.asked[-1].headers}.keys() & {"If-None-Match", "If-Modified-Since"}
    asked = len(server.asked)
    now[0] += 59
    assert read()[0] == b"first"
    assert len(server.asked) == asked
    now[0] += 2
    serve(server, "us_daily", "second", ETag='"two"')
    assert read()[0] == b"second"
    kept = tmp_path / "cache" / "kworb" / "spotify-country-us_daily.html"
    kept.write_bytes(b"damaged")
    assert read()[0] == b"second"
    assert not {"If-None-Match", "If-Modified-Since"} & {*server.asked[-1].headers}


def test_what_robots_may_not_have_is_not_asked_for(server, tmp_path):
    server.file("/robots.txt", b"User-agent: *\nDisallow: /spotify/country/us_\n\nUser-agent: other\nDisallow: /\n")
    serve(server, "us_daily", daily())
    serve(server, "gb_daily", daily())
    outcome = run("fetch", "kworb", "us", "gb", "--page", "daily", "--pause", "0", "-q", "-o", tmp_path / "out")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert "us_daily.html: the site's robots.txt keeps programs from it; not fetched" in outcome.err
    assert server.paths() == ["/robots.txt", f"{COUNTRY}/gb_daily.html"]
    assert {row["region"] for row in rows_of(tmp_path / "out")} == {"gb"}


@pytest.mark.parametrize(("status", "allowed"), [(404, True), (410, True), (401, False), (403, False)])
def test_robots_that_cannot_be_had(server, status, allowed):
    server.answers["/robots.txt"] = lambda _: Reply(status=status)
    serve(server, "us_daily", "page")
    with Web() as web, Site(web, server.url, "kworb", 0, 0) as site:
        if allowed:
            assert site.page("spotify/country/us_daily.html", len)[0] == 4
        else:
            with pytest.raises(InputError, match=rf"robots.txt \(HTTP {status}\) keeps programs from it"):
                site.page("spotify/country/us_daily.html", len)
    assert len(server.asked) == 1 + allowed


@pytest.mark.parametrize(
    ("robots", "pause"),
    [
        ("", 1),
        ("User-agent: *\nCrawl-delay: 7", 7),
        ("User-agent: *\nCrawl-delay: 0", 1),
        ("User-agent: *\ncrawl-delay: 2.5\nDisallow:", 3),
        ("User-agent: *\nRequest-rate: 1/10", 10),
        ("User-agent: hitpredict\nCrawl-delay: 9\n\nUser-agent: *\nCrawl-delay: 200", 9),
    ],
)
def test_pages_are_asked_for_with_pauses(server, robots, pause):
    server.file("/robots.txt", robots.encode())
    serve(server, "us_daily", "page")
    slept = []
    with Web(sleep=slept.append) as web, Site(web, server.url, "kworb", 1.0, 0) as site:
        site._limiter._clock = lambda: 0.0
        for _ in range(3):
            site.page("spotify/country/us_daily.html", len)
    assert slept == [pause] * 3


def test_robots_that_ask_for_too_much_end_the_run(server, tmp_path):
    server.file("/robots.txt", b"User-agent: *\nCrawl-delay: 86400")
    with pytest.raises(GaveUp, match=r"robots.txt: asks for 86,400 s between two pages"):
        fetched(tmp_path / "out", "us", "gb")
    assert server.paths() == ["/robots.txt"]
    assert not (tmp_path / "out" / "tracks.jsonl").exists()


def test_a_server_that_is_busy_is_asked_later(server):
    replies = [Reply(status=429, headers={"Retry-After": "17"}), Reply(status=503), Reply(b"page")]
    server.answers[f"{COUNTRY}/us_daily.html"] = lambda _: replies.pop(0)
    slept = []
    with Web(sleep=slept.append) as web, Site(web, server.url, "kworb", 0, 0) as site:
        assert site.page("spotify/country/us_daily.html", len)[0] == 4
    assert 17.0 in slept


def test_a_run_that_ended_early_goes_on_where_it_was(server, tmp_path):
    serve(server, "us_daily", daily())
    server.answers[f"{COUNTRY}/gb_daily.html"] = lambda _: Reply(status=429, headers={"Retry-After": "7200"})
    with pytest.raises(GaveUp, match="asks to wait 7,200 s"):
        fetched(tmp_path / "out", "us", "gb")
    assert not (tmp_path / "out" / "tracks.jsonl").exists()
    serve(server, "gb_daily", daily())
    server.asked.clear()
    assert fetched(tmp_path / "out", "us", "gb") == 0
    assert server.paths(COUNTRY) == [f"{COUNTRY}/gb_daily.html"]
    assert len(rows_of(tmp_path / "out")) == 4


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(server, tmp_path):
    asked, held = threading.Event(), threading.Event()

    def hold(_):
        asked.set()
        held.wait()
        return Reply(status=404)

    serve(server, "us_daily", daily())
    server.answers[f"{COUNTRY}/gb_daily.html"] = hold
    arguments = ("fetch", "kworb", "us", "gb", "--page", "daily", "--pause", "0", "-o", tmp_path / "out")
    process = start(*arguments)
    until(asked.is_set, process)
    process.kill()
    finished(process)
    held.set()
    serve(server, "gb_daily", daily())
    server.asked.clear()
    outcome = run(*arguments)
    assert outcome.code == 0, outcome.err
    assert server.paths(COUNTRY) == [f"{COUNTRY}/gb_daily.html"]
    assert len(rows_of(tmp_path / "out")) == 4


def test_a_changed_page_is_a_line_and_is_not_kept(server, tmp_path, capsys):
    serve(server, "us_daily", "<html><h1>Down for maintenance</h1></html>")
    serve(server, "gb_daily", weekly())
    assert fetched(tmp_path / "out", "us", "gb") == 1
    lines = capsys.readouterr().err.splitlines()
    assert ["format has changed" in line for line in lines] == [True, True]
    assert "us_daily.html: not a chart of kworb.net" in lines[0]
    assert "the page holds weekly" in lines[1]
    assert not (tmp_path / "out" / "tracks.jsonl").exists()
    serve(server, "us_daily", daily())
    assert fetched(tmp_path / "out", "us") == 0


def test_pages_have_a_largest_size(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hitpredict.datasets.web.answers.unpacked.__defaults__", (1000,))
    serve(server, "us_daily", daily(DAILY_ROWS * 10))
    assert fetched(tmp_path / "out", "us") == 1
    assert "the answer is larger than 1,000 bytes; refused" in capsys.readouterr().err


def test_one_run_at_a_time_asks_the_site(server, tmp_path):
    serve(server, "us_daily", daily())
    (tmp_path / "cache" / "kworb").mkdir(parents=True)
    with locked(tmp_path / "cache" / "kworb" / "site"):
        outcome = run("fetch", "kworb", "us", "-o", tmp_path / "out")
    assert (outcome.code, len(outcome.complaints)) == (3, 1)
    assert "is being written by another run" in outcome.err
    assert server.asked == []
    with Web(offline=True) as web, pytest.raises(EnvironmentProblem, match="offline"):
        Site(web, server.url, "kworb", 0, 0).page("a.html", len)


@pytest.mark.parametrize("region", ["../robots", "usa", "", "u", "ü1"])
def test_regions_are_two_letters(server, tmp_path, region):
    with pytest.raises(UsageError, match="neither global nor a country's two letters"):
        fetched(tmp_path / "out", region)
    assert server.asked == []


def test_notes_in_the_cache_are_not_believed(server, tmp_path):
    serve(server, "us_daily", "page", ETag='"one"')
    note = tmp_path / "cache" / "kworb" / "us_daily.html.json"
    for text in ("", "[]", "{", '{"url": 1}', "[" * 100_000, json.dumps({"url": f"{server.url}/us_daily.html"})):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(text)
        with Web() as web, Site(web, f"{server.url}{COUNTRY}", "kworb", 0, 9999) as site:
            assert site.page("us_daily.html", len)[0] == 4
        assert server.asked.pop().path == f"{COUNTRY}/us_daily.html"
