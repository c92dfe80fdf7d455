"""Training on tables in which an answer is planted: `tables` in tests/training/conftest.py."""

from hitpredict import recipes
from hitpredict.tables.join import load
from hitpredict.training.run import Request

ROWS, GROUPS = 360, 60


def data_of(tables, targets=("popularity",)):
    """Features and labels, joined."""
    return load([tables / "features.csv"], tables / "labels.jsonl", targets, "artist", [])


def request(tables, recipe, split="groups", **settings):
    """To train a recipe, some settings changed."""
    return Request(recipes.load(recipe).changed(settings), tables / "labels.jsonl", split)
