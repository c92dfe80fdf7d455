"""A server that means harm, a client without patience, songs and tables: what tests of harm share."""

import gzip
import json
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from hitpredict import recipes
from hitpredict.datasets.web.download import Web
from hitpredict.tables.join import load
from hitpredict.training import calibrated
from hitpredict.training import train as training_run
from hitpredict.training.run import TrainingRun
from tests.helpers.damage import COLUMNS, ROWS
from tests.helpers.servers import serving
from tests.helpers.sounds import saved, tune


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("HITPREDICT_CACHE", str(tmp_path / "cache"))
    with serving() as running:
        monkeypatch.setenv("HITPREDICT_FETCH_BASE_DEEZER", running.url)
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


@pytest.fixture
def web():
    with Web(timeout=0.2, attempts=2, pause=0.01, longest_answer=2.0) as opened:
        yield opened


@pytest.fixture
def songs(tmp_path) -> Path:
    for seed, name in enumerate(("a.wav", "b.wav", "c.wav")):
        saved(tmp_path, name, tune(seed=seed))
    return tmp_path


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Features in every format that is read, labels in two, and a model folder of a linear model and of a network."""
    folder = tmp_path_factory.mktemp("tables")
    random = np.random.default_rng(0)
    features = random.normal(size=(ROWS, len(COLUMNS))).round(4)
    lines = [",".join(("track_id", *COLUMNS)), *(f"t{i},{','.join(map(str, row))}" for i, row in enumerate(features))]
    (folder / "features.csv").write_text("\n".join(lines) + "\n")
    (folder / "features.csv.gz").write_bytes(gzip.compress((folder / "features.csv").read_bytes()))
    (folder / "features.tsv").write_text("\n".join(lines).replace(",", "\t") + "\n")
    table = {"track_id": [f"t{i}" for i in range(ROWS)], **dict(zip(COLUMNS, features.T.tolist(), strict=True))}
    pyarrow.parquet.write_table(pyarrow.table(table), folder / "features.parquet")
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    (folder / "features.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arrays = {"track_id": table["track_id"], "shape": [[5, 8]] * ROWS, "values": features.tolist()}
    pyarrow.parquet.write_table(pyarrow.table(arrays), folder / "arrays.parquet")
    labels = [
        {"track_id": f"t{i}", "popularity": float(row[:3].sum()), "artist": f"a{i}"} for i, row in enumerate(features)
    ]
    (folder / "labels.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labels))
    (folder / "labels.csv").write_text(
        "track_id,popularity,artist\n" + "".join(f"{','.join(map(str, row.values()))}\n" for row in labels)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibrated, "check_collapse", lambda *_: None)
        for name, changes in (("linear", {}), ("mlp", {"training.epochs": 1})):
            data = load([folder / "features.csv"], folder / "labels.csv", ["popularity"])
            request = TrainingRun(recipes.load(name).changed(changes), data)
            training_run.train(request, folder / name)
    return folder
