"""What is measured of a model is what `score` would say: answers held to the target's scale."""

import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hitpredict.cli.app import app

LOW, HIGH = 10.0, 20.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Labels that one column explains up to the ends of the scale, beyond which a line runs on."""
    folder = tmp_path_factory.mktemp("scale")
    random = np.random.default_rng(0)
    driver = random.normal(size=600)
    popularity = np.clip(15 + 8 * driver, LOW, HIGH)
    with (folder / "features.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["track_id", "driver", "other"], *zip(range(600), driver, random.normal(size=600), strict=True)]
        )
    rows = [{"track_id": str(i), "popularity": p, "artist": f"{i % 50}"} for i, p in enumerate(popularity)]
    (folder / "labels.jsonl").write_text("\n".join(map(json.dumps, rows)))
    tables = ["--features", folder / "features.csv", "--labels", folder / "labels.jsonl"]
    invoke("train", "-q", "-r", "linear", "--all-columns", *tables, "--target", "popularity", "-o", folder / "model")
    return folder


def invoke(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_answers_beyond_the_scale_are_measured_at_its_ends(folder):
    tables = ["--features", folder / "features.csv", "--labels", folder / "labels.jsonl"]
    found = json.loads(invoke("evaluate", "-q", "--all", folder / "model", *tables, "-f", "json"))
    rows = list(csv.DictReader((folder / "features.csv").read_text().splitlines()))
    truth = np.array([json.loads(line)["popularity"] for line in (folder / "labels.jsonl").read_text().splitlines()])
    config = json.loads((folder / "model" / "config.json").read_text())
    ridge = config["baselines"]
    x = np.array([[float(row["driver"]), float(row["other"])] for row in rows])
    raw = (x - ridge["shift"]) / np.array(ridge["scale"]) @ ridge["weights"] + ridge["intercept"]
    errors = np.abs(np.clip(raw, LOW, HIGH) - truth)
    assert np.abs(raw - truth).mean() > errors.mean() + 0.1
    assert found["baselines"]["linear"]["mae"]["value"] == pytest.approx(errors.mean(), abs=0.02)
    assert found["metrics"]["mae"]["value"] == pytest.approx(errors.mean(), abs=0.15)
    assert max(config["reference"]["scores"]) <= HIGH
