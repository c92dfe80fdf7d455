"""What does `hitpredict fetch charts` write?"""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from hitpredict.datasets.popularity_measures import CURVE_WEEKS
from tests.datasets.test_chart_readers import BILLBOARD, FIRST, NEW, OLD, PAGE
from tests.helpers.manifests import manifest_rows
from tests.helpers.processes import run


def saved(folder: Path) -> Path:
    """A folder with charts of every format."""
    (folder / "us").mkdir(parents=True)
    (folder / "us" / "regional-us-weekly-2020-01-03--2020-01-10.csv").write_text(OLD)
    (folder / "us" / "regional-us-weekly-2020-01-16.csv").write_text(NEW)
    (folder / f"{FIRST}.html").write_text(PAGE)
    (folder / "hot100.json").write_text(BILLBOARD)
    (folder / "notes.txt").write_text("not a chart")
    return folder


def test_command_joins_every_format(tmp_path):
    done = run("fetch", "charts", saved(tmp_path / "in"), "-o", tmp_path / "out", "-v")
    assert (done.code, done.out) == (0, b""), done.err
    for words in (
        "Spotify weekly CSV: 2 files, 3 rows",
        "kworb.net track page: 1 file, 3 rows",
        "notes.txt: passed over",
    ):
        assert words in done.err
    rows = pyarrow.parquet.read_table(tmp_path / "out" / "charts.parquet").to_pylist()
    assert [(row["date"], row["rank"]) for row in rows if (row["region"], row["track_id"]) == ("us", FIRST)] == [
        (date(2020, 1, 3), 1),
        (date(2020, 1, 10), 1),
        (date(2023, 5, 12), 200),
    ]
    measured = pyarrow.parquet.read_table(tmp_path / "out" / "measures.parquet")
    names = "region track_id debut max mean std length sum skewness kurtosis censored"
    assert measured.column_names[:11] == names.split()
    sizes = {row["region"]: row["chart_size"] for row in measured.to_pylist()}
    assert sizes == {"us": 200, "global": 200, "billboard-hot-100": 100}
    assert len(pyarrow.parquet.read_table(tmp_path / "out" / "curves.parquet")) == 3
    tracks = {row["track_id"]: row for row in manifest_rows(tmp_path / "out")}
    assert tracks["debbie-reynolds--city-lights"]["artist"] == "Debbie Reynolds"


def test_command_goes_on_after_a_bad_file(tmp_path):
    folder = saved(tmp_path / "in")
    (folder / "bad.csv").write_text("Place,Song\n1,x\n")
    done = run("fetch", "charts", folder, tmp_path / "absent.csv", "-q", "-o", tmp_path / "out")
    assert done.code == 1
    assert [
        str(tmp_path / "in" / "bad.csv") in done.complaints[0],
        "absent.csv: No such file" in done.complaints[1],
    ] == [True] * 2
    assert len(done.complaints) == 2
    assert len(pyarrow.parquet.read_table(tmp_path / "out" / "charts.parquet")) == 8


def test_command_respects_what_is_there(tmp_path):
    folder, out = saved(tmp_path / "in"), tmp_path / "out"
    assert run("fetch", "charts", folder, "-q", "-o", out).code == 0
    before = (out / "charts.parquet").read_bytes()
    again = run("fetch", "charts", folder, "-o", out)
    assert (again.code, len(again.complaints)) == (2, 1)
    assert "exists already" in again.err
    assert run("fetch", "charts", folder, "-o", out, "--skip-existing").code == 0
    assert run("fetch", "charts", folder, "-q", "-o", out, "--force").code == 0
    assert (out / "charts.parquet").read_bytes() == before


def test_command_without_charts(tmp_path):
    (tmp_path / "in").mkdir()
    done = run("fetch", "charts", tmp_path / "in", "-o", tmp_path / "out")
    assert (done.code, len(done.complaints)) == (1, 1)
    assert "no chart files" in done.err


def test_tables_open_in_pandas(tmp_path):
    pandas = pytest.importorskip("pandas")
    run("fetch", "charts", saved(tmp_path / "in"), "-q", "-o", tmp_path / "out")
    curve = pandas.read_parquet(tmp_path / "out" / "curves.parquet").curve
    assert np.stack(curve.to_list()).shape == (3, CURVE_WEEKS)
    assert json.loads((tmp_path / "out" / "tracks.jsonl").read_text().splitlines()[0])["source"] == "charts"
