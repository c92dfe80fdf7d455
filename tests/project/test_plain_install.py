"""What works where nothing but the plain install is there: no extra's package can be imported."""

import csv
import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import hitpredict
from hitpredict.cli.app import app
from hitpredict.features.kinds import make_kind
from tests.helpers.processes import python
from tests.helpers.sounds import saved, tune

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
PLAIN = """
import sys
for name in sys.argv.pop(1).split():
    sys.modules[name] = None
from hitpredict.cli.app import main
main()
"""
# Where a package is imported under another name.
IMPORTED = {"scikit-learn": "sklearn", "ray[data]": "ray"}


def extras(*wanted: str) -> str:
    """The packages that these extras bring, or all of them, separated by spaces."""
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    every = [name for name in project["optional-dependencies"] if name != "cuda"]
    lines = [line for name in wanted or every for line in project["optional-dependencies"][name]]
    names = {line.split(";")[0].split(">=")[0].strip() for line in lines if not line.startswith("hitpredict")}
    return " ".join(sorted(IMPORTED.get(name, name.replace("-", "_")) for name in names))


@pytest.mark.parametrize("extra", ["m4a", "rubberband", "parquet", "fetch", "remote", "scale", "train", "tune"])
def test_an_extra_brings_nothing_that_is_not_imported(extra):
    package = Path(hitpredict.__file__).parent
    sources = "\n".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    # onnxscript is what torch's exporter needs.
    names = {*extras(extra).split()} - {"onnxscript"}
    assert [name for name in names if not re.search(rf"\b(import|from) {name}\b|[\"(]{name}[\".)]", sources)] == []


def plain(*arguments: object):
    outcome = python(PLAIN, extras(), *arguments)
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out.decode()


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    for seed in range(40):
        saved(folder, f"{seed}.wav", tune(1.0, seed=seed))
    return folder


def test_the_extras_are_those_that_the_scoring_world_does_not_import():
    assert {"torch", "scipy", "sklearn", "pyarrow", "librosa", "httpx", "platformdirs", "ray", "av"} <= {
        *extras().split()
    }
    assert not {"numpy", "soundfile", "soxr", "onnxruntime", "rich"} & {*extras().split()}


@pytest.mark.parametrize("kind", ["fma518", "hmn207", "mfcc_stats", "logmel"])
def test_featurize_prints_and_writes_rows(music, tmp_path, kind):
    song = music / "1.wav"
    row = json.loads(plain("featurize", "--kind", kind, song))
    if kind == "logmel":
        assert row["shape"] == [len(row["values"]) // 128, 128]
        return
    columns = make_kind(kind, {}).columns
    assert {*columns} <= {*row}
    for name in ("t.csv", "t.tsv", "t.jsonl"):
        plain("featurize", "--kind", kind, "-o", tmp_path / name, song)
    with (tmp_path / "t.csv").open(newline="") as file:
        (written,) = csv.DictReader(file)
    numbers = [float(written[name] or "nan") for name in columns]
    np.testing.assert_allclose(numbers, [np.nan if row[name] is None else row[name] for name in columns], rtol=1e-6)


def test_the_default_kind_is_one_of_them(music):
    assert "mfcc_mean_01" in json.loads(plain("featurize", music / "1.wav"))


def test_a_model_of_descriptors_scores(music, tmp_path):
    songs = sorted(music.glob("*.wav"))
    features, labels = tmp_path / "fma518.parquet", tmp_path / "labels.csv"
    labels.write_text("track_id,popularity\n" + "".join(f"{song.stem},{i % 7}\n" for i, song in enumerate(songs)))
    model, scored = tmp_path / "model", tmp_path / "m.onnx"
    for command in (
        f"featurize -q -o {features} {music}",
        f"train -q -r linear --features {features} --labels {labels} --target popularity -o {model}",
        f"export-onnx -q {model} -o {scored}",
    ):
        outcome = CliRunner().invoke(app, command.split())
        assert outcome.exit_code == 0, outcome.stderr
    record = json.loads(plain("score", "-m", scored, songs[0]))
    assert record["model"]["name"] == "linear"
    assert np.isfinite(record["score"])
