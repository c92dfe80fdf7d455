"""Models of more than one answer, small and trained on made songs: three classes, two targets, a curve."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict import recipes
from hitpredict.export.export import export
from hitpredict.frontends import Fbank, MfccStats, compute
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.training.run import TrainingRun, data_for
from hitpredict.training.train import train
from tests.helpers.exporting import song, write_arrays

ROWS, WEEKS, KNOWN = 60, 6, 2
FBANK = Fbank(n_mels=16, window=None)
_FIT = {"epochs": 2, "training.warmup_epochs": 0, "batch_size": 32, "learning_rate": 3e-3, "augment": []}
_NET = {"network.dim": 12, "network.depth": 1, "network.features": 6, "network.patch": 8}
TINY = _FIT | _NET | {"scaling.windows": [{"length": 40, "pad": "zero", "place": "middle"}]}
COLUMNS = {"classes": ["noise"], "targets": ["log_sum", "log_debut"], "curve": ["curve"]}


def recipe(name, **settings):
    """The recipe of a kind of model at toy size."""
    if name == "classes":
        names = {"target.classes": 3, "target.names": ["flop", "middling", "hit"]}
        return recipes.load("linear").changed({"task": "classification", **names, **settings})
    return recipes.load({"targets": "mp2", "curve": "mp3"}[name]).changed({**TINY, **settings})


def write_tables(folder: Path) -> None:
    """Songs with more and less noise, vectors, and labels that follow the noise."""
    random = np.random.default_rng(0)
    noise = 3 * random.random(ROWS)
    write_arrays(folder / "frames.parquet", [compute(FBANK, song(i, noise[i], 0.5)) for i in range(ROWS)], FBANK)
    vectors = np.abs(random.normal(size=(ROWS, 40))) + noise[:, None]
    lines = [f"{i},{','.join(map(str, row))}" for i, row in enumerate(vectors)]
    (folder / "vectors.csv").write_text("\n".join([f"track_id,{','.join(MfccStats().columns)}", *lines]) + "\n")
    with (folder / "labels.jsonl").open("w") as file:
        for row in range(ROWS):
            curve = np.maximum(4.5 + noise[row] / 3 - 0.1 * np.arange(WEEKS) + 0.1 * random.normal(size=WEEKS), 3.1)
            total = float(np.log10((10**curve).sum()))
            label = {"track_id": str(row), "noise": noise[row], "artist": f"artist {row // 2}", "curve": curve.tolist()}
            label |= {"log_sum": total, "log_debut": curve[0], "start": f"2020-{1 + row % 12:02}-15"}
            file.write(json.dumps(label) + "\n")


def made(folder: Path, name: str, **settings: Any) -> tuple[ModelFolder, bytes, dict]:
    """A trained model of a kind, its file, and its evaluation."""
    features = [folder / ("vectors.csv" if name == "classes" else "frames.parquet")]
    features = features if settings.get("inputs", ["fbank"])[0] == "fbank" else []
    data = data_for(recipe(name, **settings), features, folder / "labels.jsonl", COLUMNS[name], "artist")
    place = folder / f"model-{name}-{len(settings.get('inputs', ()))}"
    result = train(TrainingRun(recipe(name, **settings), data), place)
    opened = ModelFolder(place)
    return opened, export(opened).data, result
