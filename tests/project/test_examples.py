"""The scripts under examples/ do what their first lines say."""

import importlib.util
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.helpers.sounds import saved, tune

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script, *arguments, environment):
    return subprocess.run(
        ["bash", EXAMPLES / script, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_batch_folder_lists_the_best_and_the_failed(tmp_path, path_with_program):
    music = tmp_path / "music"
    for seed, name in enumerate(("a.wav", "sub/b.flac", "sub/c.ogg")):
        saved(music, name, tune(3, seed=seed))
    (music / "broken.mp3").write_bytes(b"no sound in here")
    table = tmp_path / "scores.tsv"
    done = run("batch_folder.sh", music, table, environment=path_with_program)
    assert done.returncode == 1
    assert len(table.read_text().splitlines()) == 4
    scores = [float(line.split()[0]) for line in done.stdout.splitlines()[1:]]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert f"  {music}/broken.mp3" in done.stderr


def test_pitch_sweep_shows_every_step_in_order(tmp_path, path_with_program):
    song = saved(tmp_path, "song.wav", tune(3))
    done = run("pitch_sweep.sh", song, "-2:2:2", environment=path_with_program)
    assert done.returncode == 0, done.stderr
    assert [float(line.split()[0]) for line in done.stdout.splitlines()] == [-2, 0, 2]
    assert len({line.split()[2] for line in done.stdout.splitlines()}) == 3


def test_compare_mixes_ranks_them(tmp_path, path_with_program):
    mixes = [saved(tmp_path, f"mix{seed}.wav", tune(3, seed=seed)) for seed in range(3)]
    done = run("compare_mixes.sh", *mixes, environment=path_with_program)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()[:3]]
    assert {row[2] for row in rows} == {"mix0", "mix1", "mix2"}
    assert [float(row[1]) for row in rows] == sorted((float(row[1]) for row in rows), reverse=True)
    assert float(rows[0][1]) == 0


def test_synth_features_makes_songs_and_their_table(tmp_path, path_with_program):
    done = run("synth_features.sh", tmp_path / "synth", "4", environment=path_with_program)
    assert done.returncode == 0, done.stderr
    table = pd.read_parquet(tmp_path / "synth" / "fma518.parquet")
    labels = pd.read_json(tmp_path / "synth" / "tracks.jsonl", lines=True)
    assert table.shape == (4, 3 + 518)
    assert list(table.track_id) == list(labels.track_id)
    assert labels.popularity.between(0, 100).all()


@pytest.mark.slow
def test_all_systems_ends_in_a_table(tmp_path, path_with_program):
    recipes = ("constant", "linear-ols", "mlp")
    done = run("all_systems.sh", tmp_path / "work", "80", *recipes, environment=path_with_program)
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")][1:]
    assert {row[0].removeprefix("| ") for row in rows} == set(recipes)
    # What score says of a file is what the model says of its row in the table.
    assert all(float(row[-1].removesuffix(" |")) < 1e-3 for row in rows)


@pytest.mark.slow
def test_the_whole_study_ends_in_a_page(tmp_path, path_with_program):
    study = ("what_makes_it_popular.sh", tmp_path / "study", "60", "3", "gain,lowpass")
    done = run(*study, environment=path_with_program)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "study" / "report.html").read_text(encoding="utf-8")
    assert "lowpass" in page and "<svg" in page
    again = run(*study, environment=path_with_program)
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "study" / "report.html").read_text(encoding="utf-8") == page


@pytest.mark.slow
def test_stems_of_the_example_song_are_explained(tmp_path, path_with_program):
    pytest.importorskip("vl_convert")
    done = run("stems.sh", tmp_path, environment=path_with_program)
    assert done.returncode == 0, done.stderr
    assert "lead" in (tmp_path / "stems.html").read_text(encoding="utf-8")
    assert '"stem": "drums"' in (tmp_path / "stems.jsonl").read_text(encoding="utf-8")


def module(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_an_artists_level_is_of_other_songs_that_are_known():
    names, known = [["a"], ["a", "b"], ["b"], ["c"], ["a"]], [True, True, True, True, False]
    found = module("nested_tables").own_level(names, [1.0, 3.0, 8.0, 5.0, 100.0], known)
    assert found == [("3.00000", 1), ("4.50000", 2), ("3.00000", 1), ("", 0), ("2.00000", 2)]


def test_transfer_tests_on_groups_it_was_not_trained_on(monkeypatch):
    transfer, random = module("transfer"), np.random.default_rng(0)
    fold = random.integers(0, transfer.FOLDS, 200)
    features, values = np.stack([fold, random.normal(size=200)], axis=1).astype(float), random.normal(size=200)
    trained, tested = [], []

    def ridge(given, _):
        trained.append(set(given[:, 0]))
        return lambda held: (tested.append(set(held[:, 0])), held[:, 1])[1]

    monkeypatch.setattr(transfer, "ridge", ridge)
    train, test = np.arange(150), np.arange(100, 200)
    answers = transfer.predicted(features, values, fold, train, test)
    np.testing.assert_array_equal(answers, features[test, 1])
    assert len(tested) == transfer.FOLDS
    assert all(not seen & held for seen, held in zip(trained, tested, strict=True))


def test_the_ridge_of_transfer_is_the_librarys():
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    transfer, random = module("transfer"), np.random.default_rng(0)
    features, values = random.normal(3, 2, (80, 4)), random.normal(size=80)
    expected = make_pipeline(StandardScaler(), Ridge(transfer.PENALTY)).fit(features, values).predict(features)
    np.testing.assert_allclose(transfer.ridge(features, values)(features), expected, atol=1e-9)
