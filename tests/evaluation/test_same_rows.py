"""Two models that take different inputs, on the tracks that both have."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hitpredict import recipes
from hitpredict.cli.app import app
from hitpredict.errors import UsageError
from hitpredict.evaluation.evaluate_model import evaluate_model
from hitpredict.evaluation.models import opened_model
from hitpredict.evaluation.same_rows import SameRows
from hitpredict.export.export import export
from hitpredict.frontends import MfccStats
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.join import load
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train

ROWS = 300
PARTS = ("test", "validation", "train", "train", "train")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two tables of the same tracks in another order, each with tracks of its own, and a model on each."""
    folder = tmp_path_factory.mktemp("two")
    random = np.random.default_rng(0)
    weak, strong = random.normal(size=(ROWS, 3)), np.abs(random.normal(size=(ROWS, 40)))
    label = 5 * weak[:, 0] + 15 * strong[:, 0] + 4 * random.normal(size=ROWS)
    shuffled = random.permutation(ROWS)
    columns = {"weak": ("weak1", "weak2", "weak3"), "strong": MfccStats().columns}
    for name, values, rows in (("weak", weak, range(ROWS - 7)), ("strong", strong, shuffled[shuffled >= 11])):
        lines = [f"{row},{','.join(f'{value:.5f}' for value in values[row])}" for row in rows]
        (folder / f"{name}.csv").write_text("\n".join([f"track_id,{','.join(columns[name])}", *lines]) + "\n")
    lines = [
        json.dumps({"track_id": str(row), "popularity": v, "artist": f"a{row // 2}", "split": PARTS[row // 2 % 5]})
        for row, v in enumerate(label)
    ]
    (folder / "labels.jsonl").write_text("\n".join(lines) + "\n")
    for name in ("weak", "strong"):
        data = load([folder / f"{name}.csv"], folder / "labels.jsonl", ["popularity"], "artist")
        train(TrainingRun(recipes.load("linear"), data, split="column:split"), folder / name)
    (folder / "strong.onnx").write_bytes(export(ModelFolder(folder / "strong")).data)
    return folder


def tables(folder, *names):
    return [folder / f"{name}.csv" for name in names]


@pytest.mark.parametrize("other", ["strong", "strong.onnx"])
def test_each_model_takes_its_own_tables(two, other):
    found = evaluate_model(
        str(two / "weak"),
        tables(two, "weak"),
        two / "labels.jsonl",
        "artist",
        compare=str(two / other),
        compare_features=tables(two, "strong"),
    )
    result = found.result
    assert result["unpaired"] == {"first": 11, "second": 7}
    assert "11 rows are only in `features` and are left out" in found.notes
    assert "7 rows are only in `compare_features` and are left out" in found.notes
    seen = opened_model(str(two / "weak")).seen | opened_model(str(two / other)).seen
    expected = [row for row in range(11, ROWS - 7) if str(row) not in seen]
    assert result["rows"] == len(expected) > 30
    truth, scores = {}, {}
    for name in ("weak", "strong"):
        data = load(tables(two, name), two / "labels.jsonl", ["popularity"], "artist")
        predicted = opened_model(str(two / name)).predict(data).score
        truth |= dict(zip(data.track_ids, data.labels[:, 0], strict=True))
        scores[name] = dict(zip(data.track_ids, predicted, strict=True))
    error = {
        name: np.array([abs(each[str(row)] - truth[str(row)]) for row in expected]) for name, each in scores.items()
    }
    difference = error["weak"].mean() - error["strong"].mean()
    assert result["compared"]["mae"]["value"] == pytest.approx(difference, abs=1e-3)
    assert result["compared"]["mae"]["better"] == "second"
    assert result["nearer"]["songs"]["second"] == pytest.approx((error["strong"] < error["weak"]).sum(), abs=1)


def test_the_command_compares_models_of_different_inputs(two):
    def run(*more: str):
        arguments = ["evaluate", two / "weak", "--features", two / "weak.csv", "--labels", two / "labels.jsonl", *more]
        return CliRunner().invoke(app, [str(each) for each in arguments])

    same = "--group", "artist", "--compare", two / "strong"
    done = run(*same, "--compare-features", two / "strong.csv")
    assert done.exit_code == 0, done.output
    assert "hitpredict: 11 rows are only in --features and are left out" in done.stderr
    assert "strong is nearer to the truth on" in done.stdout.replace(str(two / "strong"), "strong")
    refused = run("--compare-features", two / "strong.csv")
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert "--compare-features: are the tables of another model" in refused.stderr
    refused = run(*same, *("--compare-features", two / "strong.csv") * 2)
    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert "strong: takes 1 feature tables, 2 were given; name its own by --compare-features" in refused.stderr


def test_rows_that_cannot_be_paired_are_refused(two):
    first, second = (
        load(tables(two, name), two / "labels.jsonl", ["popularity"], "artist") for name in ("weak", "strong")
    )
    apart = first.take(np.arange(11))
    with pytest.raises(UsageError, match="no track is in these tables and in `features`"):
        SameRows.of(apart, second, ((), ()))
    with pytest.raises(UsageError, match="a score for each region of a track and the other has not"):
        SameRows.of(first, second, (({"name": "region", "names": ["us"]},), ()))


def test_tracks_of_several_regions_are_paired_by_both(two):
    data = load(tables(two, "weak"), two / "labels.jsonl", ["popularity"], "artist").take(np.array([0, 0, 1]))
    first, second = (
        type(data)(**{**vars(data), "table": {"region": np.array(regions)}})
        for regions in (["us", "gb", "us"], ["gb", "us", "gb"])
    )
    kinds = ({"name": "region", "names": ["gb", "us"]},)
    same = SameRows.of(first, second, (kinds, kinds))
    assert same.only == {"first": 1, "second": 1}
    for each in (same.first, same.second):
        assert [*zip(each.track_ids, each.table["region"], strict=True)] == [("0", "us"), ("0", "gb")]
