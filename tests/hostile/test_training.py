"""Attacks on the folders that training writes: what is not its own is never removed, and one run has a folder."""

import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from hitpredict.cli.app import app
from hitpredict.errors import UsageError
from hitpredict.files.owned import locked
from hitpredict.model_folder.config import SCHEMA
from hitpredict.model_folder.replace import put_in_place
from hitpredict.training import loop
from tests.helpers.folders import contents
from tests.helpers.processes import finished, run, start

LONG = ("--recipe", "mlp", "--set", "training.epochs=100000", "--set", "training.patience=100000")


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    features = random.normal(size=(120, 3))
    lines = [f"{i},{','.join(f'{value:.5f}' for value in row)}" for i, row in enumerate(features)]
    (folder / "f.csv").write_text("\n".join(["track_id,x,y,z", *lines]) + "\n")
    score = features[:, 0] + random.normal(size=120)
    (folder / "l.csv").write_text(
        "track_id,plays,artist\n" + "".join(f"{i},{v:.4f},a{i}\n" for i, v in enumerate(score))
    )
    return folder


def asked(tables: Path, *more: object) -> tuple[object, ...]:
    given = ("--features", tables / "f.csv", "--labels", tables / "l.csv", "--target", "plays", "--all-columns")
    return ("train", *given, *(more if "--recipe" in more else ("--recipe", "linear", *more)))


def called(tables: Path, *more: object):
    """The outcome of a training in this process."""
    return CliRunner().invoke(app, [str(word) for word in asked(tables, *more)])


@pytest.mark.parametrize("output", ["photos", "photos/..", "link", "photos/../photos", "false", "more", "file"])
def test_only_models_are_replaced(tables, tmp_path, output):
    config = json.dumps({"schema": SCHEMA})
    for name, files in {
        "photos": {"1.jpg": "x"},
        "false": {"config.json": "{}"},
        "more": {"config.json": config, "x": ""},
    }.items():
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
    (tmp_path / "link").symlink_to("photos")
    (tmp_path / "file").write_text("precious")
    before = contents(tmp_path)
    outcome = run(*asked(tables, "-o", output, "--force"), cwd=tmp_path)
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
    assert "is not replaced" in outcome.err or "also holds x" in outcome.err
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_a_model_is_replaced_in_the_end_alone(tables, tmp_path):
    assert run(*asked(tables, "-o", "m"), cwd=tmp_path).code == 0
    before = contents(tmp_path / "m")
    assert run(*asked(tables, "-o", "m"), cwd=tmp_path).code == 2
    failed = run(*asked(tables, "-o", "m", "--force", "--split", "column:artist"), cwd=tmp_path)
    assert failed.code != 0
    assert contents(tmp_path / "m") == before
    assert run(*asked(tables, "-o", "m", "--force", "--seed", "7"), cwd=tmp_path).code == 0
    assert contents(tmp_path / "m").keys() == before.keys()
    assert contents(tmp_path / "m") != before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_what_is_set_aside_comes_back_when_the_new_one_cannot_be_named(tmp_path):
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"schema": SCHEMA}))
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "missing", folder)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    (folder / "song.mp3").write_text("precious")
    with pytest.raises(UsageError, match="also holds song"):
        put_in_place(tmp_path / "missing", folder)


@pytest.mark.parametrize("trap", ["link", "files"])
def test_what_has_the_name_of_an_unfinished_training_is_not_removed(tables, tmp_path, trap):
    victim, work = tmp_path / "victim", tmp_path / ".m.partial"
    (victim / "deep").mkdir(parents=True)
    (victim / "deep" / "song.mp3").write_text("precious")
    if trap == "link":
        work.symlink_to(victim)
    else:
        victim.rename(work)
    before = contents(tmp_path)
    for more in ((), ("--resume",)):
        outcome = called(tables, "-o", tmp_path / "m", *more)
        assert outcome.exit_code == 2
        assert ".m.partial: " in outcome.stderr.splitlines()[-1]
        assert contents(tmp_path) == before


def begun(tables: Path, folder: Path, *more: object):
    """A training in a folder that goes on for longer than a test waits."""
    process = start(*asked(tables, *LONG, "-o", "m", *more), cwd=folder)
    log, deadline = folder / ".m.partial" / "checkpoints" / "main" / "training.csv", time.monotonic() + 120
    while not log.exists() or log.read_bytes().count(b"\n") < 3:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("more", [(), ("--resume",), ("--force",)], ids=["anew", "resume", "force"])
def test_a_training_of_a_folder_that_another_run_has_is_told_which(tables, tmp_path, more):
    with locked(tmp_path / "m"):
        second = called(tables, "-o", tmp_path / "m", *more)
    assert second.exit_code == 3
    assert f"(process {os.getpid()} on " in second.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_second_training_is_told_who_is_at_it(tables, tmp_path):
    first = begun(tables, tmp_path)
    for more in ((), ("--resume",), ("--force",)):
        second = run(*asked(tables, "-o", "m", *more), cwd=tmp_path)
        assert second.code == 3
        assert f"(process {first.pid} on " in second.complaints[-1]
    assert first.poll() is None
    first.kill()
    finished(first)
    assert run(*asked(tables, "-o", "m"), cwd=tmp_path).code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.slow),
    ],
)
def test_an_end_by_a_signal_has_its_code_and_can_be_gone_on_from(tables, tmp_path, end, code):
    process = begun(tables, tmp_path)
    process.send_signal(end)
    outcome = finished(process)
    assert outcome.code == code
    assert "Traceback" not in outcome.err
    assert ("--resume goes on" in outcome.err) == (code == 130)
    again = begun(tables, tmp_path, "--resume")
    again.kill()
    finished(again)


def test_a_damaged_log_of_epochs_loses_what_is_damaged(tmp_path):
    log = tmp_path / "training.csv"
    assert loop._rows_until(log, 5) == []
    odd = (b"[[]", b"", b"\xff,1", b"9" * 5000 + b",1", "²,1".encode(), b"7,0.1,0.2,0.01")
    log.write_bytes(b"\n".join([b"epoch,training_loss", b"1,0.5,0.6,0.01", *odd]) + b"\n")
    assert loop._rows_until(log, 5) == ["1,0.5,0.6,0.01"]


@pytest.mark.slow
@pytest.mark.parametrize(("recipe", "end"), [("linear", signal.SIGHUP), ("mlp", signal.SIGTERM)])
def test_signals_at_any_moment_leave_no_model_and_no_temporary_files(tables, tmp_path, recipe, end):
    """What stays is the folder that the next run takes up or removes, and nothing that is not whole."""
    moments, place, codes = random.Random(0), tmp_path / "tmp", []
    more = ("--set", "training.epochs=30", "--set", "training.patience=30") if recipe == "mlp" else ()
    call = asked(tables, "--recipe", recipe, *more, "-q", "-o")
    place.mkdir()
    since = time.monotonic()
    assert run(*call, tmp_path / "whole").code == 0
    seconds = time.monotonic() - since
    for number in range(3):
        process = start(*call, tmp_path / "m", env={"TMPDIR": str(place)})
        while number < 2 and process.poll() is None and not (tmp_path / ".m.partial").exists():
            time.sleep(0.01)
        time.sleep(seconds * (0, moments.uniform(0, 0.3), moments.uniform(0.1, 0.7))[number])
        process.send_signal(end)
        outcome = finished(process)
        codes.append(outcome.code)
        # Python itself, before it runs a line of the program, dies of signals.
        assert outcome.code in (128 + end, -end, 0)
        assert outcome.complaints == []
        names = {path.name for path in tmp_path.iterdir()} - {"tmp", "whole"}
        # The signal may come when the model already is in its place; it is whole then, as is compared below.
        assert names in ({"m"}, {".m.partial"}, set())
        assert outcome.code or names == {"m"}
        assert not list(tmp_path.rglob("*.part"))
        # torch makes itself a folder there, whatever it is used for.
        assert [path.name for path in place.iterdir() if not path.name.startswith("torchinductor_")] == []
        if names != {"m"}:
            assert run(*call, tmp_path / "m", *(("--resume",) if moments.random() < 0.5 else ())).code == 0
        assert contents(tmp_path / "m") == contents(tmp_path / "whole")
        assert not (tmp_path / ".m.partial").exists()
        shutil.rmtree(tmp_path / "m")
    assert 128 + end in codes
