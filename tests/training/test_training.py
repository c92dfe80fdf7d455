"""From tables to a model folder, an evaluation and an ONNX file: the same promises for every tabular recipe."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.numpy import load_file

from hitpredict import recipes
from hitpredict.export.export import export
from hitpredict.export.parity import ParityError
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train
from tests.helpers.marks import few_by_default
from tests.helpers.planted import ROWS, data_of, run_of
from tests.helpers.processes import in_terminal

UMASK = os.umask(0)
os.umask(UMASK)


# The published shares leave 8-8-4-3 units for 40 columns, which die.
WIDER = {
    **{"network.compression": 2, "network.alpha": 4.0, "network.beta": 2.0, "network.gamma": 1.0},
    **{"network.initialiser": "he", "autoencoder_epochs": 20, "training.batch_size": 32},
}
FAST = {
    "linear": {},
    "linear-ols": {},
    "boosted-trees": {"n_estimators": 60},
    "mlp": {"epochs": 30},
    "hmn": {**WIDER, "epochs": 25},
    "wide-deep": {"epochs": 40, "batch_size": 32},
    "ordinal-pairwise": {"epochs": 20, "batch_size": 32, "training.learning_rate": 0.001},
    "hsp-siamese": {"epochs": 12, "batch_size": 32, "scaling.windows": [{}]},
    "hmn-classify": {**WIDER, "epochs": 25, "target": {"quantiles": [0.33, 0.67]}},
}
SLOW = ("hmn", "hmn-classify", "ordinal-pairwise", "hsp-siamese")


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in FAST]
)
def trained(request, tables, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    settings = dict(FAST[request.param])
    recipe = recipes.load(request.param)
    target = settings.pop("target", None)
    recipe = recipe.changed(settings)
    if target:
        recipe = recipes.Recipe.from_json({**recipe.to_json(), "target": target})
    result = train(TrainingRun(recipe, data_of(tables)), folder)
    return folder, result


def test_recipes_find_what_was_planted(trained):
    folder, result = trained
    found = result["metrics"]["spearman"]
    assert found["interval"][0] > 0.2, found
    assert found["interval"][0] <= found["value"] <= found["interval"][1]
    assert result["metrics"]["mae"]["value"] < result["baselines"]["random-normal"]["mae"]["value"]
    files = {path.name for path in folder.iterdir()}
    assert {"config.json", "calibration.json", "metrics.json", "MODEL_CARD.md", "domain.json"} <= files
    assert ("training.csv" in files) == ("model.safetensors" in files) == ("estimator.onnx" not in files)


def test_exports_answer_as_the_model_does(trained, tables):
    folder = ModelFolder(trained[0])
    exported = export(folder)
    assert exported.difference < 1e-4
    session = onnxruntime.InferenceSession(exported.data, providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].name == "score"
    data = data_of(tables)
    expected = folder.predict(data).score
    found = session.run(["score"], {"features": data.summary})[0]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.std(expected))


@pytest.mark.parametrize(
    ("transforms", "targets", "smallest"),
    [
        (["log1p"], ["plays"], 0.3),
        (["quantile"], ["popularity"], 0.3),
        (["log1p", "zscore"], ["plays", "popularity"], 0.3),
    ],
)
def test_targets(tables, tmp_path, transforms, targets, smallest):
    chosen = run_of(tables, "linear", data=data_of(tables, targets), **{"target.transforms": transforms})
    result = train(chosen, tmp_path / "m")
    assert result["metrics"]["spearman"]["value"] > smallest


def test_turning_a_target_round_turns_the_scores_round(tables, tmp_path):
    train(run_of(tables, "linear"), tmp_path / "a")
    train(run_of(tables, "linear", data=data_of(tables, ["-popularity"])), tmp_path / "b")
    first, second = (ModelFolder(tmp_path / name).predict(data_of(tables)).score for name in "ab")
    np.testing.assert_allclose(first, -second, atol=1e-3)


def test_an_export_that_differs_is_not_written(tables, tmp_path, monkeypatch):
    train(run_of(tables, "mlp", epochs=2), tmp_path / "m")
    folder = ModelFolder(tmp_path / "m")
    graph = export(folder).data
    assert graph
    with torch.no_grad():
        monkeypatch.setattr("hitpredict.export.export.network_graph", lambda _: _strip(graph))
        folder.network.network.output.bias.add_(5.0)
    with pytest.raises(ParityError, match="differs by"):
        export(folder)


def _strip(graph: bytes) -> bytes:
    import onnx

    proto = onnx.load_from_string(graph)
    del proto.metadata_props[:]
    return proto.SerializeToString()


def command(tables, output, *more):
    return [
        *(sys.executable, "-m", "hitpredict", "train", "--features", str(tables / "features.csv")),
        *("--labels", str(tables / "labels.jsonl"), "--target", "popularity", "--group", "artist"),
        *("-o", str(output), *more),
    ]


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights(tables, tmp_path):
    options = ["--recipe", "mlp", "--set", "epochs=40", "--set", "patience=100"]
    subprocess.run(command(tables, tmp_path / "whole", *options), check=True, capture_output=True)
    killed = subprocess.Popen(command(tables, tmp_path / "killed", *options), stderr=subprocess.DEVNULL)
    log = tmp_path / ".killed.partial" / "checkpoints" / "main" / "training.csv"
    deadline = time.monotonic() + 120
    while not log.exists() or len(log.read_text().splitlines()) < 6:
        assert time.monotonic() < deadline
        assert killed.poll() is None, "it was too fast to be killed"
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    subprocess.run(command(tables, tmp_path / "killed", *options, "--resume"), check=True, capture_output=True)
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "killed"))
    for key, value in first.items():
        np.testing.assert_array_equal(value, second[key], err_msg=key)
    assert (tmp_path / "whole" / "training.csv").read_text() == (tmp_path / "killed" / "training.csv").read_text()


@pytest.mark.slow
def test_the_commands_from_table_to_score(tables, tmp_path):
    from tests.helpers.sounds import saved, tune

    model, file = tmp_path / "model", tmp_path / "model.onnx"
    subprocess.run(command(tables, model, "--recipe", "mlp", "--set", "epochs=5"), check=True, capture_output=True)
    program = [sys.executable, "-m", "hitpredict"]
    subprocess.run([*program, "export-onnx", model, "-o", file], check=True, capture_output=True)
    shared = [
        "--features",
        tables / "features.csv",
        "--labels",
        tables / "labels.jsonl",
        "--group",
        "artist",
        "-f",
        "json",
    ]
    for written in (file, *model.rglob("*")):
        assert written.is_dir() or written.stat().st_mode & 0o777 == 0o666 & ~UMASK, written
    results = []
    for path in (model, file):
        done = subprocess.run([*program, "evaluate", path, *shared], check=True, capture_output=True)
        results.append(json.loads(done.stdout))
    first, second = (each["metrics"]["spearman"]["value"] for each in results)
    assert first == pytest.approx(second, abs=1e-3)
    assert results[0]["rows"] < ROWS / 4
    song = saved(tmp_path, "song.wav", tune(30.0))
    record = json.loads(subprocess.run([*program, "score", "-m", file, song], check=True, capture_output=True).stdout)
    table = tmp_path / "one.parquet"
    subprocess.run([*program, "featurize", "--kind", "mfcc_stats", "-o", table, song], check=True, capture_output=True)
    (tmp_path / "one.csv").write_text("track_id,popularity\nsong,1\n")
    data = load([table], tmp_path / "one.csv", ["popularity"], "track_id")
    folder = ModelFolder(model)
    cut = folder.predict(data).score.clip(folder.calibration.low, folder.calibration.high)
    assert record["score"] == pytest.approx(float(cut[0]), abs=1e-3)
    shutil.rmtree(model)


@pytest.mark.parametrize("variables", few_by_default([{}, {"TERM": "dumb"}]), ids=str)
def test_progress_goes_to_standard_error_alone(tables, tmp_path, variables):
    features, labels = tables / "features.csv", tables / "labels.jsonl"
    made = ("train", "-r", "mlp", "--features", features, "--labels", labels, "--target", "popularity")
    outcome = in_terminal(*made, "--set", "epochs=2", "-o", tmp_path / "m", terminals="2", env=variables)
    assert (outcome.code, outcome.out) == (0, b"")
    assert ("Epoch 1/1" in outcome.err) == (not variables)
