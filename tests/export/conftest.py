"""Small models that tests of exporting share."""

import numpy as np
import pytest

from hitpredict import recipes
from hitpredict.export.export import export
from hitpredict.frontends import MfccStats, compute
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train
from tests.helpers.exporting import FRONTEND, MIDDLE, SONGS, cnn, small, song, write_arrays


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Spectrograms of songs with more and less noise, vectors, and labels that say how much noise it is."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    noise = 3 * random.random(SONGS)
    write_arrays(folder / "frames.parquet", [compute(FRONTEND, song(i, noise[i])) for i in range(SONGS)], FRONTEND)
    vectors = np.abs(random.normal(size=(SONGS, 40))) + noise[:, None]
    for name, columns in (("vectors", MfccStats().columns), ("unknown", [f"column {i}" for i in range(40)])):
        lines = [f"{i},{','.join(map(str, row))}" for i, row in enumerate(vectors)]
        (folder / f"{name}.csv").write_text("\n".join([f"track_id,{','.join(columns)}", *lines]) + "\n")
    rows = "".join(f"{i},{noise[i]},artist {i // 3}\n" for i in range(SONGS))
    (folder / "labels.csv").write_text(f"track_id,noise,artist\n{rows}")
    return folder


@pytest.fixture(scope="module")
def models(tables, tmp_path_factory):
    """Trained models by name, made when first asked for."""
    folder, made = tmp_path_factory.mktemp("models"), {}
    known = {
        "linear": (small("linear"), ["vectors.csv"]),
        "boosted-trees": (recipes.load("boosted-trees").changed({"n_estimators": 20}), ["vectors.csv"]),
        "mlp": (small("mlp"), ["vectors.csv"]),
        "two-tables": (small("linear"), ["vectors.csv", "vectors.csv"]),
        "linear-frames": (small("linear"), ["frames.parquet"]),
        "unknown": (small("mlp"), ["unknown.csv"]),
        "cnn": (cnn(), ["frames.parquet"]),
        "cnn-whole": (cnn(**{"scaling.windows": []}), ["frames.parquet"]),
        "cnn-classes": (cnn("classification"), ["frames.parquet"]),
        "cnn-middle": (cnn(**{"scaling.windows": [MIDDLE]}), ["frames.parquet"]),
        "random-normal": (recipes.load("random-normal"), ["vectors.csv"]),
    }

    def model(name):
        if name not in made:
            recipe, features = known[name]
            data = load([tables / each for each in features], tables / "labels.csv", ["noise"], "artist")
            train(TrainingRun(recipe, data), folder / name)
            opened = ModelFolder(folder / name)
            made[name] = opened, None if name in ("unknown", "random-normal") else export(opened)
        return made[name]

    return model
