"""Recipes that are none, or cannot be trained, are one line."""

import pytest

from hitpredict import recipes
from hitpredict.errors import UsageError
from hitpredict.tables.join import load
from hitpredict.training import train as training_run
from hitpredict.training.run import TrainingRun
from tests.helpers.damage import told


@pytest.mark.parametrize("text", [b"\xff\xfe", b"task = 5", b"a = [", b"inputs = 3\ntask = 'regression'", b"\0", b""])
def test_recipes_that_are_none(tmp_path, text):
    (tmp_path / "r.toml").write_bytes(text)
    with pytest.raises(UsageError) as caught:
        recipes.load(str(tmp_path / "r.toml"))
    assert "\n" not in str(caught.value)


LOST = object()
ODD_ENTRIES = [
    *(("linear", "estimator", "name", odd) for odd in (LOST, [], {})),
    *(("linear", "estimator", "penalty", odd) for odd in ("text", -1, float("nan"))),
    *(("mlp", "network", "name", odd) for odd in (LOST, [], {})),
    *(("mlp", "training", "optimizer", odd) for odd in ([], {})),
    *(("mlp", "training", "weight_decay", odd) for odd in ("text", -1, float("nan"), [])),
    *(("mlp", "training", key, LOST) for key in ("epochs", "batch_size", "learning_rate")),
    ("mlp", "training", "batch_size", True),
    ("mlp", "loss", "name", LOST),
]


@pytest.mark.parametrize(("name", "table", "key", "odd"), ODD_ENTRIES)
def test_recipes_that_cannot_be_trained(tables, tmp_path, name, table, key, odd):
    recipe = recipes.load(name).to_json()
    entries = {**recipe[table], key: odd}
    if odd is LOST:
        del entries[key]
    data = load([tables / "features.csv"], tables / "labels.jsonl", ["popularity"], "artist")
    with pytest.raises(UsageError, match=rf"{table}\.{key}|{table} linear: |optimizer adamw: ") as caught:
        changed = recipes.Recipe.from_json({**recipe, table: entries})
        training_run.train(TrainingRun(changed, data), tmp_path / "m")
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("key", ["summary", "source", "task", "inputs", "made_with", "target", "scaling", "network",
                                 "loss", "training", "augment", "published", "compat"])  # fmt: skip
def test_recipes_with_odd_entries(key):
    known = recipes.load("mlp").to_json()
    for odd in (5, "x", [], [5], {"a": 1}, True, None):
        told(lambda odd=odd: recipes.Recipe.from_json({**known, key: odd}).changed({"training.epochs": 1}))
