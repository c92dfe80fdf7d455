"""What does `hitpredict evaluate` print, draw and compare?"""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from hitpredict import recipes
from hitpredict.cli.app import app
from hitpredict.evaluation.models import OnnxModel, opened_model
from hitpredict.export.export import export
from hitpredict.frontends import MfccStats
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train
from tests.helpers.evaluating import PICTURES, ROWS
from tests.helpers.sounds import saved

MODELS = ("linear", "linear.onnx")


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
    data = load([folder / "f.csv"], folder / "l.csv", ["popularity"], "artist")
    for name in ("linear", "constant"):
        train(TrainingRun(recipes.load(name), data), folder / name)
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


def test_a_folder_a_file_and_a_name_are_taken_alike_by_score(trained, tmp_path):
    song = saved(tmp_path)
    folder, file = (CliRunner().invoke(app, ["score", "-m", str(trained / name), str(song)]) for name in MODELS)
    assert (folder.exit_code, file.exit_code) == (0, 0), folder.output + file.output
    assert json.loads(folder.stdout) == json.loads(file.stdout)
    assert "exported for this run" in folder.stderr
    assert CliRunner().invoke(app, ["score", "-m", "zalo2019-mfcc", str(song)]).exit_code == 0


def test_the_command_says_how_often_the_other_is_nearer(trained, tmp_path):
    printed = run(trained, "constant", "--compare", str(trained / "linear"), "--plots", str(tmp_path))
    share, wins = re.search(r"linear is nearer to the truth on (.*)% \[.*\((\d+) against", printed).groups()
    assert float(share) > 80
    assert int(wins) > 30
    assert "exact sign test over groups: linear is nearer on more songs in" in printed
    assert "mean absolute error by band of the truth" in printed
    assert {path.stem for path in tmp_path.iterdir()} == {*PICTURES, "comparison"}


def test_the_command_cuts_scores(trained):
    found = json.loads(run(trained, "linear", "-f", "json", "--threshold", "20"))["threshold"]
    assert found["metrics"]["roc_auc"]["value"] > 0.9 > found["baselines"]["constant"]["roc_auc"]["value"]
    assert found["baselines"]["constant"]["recall"]["value"] in (0, 1)


def test_the_command_judges_by_another_target(trained, tmp_path):
    """In other units a score can only order; turned round, it orders the other way."""
    rows = [row.split(",") for row in (trained / "l.csv").read_text().splitlines()[1:]]
    lines = [f"{track},{2 ** float(popularity):.6f},{artist}" for track, popularity, artist in rows]
    (tmp_path / "l.csv").write_text("\n".join(["track_id,plays,artist", *lines]) + "\n")
    (tmp_path / "f.csv").write_text((trained / "f.csv").read_text())
    own = json.loads((trained / "linear" / "metrics.json").read_text())["metrics"]
    found = json.loads(run(tmp_path, "", "-f", "json", "--target=-plays", name=str(trained / "linear")))
    assert found["metrics"]["spearman"]["value"] == -own["spearman"]["value"]
    assert set(found["metrics"]) == {"spearman", "kendall", "ndcg@100", "recall@100"}
    assert (found["target"], found["predicts"]) == ("-plays", "popularity")
    printed = run(tmp_path, "", "--target", "plays", name=str(trained / "linear"))
    assert f"| spearman | {own['spearman']['value']:.3f} " in printed
    assert "other units" in printed
    assert json.loads(run(trained, "linear", "-f", "json", "--target", "popularity"))["metrics"] == own


def test_the_command_breaks_figures_down(trained, tmp_path):
    rows = (trained / "l.csv").read_text().splitlines()[1:]
    labels = [f"{row},{'AB'[int(row.split(',')[2]) % 2]}" for row in rows]
    (tmp_path / "l.csv").write_text("track_id,popularity,artist,region\n" + "\n".join(labels) + "\n")
    (tmp_path / "f.csv").write_text((trained / "f.csv").read_text())
    printed = run(tmp_path, "", "--all", "--by", "region", "--threshold", "20", name=str(trained / "linear"))
    assert "differences are beyond chance" in printed
    heads = [line for line in printed.splitlines() if line.startswith("|  | songs | groups |")]
    assert {"mae", "spearman", "coverage", "roc_auc at 20"} <= {
        name for head in heads for name in head[2:-2].split(" | ")
    }
    assert sum(line.startswith("| A | 150 | 50 |") for line in printed.splitlines()) == len(heads)
