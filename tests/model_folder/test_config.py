"""What `config.json` says comes from one place, is never changed in place, and is written as it was read."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

import hitpredict
from hitpredict import recipes
from hitpredict.errors import EnvironmentProblem
from hitpredict.model_folder.config import ModelConfig
from hitpredict.tables.join import TrainingData
from hitpredict.tables.read import Features
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    values = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    ids = tuple(f"t{i}" for i in range(80))
    features = Features("f.csv", None, ids, ("x", "y", "z"), values)
    groups = np.array([f"g{i}" for i in range(80)])
    labels = values[:, :1].astype(np.float64)
    data = TrainingData(ids, (features,), (np.arange(80),), ("plays",), labels, groups, {}, "l.csv")
    path = tmp_path_factory.mktemp("models") / "m"
    train(TrainingRun(recipes.load("linear"), data), path)
    return path


def test_it_is_written_as_it_was_read(folder):
    plain = json.loads((folder / "config.json").read_text())
    config = ModelConfig.read(folder)
    assert json.loads(json.dumps(config.to_json())) == plain
    assert (config.labels, config.features[0].columns, config.split.name) == ("l.csv", ("x", "y", "z"), "groups")
    assert not config.split.validation and len(config.split.train) > 40
    with pytest.raises(AttributeError):
        config.outputs = 2


@pytest.mark.parametrize("lost", ["input_note", "labels", "notes"])
def test_older_folders_open(folder, tmp_path, lost):
    plain = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({key: each for key, each in plain.items() if key != lost}))
    assert ModelConfig.read(tmp_path).target == ModelConfig.read(folder).target


@pytest.mark.parametrize(("key", "odd"), [("reference", None), ("recipe", {}), ("target_range", [1]), ("notes", 5)])
def test_what_is_damaged_is_named_in_one_line(folder, tmp_path, key, odd):
    plain = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(plain | {key: odd}))
    with pytest.raises(EnvironmentProblem, match=f"damaged: .*{key}.*; train the model again") as caught:
        ModelConfig.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_nothing_else_reads_it_by_key():
    package = Path(hitpredict.__file__).parent
    by_key = re.compile(r"""config(\[|\.get\()["']""")
    found = {path.name for path in package.rglob("*.py") if by_key.search(path.read_text(encoding="utf-8"))}
    assert found <= {"config.py", "augment.py"}
