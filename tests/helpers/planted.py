"""Training on tables in which an answer is planted: `tables` in tests/training/conftest.py."""

from hitpredict import recipes
from hitpredict.tables.join import load
from hitpredict.training.run import TrainingRun

ROWS, GROUPS = 360, 60


def data_of(tables, targets=("popularity",)):
    """Features and labels, joined."""
    return load([tables / "features.csv"], tables / "labels.jsonl", targets, "artist")


def run_of(tables, recipe, split="groups", data=None, **settings):
    """To train a recipe, some settings changed, on these tables or other data."""
    data = data_of(tables) if data is None else data
    return TrainingRun(recipes.load(recipe).changed(settings), data, split)
