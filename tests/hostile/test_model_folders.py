"""Model folders that are damaged, or set up oddly, are one line."""

import json
import shutil

import numpy as np
import pytest

from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.evaluation.models import opened_model
from hitpredict.export.export import export
from hitpredict.export.metadata import metadata_of
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from tests.helpers.damage import damaged, told


def use(folder, tables):
    model = opened_model(str(folder))
    data = load([tables / "features.csv"], tables / "labels.csv", ["popularity"], None)
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
