"""Text and bytes that pass for tables, charts and lists of tracks; what is written is read back."""

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from hitpredict.audio.expand import Scratch, expand
from hitpredict.datasets.chart_readers import COLUMNS, read_chart
from hitpredict.errors import InputError
from hitpredict.features.kinds import FeatureRow
from hitpredict.tables.beside import read_beside
from hitpredict.tables.join import load
from hitpredict.tables.read import canonical_id, read_features, read_table
from hitpredict.tables.write import write_table
from tests.fuzz.test_records import TRACK
from tests.helpers.fuzz import altered, anything, damaged, file_of, fuzzed, unless_refused
from tests.hostile.test_charts import CHARTS

ODD = ["", "nan", "-inf", "1e400", "1,5", "[1, 2]", "[1, [2]]", "2020-01-03", "=1+1", "'-1", '"', "a\tb", "007", "2.0"]
CELLS = st.sampled_from(ODD) | st.text(max_size=6) | st.integers().map(str) | st.floats().map(str)
KNOWN = ["track_id", "id", "path", "duration", "popularity", "artist", "curve", "start", "region", "rank", "a"]
HEADS = st.lists(st.sampled_from(KNOWN) | st.text(max_size=4), max_size=5)


@st.composite
def texts_of_tables(draw):
    """A table as CSV or TSV, whose rows may be of other lengths than its header."""
    buffer, tabs = io.StringIO(), draw(st.booleans())
    rows = [draw(HEADS), *draw(st.lists(st.lists(CELLS, max_size=5), max_size=4))]
    if draw(st.booleans()):
        csv.writer(buffer, delimiter="\t" if tabs else ",").writerows(rows)
    else:
        buffer.write("\n".join(("\t" if tabs else ",").join(row) for row in rows))
    return buffer.getvalue(), ".tsv" if tabs else ".csv"


JSON_LINES = st.lists(
    st.dictionaries(
        st.sampled_from(["track_id", "id", "popularity", "artist", "curve", "start", "region"]), anything
    ).map(json.dumps)
    | st.text(max_size=10),
    max_size=4,
).map(lambda lines: ("\n".join(lines), ".jsonl"))
TABLES = texts_of_tables() | JSON_LINES
KINDS = [{"name": "weeks", "count": 2}, {"name": "season"}]
FEATURES = "track_id,x,y\n" + "".join(f"{n},{n}.5,{n * n}\n" for n in range(9))


def even(table):
    assert len({len(column) for column in table.values()}) <= 1


@fuzzed(TABLES)
def test_tables_are_read_or_refused(given):
    text, suffix = given
    with file_of(text, f"t{suffix}") as path:
        if (table := unless_refused(lambda: read_table(path), InputError)) is not None:
            even(table)
        features = unless_refused(lambda: read_features(path, str))
        if features is not None:
            assert features.values.shape == (len(features.track_ids), len(features.columns))
        unless_refused(lambda: read_beside(path, KINDS))


@fuzzed(TABLES, st.sampled_from(["popularity", "curve", "rank"]))
def test_labels_are_joined_or_refused(given, target):
    text, suffix = given
    with file_of(text, f"l{suffix}") as labels, file_of(FEATURES, "f.csv") as features:
        data = unless_refused(lambda: load([features], labels, [target]))
        if data is not None:
            assert len(data.track_ids) == len(data.groups)


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)
NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@st.composite
def feature_rows(draw):
    """Rows of vectors, with the names of their columns."""
    columns = draw(st.lists(st.from_regex("[a-z]{1,5}", fullmatch=True), min_size=1, max_size=4, unique=True))
    columns = [f"x_{name}" for name in columns]
    vectors = st.lists(NUMBERS, min_size=len(columns), max_size=len(columns)).map(
        lambda each: np.array(each, np.float32)
    )
    rows = st.lists(st.builds(FeatureRow, NAMES, NAMES, vectors, duration=st.floats(0, 1e6)), min_size=1, max_size=4)
    return draw(rows), columns


@fuzzed(feature_rows(), st.sampled_from(["csv", "tsv", "jsonl", "parquet"]))
def test_features_come_back_as_they_were_written(given, form):
    rows, columns = given
    buffer = io.BytesIO()
    write_table(rows, columns, form, buffer)
    with file_of(buffer.getvalue(), f"t.{form}") as path:
        found = read_features(path, str)
        table = read_table(path)
    # In a table that does not say what made it, the duration is a feature as well.
    assert [name for name in found.columns if name != "duration"] == columns
    places = [found.columns.index(name) for name in columns]
    np.testing.assert_array_equal(found.values[:, places], [row.values for row in rows])
    np.testing.assert_array_equal(found.durations, [row.duration for row in rows])
    if form in ("jsonl", "parquet"):
        assert table["path"] == [row.path for row in rows]
        assert list(found.track_ids) == [canonical_id(row.track_id) for row in rows]


SHAPES = st.lists(st.integers(0, 3), min_size=1, max_size=3)


@fuzzed(st.lists(SHAPES, min_size=1, max_size=3), st.sampled_from(["float32", "float16"]))
def test_arrays_come_back_as_they_were_written(shapes, dtype):
    arrays = [np.arange(np.prod(shape), dtype=np.float32).reshape(shape) for shape in shapes]
    rows = [FeatureRow(f"{n}.wav", f"t{n}", each, duration=1.0) for n, each in enumerate(arrays)]
    buffer = io.BytesIO()
    write_table(rows, None, "parquet", buffer, dtype)
    with file_of(buffer.getvalue(), "t.parquet") as path:
        found = read_features(path, str)
    assert all(np.array_equal(found.values[n], each) for n, each in enumerate(arrays))


CHART_FILES = st.sampled_from(sorted(CHARTS)).flatmap(
    lambda name: st.tuples(st.just(name), damaged(CHARTS[name].encode()) | st.binary(max_size=80))
)
ALTERED = altered(json.loads(CHARTS["billboard.json"])).map(
    lambda chart: ("billboard.json", json.dumps(chart).encode())
)


@fuzzed(
    CHART_FILES | ALTERED,
    examples=[
        (("1111111111111111111111.html", CHARTS["1111111111111111111111.html"].replace("100", "9" * 5000).encode()),)
    ],
)
def test_charts_are_read_or_refused(given):
    name, data = given
    with file_of(data, name) as path:
        chart = unless_refused(lambda: read_chart(path), InputError)
    if chart is not None:
        assert chart.table.schema == COLUMNS


MANIFESTS = st.lists(
    altered(TRACK.to_json()).map(json.dumps) | anything.map(json.dumps) | st.text(max_size=10), max_size=4
)


@fuzzed(
    MANIFESTS.map("\n".join),
    examples=[("[" * 100_000,), ("9" * 5000,), ('{"path": "\\ud800"}',), ('{"path": "a\\u0000"}',)],
)
def test_manifests_are_sources_or_refused(text):
    with file_of(text, "tracks.jsonl") as path, tempfile.TemporaryDirectory() as folder:
        for source in expand([str(path)], Scratch(folder)):
            assert isinstance(source.track_id, str)
            unless_refused(lambda source=source: source.opened().close(), InputError)
            assert Path(source.file or "x")
