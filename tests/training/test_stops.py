"""When training ends, by which number, and whose weights are kept: as each system was published."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from hitpredict import recipes
from hitpredict.errors import UsageError
from hitpredict.tables import targets
from hitpredict.tables.join import load
from hitpredict.training import calibrated
from hitpredict.training import loop as training
from hitpredict.training import train as training_run
from hitpredict.training.run import TrainingRun

ROWS = 60
# Their sources name a number of epochs and no early stopping.
FIXED = {"ast": 5, "wav2vec2": 1, "mp2": 50, "mp3": 50, "hsp-cnn": 150, "hsp-inception": 150, "hsp-siamese": 150} | {
    **{"hiphop-cnn": 20, "hiphop-cnn2": 20, "hiphop-crnn": 30, "mlp-hiphop": 20},
    **dict.fromkeys(("cs230-2conv", "cs230-4conv", "cs230-4conv-rgb", "cs230-6conv-rgb"), 100),
}
HMN = {"hmn": "mae", "hmn-a": "mae", "hmn-c": "mae", "hmn-d": "mae", "hmn-classify": "accuracy"}
SMALL = {"network.compression": 2, "network.autoencoder_epochs": 1, "training.batch_size": 32}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Vectors, and labels from 0 to 100 that two of their columns explain."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 40))
    plays = 50 + 20 * (features[:, 0] + features[:, 1]).clip(-2.4, 2.4)
    lines = [f"{i},{','.join(f'{v:.5f}' for v in row)}" for i, row in enumerate(features)]
    (folder / "features.csv").write_text("\n".join([f"track_id,{','.join(f'c{i}' for i in range(40))}", *lines]) + "\n")
    rows = "".join(f"{i},{plays[i]},a{i}\n" for i in range(ROWS))
    (folder / "labels.csv").write_text(f"track_id,plays,artist\n{rows}")
    return folder


def trained(tables, monkeypatch, tmp_path, recipe):
    """The folder of a run as it stands before it is put in its place, checkpoints and all."""
    monkeypatch.setattr(training_run, "_finish", lambda work, folder: None)
    monkeypatch.setattr(calibrated, "check_collapse", lambda *_: None)
    data = load([tables / "features.csv"], tables / "labels.csv", ["plays"], "artist")
    training_run.train(TrainingRun(recipe, data), tmp_path / "m")
    return tmp_path / ".m.partial"


def epochs(work: Path) -> int:
    return len((work / "training.csv").read_text().splitlines()) - 1


@pytest.mark.parametrize("name", HMN)
def test_hitmusicnet_stops_by_its_metric_whatever_the_loss_does(tables, monkeypatch, tmp_path, name):
    """The metric gets worse from epoch to epoch, the loss better: patience ends it five epochs after the first."""
    sign = 1 if HMN[name] == "mae" else -1
    worse = itertools.count()
    monkeypatch.setitem(training.METRICS, HMN[name], lambda *_: torch.tensor(float(sign * next(worse))))
    work = trained(tables, monkeypatch, tmp_path, recipes.load(name).changed({**SMALL, "training.epochs": 12}))
    assert epochs(work) == 1 + 5
    kept = torch.load(work / "checkpoints" / "main" / "best.ckpt", weights_only=True)["epoch"]
    losses = [float(line.split(",")[2]) for line in (work / "training.csv").read_text().splitlines()[1:]]
    assert kept == (0 if name == "hmn-classify" else int(np.argmin(losses)))


def test_the_metrics():
    outputs = torch.tensor([[1.0], [3.0]])
    assert training.METRICS["mae"](outputs, torch.tensor([0.0, 5.0])) == 1.5
    logits = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.9, 0.1]])
    assert training.METRICS["accuracy"](logits, torch.tensor([1, 0, 0, 0])) == 0.75


@pytest.mark.parametrize("name", FIXED)
def test_a_fixed_number_of_epochs_is_not_cut_short(name):
    settings = recipes.load(name).training
    assert settings.epochs == FIXED[name]
    assert settings.patience is None


@pytest.mark.parametrize(("patience", "expected"), [(None, 6), (2, 3)])
def test_without_patience_all_epochs_are_run(tables, monkeypatch, tmp_path, patience, expected):
    """Nothing is learnt, so no epoch is better than the first."""
    recipe = recipes.load("mlp").changed({"training.epochs": 6, "training.learning_rate": 0.0})
    settings = {key: value for key, value in recipe.to_json()["training"].items() if key != "patience"}
    settings |= {"patience": patience} if patience else {}
    recipe = recipes.Recipe.from_json({**recipe.to_json(), "training": settings})
    assert epochs(trained(tables, monkeypatch, tmp_path, recipe)) == expected


def test_the_rate_of_the_kkbox_systems_falls_at_each_epoch_that_is_not_the_best():
    spec = recipes.load("hsp-cnn").training
    fit = training._Fit(nn.Linear(1, 1), nn.Linear(1, 1).parameters(), None, {}, spec, 0, None, Path())
    found = fit.configure_optimizers()
    rates = []
    for loss in (1.0, 0.9, 0.95, 0.94, 0.8999, 0.95):
        found["lr_scheduler"]["scheduler"].step(loss)
        rates.append(found["optimizer"].param_groups[0]["lr"])
    np.testing.assert_allclose(rates, 5e-3 * 0.9 ** np.array([0, 0, 1, 2, 2, 3]))


@pytest.mark.parametrize(("name", "metric"), [("mlp", "accuracy"), ("hmn-classify", "mae"), ("mp3", "mae")])
def test_a_metric_of_another_task_is_refused(name, metric):
    with pytest.raises(UsageError, match=f"training.monitor={metric}: is not a metric of"):
        recipes.load(name).changed({"training.monitor": metric})


@pytest.mark.parametrize("name", ["hiphop-cnn", "hiphop-cnn2", "hiphop-crnn", "mlp-hiphop"])
def test_hip_hop_is_popular_from_39(name):
    popularity = np.array([[0.0], [38.0], [39.0], [40.0], [100.0]])
    target = targets.fit(popularity, ["popularity"], recipes.load(name).target)
    assert target.class_of(target.values(popularity)).tolist() == [0, 0, 1, 1, 1]
