"""Several rows of one track: which are its clips, which variants to train on, and what is predicted of them."""

import json

import numpy as np
import pytest

from hitpredict.frontends import MfccStats
from hitpredict.tables.clips import rows_by_track
from hitpredict.tables.join import load

COLUMNS = MfccStats().columns


def table(folder, rows, name="f.csv"):
    """Features whose every number is that of the row, and labels of the tracks a, b, 7."""
    lines = [f"{track},{','.join([str(value)] * len(COLUMNS))}" for track, value in rows]
    (folder / name).write_text("\n".join([f"track_id,{','.join(COLUMNS)}", *lines]) + "\n")
    labels = [{"track_id": track, "y": number, "artist": track} for number, track in enumerate(("a", "b", "7"))]
    (folder / "l.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels))
    return folder / name


def test_names_tell_clips_and_variants_of_known_tracks():
    ids = ["a", "a.pitch+2", "a", "a.tempo1.1.gain-3", "0007.original", "7.eq", "7.live", "x.pitch+2", "b.c"]
    assert rows_by_track(ids, {"a", "7", "b.c"}) == {
        "a": ([0, 2], [1, 3]),
        "7": ([4], [5]),
        "7.live": ([6], []),
        "x.pitch+2": ([7], []),
        "b.c": ([8], []),
    }


def test_clips_are_rows_of_one_track_and_variants_of_it_as_well(tmp_path):
    rows = [("a", 1), ("a.pitch+2", 9), ("b", 2), ("a", 3), ("000007.pitch-1", 8), ("7", 4)]
    data = load([table(tmp_path, rows)], tmp_path / "l.jsonl", ["y"], "artist")
    assert data.track_ids == ("a", "b", "7")
    assert any("4 clips and 2 variants of 3 tracks" in note for note in data.notes)
    np.testing.assert_array_equal(data.vectors()[:, 0], [1, 2, 4])
    clips, owners = data.by_clip()
    np.testing.assert_array_equal(clips.vectors()[:, 0], [1, 3, 2, 4])
    np.testing.assert_array_equal(owners, [0, 0, 1, 2])
    assert clips.track_ids == ("a", "a", "b", "7")
    later, owners = data.take(np.array([2, 0])).by_clip()
    np.testing.assert_array_equal(later.vectors()[:, 0], [4, 1, 3])
    np.testing.assert_array_equal(owners, [0, 1, 1])


def test_clips_of_several_inputs_go_together_and_fewer_repeat(tmp_path):
    first = table(tmp_path, [("a", 1), ("a", 2), ("a.gain+1", 3), ("a.pitch+1", 4), ("b", 5)])
    second = table(tmp_path, [("a", 10), ("b", 50), ("a", 20), ("b", 60)], "g.csv")
    data = load([first, second], tmp_path / "l.jsonl", ["y"], "artist")
    clips, owners = data.by_clip()
    found = [clips.vectors(number)[:, 0].tolist() for number in (0, 1)]
    assert (found, owners.tolist()) == ([[1, 2, 5, 5], [10, 20, 50, 60]], [0, 0, 1, 1])
    drawn = {data.drawn(0, np.random.default_rng(seed)) for seed in range(50)}
    values = {(data.inputs[0].values[a][0], data.inputs[1].values[b][0]) for a, b in drawn}
    assert values == {(1, 10), (2, 20), (3, 10), (4, 20)}


def test_a_table_with_a_row_for_each_track_is_as_it_was(tmp_path):
    data = load([table(tmp_path, [("a", 1), ("b", 2), ("7", 3)])], tmp_path / "l.jsonl", ["y"], "artist")
    assert data.clips is None and data.by_clip() == (data, None)
    assert not any("clips" in note for note in data.notes)


def test_training_draws_one_in_each_epoch_and_other_splits_take_the_first(tmp_path):
    from hitpredict.training.batches import Tracks

    rows = [("a", 1), ("a", 2), ("a.pitch+2", 3), ("b", 5)]
    data = load([table(tmp_path, rows)], tmp_path / "l.jsonl", ["y"], "artist")
    every = np.arange(2)

    def seen(random, seed=0):
        tracks, found = Tracks(data, every, np.zeros(2, np.float32), [None], seed, random=random), []
        for tracks.epoch in range(30):
            (values,), _ = tracks.__getitems__([0, 1])
            found.append(tuple(values[:, 0].tolist()))
        return found

    assert set(seen(True)) == {(1, 5), (2, 5), (3, 5)}
    assert seen(True) == seen(True) != seen(True, 1)
    assert set(seen(False)) == {(1, 5)}


@pytest.mark.parametrize("recipe", ["linear", pytest.param("mlp", marks=pytest.mark.slow)])
def test_a_prediction_is_the_mean_over_clips_in_folders_and_files(tmp_path, recipe):
    from hitpredict import recipes
    from hitpredict.evaluation.models import OnnxModel
    from hitpredict.export.export import export
    from hitpredict.model_folder.folder import ModelFolder
    from hitpredict.training.run import TrainingRun
    from hitpredict.training.train import train

    random = np.random.default_rng(0)
    values = random.normal(size=(240, len(COLUMNS)))
    # Of songs below 60 a second clip, and a variant that is nothing like it.
    more = [(f"s{i}", values[i] + 0.5) for i in range(60)] + [(f"s{i}.pitch+2", values[i] + 50) for i in range(60)]
    rows = [(f"s{i}", row) for i, row in enumerate(values)]
    labels = [{"track_id": f"s{i}", "y": values[i, 0], "artist": f"a{i // 2}"} for i in range(240)]
    (tmp_path / "l.jsonl").write_text("".join(json.dumps(label) + "\n" for label in labels))

    def made(name, rows):
        lines = [f"{track},{','.join(f'{value:.5f}' for value in row)}" for track, row in rows]
        (tmp_path / name).write_text("\n".join([f"track_id,{','.join(COLUMNS)}", *lines]) + "\n")
        return load([tmp_path / name], tmp_path / "l.jsonl", ["y"], "artist")

    data, first, second = made("all.csv", rows + more), made("first.csv", rows), made("second.csv", more[:60])
    chosen = recipes.load(recipe)
    train(TrainingRun(chosen.changed({"epochs": 4}) if chosen.network else chosen, data), tmp_path / "m")
    model = ModelFolder(tmp_path / "m")
    (tmp_path / "m.onnx").write_bytes(export(model).data)
    for answer in (model.predict, OnnxModel(str(tmp_path / "m.onnx")).predict):
        one, two = answer(first).score, answer(second).score
        found = answer(data).score
        np.testing.assert_allclose(found[60:], one[60:], rtol=1e-4, atol=1e-4)
        # Of what is not cut to the scale of the labels.
        inside = (np.abs(one[:60]) < 1) & (np.abs(two) < 1)
        assert inside.sum() > 10
        np.testing.assert_allclose(found[:60][inside], ((one[:60] + two) / 2)[inside], rtol=1e-4, atol=1e-4)
    assert np.abs(one[:60] - two).max() > 0.01
