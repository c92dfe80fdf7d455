"""What further inputs are worth: planted gains are found, and useless inputs gain nothing."""

import json

import numpy as np
import pytest

from hitpredict import recipes
from hitpredict.errors import UsageError
from hitpredict.evaluation.nested import evaluate_nested
from hitpredict.tables.join import load
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train

ROWS = 300
TABLES = ("sound", "artist", "noise")


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """Popularity that the sound explains a little of, the artist much, and a third table nothing; a model of each."""
    folder = tmp_path_factory.mktemp("steps")
    random = np.random.default_rng(0)
    columns = {name: random.normal(size=(ROWS, 3)) for name in TABLES}
    label = 5 * columns["sound"][:, 0] + 10 * columns["artist"][:, 0] + 8 * random.normal(size=ROWS)
    for name, values in columns.items():
        rows = [f"{i},{','.join(f'{v:.5f}' for v in row)}" for i, row in enumerate(values)]
        (folder / f"{name}.csv").write_text(f"track_id,{name}1,{name}2,{name}3\n" + "\n".join(rows) + "\n")
    lines = [json.dumps({"track_id": str(i), "popularity": v, "artist": f"a{i // 2}"}) for i, v in enumerate(label)]
    (folder / "labels.jsonl").write_text("\n".join(lines) + "\n")
    for count in (1, 2, 3):
        data = load(tables(folder)[:count], folder / "labels.jsonl", ["popularity"])
        train(TrainingRun(recipes.load("linear"), data), folder / f"m{count}")
    return folder


def tables(folder):
    return [folder / f"{name}.csv" for name in TABLES]


def test_planted_gains_are_found_and_others_are_not(steps):
    models = [str(steps / f"m{count}") for count in (1, 2, 3)]
    found = evaluate_nested(models, tables(steps), steps / "labels.jsonl").result
    first, second, third = found["nested"]
    assert [step["tables"] for step in found["nested"]] == [1, 2, 3]
    assert "gain" not in first
    assert 0 < first["r2"]["value"] < 0.3
    assert second["r2"]["value"] > 0.4
    assert {each["verdict"] for each in second["gain"].values()} == {"gain"}
    assert third["gain"]["r2"]["verdict"] == third["gain"]["spearman"]["verdict"] == "no clear gain"
    for before, step in ((first, second), (second, third)):
        for metric in ("r2", "spearman"):
            gain = step[metric]["value"] - before[metric]["value"]
            assert step["gain"][metric]["value"] == pytest.approx(gain, abs=2e-5)
    assert found["metrics"]["r2"]["value"] == third["r2"]["value"]
    assert (
        found["rows"] == third["rows"] == len(json.loads((steps / "m1" / "config.json").read_text())["split"]["test"])
    )


def test_steps_that_do_not_follow_each_other_are_refused(steps):
    models = [str(steps / f"m{count}") for count in (2, 1)]
    with pytest.raises(UsageError, match="`nested`: each model takes the `features` of the one before and more"):
        evaluate_nested(models, tables(steps)[:2], steps / "labels.jsonl")
