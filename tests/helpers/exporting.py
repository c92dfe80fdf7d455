"""Songs and small recipes whose models tests export."""

import json

import numpy as np
import onnxruntime
import pyarrow
import pyarrow.parquet

from hitpredict import recipes
from hitpredict.audio.clip import Clip
from hitpredict.frontends import LogMel, to_json

SONGS, RATE, LENGTH = 120, 8000, 100
FRONTEND = LogMel(sample_rate=RATE, n_fft=256, hop_length=128, n_mels=16)
MIDDLE = {"length": LENGTH, "pad": "least", "place": "middle"}


def song(seed: int, noise: float = 1.0, seconds: float = 3.0) -> Clip:
    """A tone that comes in late, and noise."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    tone = 0.1 * np.sin(2 * np.pi * (200 + 100 * random.random()) * time) * (time > 0.2)
    return Clip((tone + 0.02 * noise * random.normal(size=time.size))[None].astype(np.float32), RATE, "song")


def write_arrays(path, arrays, frontend):
    ids = [str(number) for number in range(len(arrays))]
    columns = {"path": ids, "track_id": ids, "values": [a.ravel() for a in arrays], "shape": [a.shape for a in arrays]}
    metadata = {"hitpredict.kind": json.dumps(to_json(frontend))}
    pyarrow.parquet.write_table(pyarrow.table(columns).replace_schema_metadata(metadata), path)


def cnn(task="regression", **settings):
    """The convolutional network at toy size."""
    window = {"scaling.windows": [{"length": LENGTH, "pad": "least"}]}
    size = {"network.filters": [4, 8], "network.pools": [[4, 4], [4, 4]], "network.hidden": [256]}
    fit = {"epochs": 3, "batch_size": 32, "training.learning_rate": 0.01, "target.quantiles": [0.512]}
    recipe = recipes.load("hiphop-cnn").changed({**window, **size, **fit, **settings})
    other = {"task": "regression", "target": {}, "loss": {"name": "mse"}}
    return recipes.Recipe.from_json({**recipe.to_json(), **(other if task == "regression" else {})})


def small(name):
    return recipes.load(name).changed({"epochs": 3, "hidden": [256, 64]} if name == "mlp" else {})


def session(data):
    return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
