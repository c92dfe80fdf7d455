"""What users get wrong, and the one line they get for it."""

import json
import re
from dataclasses import replace

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from typer.testing import CliRunner

from hitpredict import recipes
from hitpredict.audio.clip import Clip
from hitpredict.cli.app import app
from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.evaluation.models import opened_model
from hitpredict.frontends import FRONTENDS, MfccStats, compute, to_json
from hitpredict.recipes.recipe import TargetSpec
from hitpredict.tables.join import filled, load
from hitpredict.tables.read import Arrays, Features
from hitpredict.tables.targets import fit, log_sum
from hitpredict.training.checks import other_input, split_of, unlike_published
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train

ROWS = 120


@pytest.fixture
def tables(tmp_path):
    random = np.random.default_rng(0)
    features = np.exp(0.1 * random.normal(size=(ROWS, 40)))
    lines = [f"{i},{','.join(f'{v:.5f}' for v in row)}" for i, row in enumerate(features)]
    (tmp_path / "f.csv").write_text("\n".join([f"track_id,{','.join(MfccStats().columns)}", *lines]) + "\n")
    score = 50 + 100 * (features[:, 0] - 1) + random.normal(size=ROWS)
    rows = [f"{i},{score[i]:.4f},a{i // 2},201{i % 8}-07-03,7/3/201{i % 8}" for i in range(ROWS)]
    (tmp_path / "l.csv").write_text("\n".join(["track_id,y,artist,day,american", *rows]) + "\n")
    return tmp_path


def data_of(tables, labels="l.csv", target="y"):
    return load([tables / "f.csv"], tables / labels, [target])


def run_of(tables, recipe="mlp", data=None, **settings):
    data = data_of(tables) if data is None else data
    return TrainingRun(recipes.load(recipe).changed({"epochs": 2, **settings}), data)


def changed(tables, change):
    lines = (tables / "l.csv").read_text().splitlines()
    (tables / "other.csv").write_text("\n".join([lines[0], *change(lines[1:])]) + "\n")


@pytest.mark.parametrize(
    ("recipe", "key", "value"),
    [
        *(("mlp", "training.epoch", 5), ("mlp", "training.schedule", "foo"), ("mlp", "training.epochs", 0)),
        *(("mlp", "training.batch_size", 0), ("mlp", "training.learning_rate", -1.0), ("mlp", "target.combine", "foo")),
        *(("linear", "training.epochs", 5), ("majority", "target.quantiles", [0.5, 1.5])),
    ],
)
def test_entries_that_nothing_reads_or_that_cannot_be(recipe, key, value):
    with pytest.raises(UsageError, match=key.split(".")[1]):
        recipes.load(recipe).changed({key: value})


def made(tables, kind, **settings):
    """Data of one table of arrays that this front-end made."""
    data = data_of(tables)
    arrays = Arrays(np.zeros(6, np.float32), [(2, 3)])
    return replace(data, inputs=(Features("t.parquet", to_json(FRONTENDS[kind](**settings)), ("0",), None, arrays),))


@pytest.mark.parametrize(
    ("recipe", "kind", "settings", "said"),
    [
        ("hsp-cnn", "logmel", {"n_fft": 4096, "hop_length": 2048}, None),
        ("hsp-cnn", "logmel", {}, "n_fft=2048, hop_length=512; recipe hsp-cnn .* n_fft=4096, hop_length=2048"),
        ("hiphop-crnn", "logmel", {"relative": "min"}, None),
        ("hiphop-crnn", "logmel", {"n_mels": 64}, "n_mels=64, relative=False; .* n_mels=128, relative=min"),
        ("cs230-4conv", "spectrogram_image", {"dtype": "uint8"}, None),
        ("cs230-4conv-rgb", "spectrogram_image", {}, "colour=gray; recipe .* with colour=rgb"),
        ("mp2", "fbank", {"window": None}, None),
        ("mp2", "fbank", {"mean": -5.0}, "mean=-5.0; .* mean=-4.2677393"),
        ("constant", "logmel", {"n_fft": 512}, None),
    ],
)
def test_features_made_otherwise_than_the_published_ones_are_told_of(tables, recipe, kind, settings, said):
    found = unlike_published(recipes.load(recipe), made(tables, kind, **settings))
    assert (found is None) if said is None else re.search(said, found)


@pytest.mark.parametrize("recipe", ["hsp-cnn", "hsp-inception", "hsp-siamese", "hiphop-cnn", "mlp-hiphop", "wav2vec2"])
def test_a_window_is_the_published_thirty_seconds(recipe):
    system = recipes.load(recipe)
    kind = system.inputs[0].split(" or ")[0]
    clip = Clip(np.random.default_rng(0).normal(0, 0.1, (1, 30 * 16000)).astype(np.float32), 16000, "noise")
    assert len(compute(FRONTENDS[kind](**system.made_with), clip)) == system.scaling.windows[0].length


def test_one_way_to_cut_classes_takes_the_place_of_another():
    assert recipes.load("hmn-classify").changed({"target.quantiles": [0.5]}).target.thresholds is None


def test_a_run_is_taken_up_with_the_same_options_alone(tables):
    model, chosen = tables / "m", run_of(tables)
    partial = tables / ".m.partial"
    train(chosen, model)
    assert not (model / "request.json").exists()
    # As a kill leaves it.
    partial.mkdir()
    train(replace(chosen, resume=True), model)
    partial.mkdir()
    (partial / "request.json").write_text("[]")
    with pytest.raises(UsageError, match="another recipe, seed, split or table"):
        train(replace(chosen, resume=True, seed=3), model)
    with pytest.raises(UsageError, match="must be groups"):
        train(replace(chosen, resume=True, split="nonsense"), model)
    assert (partial / "request.json").read_text() == "[]"


def test_curves_and_numbers_are_told_apart(tables):
    with (tables / "curves.jsonl").open("w") as file:
        for i in range(ROWS):
            file.write(json.dumps({"track_id": i, "curve": [5.0, 4.0], "raw": [5e4, 4e4], "artist": f"a{i}"}) + "\n")
    with pytest.raises(UsageError, match="holds lists"):
        train(run_of(tables, data=data_of(tables, "curves.jsonl", target="curve")), tables / "m")
    curve = recipes.load("mp3").changed({"inputs": ["mfcc_stats"]})
    with pytest.raises(UsageError, match="holds single numbers"):
        train(TrainingRun(curve, data_of(tables)), tables / "m")
    with pytest.raises(UsageError, match="log10 of weekly streams"):
        train(TrainingRun(curve, data_of(tables, "curves.jsonl", target="raw")), tables / "m")


def test_rows_that_repeat_a_track_are_counted(tables):
    changed(tables, lambda rows: [*rows, rows[0].replace(",", ",9", 1)])
    data = data_of(tables, "other.csv")
    assert any("1 rows repeat a track" in note for note in data.notes)
    assert data.labels[0] == data_of(tables).labels[0]


def test_text_among_numbers_is_shown(tables):
    changed(tables, lambda rows: [rows[0].replace(rows[0].split(",")[1], '"12,345"'), *rows[1:]])
    data = data_of(tables, "other.csv")
    assert len(data) == ROWS - 1
    assert any("such as '12,345'; they count as missing" in note for note in data.notes)


def test_a_bad_cell_of_a_feature_is_a_missing_one(tables):
    text = (tables / "f.csv").read_text()
    first = text.splitlines()[1].split(",")[1]
    (tables / "f.csv").write_text(text.replace(first, "oops", 1))
    data = data_of(tables)
    assert any("such as 'oops'" in note for note in data.notes)
    assert np.isnan(data.vectors()).sum() == 1
    assert data.inputs[0].kind["name"] == "mfcc_stats"


def test_dates_that_cannot_be_ordered(tables):
    data = data_of(tables)
    assert set(split_of(data, "temporal:day", 0)) == {"train", "validation", "calibration", "test"}
    with pytest.raises(UsageError, match="'7/3/2010' is neither a number nor a date"):
        split_of(data, "temporal:american", 0)


def test_artists_on_both_sides_of_a_split_are_told(tables):
    parts = ["train", "validation", "test"]
    changed(tables, lambda rows: [f"{row},{parts[i % 3]}" for i, row in enumerate(rows)])
    text = (tables / "other.csv").read_text()
    (tables / "other.csv").write_text(text.replace("american\n", "american,part\n"))
    chosen = replace(run_of(tables, data=data_of(tables, "other.csv")), split="column:part")
    result = train(chosen, tables / "m")
    assert "groups of artists are on more than one side" in result["warning"]
    assert "more than one side" not in train(run_of(tables), tables / "n").get("warning", "")


def test_models_of_different_targets_are_not_compared(tables):
    train(run_of(tables), tables / "m")
    train(TrainingRun(recipes.load("majority"), data_of(tables)), tables / "n")
    words = ["evaluate", tables / "m", "--features", tables / "f.csv", "--labels", tables / "l.csv"]
    done = CliRunner().invoke(app, [str(word) for word in [*words, "--compare", tables / "n"]])
    assert done.exit_code == 2
    assert "predicts another thing (y, 3 classes)" in done.output


def test_few_groups_are_told(tables):
    train(run_of(tables), tables / "m")
    text = (tables / "l.csv").read_text().splitlines()
    seen = json.loads((tables / "m" / "config.json").read_text())["split"]["test"][:6]
    (tables / "few.csv").write_text("\n".join([text[0], *(text[int(row) + 1] for row in seen)]) + "\n")
    words = ["evaluate", tables / "m", "--features", tables / "f.csv", "--labels", tables / "few.csv"]
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert "groups only; do not rely on them" in done.output
    inflated = CliRunner().invoke(app, [str(word) for word in [*words, "--all"]])
    assert "inflated" in inflated.output


@pytest.mark.parametrize("name", ["calibration.json", "model.safetensors"])
def test_damaged_folders_name_the_file(tables, name):
    train(run_of(tables), tables / "m")
    (tables / "m" / name).write_bytes(b"{")
    model = opened_model(tables / "m")
    with pytest.raises(EnvironmentProblem, match=f"{name}: damaged"):
        _ = model.calibration, model.network
    (tables / "m" / name).unlink()
    with pytest.raises(EnvironmentProblem, match=f"{name}: missing"):
        _ = model.calibration, model.network


def test_features_that_a_recipe_is_not_about_are_told(tables):
    """HitMusicNet on 40 columns of another kind is not the published system, and says so wherever its results are."""
    wider = {"network.compression": 2, "network.alpha": 4.0, "network.initialiser": "he"}
    note = "not the published input: recipe hmn is about hmn207 or hmn228 (here mfcc_stats, 40 columns)"
    sets = [word for key, value in {**wider, "epochs": 5}.items() for word in ("--set", f"{key}={value}")]
    where = ["--features", str(tables / "f.csv"), "--labels", str(tables / "l.csv")]
    command = ["train", "-r", "hmn", *where, "--target", "y", *sets, "-o", str(tables / "m")]
    trained = CliRunner().invoke(app, command)
    assert trained.exit_code == 0, trained.output
    assert note in trained.stderr
    assert note in (tables / "m" / "MODEL_CARD.md").read_text()
    assert note in json.loads((tables / "m" / "metrics.json").read_text())["warning"]
    shown = CliRunner().invoke(app, ["evaluate", str(tables / "m"), *where, "-q"])
    assert note in shown.stdout, shown.output
    assert "published input" not in train(run_of(tables), tables / "n").get("warning", "")


def test_parameters_of_features_count_as_well(tables):
    data = data_of(tables)
    kind = {"name": "logmel", "n_fft": 2048, "hop_length": 512}
    frames = replace(data.inputs[0], kind=kind, columns=None)
    data = replace(data, inputs=(frames,))
    said = other_input(recipes.load("hsp-cnn"), data)
    assert said.startswith("not the published input") and "published with n_fft=4096, hop_length=2048" in said
    data = replace(data, inputs=(replace(frames, kind=kind | {"n_fft": 4096, "hop_length": 2048}),))
    assert other_input(recipes.load("hsp-cnn"), data) is None


def test_too_few_columns_for_a_code(tables):
    lines = [",".join(line.split(",")[:4]) for line in (tables / "f.csv").read_text().splitlines()]
    (tables / "f.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(UsageError, match="recipe hmn: 3 columns are too few"):
        train(run_of(tables, "hmn"), tables / "m")


def test_a_track_in_several_regions_has_one_stated_label(tables):
    """The rows of all regions together where there are such, else the mean; never the first region's."""
    rows = [
        {"track_id": i, "region": r, "y": i + 100.0 * n, "artist": f"a{i}"}
        for i in range(9)
        for n, r in enumerate("xy")
    ]
    whole = [{"track_id": i, "region": "all", "y": -1.0 * i, "artist": f"a{i}"} for i in range(9)]
    for made, expected, said in ((rows, 50.0, "mean over the regions"), (rows + whole, 0.0, "region all")):
        (tables / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
        data = data_of(tables, "r.jsonl")
        assert len(data) == 9 and data.labels[0, 0] == expected
        assert any(said in note for note in data.notes)
        assert not any("repeat a track" in note for note in data.notes)
    curves = [row | {"curve": [5.0, 4.0]} for row in rows]
    (tables / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in curves))
    with pytest.raises(UsageError, match="curves in several regions and none of all together"):
        data_of(tables, "r.jsonl", target="curve")


def test_sums_of_curves_that_are_not_known_to_their_end_are_no_labels():
    curve = np.array([[5.0, 5.0, 0.0], [5.0, 5.0, np.nan]])
    np.testing.assert_allclose(log_sum(curve), [5 + np.log10(2), np.nan])
    with pytest.raises(UsageError, match="of no training row all 3 weeks are known"):
        fit(curve[1:], ["curve"], TargetSpec(combine="log-sum"))


@pytest.mark.parametrize("recipe", ["mlp", "linear"])
def test_a_column_without_a_number_counts_for_nothing(tables, recipe):
    """As skews of constant descriptors, which very short or silent songs have."""
    table = pyarrow.csv.read_csv(tables / "f.csv")
    without = pyarrow.array(np.full(ROWS, np.nan))
    pyarrow.parquet.write_table(table.set_column(5, table.column_names[5], without), tables / "f.parquet")
    data = load([tables / "f.parquet"], tables / "l.csv", ["y"])
    assert data.inputs[0].values.shape == (ROWS, 40)
    result = train(
        TrainingRun(recipes.load(recipe).changed({"epochs": 2} if recipe == "mlp" else {}), data), tables / "m"
    )
    assert np.isfinite(result["metrics"]["mae"]["value"])
    table, medians = filled(np.array([[np.nan, 1, np.inf], [np.nan, 3, 2.0]]))
    np.testing.assert_array_equal(table, [[0, 1, 2], [0, 3, 2]])
    np.testing.assert_array_equal(medians, [0, 2, 2])
