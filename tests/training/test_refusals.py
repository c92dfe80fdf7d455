"""What is refused before or while it is trained: other features, missing columns, constants, collapse."""

import pytest

from hitpredict.errors import TrainingError, UsageError
from hitpredict.tables.join import load
from hitpredict.training.train import train
from tests.helpers.planted import ROWS, data_of, run_of


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("hiphop-cnn2", r"takes logmel, but .*features.csv holds mfcc_stats; make it with .*featurize `kind` logmel"),
        ("rnn", r"takes 2 inputs \(hmn207, vggish_embedding\), not 1"),
        ("ast", "takes fbank"),
    ],
)
def test_tables_of_other_features_are_refused(tables, tmp_path, recipe, message):
    with pytest.raises(UsageError, match=message):
        train(run_of(tables, recipe), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def test_a_constant_target_is_refused(tables, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("track_id,y\n" + "".join(f"{i},1\n" for i in range(ROWS)))
    data = load([tables / "features.csv"], labels, ["y"], None)
    with pytest.raises(UsageError, match="constant"):
        train(run_of(tables, "linear", data=data), tmp_path / "m")


def test_a_collapsed_network_fails(tables, tmp_path):
    # A learning rate of nothing leaves the output layer at its start; a zero start answers the same for all.
    data = data_of(tables)
    data.inputs[0].values[:] = 0
    chosen = run_of(tables, "mlp", data=data, epochs=1, **{"training.learning_rate": 0.0, "network.hidden": [1]})
    with pytest.raises(TrainingError, match="collapsed"):
        train(chosen, tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_a_loss_that_is_not_finite_fails_at_once(tables, tmp_path):
    chosen = run_of(tables, "mlp", epochs=5, optimizer="sgd", **{"training.learning_rate": 1e30})
    with pytest.raises(TrainingError, match="the loss became"):
        train(chosen, tmp_path / "m")


@pytest.mark.parametrize(
    ("targets", "group", "message"),
    [
        (["nothing"], None, "no such column"),
        (["popularity"], "nothing", "no such column"),
        (["artist"], None, "no row has a usable label in artist"),
    ],
)
def test_missing_columns_are_named(tables, targets, group, message):
    with pytest.raises(UsageError, match=message):
        load([tables / "features.csv"], tables / "labels.jsonl", targets, group)


def test_ids_that_do_not_match_are_shown(tables, tmp_path):
    labels = tmp_path / "labels.csv"
    labels.write_text("track_id,y\nx1,2\nx2,3\n")
    with pytest.raises(UsageError, match=r"no track with features has a label; ids look like .*0.*x1"):
        load([tables / "features.csv"], labels, ["y"], None)
