"""Charts that are damaged, or hold odd values, are one line."""

import json

import numpy as np
import pytest

from hitpredict.datasets.chart_readers import read_chart
from hitpredict.errors import InputError
from tests.helpers.damage import damaged, told

CHARTS = {
    "billboard.json": json.dumps({"date": "2020-01-04", "data": [{"song": "s", "artist": "a", "this_week": 1}]}),
    "regional-us-weekly-2020-01-03--2020-01-10.csv": (
        "Position,Track Name,Artist,Streams,URL\n" + "1,s,a,100,https://open.spotify.com/track/" + "1" * 22 + "\n"
    ),
    "1111111111111111111111.html": (
        "<title>a - s</title><table><tr><th>Date</th><th>Global</th></tr>"
        "<tr><td>2020/01/02</td><td>1 (100)</td></tr></table>"
    ),
}


@pytest.mark.parametrize("name", CHARTS)
def test_damaged_charts(tmp_path, name):
    random, path = np.random.default_rng(0), tmp_path / name
    for number in range(150):
        path.write_bytes(damaged(CHARTS[name].encode(), number, random) if number else CHARTS[name].encode())
        error = told(lambda: read_chart(path))
        assert number or error is None


@pytest.mark.parametrize("odd", [None, 5, "x", [], {}, [5], "9" * 5000, 10**400, "\ud800"])
def test_odd_values_in_billboard_charts(tmp_path, odd):
    path, chart = tmp_path / "b.json", json.loads(CHARTS["billboard.json"])
    entry = chart["data"][0]
    changed = [odd, [odd], {**chart, "date": odd}, {**chart, "data": odd}, {**chart, "data": [odd]}]
    changed += [{**chart, "data": [{**entry, key: odd}]} for key in entry]
    for each in changed:
        path.write_text(json.dumps(each))
        told(lambda: read_chart(path))
    path.write_text("[" * 100_000)
    assert isinstance(told(lambda: read_chart(path)), InputError)
