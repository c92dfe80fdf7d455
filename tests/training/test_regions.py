"""Recipes that know regions: a row for each region in training, and one file for each region in the end."""

import json

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from hitpredict.cli.app import app

RATE, SONGS = 16000, 84
SMALL = [
    *("network.dim=16", "network.depth=1", "network.heads=2", "epochs=40", "batch_size=16"),
    *("training.learning_rate=3e-3", "training.patience=40", "augment=[]"),
    'scaling.windows=[{length = 64, pad = "zero"}]',
]


def invoke(*words):
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Noise of different loudness, which sells where people like it loud (us) or soft (at)."""
    folder = tmp_path_factory.mktemp("regions")
    (folder / "audio").mkdir()
    random = np.random.default_rng(0)
    with (folder / "labels.jsonl").open("w") as file:
        for number in range(SONGS):
            level = random.random()
            samples = 10 ** (2 * level - 2.5) * random.normal(size=RATE * 3 // 2)
            soundfile.write(folder / "audio" / f"s{number}.wav", samples.clip(-1, 1), RATE)
            for region, sign in (("us", 1), ("at", -1)):
                total = 6 + sign * (2 * level - 1) + 0.05 * random.normal()
                curve = [total - 0.3, total - 0.6, total - 1.0]
                row = {"track_id": f"s{number}", "region": region, "log_sum": total, "log_debut": total - 0.3}
                file.write(json.dumps(row | {"curve": curve, "artist": f"a{number // 2}"}) + "\n")
    kind = ["--kind", "fbank", "--set", "window=none"]
    invoke("featurize", "-q", *kind, "-o", folder / "fbank.parquet", folder / "audio")
    return folder


def train(songs, model, recipe, target, *more):
    sets = [word for each in (*SMALL, 'inputs=["fbank", "region"]', *more) for word in ("--set", each)]
    tables = ["--features", songs / "fbank.parquet", "--labels", songs / "labels.jsonl"]
    invoke("train", "-q", "-r", recipe, *tables, "--target", target, *sets, "-o", model)
    return tables


@pytest.mark.parametrize(
    ("recipe", "target", "mode"),
    [("mp2", "log_sum,log_debut", "token"), ("mp2", "log_sum,log_debut", "embedding"), ("mp3", "curve", "token")],
)
@pytest.mark.slow
def test_each_region_has_its_file_which_scores_as_the_model_does(songs, tmp_path, recipe, target, mode):
    model = tmp_path / "m"
    tables = train(songs, model, recipe, target, f"network.region_mode={mode}")
    energies, regions = json.loads((model / "config.json").read_text())["features"]
    assert regions["kind"]["names"] == ["at", "us"]
    # Zeros that were put behind the energies before they were scaled.
    assert energies["window"] == {"length": 64, "pad": pytest.approx(4.2677393 / (2 * 4.5689974))}
    scores = {}
    for region in ("at", "us"):
        file = tmp_path / f"{region}.onnx"
        invoke("export-onnx", "-q", model, "--region", region, "-o", file)
        printed = invoke("score", "-q", "-m", file, songs / "audio").stdout.splitlines()
        by_name = {record["name"]: record["score"] for record in map(json.loads, printed)}
        scores[region] = np.array([by_name[f"s{number}"] for number in range(SONGS)])
        found = json.loads(invoke("evaluate", "-q", "--all", file, *tables, "-f", "json").stdout)
        assert found["rows"] == SONGS
        assert found["metrics"]["spearman"]["value"] > 0.7
        if recipe == "mp2":
            truth = [json.loads(line) for line in (songs / "labels.jsonl").read_text().splitlines()]
            known = [row["log_sum"] for row in truth if row["region"] == region]
            error = float(np.mean(np.abs(scores[region] - known)))
            assert error == pytest.approx(found["metrics"]["mae"]["value"], abs=1e-3)
    assert np.corrcoef(scores["at"], scores["us"])[0, 1] < -0.5


@pytest.mark.slow
def test_regions_that_are_not_there(songs, tmp_path):
    model = tmp_path / "m"
    train(songs, model, "mp2", "log_sum,log_debut", "epochs=2")
    for words, message in (
        ((), "knows several regions; name one with --region: at, us"),
        (("--region", "gb"), "--region gb"),
    ):
        failed = CliRunner().invoke(app, ["export-onnx", str(model), *words, "-o", str(tmp_path / "m.onnx")])
        assert failed.exit_code != 0
        assert message in failed.output
