"""How good a model is: metrics with intervals, baselines, coverage, comparison, and pictures of them."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hitpredict import recipes
from hitpredict.cli.app import app
from hitpredict.evaluation import metrics
from hitpredict.evaluation.baselines import Baselines
from hitpredict.evaluation.evaluate import CLASSES, REGRESSION, compared, evaluate
from hitpredict.evaluation.models import OnnxModel, opened_model
from hitpredict.evaluation.plots import LEVELS, bins_of, coverage_by_level, observed, write_plots
from hitpredict.export.export import export
from hitpredict.frontends import MfccStats
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.model_folder.predictions import Predictions
from hitpredict.recipes.recipe import TargetSpec
from hitpredict.scoring.calibration import Calibration
from hitpredict.tables import targets
from hitpredict.tables.join import TrainingData, load
from hitpredict.tables.read import Features
from hitpredict.training.run import Request, train
from tests.helpers.sounds import saved

ROWS = 300
PICTURES = ("reliability", "predicted-versus-true")
MODELS = ("linear", "linear.onnx")


@pytest.fixture(scope="module")
def data():
    """Popularity between 0 and 100 that the first of four features explains for the most part."""
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 4)).astype(np.float32)
    labels = np.clip(50 + 15 * features[:, 0] + 8 * random.normal(size=ROWS), 0, 100)[:, None]
    groups = np.array([f"artist {number}" for number in random.integers(0, 50, ROWS)])
    ids = tuple(map(str, range(ROWS)))
    table = Features("table", None, ids, ("a", "b", "c", "d"), features)
    return TrainingData(ids, (table,), (np.arange(ROWS),), ("popularity",), labels, groups, {})


def parts(data, spec=None, score=None):
    """A target, predictions from the first feature, a calibration and baselines."""
    target = targets.fit(data.labels, data.targets, TargetSpec(**(spec or {})))
    values = target.values(data.labels)
    truth = target.class_of(values).astype(float) if target.classes else values
    score = 50 + 15 * data.inputs[0].values[:, 0].astype(float) if score is None else score
    probabilities = None
    if target.classes:
        distance = np.linspace(-1, 1, target.classes) - (score[:, None] - 50) / 20
        probabilities = np.exp(-3 * distance**2)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        score = probabilities @ np.arange(target.classes)
    ends = (0, target.classes - 1) if target.classes else (0, 100)
    calibration = Calibration.fit(truth, score, data.groups, 0.8, *ends)
    return target, Predictions(score, probabilities), calibration, Baselines.fit(data, truth, 0), truth


def result_of(data, spec=None):
    target, predictions, calibration, baselines, _ = parts(data, spec)
    return evaluate(predictions, data, target, calibration, baselines, {"r2": "0.1"}, "held out")


@pytest.fixture(scope="module")
def regression(data):
    return result_of(data)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, {*REGRESSION}),
        ({"classes": 2}, {*REGRESSION, *CLASSES, "roc_auc"}),
        ({"classes": 3}, {*REGRESSION, *CLASSES}),
    ],
)
def test_every_metric_has_a_value_within_an_interval(data, spec, expected):
    result = result_of(data, spec)
    assert set(result["metrics"]) == expected
    for found in (result["metrics"], *result["baselines"].values()):
        for name, entry in found.items():
            assert set(entry) == {"value", "interval"}, name
            low, high = entry["interval"]
            assert np.isfinite([low, high, entry["value"]]).all()
            # A bootstrap of a few dozen top tracks is a little lopsided.
            slack = 0.1 if "@" in name else 1e-9
            assert low - slack <= entry["value"] <= high + slack, name
    assert json.loads(json.dumps(result)) == result


def test_values_are_those_of_the_metrics(data, regression):
    _, predictions, _, _, truth = parts(data)
    found = regression["metrics"]
    for name in ("spearman", "mae", "r2", "kendall"):
        assert found[name]["value"] == pytest.approx(getattr(metrics, name)(truth, predictions.score), abs=1e-5)
    assert found["spearman"]["value"] == pytest.approx(0.87, abs=0.04)


def test_baselines_stand_beside_the_model(regression):
    assert set(regression["baselines"]) == {"constant", "random-normal", "linear"}
    constant, noise, linear = (regression["baselines"][name] for name in ("constant", "random-normal", "linear"))
    assert constant["spearman"]["value"] == 0
    assert constant["r2"]["value"] == pytest.approx(0, abs=1e-4)
    assert noise["mae"]["value"] > constant["mae"]["value"] > regression["metrics"]["mae"]["value"]
    assert linear["spearman"]["interval"][0] > 0.8
    assert regression["published"] == {"r2": "0.1"}


def test_coverage_is_near_its_level(regression, data):
    assert regression["coverage"]["level"] == 0.8
    assert regression["coverage"]["rows"] == pytest.approx(0.8, abs=0.06)
    assert regression["rows"] == ROWS
    assert regression["groups"] == len(set(data.groups))
    assert "warning" not in regression


def test_a_random_split_is_marked(data):
    target, predictions, calibration, baselines, _ = parts(data)
    result = evaluate(predictions, data, target, calibration, baselines, {}, "random")
    assert "inflated" in result["warning"]


def test_metrics_that_are_undefined_are_left_out(data):
    target, predictions, calibration, baselines, _ = parts(data)
    few = data.take(np.array([0]))
    result = evaluate(predictions.take(np.array([0])), few, target, calibration, baselines, {}, "held out")
    assert "mae" in result["metrics"]
    assert not {"r2", "recall@100"} & set(result["metrics"])


def test_a_model_does_not_differ_from_itself(data):
    _, predictions, _, _, truth = parts(data)
    for entry in compared(predictions, predictions, truth, data.groups, 0).values():
        assert entry == {"value": 0, "interval": [0, 0], "verdict": "no clear difference", "better": None}


def test_equally_good_models_do_not_differ_clearly(data):
    _, _, _, _, truth = parts(data)
    random = np.random.default_rng(1)
    first, second = (Predictions(truth + 20 * random.normal(size=ROWS)) for _ in range(2))
    assert compared(first, second, truth, data.groups, 0)["spearman"]["verdict"] == "no clear difference"


@pytest.mark.parametrize("classes", [0, 3])
def test_a_planted_difference_is_found(data, classes):
    _, better, _, _, truth = parts(data, {"classes": classes} if classes else None)
    noise = np.random.default_rng(2).normal(size=ROWS)
    worse = Predictions(better.score + (3 if classes else 40) * noise)
    found = compared(better, worse, truth, data.groups, classes)
    assert found["spearman"]["verdict"] == "first is higher"
    assert found["mae"]["verdict"] == "second is higher"
    assert found["spearman"]["better"] == found["mae"]["better"] == "first"
    assert found["spearman"]["interval"][0] > 0
    turned = compared(worse, better, truth, data.groups, classes)["spearman"]
    assert turned["verdict"] == "second is higher"
    assert turned["value"] == -found["spearman"]["value"]
    assert not classes or found["accuracy"]["verdict"] == "first is higher"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A table with the columns of a known kind of features, labels, and a good and a useless model."""
    folder = tmp_path_factory.mktemp("trained")
    random = np.random.default_rng(0)
    features = np.abs(random.normal(size=(ROWS, 40)))
    labels = 20 * features[:, 0] + 10 * features[:, 5] + random.normal(size=ROWS)
    lines = [f"{i},{','.join(f'{value:.5f}' for value in row)}" for i, row in enumerate(features)]
    (folder / "f.csv").write_text("\n".join([f"track_id,{','.join(MfccStats().columns)}", *lines]) + "\n")
    rows = "".join(f"{i},{value},{i // 3}\n" for i, value in enumerate(labels))
    (folder / "l.csv").write_text("track_id,popularity,artist\n" + rows)
    data = load([folder / "f.csv"], folder / "l.csv", ["popularity"], "artist", [])
    for name in ("linear", "constant"):
        train(Request(recipes.load(name), folder / "l.csv"), data, folder / name)
    (folder / "linear.onnx").write_bytes(export(ModelFolder(folder / "linear")).data)
    return folder


def run(folder, model, *more, name=None):
    tables = ["--features", str(folder / "f.csv"), "--labels", str(folder / "l.csv"), "--group", "artist"]
    result = CliRunner().invoke(app, ["evaluate", name or str(folder / model), *tables, *more], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_the_command_prints_one_object(trained):
    printed = run(trained, "linear", "-f", "json")
    assert printed.count("\n") == 1
    result = json.loads(printed)
    assert result["schema"] == "hitpredict.evaluation/1"
    assert set(result["metrics"]["spearman"]) == {"value", "interval"}
    split = json.loads((trained / "linear" / "config.json").read_text())["split"]
    assert result["rows"] == len(split["test"])
    measured = json.loads((trained / "linear" / "metrics.json").read_text())
    assert result["metrics"] == measured["metrics"]
    assert result["baselines"] == measured["baselines"]


def test_a_file_is_measured_as_the_folder_it_was_made_from(trained):
    folder, file = (json.loads(run(trained, name, "-f", "json")) for name in ("linear", "linear.onnx"))
    assert file["rows"] == folder["rows"]
    for name, entry in folder["metrics"].items():
        assert file["metrics"][name]["value"] == pytest.approx(entry["value"], abs=1e-3)
    model = opened_model(str(trained / "linear.onnx"))
    assert isinstance(model, OnnxModel)
    assert model.seen == opened_model(str(trained / "linear")).seen


def test_the_command_compares(trained):
    same = json.loads(run(trained, "linear", "-f", "json", "--compare", str(trained / "linear")))["compared"]
    assert {entry["verdict"] for key, entry in same.items() if key != "with"} == {"no clear difference"}
    printed = run(trained, "linear", "--compare", str(trained / "constant"))
    (line,) = (line for line in printed.splitlines() if line.startswith("spearman: "))
    assert line.endswith("linear is better")
    assert "paired differences, linear minus constant:" in printed
    (line,) = (line for line in printed.splitlines() if line.startswith("mae: -"))
    assert line.endswith("linear is better")
    twice = run(trained, "linear", "--compare", str(trained / "linear.onnx"))
    assert f"paired differences, {trained / 'linear'} minus {trained / 'linear.onnx'}:" in twice


@pytest.mark.parametrize("width", [80, 120])
def test_people_get_aligned_tables_and_pipes_markdown(trained, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    piped, asked = run(trained, "linear"), run(trained, "linear", "-f", "markdown")
    assert piped == asked
    assert "| spearman | " in piped
    shown = run(trained, "linear", "-f", "table")
    assert "|" not in shown
    assert all(len(line.rstrip()) <= width for line in shown.splitlines() if line.startswith((" ", "spearman")))
    head = next(line for line in shown.splitlines() if "random-normal" in line)
    row = next(line for line in shown.splitlines() if line.startswith("spearman"))
    assert row[head.index("constant") :].startswith("0.000")


def test_a_bundled_model_is_evaluated_by_its_name(tmp_path):
    random = np.random.default_rng(0)
    columns = MfccStats().columns
    rows = [f"new{i},{','.join(f'{value:.4f}' for value in random.normal(size=40))}" for i in range(40)]
    (tmp_path / "f.csv").write_text("\n".join([f"track_id,{','.join(columns)}", *rows]) + "\n")
    labels = "".join(f"new{i},{random.integers(1, 11)},{i}\n" for i in range(40))
    (tmp_path / "l.csv").write_text("track_id,chart_rank,artist\n" + labels)
    result = json.loads(run(tmp_path, "zalo2019-mfcc", "-f", "json", name="zalo2019-mfcc"))
    assert (result["rows"], result["model"]) == (40, "zalo2019-mfcc")
    assert set(result["baselines"]) == {"constant", "random-normal", "linear"}
    model = opened_model("zalo2019-mfcc")
    np.testing.assert_allclose(model.target.values(np.array([[1.0], [5.5], [10.0]])), [100, 50, 0], atol=1e-9)
    assert len(model.seen) == 7748


def test_counting_training_tracks_is_marked(trained):
    result = json.loads(run(trained, "linear", "-f", "json", "--all"))
    assert result["rows"] == ROWS
    assert "inflated" in result["warning"]


def test_the_command_draws(trained, tmp_path):
    run(trained, "linear", "--plots", str(tmp_path / "new" / "plots"))
    found = {path.name for path in (tmp_path / "new" / "plots").iterdir()}
    assert found == {f"{name}.{form}" for name in PICTURES for form in ("svg", "png")}


@pytest.mark.parametrize("spec", [{}, {"classes": 2}, {"classes": 3}])
def test_pictures_depend_on_the_data_alone(data, tmp_path, spec):
    target, predictions, calibration, _, _ = parts(data, spec)
    for name in ("first", "second"):
        write_plots(tmp_path / name, predictions, data, target, calibration)
    for name in PICTURES:
        svg, png = ((tmp_path / "first" / f"{name}.{form}").read_bytes() for form in ("svg", "png"))
        assert b"<svg" in svg
        assert png.startswith(b"\x89PNG")
        assert svg == (tmp_path / "second" / f"{name}.svg").read_bytes()
    # Pictures follow from the data, so old ones are replaced.
    before = (tmp_path / "first" / "reliability.svg").read_bytes()
    half = np.arange(0, ROWS, 2)
    write_plots(tmp_path / "first", predictions.take(half), data.take(half), target, calibration)
    assert (tmp_path / "first" / "reliability.svg").read_bytes() != before


def test_pictures_of_few_and_of_many_tracks(data, tmp_path):
    target, predictions, calibration, _, _ = parts(data)
    for name, rows in (("few", np.arange(3)), ("many", np.tile(np.arange(ROWS), 6))):
        write_plots(tmp_path / name, predictions.take(rows), data.take(rows), target, calibration)
        assert len(list((tmp_path / name).iterdir())) == 4


def test_bins_hold_every_row_once_and_equal_scores_together():
    values = np.array([1.0, 5, 2, 2, 2, 2, 9, 7, 3, 4])
    bins = bins_of(values, 5)
    assert sorted(np.concatenate(bins)) == list(range(10))
    assert any({2, 3, 4, 5} <= set(rows) for rows in bins)
    assert [values[rows].max() for rows in bins] == sorted(values[rows].max() for rows in bins)
    assert len(bins_of(np.ones(20))) == 1


def test_observed_means_have_intervals_around_them(data):
    _, predictions, _, _, truth = parts(data)
    bins = bins_of(predictions.score)
    means, reach = observed(truth, data.groups, bins)
    assert means.shape == (10,)
    assert reach.shape == (2, 10)
    assert (reach >= 0).all()
    assert means[-1] - means[0] > 30


def test_coverage_follows_the_level(data):
    _, predictions, _, _, truth = parts(data)
    found = coverage_by_level(truth, predictions.score, data.groups)
    assert found.shape == (len(LEVELS),)
    np.testing.assert_allclose(found, LEVELS, atol=0.12)
    assert coverage_by_level(truth[:5], predictions.score[:5], data.groups[:5]).size == 0


def test_a_folder_a_file_and_a_name_are_taken_alike_by_score(trained, tmp_path):
    song = saved(tmp_path)
    folder, file = (CliRunner().invoke(app, ["score", "-m", str(trained / name), str(song)]) for name in MODELS)
    assert (folder.exit_code, file.exit_code) == (0, 0), folder.output + file.output
    assert json.loads(folder.stdout) == json.loads(file.stdout)
    assert "exported for this run" in folder.stderr
    assert CliRunner().invoke(app, ["score", "-m", "zalo2019-mfcc", str(song)]).exit_code == 0
