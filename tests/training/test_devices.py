"""Training on several devices, here two processes on the CPU, and in lower precision."""

import json
import signal

import numpy as np
import psutil
import pytest

from tests.helpers.processes import finished, run, start, until

ROWS = 240


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 6))
    lines = [f"{i},{','.join(map(str, row))}" for i, row in enumerate(features)]
    (folder / "f.csv").write_text("\n".join(["track_id,a,b,c,d,e,f", *lines]) + "\n")
    y = features[:, 0] + 0.2 * random.normal(size=ROWS)
    (folder / "l.csv").write_text("track_id,y,artist\n" + "".join(f"{i},{y[i]},a{i // 2}\n" for i in range(ROWS)))
    return folder


def train(tables, model, *more):
    words = ["train", "-r", "mlp", "--features", tables / "f.csv", "--labels", tables / "l.csv", "--target", "y"]
    sets = ["--set", "epochs=5", "--set", "network.dropout=0", "--set", "batch_size=28"]
    done = run(*words, *sets, "-o", model, *more)
    assert done.code == 0, done.err
    return json.loads((model / "metrics.json").read_text())["metrics"]["spearman"]["value"]


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(tables, tmp_path):
    alone, together = train(tables, tmp_path / "one"), train(tables, tmp_path / "two", "--devices", "2")
    assert alone > 0.8
    # Halves of a batch whose gradients are averaged are the batch, but for the last digits.
    assert together == pytest.approx(alone, abs=0.02)
    one, two = ((tmp_path / name / "training.csv").read_text().splitlines() for name in ("one", "two"))
    assert len(one) == len(two) == 6
    losses = [[float(line.split(",")[2]) for line in lines[1:]] for lines in (one, two)]
    np.testing.assert_allclose(*losses, rtol=0.02)


@pytest.mark.slow
def test_half_precision_learns_too(tables, tmp_path):
    assert train(tables, tmp_path / "half", "--precision", "bf16-mixed") > 0.8


@pytest.mark.slow
def test_a_loss_that_is_not_finite_in_a_process_is_one_line(tables, tmp_path):
    words = ["train", "-q", "-r", "mlp", "--features", tables / "f.csv", "--labels", tables / "l.csv", "--target", "y"]
    sets = ["--set", "training.optimizer=sgd", "--set", "training.learning_rate=1e30", "--devices", "2"]
    done = run(*words, *sets, "-o", tmp_path / "m")
    assert done.code == 1
    assert done.complaints[-1].startswith("hitpredict: the loss became nan in epoch 1")
    assert "Traceback" not in done.err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_killed_is_one_line(tables, tmp_path, number):
    words = ["train", "-q", "-r", "mlp", "--features", tables / "f.csv", "--labels", tables / "l.csv", "--target", "y"]
    words += ["--set", "epochs=100000", "--set", "training.patience=100000", "--devices", "2", "-o", tmp_path / "m"]
    process = start(*words)
    until(lambda: any(tmp_path.rglob("training.csv")), process)
    psutil.Process(process.pid).children()[-1].send_signal(number)
    done = finished(process)
    assert done.code == 1
    assert done.complaints[-1] == f"hitpredict: a process of the training was killed ({number.name})"
    assert "Traceback" not in done.err
