"""Data and a trained model that tests of evaluation share."""

import numpy as np
import pytest

from hitpredict.tables.join import TrainingData
from hitpredict.tables.read import Features
from tests.helpers.evaluating import ROWS


@pytest.fixture(scope="module")
def data():
    """Popularity between 0 and 100 that the first of four features explains for the most part."""
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, 4)).astype(np.float32)
    labels = np.clip(50 + 15 * features[:, 0] + 8 * random.normal(size=ROWS), 0, 100)[:, None]
    groups = np.array([f"artist {number}" for number in random.integers(0, 50, ROWS)])
    ids = tuple(map(str, range(ROWS)))
    table = Features("table", None, ids, ("a", "b", "c", "d"), features)
    return TrainingData(ids, (table,), (np.arange(ROWS),), ("popularity",), labels, groups, {})
