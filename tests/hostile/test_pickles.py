"""Files that hold code in the place of weights: nothing of it runs, and one line says what is wrong."""

import os
import pickle
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import ASTConfig

from hitpredict import recipes
from hitpredict.errors import CheckpointError, EnvironmentProblem
from hitpredict.features.embeddings.loading import transformer
from hitpredict.features.embeddings.vggish_network import load_network
from hitpredict.networks.vit import read_weights
from hitpredict.tables.join import load
from hitpredict.training import calibrated
from hitpredict.training import train as training_run
from hitpredict.training.run import TrainingRun


class Payload:
    """Makes the folder `mark` when it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def bare(path, mark, _):
    path.write_bytes(pickle.dumps(Payload(mark)))


def whole(path, mark, _):
    torch.save(Payload(mark), path)


def hidden(path, mark, sound):
    torch.save({**sound, "hitpredict": Payload(mark)}, path)


def old_format(path, mark, sound):
    torch.save({**sound, "hitpredict": Payload(mark)}, path, _use_new_zipfile_serialization=False)


HOSTILE = pytest.mark.parametrize("write", [bare, whole, hidden, old_format])


@pytest.fixture
def mark(tmp_path):
    return tmp_path / "code ran"


@HOSTILE
def test_the_files_do_hold_code(write, tmp_path, mark):
    write(tmp_path / "x.pt", mark, {})
    with suppress(RuntimeError, pickle.UnpicklingError):
        torch.load(tmp_path / "x.pt", weights_only=False)
    assert mark.exists()


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A training as a kill leaves it, and how it was asked for."""
    folder = tmp_path_factory.mktemp("killed")
    random = np.random.default_rng(0)
    features = random.normal(size=(60, 4))
    rows = [f"{i},{','.join(f'{v:.5f}' for v in row)}" for i, row in enumerate(features)]
    (folder / "features.csv").write_text("\n".join(["track_id,a,b,c,d", *rows]) + "\n")
    labels = [f"{i},{row[:2].sum():.5f},a{i}" for i, row in enumerate(features)]
    (folder / "labels.csv").write_text("\n".join(["track_id,plays,artist", *labels]) + "\n")
    data = load([folder / "features.csv"], folder / "labels.csv", ["plays"], "artist")
    changes = {"training.epochs": 3, "training.patience": 3, "training.schedule": "plateau"}
    request = TrainingRun(recipes.load("mlp").changed(changes), data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_run, "_finish", lambda work, folder: None)
        patch.setattr(calibrated, "check_collapse", lambda *_: None)
        training_run.train(request, folder / "m")
    return folder, replace(request, resume=True)


@pytest.mark.parametrize("name", ["last.ckpt", "best.ckpt"])
@HOSTILE
def test_resuming_runs_no_code(killed, write, name, tmp_path, mark):
    made, request = killed
    work = tmp_path / ".m.partial"
    shutil.copytree(made / ".m.partial", work)
    file = work / "checkpoints" / "main" / name
    write(file, mark, torch.load(file, weights_only=True))
    with pytest.raises(CheckpointError, match=name) as caught:
        training_run.train(request, tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert not mark.exists()
    assert file.exists(), "what was left by the killed run stays"


@pytest.mark.parametrize("damage", [lambda d: d[:-100], lambda d: b"", lambda d: d[:500] + b"\xff" * 50 + d[550:]])
def test_damaged_checkpoints_are_told(killed, damage, tmp_path):
    made, request = killed
    shutil.copytree(made / ".m.partial", tmp_path / ".m.partial")
    file = tmp_path / ".m.partial" / "checkpoints" / "main" / "last.ckpt"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(CheckpointError, match=r"last\.ckpt: not a checkpoint"):
        training_run.train(request, tmp_path / "m")


def test_a_checkpoint_of_another_network_is_told(killed, tmp_path):
    made, request = killed
    shutil.copytree(made / ".m.partial", tmp_path / ".m.partial")
    file = tmp_path / ".m.partial" / "checkpoints" / "main" / "last.ckpt"
    kept = torch.load(file, weights_only=True)
    torch.save({**kept, "state_dict": {}}, file)
    with pytest.raises(CheckpointError, match=r"last\.ckpt"):
        training_run.train(request, tmp_path / "m")


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
@HOSTILE
def test_weights_of_embeddings_run_no_code(write, suffix, tmp_path, mark):
    file = tmp_path / f"pytorch_model{suffix}"
    write(file, mark, {"a": torch.zeros(1)})
    for read in (load_network, read_weights):
        with pytest.raises(EnvironmentProblem, match="not a file of weights"):
            read(file)
    assert not mark.exists()


@HOSTILE
def test_checkpoints_of_transformers_run_no_code(write, tmp_path, mark):
    small = ASTConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    folder = Path(tmp_path / "checkpoint")
    small.save_pretrained(folder)
    write(folder / "pytorch_model.bin", mark, {"a": torch.zeros(1)})
    with pytest.raises(EnvironmentProblem, match="cannot be loaded") as caught:
        transformer("ASTModel", str(folder), "cpu")
    assert "\n" not in str(caught.value)
    assert not mark.exists()
