"""The Python that the README shows runs as it stands, and gives what the commands give."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from hitpredict.cli import evaluate, train
from tests.helpers.processes import run

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def block(word):
    """The Python block of the README that holds a word."""
    (found,) = [each for each in re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE) if word in each]
    return found


@pytest.fixture
def tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = np.random.default_rng(0).normal(size=(120, 3))
    rows = [f"{i},{','.join(f'{v:.5f}' for v in row)}\n" for i, row in enumerate(values)]
    Path("features.csv").write_text("track_id,x,y,z\n" + "".join(rows))
    labels = [f"{i},{row.sum():.5f},a{i // 2}\n" for i, row in enumerate(values)]
    Path("labels.csv").write_text("track_id,popularity,artist\n" + "".join(labels))
    return tmp_path


@pytest.mark.slow
def test_training_and_evaluating_from_python(tables):
    names = {}
    exec(block("evaluate_model"), names)
    held_out = json.loads(Path("model/metrics.json").read_text())
    assert names["result"] == held_out
    assert names["found"].result["metrics"] == held_out["metrics"]
    assert any("the model was fitted on are left out" in note for note in names["found"].notes)
    given = ("--features", "features.csv", "--labels", "labels.csv")
    command = run("evaluate", "model", *given, "-f", "json", cwd=tables)
    assert json.loads(command.out) == names["found"].result


@pytest.mark.parametrize("command", [train.train, evaluate.evaluate])
def test_commands_parse_and_print(command):
    import ast
    import inspect

    body = ast.parse(inspect.getsource(command)).body[0].body
    assert body[-1].end_lineno - body[0].lineno < 40
