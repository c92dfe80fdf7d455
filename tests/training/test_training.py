"""From tables to a model folder, an evaluation and an ONNX file: the same promises for every tabular recipe."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from safetensors.numpy import load_file

from hitpredict import recipes
from hitpredict.errors import TrainingError, UsageError
from hitpredict.export.export import export
from hitpredict.export.parity import ParityError
from hitpredict.frontends import MfccStats
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from hitpredict.training.checks import split_of
from hitpredict.training.run import Request, train
from tests.helpers.processes import in_terminal

ROWS, GROUPS = 360, 60


UMASK = os.umask(0)
os.umask(UMASK)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Features with the columns of `mfcc_stats`, and labels that one driver of a dozen of them explains."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    group = random.integers(0, GROUPS, ROWS)
    features = random.normal(size=(ROWS, 40)) + 0.3 * random.normal(size=(GROUPS, 40))[group]
    features[:, 20:] = np.exp(0.3 * features[:, 20:]) * 10
    driver = random.normal(size=ROWS)
    features[:, :12] += driver[:, None]
    score = driver + 0.1 * features[:, 25] + 0.3 * random.normal(size=ROWS)
    popularity = 100 / (1 + np.exp(-score))
    lines = [f"{i:06},{','.join(f'{v:.5f}' for v in row)},{i % 7}" for i, row in enumerate(features)]
    (folder / "features.csv").write_text("\n".join([f"track_id,{','.join(MfccStats().columns)},extra", *lines]) + "\n")
    with (folder / "labels.jsonl").open("w") as file:
        for i in range(ROWS):
            row = {"track_id": str(i), "popularity": popularity[i], "plays": float(np.exp(score[i] * 2 + 5))}
            file.write(json.dumps(row | {"artist": f"artist {group[i]}", "year": 1990 + i % 30}) + "\n")
    return folder


def data_of(tables, targets=("popularity",)):
    return load([tables / "features.csv"], tables / "labels.jsonl", targets, "artist", [])


def request(tables, recipe, split="groups", **settings):
    return Request(recipes.load(recipe).changed(settings), tables / "labels.jsonl", split)


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
    result = train(Request(recipe, tables / "labels.jsonl"), data_of(tables), folder)
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


def test_no_group_is_on_two_sides_and_every_row_on_one(tables):
    data = data_of(tables)
    sides = split_of(data, "groups", 0)
    for group in np.unique(data.groups):
        assert len(set(sides[data.groups == group])) == 1
    shares = {side: np.mean(sides == side) for side in ("train", "validation", "calibration", "test")}
    assert shares["train"] == pytest.approx(0.6, abs=0.05)
    assert shares["validation"] == pytest.approx(0.1, abs=0.04)
    assert shares["calibration"] == pytest.approx(0.15, abs=0.04)
    assert shares["test"] == pytest.approx(0.15, abs=0.04)
    # What chooses nothing needs no validation part, and calibrates and tests on the same songs.
    other = split_of(data, "groups", 0, chooses=False)
    assert "validation" not in other
    for part in ("calibration", "test"):
        np.testing.assert_array_equal(other == part, sides == part)


def test_songs_that_choose_the_epoch_do_not_calibrate(tables, tmp_path):
    """Other labels of the calibration part leave the weights and change the interval; those of the validation part
    leave what is calibrated on."""
    first, folder = data_of(tables), ModelFolder
    train(request(tables, "mlp", epochs=6), first, tmp_path / "a")
    parts = folder(tmp_path / "a").config["split"]
    ids = [set(parts[part]) for part in ("train", "validation", "calibration", "test")]
    assert all(ids) and sum(map(len, ids)) == len(set().union(*ids)) == len(first)
    assert folder(tmp_path / "a").seen == ids[0] | ids[1] | ids[2]
    moved = np.isin(first.track_ids, parts["calibration"])
    random = np.random.default_rng(0)
    labels = np.where(moved[:, None], random.permutation(first.labels), first.labels)
    train(request(tables, "mlp", epochs=6), replace(first, labels=labels), tmp_path / "b")
    assert folder(tmp_path / "b").config["split"] == parts
    weights = [load_file(tmp_path / name / "model.safetensors") for name in "ab"]
    assert all((weights[0][key] == weights[1][key]).all() for key in weights[0])
    assert folder(tmp_path / "b").calibration != folder(tmp_path / "a").calibration
    reference = folder(tmp_path / "a").config["reference"]
    assert reference["name"].startswith(f"{len(ids[2])} calibration tracks")
    scores = folder(tmp_path / "a").predict(first).score[moved]
    assert [reference["scores"][0], reference["scores"][-1]] == pytest.approx([scores.min(), scores.max()])


def test_folders_without_a_calibration_part_still_load(tables, tmp_path):
    train(request(tables, "linear"), data_of(tables), tmp_path / "m")
    path = tmp_path / "m" / "config.json"
    config = json.loads(path.read_text())
    assert config["split"]["validation"] == []
    config["split"]["validation"] = config["split"].pop("calibration")
    path.write_text(json.dumps(config))
    old = ModelFolder(tmp_path / "m")
    assert old.seen == set(config["split"]["train"]) | set(config["split"]["validation"])
    assert len(export(old).data)


def test_given_splits_lend_a_calibration_part(tables):
    data = data_of(tables)
    number = np.unique(data.groups, return_inverse=True)[1]
    three = np.array(["train", "train", "train", "validation", "test"])[number % 5]
    data.table["split"] = three.astype(object)
    sides = split_of(data, "fma", 0)
    for part in ("train", "test"):
        np.testing.assert_array_equal(sides == part, three == part)
    halves = [set(data.groups[sides == part]) for part in ("validation", "calibration")]
    assert all(halves) and not halves[0] & halves[1]
    np.testing.assert_array_equal(split_of(data, "fma", 0, chooses=False) == "calibration", three == "validation")
    # Of two parts, the training part lends both.
    data.table["split"] = np.where(three == "test", "test", "train").astype(object)
    sides = split_of(data, "column:split", 0)
    np.testing.assert_array_equal(sides == "test", three == "test")
    assert {"train", "validation", "calibration"} <= set(sides)
    data.table["split"] = sides.astype(object)
    np.testing.assert_array_equal(split_of(data, "column:split", 0), sides)


def test_temporal_and_column_splits(tables):
    data = data_of(tables)
    sides = split_of(data, "temporal:year", 0)
    years = np.array([int(year) for year in data.table["year"]])
    assert years[sides == "train"].max() < years[sides == "validation"].min()
    assert years[sides == "validation"].max() < years[sides == "test"].min()
    data.table["released"] = np.array([None if i % 10 == 0 else "2020-01-01" for i in range(ROWS)], object)
    with pytest.raises(UsageError, match=f"{ROWS // 10} of {ROWS} rows have no released"):
        split_of(data, "temporal:released", 0)
    data.table["number"] = np.array([8, 9, 10] * (ROWS // 3), object)
    assert set(np.array(split_of(data, "temporal:number", 0))[::3]) == {"train"}
    with pytest.raises(UsageError, match="no column nothing"):
        split_of(data, "column:nothing", 0)
    with pytest.raises(UsageError, match="is not train, validation, calibration or test"):
        split_of(data, "column:year", 0)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("hiphop-cnn2", r"takes logmel, but .*features.csv holds mfcc_stats; make it with .*featurize --kind logmel"),
        ("rnn", r"takes 2 inputs \(hmn207, vggish_embedding\), not 1"),
        ("ast", "takes fbank"),
    ],
)
def test_tables_of_other_features_are_refused(tables, tmp_path, recipe, message):
    with pytest.raises(UsageError, match=message):
        train(request(tables, recipe), data_of(tables), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_unknown_artists_are_grouped_by_equal_recordings(tables, tmp_path):
    text = (tables / "features.csv").read_text().splitlines()
    copy = tmp_path / "features.csv"
    copy.write_text("\n".join([*text, "900000," + text[1].split(",", 1)[1]]) + "\n")
    labels = tmp_path / "labels.csv"
    labels.write_text("track_id,y\n" + "".join(f"{i},{i}\n" for i in [*range(ROWS), 900000]))
    notes: list[str] = []
    data = load([copy], labels, ["y"], None, notes)
    assert data.groups[0] == data.groups[-1]
    assert len(set(data.groups)) == ROWS
    assert any("no artist column" in note for note in notes)


@pytest.mark.parametrize(
    ("transforms", "targets", "smallest"),
    [
        (["log1p"], ["plays"], 0.3),
        (["quantile"], ["popularity"], 0.3),
        (["log1p", "zscore"], ["plays", "popularity"], 0.3),
    ],
)
def test_targets(tables, tmp_path, transforms, targets, smallest):
    chosen = request(tables, "linear", **{"target.transforms": transforms})
    result = train(chosen, data_of(tables, targets), tmp_path / "m")
    assert result["metrics"]["spearman"]["value"] > smallest


def test_turning_a_target_round_turns_the_scores_round(tables, tmp_path):
    train(request(tables, "linear"), data_of(tables), tmp_path / "a")
    train(request(tables, "linear"), data_of(tables, ["-popularity"]), tmp_path / "b")
    first, second = (ModelFolder(tmp_path / name).predict(data_of(tables)).score for name in "ab")
    np.testing.assert_allclose(first, -second, atol=1e-3)


def test_a_random_split_is_marked(tables, tmp_path):
    result = train(request(tables, "linear", split="random"), data_of(tables), tmp_path / "m")
    assert "inflated" in result["warning"]
    assert "Beware" in (tmp_path / "m" / "MODEL_CARD.md").read_text()


def test_a_constant_target_is_refused(tables, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("track_id,y\n" + "".join(f"{i},1\n" for i in range(ROWS)))
    data = load([tables / "features.csv"], labels, ["y"], None, [])
    with pytest.raises(UsageError, match="constant"):
        train(request(tables, "linear"), data, tmp_path / "m")


def test_a_collapsed_network_fails(tables, tmp_path):
    # A learning rate of nothing leaves the output layer at its start; a zero start answers the same for all.
    chosen = request(tables, "mlp", epochs=1, **{"training.learning_rate": 0.0, "network.hidden": [1]})
    data = data_of(tables)
    data.inputs[0].values[:] = 0
    with pytest.raises(TrainingError, match="collapsed"):
        train(chosen, data, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_loss_that_is_not_finite_fails_at_once(tables, tmp_path):
    chosen = request(tables, "mlp", epochs=5, optimizer="sgd", **{"training.learning_rate": 1e30})
    with pytest.raises(TrainingError, match="the loss became"):
        train(chosen, data_of(tables), tmp_path / "m")


@pytest.mark.parametrize(
    ("targets", "group", "message"),
    [
        (["nothing"], None, "no such column"),
        (["popularity"], "nothing", "no such column"),
        (["artist"], None, "no row has a usable label in artist"),
    ],
)
def test_missing_columns_are_named(tables, targets, group, message):
    with pytest.raises(UsageError, match=message):
        load([tables / "features.csv"], tables / "labels.jsonl", targets, group, [])


def test_ids_that_do_not_match_are_shown(tables, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("track_id,y\nx1,2\nx2,3\n")
    with pytest.raises(UsageError, match=r"no track with features has a label; ids look like .*0.*x1"):
        load([tables / "features.csv"], labels, ["y"], None, [])


def test_an_export_that_differs_is_not_written(tables, tmp_path, monkeypatch):
    train(request(tables, "mlp", epochs=2), data_of(tables), tmp_path / "m")
    folder = ModelFolder(tmp_path / "m")
    graph = export(folder).data
    assert graph
    with __import__("torch").no_grad():
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
    data = load([table], tmp_path / "one.csv", ["popularity"], "track_id", [])
    folder = ModelFolder(model)
    cut = folder.predict(data).score.clip(folder.calibration.low, folder.calibration.high)
    assert record["score"] == pytest.approx(float(cut[0]), abs=1e-3)
    shutil.rmtree(model)


def test_settings_of_recipes_are_checked():
    recipe = recipes.load("hmn")
    assert recipe.changed({"training.epochs": 3}).training.epochs == 3
    assert recipe.changed({"epochs": 3}).training.epochs == 3
    with pytest.raises(UsageError, match="no such entry"):
        recipe.changed({"nothing": 1})
    with pytest.raises(UsageError, match="no table"):
        recipe.changed({"nothing.at": 1})
    with pytest.raises(UsageError, match="ambiguous"):
        recipe.changed({"name": 1})


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_says_what_it_is(name):
    recipe = recipes.load(name)
    assert recipe.summary.endswith(".")
    assert recipe.source
    assert bool(recipe.network) != bool(recipe.estimator)
    if recipe.network:
        assert recipe.training.optimizer
        assert recipe.loss["name"]


@pytest.mark.parametrize("variables", [{}, {"TERM": "dumb"}], ids=str)
def test_progress_goes_to_standard_error_alone(tables, tmp_path, variables):
    features, labels = tables / "features.csv", tables / "labels.jsonl"
    made = ("train", "-r", "mlp", "--features", features, "--labels", labels, "--target", "popularity")
    outcome = in_terminal(*made, "--set", "epochs=2", "-o", tmp_path / "m", terminals="2", env=variables)
    assert (outcome.code, outcome.out) == (0, b"")
    assert ("Epoch 1/1" in outcome.err) == (not variables)
