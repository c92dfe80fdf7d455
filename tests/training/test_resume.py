"""A training that was killed, at whatever moment: the next run ends with what an undisturbed one would have written."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hitpredict import recipes
from hitpredict.errors import UsageError
from hitpredict.model_folder.replace import check_replaceable
from hitpredict.tables.join import TrainingData, load
from hitpredict.training import calibrated, loop
from hitpredict.training import train as training_run
from hitpredict.training.run import TrainingRun
from tests.helpers.folders import contents

ROWS = 60
SMALL = {"network.compression": 2, "network.autoencoder_epochs": 12, "network.autoencoder_patience": 1}
STOPPED = {
    "mlp": {"epochs": 60, "patience": 1, "learning_rate": 0.1},
    "hmn": {**SMALL, "autoencoder_lr": 0.02, "epochs": 40, "patience": 1, "batch_size": 8, "learning_rate": 0.02},
}


class Killed(BaseException):
    """In place of SIGKILL: nothing in the program takes it for its own."""


def killed(*_: object) -> None:
    raise Killed


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 40))
    lines = [f"{i},{','.join(f'{v:.5f}' for v in row)}" for i, row in enumerate(features)]
    (folder / "f.csv").write_text("\n".join([f"track_id,{','.join(f'c{i}' for i in range(40))}", *lines]) + "\n")
    plays = 50 + 20 * features[:, 0].clip(-2, 2) + random.normal(size=ROWS)
    (folder / "l.csv").write_text("track_id,plays,artist\n" + "".join(f"{i},{v},a{i}\n" for i, v in enumerate(plays)))
    return load([folder / "f.csv"], folder / "l.csv", ["plays"], "artist")


@pytest.fixture(autouse=True)
def _few_rows_may_collapse(monkeypatch):
    monkeypatch.setattr(calibrated, "check_collapse", lambda *_: None)


def asked(name: str, data: TrainingData) -> TrainingRun:
    return TrainingRun(recipes.load(name).changed(STOPPED[name]), data)


@pytest.mark.parametrize("name", STOPPED)
def test_what_was_done_is_not_done_again(data, monkeypatch, tmp_path, name):
    """Fits that were stopped early, all of them done: no epoch is run again, nor one more than before."""
    training_run.train(asked(name, data), tmp_path / "whole")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(training_run, "_finish", killed)
        training_run.train(asked(name, data), tmp_path / "m")
    logs = {path.parent.name: path.read_text() for path in (tmp_path / ".m.partial" / "checkpoints").glob("*/*.csv")}
    for stage, log in logs.items():
        assert log.count("\n") - 1 < (STOPPED[name]["epochs"] if stage == "main" else 12), "it was not stopped early"
    monkeypatch.setattr(loop._Fit, "on_train_epoch_start", killed)
    training_run.train(replace(asked(name, data), resume=True), tmp_path / "m")
    assert contents(tmp_path / "m") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "whole"]


@pytest.mark.parametrize("lost", ["best.ckpt", "training.csv"])
def test_killed_while_checkpoints_are_removed(data, monkeypatch, tmp_path, lost):
    """Their folder goes file by file, and a part of them must not pass for the whole."""
    training_run.train(asked("mlp", data), tmp_path / "whole")

    def interrupted(folder: Path, **_: object) -> None:
        (folder / "main" / lost).unlink()
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(training_run.shutil, "rmtree", interrupted)
        training_run.train(asked("mlp", data), tmp_path / "m")
    training_run.train(replace(asked("mlp", data), resume=True), tmp_path / "m")
    assert contents(tmp_path / "m") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "whole"]


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("file", ["model.safetensors", "request.json"])
def test_killed_while_a_file_is_written(data, monkeypatch, tmp_path, file, resume):
    """Neither half a file nor one by a passing name is in the way of the next run."""
    request, write = asked("mlp", data), os.replace
    training_run.train(request, tmp_path / "whole")

    def interrupted(source: object, target: object) -> None:
        if Path(str(target)).name == file:
            # What SIGKILL leaves: nobody cleans up.
            Path(str(source)).with_name(f".{file}.tmp-abcdefgh.part").write_bytes(b"half")
            raise Killed
        write(source, target)

    work = tmp_path / ".m.partial"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Path, "replace", interrupted)
        patch.setattr(training_run, "_finish", killed)
        training_run.train(request, tmp_path / "m")
    assert not (work / file).exists() or file == "model.safetensors"
    training_run.train(replace(request, resume=resume), tmp_path / "m")
    assert contents(tmp_path / "m") == contents(tmp_path / "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "whole"]


def test_killed_while_the_old_model_is_removed(data, tmp_path):
    training_run.train(asked("mlp", data), tmp_path / "m")
    before, aside = contents(tmp_path / "m"), tmp_path / ".m.replaced"
    aside.mkdir()
    (aside / "metrics.json").write_text("{}")
    training_run.train(asked("mlp", data), tmp_path / "m")
    assert contents(tmp_path / "m") == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    aside.mkdir()
    (aside / "song.mp3").write_text("precious")
    with pytest.raises(UsageError, match=r"m\.replaced: holds song\.mp3"):
        check_replaceable(tmp_path / "m")


def test_checkpoints_are_written_beside_their_places(data, monkeypatch, tmp_path):
    """Not by the folder of temporary files, where a kill leaves them, and from where they may have to be copied."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    training_run.train(asked("mlp", data), tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_the_log_of_epochs_is_whole_at_every_moment(data, monkeypatch, tmp_path):
    """Whoever has opened it reads what was there, so nothing is ever cut off in place."""
    opened = []

    def seen(log: Path, epoch: int) -> list[str]:
        if log.exists():
            opened.append((log.open(), log.read_text()))
        return kept(log, epoch)

    kept = loop._rows_until
    monkeypatch.setattr(loop, "_rows_until", seen)
    training_run.train(asked("mlp", data), tmp_path / "m")
    assert opened
    for file, text in opened:
        with file:
            assert file.read() == text
