"""Damaged tables through what reads them: an error of one line, or what can be used."""

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from hitpredict import recipes
from hitpredict.errors import InputError
from hitpredict.tables.join import load
from hitpredict.tables.read import canonical_id, read_features, read_table
from hitpredict.training import train as training_run
from hitpredict.training.run import TrainingRun
from tests.helpers.damage import COLUMNS, ROWS, damaged, told
from tests.helpers.processes import run

ODD_CELLS = (
    "",
    "5",
    "null",
    "[unknown]",
    "[1, 2",
    "inf",
    "-1e400",
    '"',
    "\0",
    "²",
    "9" * 5000,
    "\ud800",
    "[" * 100_000,
)


FEATURES = ("features.csv", "features.csv.gz", "features.tsv", "features.parquet", "features.jsonl", "arrays.parquet")


@pytest.mark.parametrize("name", (*FEATURES, "labels.csv", "labels.jsonl"))
def test_damaged_bytes_of_tables(tables, tmp_path, name):
    random, paths = np.random.default_rng(0), {"features": tables / "features.csv", "labels": tables / "labels.jsonl"}
    path = tmp_path / name
    paths["labels" if "labels" in name else "features"] = path
    for number in range(80):
        path.write_bytes(damaged((tables / name).read_bytes(), number, random))
        told(lambda: load([paths["features"]], paths["labels"], ["popularity"]).summary)


@pytest.mark.parametrize("odd", ODD_CELLS)
@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("every", [False, True])
def test_odd_cells_of_labels(tables, tmp_path, odd, column, every):
    lines = [line.split(",") for line in (tables / "labels.csv").read_text().splitlines()]
    for line in lines[1:] if every else lines[5:6]:
        line[column] = odd
    path = tmp_path / "labels.csv"
    path.write_bytes("\n".join(map(",".join, lines)).encode(errors="surrogatepass"))
    told(lambda: load([tables / "features.csv"], path, ["popularity"]))


ODD_VALUES = (
    None,
    True,
    -1,
    10**400,
    1e300,
    "x",
    [],
    [[]],
    [None, "x"],
    {},
    {"a": 1},
    "\ud800",
    [1e9, 2],
    float("nan"),
)


@pytest.mark.parametrize("key", ["track_id", "popularity", "artist"])
@pytest.mark.parametrize("every", [False, True])
def test_odd_values_of_json_labels(tables, tmp_path, key, every):
    path = tmp_path / "labels.jsonl"
    for odd in ODD_VALUES:
        rows = [json.loads(line) for line in (tables / "labels.jsonl").read_text().splitlines()]
        for row in rows if every else rows[3:4]:
            row[key] = odd
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        told(lambda: load([tables / "features.csv"], path, ["popularity"]))


@pytest.mark.parametrize("line", ["5", "null", '"text"', "[1]", "{", "[" * 100_000])
def test_lines_that_are_no_objects_are_named(tmp_path, line):
    (tmp_path / "t.jsonl").write_text('{"track_id": 1}\n' + line + "\n")
    with pytest.raises(InputError, match=r"t\.jsonl: cannot be read as a table: line 2"):
        read_table(tmp_path / "t.jsonl")


def test_a_column_that_comes_twice_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("track_id,a,a\n1,2,3\n")
    with pytest.raises(InputError, match="has the column 'a' more than once"):
        read_table(tmp_path / "t.csv")


def test_artists_in_brackets_are_names(tables, tmp_path):
    text = (tables / "labels.csv").read_text().replace(",a1\n", ",[unknown]\n").replace(",a2\n", ",[unknown]\n")
    (tmp_path / "labels.csv").write_text(text)
    data = load([tables / "features.csv"], tmp_path / "labels.csv", ["popularity"])
    groups = dict(zip(data.track_ids, data.groups, strict=True))
    assert groups["t1"] == groups["t2"] != groups["t3"]


@pytest.mark.parametrize("kind", [b"5", b"{", b"[]", b'{"name": 5}', b'{"name": "logmel", "n_mels": 1000000}', b"\xff"])
def test_kinds_that_cannot_be(tables, tmp_path, kind):
    for name in ("features.parquet", "arrays.parquet"):
        table = pyarrow.parquet.read_table(tables / name).replace_schema_metadata({"hitpredict.kind": kind})
        pyarrow.parquet.write_table(table, tmp_path / name)
        with pytest.raises(InputError, match="cannot be read as a table"):
            read_features(tmp_path / name, print)


@pytest.mark.parametrize("shape", [[10**9, 10**9], [-5, -8], [5, 9], [5, 7], [], None, [0, 8]])
def test_shapes_that_do_not_fit_their_numbers(tables, tmp_path, shape):
    table = pyarrow.parquet.read_table(tables / "arrays.parquet").to_pydict()
    for count in (1, ROWS):
        changed = {**table, "shape": [shape] * count + table["shape"][count:]}
        pyarrow.parquet.write_table(pyarrow.table(changed), tmp_path / "a.parquet")
        with pytest.raises(InputError, match="cannot be read as a table"):
            read_features(tmp_path / "a.parquet", print)


def test_ids_of_digits():
    assert [canonical_id(each) for each in ("007", "0", "000", 2.0, "²", "9" * 5000, 1e300)][:5] == [
        "7",
        "0",
        "0",
        "2",
        "²",
    ]


def test_the_command_says_one_line(tables, tmp_path):
    (tmp_path / "labels.jsonl").write_text("5\n")
    tables_given = ("--features", tables / "features.csv", "--labels", tmp_path / "labels.jsonl")
    outcome = run("train", "-r", "linear", *tables_given, "--target", "popularity", "-o", tmp_path / "m")
    assert (outcome.code, len(outcome.complaints)) == (1, 1)
    assert "defect" not in outcome.err


def test_features_too_large_to_work_with_count_as_missing(tables, tmp_path):
    table = tmp_path / "features.jsonl"
    rows = [json.loads(line) for line in (tables / "features.jsonl").read_text().splitlines()]
    for row, odd in zip(rows, (1e300, -1e39, "inf"), strict=False):
        row[COLUMNS[0]] = odd
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = load([table], tables / "labels.csv", ["popularity"])
    assert np.isnan(data.vectors()).sum() == 3
    assert any("3 values are too large" in note for note in data.notes)
    request = TrainingRun(recipes.load("linear"), data)
    told(lambda: training_run.train(request, tmp_path / "m"))
