"""Histories on the charts: measures, censoring, curves, windows and regions, by hand and against SciPy."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from scipy.stats import kurtosis, skew

from hitpredict.datasets.chart_readers import COLUMNS, Chart
from hitpredict.datasets.charts import (
    Window,
    charts_table,
    credited_names,
    curves_table,
    manifest,
    measures_table,
    tidy,
)
from hitpredict.datasets.popularity_measures import CURVE_WEEKS
from hitpredict.errors import InputError, UsageError

START = date(2019, 1, 4)


def week(number: int) -> date:
    return START + timedelta(weeks=number)


def chart(rows, kind="Parquet table", period="weekly") -> Chart:
    """A chart of (region, week or date, track, rank, streams)."""
    names = COLUMNS.names
    full = [(r, week(w) if isinstance(w, int) else w, t, k, s, f"Song {t}", "A & B") for r, w, t, k, s in rows]
    return Chart(pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in full], COLUMNS), kind, period)


def history(ranks, track="x", region="us", first=1) -> list[tuple]:
    return [(region, first + i, track, rank, 1000 * (i + 1)) for i, rank in enumerate(ranks) if rank]


def filled(weeks=40, region="us") -> list[tuple]:
    """A track that is always there, so that the data reach from week 0 to the last."""
    return [(region, number, "always", 200, 10) for number in range(weeks)]


def one(table, track, region="us") -> dict:
    (row,) = [row for row in table.to_pylist() if (row["track_id"], row["region"]) == (track, region)]
    return row


def test_measures_by_hand():
    measured = one(measures_table(tidy([chart(filled() + history([157, 150, 132, 189]))])), "x")
    scores = [44, 51, 69, 12]
    expected = {"debut": 44, "max": 69, "mean": 44, "std": np.sqrt(424.5), "length": 4, "sum": 176}
    assert {name: measured[name] for name in expected} == pytest.approx(expected)
    assert measured["skewness"] == pytest.approx(-4200 / 424.5**1.5)
    assert measured["kurtosis"] == pytest.approx(360400.5 / 424.5**2 - 3)
    assert (measured["skewness"], measured["kurtosis"]) == pytest.approx((skew(scores), kurtosis(scores)))
    assert (measured["first_date"], measured["last_date"], measured["chart_size"]) == (week(1), week(4), 200)


def test_measures_of_many_histories_equal_scipy():
    random = np.random.default_rng(0)
    lengths = random.integers(2, 30, 50)
    ranks = [random.integers(1, 201, length).tolist() for length in lengths]
    rows = [row for number, history_ in enumerate(ranks) for row in history(history_, f"t{number:02d}")]
    table = measures_table(tidy([chart(rows)], chart_size=200)).to_pylist()
    for row, history_ in zip(table, ranks, strict=True):
        score = 201 - np.array(history_)
        assert row["std"] == pytest.approx(score.std())
        assert row["skewness"] == pytest.approx(skew(score), abs=1e-9)
        assert row["kurtosis"] == pytest.approx(kurtosis(score), abs=1e-9)
        assert (row["debut"], row["sum"], row["length"]) == (score[0], score.sum(), len(score))


@pytest.mark.parametrize("ranks", [[10], [10, 10, 10]])
def test_shape_of_a_constant_history_is_unknown(ranks):
    measured = one(measures_table(tidy([chart(filled() + history(ranks))])), "x")
    assert (measured["std"], measured["skewness"], measured["kurtosis"]) == (0, None, None)


def test_weeks_away_do_not_count():
    measured = one(measures_table(tidy([chart(filled() + history([10, 0, 0, 20]))])), "x")
    assert (measured["length"], measured["mean"], measured["last_date"]) == (2, 186, week(4))


def test_censoring_is_by_the_charts_of_the_region():
    rows = filled(10) + history([5, 5], "left", first=0) + history([5, 5], "right", first=8) + history([5], "inside")
    rows += [("se", number, "always", 1, 1) for number in range(5)] + history([9], "inside", "se", first=4)
    table = measures_table(tidy([chart(rows)]))
    flags = {
        (row["region"], row["track_id"]): (row["censored_left"], row["censored_right"]) for row in table.to_pylist()
    }
    assert flags == {
        ("us", "always"): (True, True),
        ("us", "left"): (True, False),
        ("us", "right"): (False, True),
        ("us", "inside"): (False, False),
        ("se", "always"): (True, True),
        ("se", "inside"): (False, True),
    }
    assert [row["censored"] for row in table.to_pylist()] == [
        any(flags[r["region"], r["track_id"]]) for r in table.to_pylist()
    ]


def test_window_says_what_could_be_seen():
    charts = [chart(history([5, 5, 5], first=10))]
    assert one(measures_table(tidy(charts)), "x")["censored"]
    later = Window(week(0), week(20))
    assert not one(measures_table(tidy(charts, later)), "x")["censored"]
    # Three days into the week after the last chart, the next one has not come out yet.
    crawl = week(13) + timedelta(days=3)
    assert one(measures_table(tidy(charts, Window(week(0), crawl))), "x")["censored_right"]
    cut = tidy(charts, Window(week(11), week(13) - timedelta(days=2)))
    assert one(measures_table(cut), "x")["length"] == 1
    with pytest.raises(InputError, match="between the dates"):
        tidy(charts, Window(week(30)))


def test_chart_size_is_usual_for_the_format_or_given():
    small = [("ad", 0, "x", 54, 1)]
    assert set(tidy([chart([*small, *filled()])]).size) == {200}
    assert set(tidy([chart(small, "Billboard JSON")]).size) == {100}
    assert one(measures_table(tidy([chart(small)], chart_size=60)), "x", "ad")["debut"] == 7
    assert set(tidy([chart([("us", 0, "x", 1000, 1)])]).size) == {1000}
    with pytest.raises(UsageError, match="go down to place 54"):
        tidy([chart(small)], chart_size=50)


def test_the_better_of_two_places_is_kept():
    charts = tidy(
        [chart([("us", 0, "x", 9, 1), ("us", 0, "x", 4, 2), ("us", 0, "", 5, 5)]), chart([("us", 0, "x", 9, 1)])]
    )
    assert charts_table(charts).to_pylist() == [
        {"region": "us", "date": START, "track_id": "x", "rank": 4, "streams": 2}
    ]
    assert (charts.duplicates, charts.nameless) == (2, 1)


def test_table_is_ordered_by_region_date_and_place():
    rows = [("us", 1, "b", 2, None), ("us", 0, "b", 1, 5), ("de", 1, "z", 1, 7), ("us", 1, "a", 1, 3)]
    found = charts_table(tidy([chart(rows)])).to_pylist()
    assert [(r["region"], r["date"], r["track_id"]) for r in found] == [
        ("de", week(1), "z"),
        ("us", week(0), "b"),
        ("us", week(1), "a"),
        ("us", week(1), "b"),
    ]
    assert found[-1]["streams"] is None


def test_curve_begins_with_the_first_streams_and_lasts_104_weeks():
    rows = [*filled(130), ("us", 3, "x", 9, None), ("us", 4, "x", 9, 10), ("us", 6, "x", 9, 1000)]
    rows += [("us", 4 + 103, "x", 9, 100), ("us", 4 + 104, "x", 9, 10**6)]
    curve = one(curves_table(tidy([chart(rows)])), "x")
    assert curve["start"] == week(4)
    expected = np.zeros(CURVE_WEEKS)
    expected[[0, 2, 103]] = 1, 3, 2
    assert curve["curve"] == expected.tolist()
    assert np.flatnonzero(curve["observed"]).tolist() == [0, 2, 103]
    assert (curve["observed_weeks"], curve["available_weeks"]) == (3, 104)
    assert (curve["complete"], curve["censored_left"]) == (True, False)
    assert curve["log_debut"] == 1
    assert curve["log_sum"] == pytest.approx(np.log10(1110))


@pytest.mark.parametrize(("weeks", "available", "complete"), [(50, 49, False), (105, 104, False), (106, 104, True)])
def test_a_curve_is_complete_105_weeks_before_the_end(weeks, available, complete):
    curve = one(curves_table(tidy([chart(filled(weeks) + history([5, 4]))])), "x")
    assert (curve["available_weeks"], curve["complete"]) == (available, complete)


def test_days_are_summed_to_weeks():
    days = [("us", START + timedelta(days=number), "x", 10, 100) for number in range(15)]
    charts = tidy([chart(days, period="daily")])
    assert one(measures_table(charts), "x")["length"] == 15
    assert np.round(10 ** np.array(one(curves_table(charts), "x")["curve"][:3])).tolist() == [700, 700, 100]
    with pytest.raises(UsageError, match="daily and weekly"):
        tidy([chart(days, period="daily"), chart(filled())])


def test_tracks_without_streams_have_no_curve():
    assert len(curves_table(tidy([chart([("us", 0, "x", 9, None)])]))) == 0


def test_missing_weeks_are_counted():
    assert tidy([chart([*filled(3), ("us", 6, "always", 1, 1), *filled(3, "de")])]).missing() == {"us": 3}


def test_manifest_sums_up_the_regions():
    rows = filled() + history([1, 3]) + history([2], region="de")
    row = next(track.to_json() for track in manifest(tidy([chart(rows)]), "now") if track.track_id == "x")
    assert {name: row[name] for name in row["labels"]} == {"chart_regions": 2, "chart_max": 200, "chart_sum": 597}
    assert (row["title"], row["artist_ids"]) == ("Song x", ["a", "b"])


def test_credits_are_cut_into_artists():
    assert credited_names("Tyler, The Creator feat. A$AP Rocky & Kali x Uchis") == [
        *("tyler", "the creator", "a$ap rocky", "kali", "uchis")
    ]
    assert credited_names(None) == []


def test_sums_that_the_charts_do_not_show_are_null():
    """Whole is a curve whose start is seen and whose 104 weeks are over a week before the end, as MPPP asks."""
    rows = [*filled(120), ("us", 3, "whole", 9, 10), ("us", 60, "late", 9, 10), ("us", 0, "early", 9, 10)]
    table = curves_table(tidy([chart(rows)]))
    assert one(table, "whole")["log_sum"] == pytest.approx(1)
    assert [one(table, name)["log_sum"] for name in ("late", "early")] == [None, None]
    assert [one(table, name)["log_debut"] for name in ("late", "early")] == [1, None]
    short = one(curves_table(tidy([chart(rows)]), weeks=52), "late")
    assert (len(short["curve"]), short["log_sum"]) == (52, pytest.approx(1))


def test_regions_are_added_up_by_the_calendar():
    rows = [*filled(120), *filled(110, "at"), ("us", 5, "x", 9, 100), ("at", 3, "x", 9, 10), ("at", 5, "x", 9, 900)]
    rows += [*filled(120, "global"), ("global", 1, "x", 9, 10**6)]
    table = curves_table(tidy([chart(rows)])).to_pylist()
    (found,) = [row for row in table if row["region"] == "all" and row["track_id"] == "x"]
    assert found["start"] == week(3)
    np.testing.assert_allclose(found["curve"][:3], [1, 0, 3], atol=1e-6)
    # The charts of the region at end in week 110, 107 weeks after the start.
    assert (found["available_weeks"], found["complete"]) == (104, True)
    assert found["log_sum"] == pytest.approx(np.log10(1010))
    assert not [row for row in curves_table(tidy([chart(filled(3))])).to_pylist() if row["region"] == "all"]
