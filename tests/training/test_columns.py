"""HitMusicNet's 228 columns, of which sound gives 207: which are taken, what is said of it, and what it is good for."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from hitpredict import recipes
from hitpredict.cli.app import app
from hitpredict.errors import UsageError
from hitpredict.export.export import export
from hitpredict.features.descriptors.hmn import HIGH_LEVEL, LYRIC, METADATA, Hmn207
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.networks.registry import build_network
from hitpredict.training.checks import other_input
from hitpredict.training.run import TrainingRun, data_for
from hitpredict.training.train import train

SOUND = Hmn207().columns
ALL = (*SOUND, *HIGH_LEVEL, *LYRIC, *METADATA)
SONGS = 60


def table(folder, columns, songs=SONGS):
    """Features of songs, and labels that the first high-level column explains."""
    random = np.random.default_rng(0)
    values = {name: random.normal(size=songs) for name in ALL}
    values["n_words"][0] = np.nan
    rows = [["" if np.isnan(values[name][i]) else f"{values[name][i]:.4f}" for name in columns] for i in range(songs)]
    lines = [",".join(["track_id", *columns]), *(",".join([f"s{i}", *row]) for i, row in enumerate(rows))]
    (folder / "f.csv").write_text("\n".join(lines) + "\n")
    popularity = 50 + 20 * values["acousticness"]
    labels = [{"track_id": f"s{i}", "popularity": popularity[i], "artist": f"a{i}"} for i in range(songs)]
    (folder / "l.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels))


def data_of(folder, recipe="hmn", columns=ALL):
    table(folder, columns)
    return data_for(recipes.load(recipe), [folder / "f.csv"], folder / "l.jsonl", ["popularity"], "artist")


def test_a_table_with_all_228_columns_is_taken_whole(tmp_path):
    data = data_of(tmp_path)
    assert (data.inputs[0].columns, data.inputs[0].name) == (ALL, "hmn228")
    assert len(ALL) == 228
    said = "beside the 207 columns of sound it has 12 high-level, 6 lyrics, 3 metadata, so the model cannot score audio"
    assert any(said in note for note in data.notes)
    assert other_input(recipes.load("hmn"), data) is None
    network = build_network(recipes.load("hmn").network, [(228,)], 1)
    widths = [layer.out_features for layer in network.autoencoder.modules() if hasattr(layer, "out_features")]
    assert widths == [114, 76, 45, 76, 114, 228]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (SOUND, "207 instead of 228 columns, without 12 high-level, 6 lyrics, 3 metadata"),
        ((*SOUND, *HIGH_LEVEL, *LYRIC), "225 instead of 228 columns, without 3 metadata"),
        ((*SOUND, *HIGH_LEVEL[1:], *METADATA), "221 instead of 228 columns, without 1 high-level, 6 lyrics"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, columns, said):
    data = data_of(tmp_path, columns=columns)
    assert data.inputs[0].columns == columns
    assert other_input(recipes.load("hmn"), data) == f"not the published input: {said}"


@pytest.mark.parametrize("recipe", ["linear", "rnn"])
def test_systems_that_were_published_without_them_leave_them_out(tmp_path, recipe):
    wide = data_of(tmp_path, recipe)
    assert (wide.inputs[0].columns, wide.inputs[0].name) == (SOUND, "hmn207")
    assert any("are not hmn207 features; left out" in note for note in wide.notes)


def test_wide_and_deep_takes_the_high_level_columns_past_its_groups(tmp_path):
    data = data_of(tmp_path, "wide-deep")
    assert data.inputs[0].columns == (*SOUND, *HIGH_LEVEL)
    network = build_network(recipes.load("wide-deep").network, [(219,)], 1)
    assert [layer[0].in_features for layer in network.squeezed] == [128, 48, 12, 7, 6, 1, 1, 1, 1, 1, 1]
    (first, *_) = [layer for layer in network.deep.modules() if hasattr(layer, "in_features")]
    assert first.in_features == 11 + 12
    said = other_input(recipes.load("wide-deep"), data_of(tmp_path, "wide-deep", SOUND))
    assert said == "not the published input: 207 instead of 219 columns, without 12 high-level"


@pytest.mark.slow
def test_such_a_model_is_measured_and_says_why_it_cannot_score(tmp_path):
    table(tmp_path, ALL, 300)
    recipe = recipes.load("wide-deep").changed({"epochs": 20, "batch_size": 32, "learning_rate": 0.01})
    where = [tmp_path / "f.csv"], tmp_path / "l.jsonl", ["popularity"]
    train(TrainingRun(recipe, data_for(recipe, *where, "artist")), tmp_path / "m")
    options = ["--features", tmp_path / "f.csv", "--labels", tmp_path / "l.jsonl", "--group", "artist", "-f", "json"]
    shown = CliRunner().invoke(app, [str(word) for word in ["evaluate", tmp_path / "m", *options]])
    assert shown.exit_code == 0, shown.output
    assert json.loads(shown.stdout)["metrics"]["spearman"]["value"] > 0.8
    with pytest.raises(UsageError, match="trained on hmn219, with columns that cannot be made from audio"):
        export(ModelFolder(tmp_path / "m"))
