"""Tables that tests of training share."""

import json

import numpy as np
import pytest

from hitpredict.frontends import MfccStats
from tests.helpers.planted import GROUPS, ROWS


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Features with the columns of `mfcc_stats`, and labels that one driver of a dozen of them explains."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    group = random.integers(0, GROUPS, ROWS)
    features = random.normal(size=(ROWS, 40)) + 0.3 * random.normal(size=(GROUPS, 40))[group]
    features[:, 20:] = np.exp(0.3 * features[:, 20:]) * 10
    driver = random.normal(size=ROWS)
    features[:, :12] += driver[:, None]
    score = driver + 0.1 * features[:, 25] + 0.3 * random.normal(size=ROWS)
    popularity = 100 / (1 + np.exp(-score))
    lines = [f"{i:06},{','.join(f'{v:.5f}' for v in row)},{i % 7}" for i, row in enumerate(features)]
    (folder / "features.csv").write_text("\n".join([f"track_id,{','.join(MfccStats().columns)},extra", *lines]) + "\n")
    with (folder / "labels.jsonl").open("w") as file:
        for i in range(ROWS):
            row = {"track_id": str(i), "popularity": popularity[i], "plays": float(np.exp(score[i] * 2 + 5))}
            file.write(json.dumps(row | {"artist": f"artist {group[i]}", "year": 1990 + i % 30}) + "\n")
    return folder
