"""Damaged tables, recipes and model folders through what reads them: an error of one line, or what can be used."""

import gzip
import json
import shutil
import warnings

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from hitpredict import recipes
from hitpredict.datasets.chart_readers import read_chart
from hitpredict.errors import EnvironmentProblem, HitpredictError, InputError, UsageError
from hitpredict.evaluation.models import opened_model
from hitpredict.export.export import export
from hitpredict.export.metadata import metadata_of
from hitpredict.frontends import MfccStats
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from hitpredict.tables.read import canonical_id, read_features, read_table
from hitpredict.training import run as training_run
from tests.helpers.processes import run

ROWS = 40
COLUMNS = MfccStats().columns
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


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Features in every format that is read, labels in two, and a model folder of a linear model and of a network."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, len(COLUMNS))).round(4)
    lines = [",".join(("track_id", *COLUMNS)), *(f"t{i},{','.join(map(str, row))}" for i, row in enumerate(features))]
    (folder / "features.csv").write_text("\n".join(lines) + "\n")
    (folder / "features.csv.gz").write_bytes(gzip.compress((folder / "features.csv").read_bytes()))
    (folder / "features.tsv").write_text("\n".join(lines).replace(",", "\t") + "\n")
    table = {"track_id": [f"t{i}" for i in range(ROWS)], **dict(zip(COLUMNS, features.T.tolist(), strict=True))}
    pyarrow.parquet.write_table(pyarrow.table(table), folder / "features.parquet")
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    (folder / "features.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arrays = {"track_id": table["track_id"], "shape": [[5, 8]] * ROWS, "values": features.tolist()}
    pyarrow.parquet.write_table(pyarrow.table(arrays), folder / "arrays.parquet")
    labels = [
        {"track_id": f"t{i}", "popularity": float(row[:3].sum()), "artist": f"a{i}"} for i, row in enumerate(features)
    ]
    (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labels))
    (folder / "labels.csv").write_text(
        "track_id,popularity,artist\n" + "".join(f"{','.join(map(str, row.values()))}\n" for row in labels)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "check_collapse", lambda *_: None)
        for name, changes in (("linear", {}), ("mlp", {"training.epochs": 1})):
            data = load([folder / "features.csv"], folder / "labels.csv", ["popularity"], None, [])
            request = training_run.Request(recipes.load(name).changed(changes), folder / "labels.csv")
            training_run.train(request, data, folder / name)
    return folder


def told(action):
    """Run what may raise an error for people, of one line; anything else fails the test. Numbers must not warn."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            action()
        except HitpredictError as error:
            assert "\n" not in str(error)
            return error
    return None


def damaged(data, number, random):
    """Bytes cut, changed, repeated or replaced."""
    changed, place = bytearray(data), int(random.integers(len(data)))
    if number % 4 == 0:
        return bytes(changed[:place])
    if number % 4 == 1:
        for each in random.integers(len(data), size=20):
            changed[each] = int(random.integers(256))
    elif number % 4 == 2:
        changed[place : place + 50] = changed[: int(random.integers(200))]
    else:
        end = min(len(data), 1000)
        changed[-int(random.integers(1, end)) :] = bytes(random.integers(0, 256, 40, dtype=np.uint8))
    return bytes(changed)


FEATURES = ("features.csv", "features.csv.gz", "features.tsv", "features.parquet", "features.jsonl", "arrays.parquet")


@pytest.mark.parametrize("name", (*FEATURES, "labels.csv", "labels.jsonl"))
def test_damaged_bytes_of_tables(tables, tmp_path, name):
    random, paths = np.random.default_rng(0), {"features": tables / "features.csv", "labels": tables / "labels.jsonl"}
    path = tmp_path / name
    paths["labels" if "labels" in name else "features"] = path
    for number in range(80):
        path.write_bytes(damaged((tables / name).read_bytes(), number, random))
        told(lambda: load([paths["features"]], paths["labels"], ["popularity"], None, []).summary)


@pytest.mark.parametrize("odd", ODD_CELLS)
@pytest.mark.parametrize("column", [0, 1, 2])
@pytest.mark.parametrize("every", [False, True])
def test_odd_cells_of_labels(tables, tmp_path, odd, column, every):
    lines = [line.split(",") for line in (tables / "labels.csv").read_text().splitlines()]
    for line in lines[1:] if every else lines[5:6]:
        line[column] = odd
    path = tmp_path / "labels.csv"
    path.write_bytes("\n".join(map(",".join, lines)).encode(errors="surrogatepass"))
    told(lambda: load([tables / "features.csv"], path, ["popularity"], None, []))


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
        told(lambda: load([tables / "features.csv"], path, ["popularity"], None, []))


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
    data = load([tables / "features.csv"], tmp_path / "labels.csv", ["popularity"], None, [])
    groups = dict(zip(data.track_ids, data.groups, strict=True))
    assert groups["t1"] == groups["t2"] != groups["t3"]


@pytest.mark.parametrize("kind", [b"5", b"{", b"[]", b'{"name": 5}', b'{"name": "logmel", "n_mels": 1000000}', b"\xff"])
def test_kinds_that_cannot_be(tables, tmp_path, kind):
    for name in ("features.parquet", "arrays.parquet"):
        table = pyarrow.parquet.read_table(tables / name).replace_schema_metadata({"hitpredict.kind": kind})
        pyarrow.parquet.write_table(table, tmp_path / name)
        with pytest.raises(InputError, match="cannot be read as a table"):
            read_features(tmp_path / name, [])


@pytest.mark.parametrize("shape", [[10**9, 10**9], [-5, -8], [5, 9], [5, 7], [], None, [0, 8]])
def test_shapes_that_do_not_fit_their_numbers(tables, tmp_path, shape):
    table = pyarrow.parquet.read_table(tables / "arrays.parquet").to_pydict()
    for count in (1, ROWS):
        changed = {**table, "shape": [shape] * count + table["shape"][count:]}
        pyarrow.parquet.write_table(pyarrow.table(changed), tmp_path / "a.parquet")
        with pytest.raises(InputError, match="cannot be read as a table"):
            read_features(tmp_path / "a.parquet", [])


def test_ids_of_digits():
    assert [canonical_id(each) for each in ("007", "0", "000", 2.0, "²", "9" * 5000, 1e300)][:5] == [
        "7",
        "0",
        "0",
        "2",
        "²",
    ]


@pytest.mark.parametrize("text", [b"\xff\xfe", b"task = 5", b"a = [", b"inputs = 3\ntask = 'regression'", b"\0", b""])
def test_recipes_that_are_none(tmp_path, text):
    (tmp_path / "r.toml").write_bytes(text)
    with pytest.raises(UsageError) as caught:
        recipes.load(str(tmp_path / "r.toml"))
    assert "\n" not in str(caught.value)


LOST = object()
ODD_ENTRIES = [
    *(("linear", "estimator", "name", odd) for odd in (LOST, [], {})),
    *(("linear", "estimator", "penalty", odd) for odd in ("text", -1, float("nan"))),
    *(("mlp", "network", "name", odd) for odd in (LOST, [], {})),
    *(("mlp", "training", "optimizer", odd) for odd in ([], {})),
    *(("mlp", "training", "weight_decay", odd) for odd in ("text", -1, float("nan"), [])),
    *(("mlp", "training", key, LOST) for key in ("epochs", "batch_size", "learning_rate")),
    ("mlp", "training", "batch_size", True),
    ("mlp", "loss", "name", LOST),
]


@pytest.mark.parametrize(("name", "table", "key", "odd"), ODD_ENTRIES)
def test_recipes_that_cannot_be_trained(tables, tmp_path, name, table, key, odd):
    recipe = recipes.load(name).to_json()
    entries = {**recipe[table], key: odd}
    if odd is LOST:
        del entries[key]
    data = load([tables / "features.csv"], tables / "labels.jsonl", ["popularity"], "artist", [])
    with pytest.raises(UsageError, match=rf"{table}\.{key}|{table} linear: |optimizer adamw: ") as caught:
        changed = recipes.Recipe.from_json({**recipe, table: entries})
        training_run.train(training_run.Request(changed, tables / "labels.jsonl"), data, tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["summary", "source", "task", "inputs", "made_with", "target", "scaling", "network",
                                 "loss", "training", "augment", "published", "compat"])  # fmt: skip
def test_recipes_with_odd_entries(key):
    known = recipes.load("mlp").to_json()
    for odd in (5, "x", [], [5], {"a": 1}, True, None):
        told(lambda odd=odd: recipes.Recipe.from_json({**known, key: odd}).changed({"training.epochs": 1}))


def use(folder, tables):
    model = opened_model(str(folder))
    data = load([tables / "features.csv"], tables / "labels.csv", ["popularity"], None, [])
    _ = model.seen, model.calibration, model.domain, model.baselines.predict(data.summary), model.published
    model.predict(data)
    metadata_of(model)


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_model_folders_whose_files_are_damaged(tables, tmp_path, name):
    random = np.random.default_rng(0)
    assert told(lambda: use(tables / name, tables)) is None
    for file in sorted(path.name for path in (tables / name).iterdir()):
        for number in range(12):
            folder = tmp_path / f"{file}{number}"
            shutil.copytree(tables / name, folder)
            (folder / file).write_bytes(damaged((folder / file).read_bytes(), number, random))
            told(lambda folder=folder: use(folder, tables))


def test_damaged_estimators_are_not_exported(tables, tmp_path):
    random, folder = np.random.default_rng(0), tmp_path / "m"
    shutil.copytree(tables / "linear", folder)
    whole = (folder / "estimator.onnx").read_bytes()
    for number in range(12):
        (folder / "estimator.onnx").write_bytes(damaged(whole, number, random))
        told(lambda: export(ModelFolder(folder)))


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_model_folders_with_odd_settings(tables, tmp_path, name):
    folder = tmp_path / "m"
    shutil.copytree(tables / name, folder)
    for file in ("config.json", "calibration.json", "domain.json", "metrics.json"):
        whole = (tables / name / file).read_text()
        for key in json.loads(whole):
            for odd in (None, 5, "x", [], {}, [5], {"a": 1}):
                (folder / file).write_text(json.dumps({**json.loads(whole), key: odd}))
                error = told(lambda: use(folder, tables))
                assert error is None or isinstance(error, EnvironmentProblem | UsageError | InputError)
        (folder / file).write_text(whole)


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
    notes: list[str] = []
    data = load([table], tables / "labels.csv", ["popularity"], None, notes)
    assert np.isnan(data.vectors()).sum() == 3
    assert any("3 values are too large" in note for note in notes)
    request = training_run.Request(recipes.load("linear"), tables / "labels.csv")
    told(lambda: training_run.train(request, data, tmp_path / "m"))
