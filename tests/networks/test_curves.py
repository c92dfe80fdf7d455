"""The network without sound, from a table of `fetch charts` to forecasts that are judged."""

import datetime
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from typer.testing import CliRunner

from hitpredict import recipes
from hitpredict.cli.app import app
from hitpredict.errors import UsageError
from hitpredict.export.export import export
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.networks.curves import CurveNet
from hitpredict.tables.join import load
from hitpredict.tables.label_inputs import kinds_of
from tests.helpers.learning import check_export

TINY = {"features": 6, "hidden": 8}
SHAPES = [(3,), (4,)]
KNOWN, WEEKS, SONGS = 3, 10, 200


@pytest.mark.slow
def test_export():
    torch.manual_seed(0)
    check_export(CurveNet(SHAPES, 4, **TINY), SHAPES)


def test_weeks_after_the_data_end_do_not_count():
    torch.manual_seed(0)
    network = CurveNet(SHAPES, 4, own_share=0.0, **TINY)
    inputs = (torch.rand(2, 3) + 4, torch.eye(4)[:2])
    targets = torch.tensor([[4.0, 4.0, torch.nan, torch.nan], [4.0, 0.0, 4.0, torch.nan]])
    loss = network.training_loss(inputs, targets, min)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
    short = network.training_loss((inputs[0][:1], inputs[1][:1]), targets[:1], min)
    longer = torch.cat([targets[:1, :2], torch.full((1, 2), torch.nan)], dim=1)
    torch.testing.assert_close(network.training_loss((inputs[0][:1], inputs[1][:1]), longer, min), short)


def test_validation_is_free_running():
    torch.manual_seed(0)
    network = CurveNet(SHAPES, 4, **TINY).eval()
    inputs, targets = (torch.rand(2, 3) + 4, torch.eye(4)[:2]), torch.rand(2, 4) + 4
    torch.testing.assert_close(
        network.training_loss(inputs, targets, min), network.error(network(*inputs), targets).mean()
    )


@pytest.mark.parametrize("shapes", [[(3,)], [(3,), (4, 1)]])
def test_inputs_that_do_not_fit(shapes):
    with pytest.raises(UsageError):
        CurveNet(shapes, 4)


def write(path, **changed) -> str:
    """Two regions where songs fall at different rates; each song is in both; the data end at random."""
    rng = np.random.default_rng(0)
    region = np.tile([0, 1], SONGS)
    curve = 4.5 + rng.random(2 * SONGS)[:, None] - np.array([0.02, 0.2])[region][:, None] * np.arange(WEEKS)
    curve = np.where(curve > 3, curve + 0.01 * rng.standard_normal(curve.shape), 0.0)
    available = rng.integers(6, WEEKS + 1, 2 * SONGS)
    curve[np.arange(WEEKS) >= available[:, None]] = 0
    columns = {
        "region": np.array(["at", "us"])[region].tolist(),
        "track_id": np.repeat([f"song{i}" for i in range(SONGS)], 2).tolist(),
        "artist_ids": [[f"artist{i // 4}"] for i in range(2 * SONGS)],
        "start": [datetime.date(2020, 1, 3)] * 2 * SONGS,
        "curve": pa.array(curve.astype(np.float32).tolist(), pa.list_(pa.float32())),
        "available_weeks": pa.array(available, pa.int16()),
        "censored_left": [False] * 2 * SONGS,
    }
    pyarrow.parquet.write_table(pa.table(columns | changed), path)
    return str(path)


def rows(path: Path):
    recipe = recipes.load("chart-curve").changed({"target.after": KNOWN})
    return load([], path, ["curve"], None, from_labels=kinds_of(recipe.inputs, recipe.target.after))


def test_rows_that_foretell_are_read(tmp_path):
    path = tmp_path / "curves.parquet"
    curves = [[5.0, 4.0, 4.5, 0.0], [5.0, 0.0, 4.0, 4.0], [5.0, 4.0, 4.1, 0.0], [5.0, 4.0, 4.1, 4.0], [5.0] * 4]
    columns = {
        "region": ["us", "at", "us", "at", "us"],
        "track_id": ["gap later", "gap", "ends early", "both", "both"],
        "curve": curves,
        "available_weeks": [4, 4, 3, 4, 4],
        "censored_left": [False, False, False, False, True],
    }
    pyarrow.parquet.write_table(pa.table(columns), path)
    data = rows(path)
    # Each row that is left out is told of once.
    assert [note for note in data.notes if "left out" in note] == [
        f"{path}: 2 rows do not give the inputs weeks and region and are left out",
        "1 rows have no label in curve and are left out",
    ]
    assert data.track_ids == ("gap later", "both")
    np.testing.assert_allclose(data.named("weeks"), [[5, 4, 4.5], [5, 4, 4.1]])
    np.testing.assert_allclose(data.named("region"), [[0, 1], [1, 0]])
    np.testing.assert_allclose(data.labels, [[0], [4]])


def test_a_song_is_on_one_side_with_all_its_regions_and_its_artists_other_songs(tmp_path):
    data = rows(Path(write(tmp_path / "curves.parquet")))
    assert len(set(zip(data.track_ids, data.groups, strict=True))) == len(set(data.track_ids)) == SONGS
    assert len(set(data.groups)) == SONGS / 2
    alone = pyarrow.parquet.read_table(tmp_path / "curves.parquet").drop_columns(["artist_ids"])
    pyarrow.parquet.write_table(alone, tmp_path / "alone.parquet")
    assert len(set(rows(tmp_path / "alone.parquet").groups)) == SONGS


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curves")
    labels = write(folder / "curves.parquet")
    sets = [
        "target.after=3",
        "network.features=6",
        "network.hidden=8",
        "epochs=40",
        "training.patience=40",
        "batch_size=32",
    ]
    options = [word for each in sets for word in ("--set", each)] + ["--set", "training.learning_rate=1e-2"]
    words = ["train", "-r", "chart-curve", "--labels", labels, "--target", "curve", "-o", str(folder / "m"), *options]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return folder


@pytest.mark.slow
def test_it_beats_the_baselines_where_regions_differ(trained):
    found = json.loads((trained / "m" / "metrics.json").read_text())["curve"]
    errors = {name: entry["mae"]["value"] for name, entry in found["charted"].items()}
    model = errors.pop("model")
    # Each planted song falls at a rate of its own region, which four exact weeks give away.
    del errors["exponential decay, own rate"]
    assert set(errors) >= {"persistence", "mean curve", "mean change", "exponential decay"}
    assert model < 0.7 * min(errors.values())
    assert found["charted"]["persistence"]["mae_above_first"]["interval"][0] > 0
    assert found["measures"]["mean"]["spearman"]["value"] > 0.8


@pytest.mark.slow
def test_evaluate_prints_the_curves_beside_their_baselines(trained):
    words = ["evaluate", str(trained / "m"), "--labels", str(trained / "curves.parquet")]
    printed = CliRunner().invoke(app, words)
    assert printed.exit_code == 0, printed.output
    assert "| persistence |" in printed.stdout
    assert "| kurtosis |" in printed.stdout
    found = json.loads(CliRunner().invoke(app, [*words, "-f", "json"]).stdout)
    kept = json.loads((trained / "m" / "metrics.json").read_text())
    assert found["curve"] == kept["curve"]
    assert found["metrics"] == kept["metrics"]


@pytest.mark.slow
def test_it_cannot_score_audio_and_says_so(trained):
    with pytest.raises(UsageError, match="takes no sound, so that there is nothing to score"):
        export(ModelFolder(trained / "m"))


def test_tables_that_cannot_be_used(tmp_path):
    path = tmp_path / "curves.parquet"
    write(path, censored_left=[True] * 2 * SONGS)
    with pytest.raises(UsageError, match="no row has a usable label"):
        rows(path)
    no_region = pyarrow.parquet.read_table(path).drop_columns(["region"])
    pyarrow.parquet.write_table(no_region, path)
    with pytest.raises(UsageError, match="no column region"):
        rows(path)
    with pytest.raises(UsageError, match="the number of weeks that are known"):
        kinds_of(["weeks"])
    write(path)
    # Of another target the weeks come from the column of curves, which must be of all regions together.
    with pytest.raises(UsageError, match="none of all together"):
        load([], path, ["available_weeks"], None, from_labels=[{"name": "weeks", "count": 3}])
