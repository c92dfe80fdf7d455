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
    *(("boosted-trees", "estimator", "min_samples_leaf", odd) for odd in ("text", [], {})),
    *(("boosted-trees", "estimator", "subsample", odd) for odd in ("text", 0, float("nan"))),
    *(("random-normal", "estimator", key, odd) for key in ("mean", "deviation") for odd in ("text", [])),
    *(("random-normal", "estimator", "deviation", odd) for odd in (0, -1)),
    *(("hmn", "network", "compression", odd) for odd in ("text", 0, [])),
    *(("hmn", "network", "autoencoder_epochs", odd) for odd in ("text", 1e30, [])),
    *(("hmn", "network", "autoencoder_batch_size", odd) for odd in (-1, "text")),
    *(("hmn", "network", "alpha", odd) for odd in (float("nan"), "text")),
]


@pytest.mark.parametrize(("name", "table", "key", "odd"), ODD_ENTRIES)
def test_recipes_that_cannot_be_trained(tables, tmp_path, name, table, key, odd):
    recipe = recipes.load(name).to_json()
    entries = {**recipe[table], key: odd}
    if odd is LOST:
        del entries[key]
    data = load([tables / "features.csv"], tables / "labels.jsonl", ["popularity"], "artist")
    with pytest.raises(
        UsageError, match=rf"{table}\.{key}|{table} {name}: |optimizer adamw: |network hitmusicnet: |pre-training: "
    ) as caught:
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
