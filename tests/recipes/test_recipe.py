"""What a recipe may say: each entry has its type and range, and what is wrong with one is said by file and entry."""

import json
from typing import get_args

import pytest

from hitpredict import recipes
from hitpredict.errors import UsageError
from hitpredict.recipes.recipe import Optimizer
from hitpredict.training.loop import OPTIMIZERS

MLP = recipes.load("mlp").to_json()
TRAINING = MLP["training"]
WRONG = [
    *(({"nothing": 1}, "nothing: there is no such entry; there are augment, "), ({"inputs": 5}, "inputs: ")),
    *(({"task": "karaoke"}, "task: .*; use regression, classification, curve"), ({"name": []}, "name: ")),
    ({"training": TRAINING | {"epoch": 1}}, r"training\.epoch: there is no such entry; there are .*epochs, factor"),
    *(({"training": TRAINING | {key: 0}}, rf"training\.{key}: .*>= 1") for key in ("epochs", "batch_size", "patience")),
    *(({"training": TRAINING | {"epochs": odd}}, r"training\.epochs: expected int") for odd in (True, 1.5, "5")),
    *(({"training": TRAINING | {"learning_rate": odd}}, r"training\.learning_rate: ") for odd in (-1.0, 1e400, "x")),
    ({"training": TRAINING | {"weight_decay": float("nan")}}, r"training\.weight_decay: "),
    ({"training": TRAINING | {"betas": [0.9]}}, r"training\.betas: "),
    ({"training": TRAINING | {"schedule": "foo"}}, r"training\.schedule: .*foo.*; use plateau, cosine"),
    ({"training": TRAINING | {"optimizer": "lion"}}, r"training\.optimizer: .*lion.*; use adam, adamw"),
    ({"training": {"epochs": 1}}, r"training\.batch_size: must be given"),
    ({"training": {}}, "training: recipe mlp must give epochs"),
    ({"target": {"quantiles": [0.5, 1.5]}}, r"target\.quantiles: "),
    *(({"target": {"classes": odd}}, r"target\.classes: ") for odd in (1, 2.5, True)),
    *(({"target": {"thresholds": odd}}, r"target\.thresholds: ") for odd in ([], 5, ["a"])),
    ({"target": {"transforms": "log1p"}}, r"target\.transforms: "),
    ({"scaling": {"windows": [{"pad": "zero"}]}}, r"scaling\.windows: .*length"),
    ({"scaling": {"windows": [{"length": 5, "stride": 2}]}}, r"scaling\.windows\.stride: .*length, pad, place"),
    ({"scaling": {"windows": [{"length": 5, "pad": "most"}]}}, r"scaling\.windows\.pad: .*; use least, zero"),
    ({"scaling": {"windows": [{"length": 5, "place": "end"}]}}, r"scaling\.windows\.place: .*; use start, middle"),
    ({"network": {"name": 5}}, r"network\.name: "),
    ({"loss": {}}, r"loss\.name: "),
    ({"augment": [5]}, "augment: "),
]


def toml(value):
    """JSON's values as TOML has them, for what these recipes hold."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, value)) + "]"
    return str(value) if isinstance(value, float) else json.dumps(value)


@pytest.mark.parametrize(("change", "said"), WRONG, ids=str)
def test_what_is_wrong_is_said_by_file_and_entry(tmp_path, change, said):
    path = tmp_path / "own.toml"
    path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in {**MLP, **change}.items()))
    with pytest.raises(UsageError, match=rf"own\.toml: {said}") as caught:
        recipes.load(str(path))
    assert "\n" not in str(caught.value)


def test_the_same_recipe_without_a_mistake_is_read(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text("".join(f"{key} = {toml(value)}\n" for key, value in MLP.items()))
    assert recipes.load(str(path)) == recipes.load("mlp")


@pytest.mark.parametrize("name", recipes.names())
def test_only_what_was_given_is_written(name):
    recipe = recipes.load(name)
    given = recipes.tomllib.loads(recipes.text_of(name))
    empty = {"inputs": [], "augment": []}
    expected = {key: given.get(key, empty.get(key, {})) for key in recipe.__struct_fields__} | {"name": name}
    assert json.dumps(recipe.to_json()) == json.dumps(expected) or json.loads(json.dumps(recipe.to_json())) == expected
    assert recipes.Recipe.from_json(recipe.to_json()).to_json().keys() == recipe.to_json().keys()


def test_a_recipe_cannot_be_changed_in_place():
    with pytest.raises(AttributeError):
        recipes.load("mlp").training.epochs = 3


def test_every_optimizer_is_known():
    assert tuple(OPTIMIZERS) == get_args(Optimizer)
