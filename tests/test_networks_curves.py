import datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
import torch
from learning import check_export

from hitpredict.errors import InputError, UsageError
from hitpredict.networks.curve_baselines import (
    compare,
    decay_rate,
    exponential_decay,
    mean_change,
    mean_curve,
    persistence,
)
from hitpredict.networks.curve_training import CurveTable, evaluate_curves, forecast, read_curves, split, train_curves
from hitpredict.networks.curves import CurveNet

TINY = {"features": 6, "hidden": 8}
INDEX, ONE_HOT = [(1,), (3,)], [(4,), (3,)]


def table(count: int = 300, weeks: int = 10, seed: int = 0) -> CurveTable:
    """Two regions where songs fall at different rates; each song is in both; the data end at random."""
    rng = np.random.default_rng(seed)
    region = np.tile([0, 1], count // 2)
    start = 4.5 + rng.random(count)
    curve = start[:, None] - np.array([0.02, 0.2])[region][:, None] * np.arange(weeks)
    curve = np.where(curve > 3, curve + 0.01 * rng.standard_normal((count, weeks)), 0.0)
    curve[np.arange(weeks) >= rng.integers(6, weeks + 1, count)[:, None]] = np.nan
    songs = np.repeat([f"song{i}" for i in range(count // 2)], 2)
    return CurveTable(("at", "us"), region, songs, curve.astype(np.float32))


def write(path, curves: np.ndarray, available: list[int], censored: list[bool]) -> str:
    rows = len(curves)
    columns = {
        "region": ["us", "at", "us"][:rows],
        "track_id": [f"t{i}" for i in range(rows)],
        "start": [datetime.date(2020, 1, 3)] * rows,
        "curve": pa.array(curves.astype(np.float32).tolist(), pa.list_(pa.float32())),
        "available_weeks": pa.array(available, pa.int16()),
        "censored_left": censored,
    }
    pyarrow.parquet.write_table(pa.table(columns), path)
    return str(path)


def test_export():
    torch.manual_seed(0)
    check_export(CurveNet(INDEX, 4, regions=4, **TINY), INDEX)


def test_an_index_and_its_one_hot_vector_are_the_same_thing():
    torch.manual_seed(0)
    by_index, by_vector = CurveNet(INDEX, 4, regions=4, **TINY).eval(), CurveNet(ONE_HOT, 4, **TINY).eval()
    weights = by_index.state_dict()
    by_vector.load_state_dict({**weights, "region.weight": weights["region.weight"].T})
    first = torch.rand(2, 3) + 4
    expected = by_index(torch.tensor([[1.0], [9.0]]), first)
    torch.testing.assert_close(by_vector(torch.eye(4)[[1, 3]], first), expected)


def test_weeks_after_the_data_end_do_not_count():
    torch.manual_seed(0)
    network = CurveNet(INDEX, 4, regions=4, own_share=0.0, **TINY)
    inputs = (torch.zeros(2, 1), torch.rand(2, 3) + 4)
    targets = torch.tensor([[4.0, 4.0, torch.nan, torch.nan], [4.0, 0.0, 4.0, torch.nan]])
    loss = network.training_loss(inputs, targets, min)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(weight.grad).all() for weight in network.parameters())
    short = network.training_loss((inputs[0][:1], inputs[1][:1]), targets[:1], min)
    longer = torch.cat([targets[:1, :2], torch.full((1, 2), torch.nan)], dim=1)
    torch.testing.assert_close(network.training_loss((inputs[0][:1], inputs[1][:1]), longer, min), short)


@pytest.mark.parametrize("shapes", [[(1,)], [(1,), (3, 1)], [(1,), (3,)]])
def test_inputs_that_do_not_fit(shapes):
    with pytest.raises(UsageError):
        CurveNet(shapes, 4)


def test_persistence_and_decay():
    first = np.array([[5.0, 4.9, 4.8], [4.0, 4.2, 4.4], [3.0, 0.6, 0.2]])
    np.testing.assert_array_equal(persistence(first, 2), [[4.8, 4.8], [4.4, 4.4], [0.2, 0.2]])
    np.testing.assert_allclose(exponential_decay(first, 2, 0.5), [[4.3, 3.8], [3.9, 3.4], [0, 0]])
    np.testing.assert_allclose(exponential_decay(first, 2), [[4.7, 4.6], [4.6, 4.8], [0, 0]], atol=1e-12)


def test_the_rate_is_the_one_that_made_the_curves():
    first, ahead = np.array([[5.0], [6.0]]), np.arange(1, 6)
    rest = first - 0.1 * ahead
    rest[0, 3:], rest[1, 4] = 0, np.nan
    assert decay_rate(first, rest) == pytest.approx(0.1)


def test_the_mean_curve_is_the_regions_own():
    rest = np.array([[4.0, 0.0, np.nan], [5.0, 3.0, np.nan], [6.0, 6.0, 6.0]])
    regions = ["at", "at", "us"]
    charted = mean_curve(rest, regions, ["us", "at", "de"])
    np.testing.assert_allclose(charted, [[6, 6, 6], [4.5, 3, 6], [5, 4.5, 6]])
    np.testing.assert_allclose(mean_curve(rest, regions, ["at"], charted=False), [[4.5, 1.5, 6]])


def test_the_mean_change_is_added_to_the_last_week():
    first, rest = np.array([[5.0, 4.0], [6.0, 6.0]]), np.array([[3.8, 3.6, np.nan], [5.9, 0.0, np.nan]])
    np.testing.assert_allclose(mean_change(first, rest, [[9.0, 5.0]]), [[4.85, 4.6, 5 - 0.7 / 3]])


def test_a_comparison_by_hand():
    truth = np.array([[4.0, 0.0, np.nan], [5.0, 5.0, 5.0]])
    forecasts = {"persistence": np.full((2, 3), 5.0), "perfect": np.nan_to_num(truth)}
    worse, perfect = compare(forecasts, truth, ["a", "b"], resamples=50)
    assert (worse.mae[0], worse.rmse[0]) == (0.25, 0.5)
    assert worse.mae[1] == 0
    assert worse.mae[2] == 1
    assert worse.better == (0, 0, 0)
    assert (perfect.mae[0], perfect.better[0]) == (0, 0.25)
    every = compare(forecasts, truth, ["a", "b"], charted=False, resamples=50)
    assert every[0].mae[0] == pytest.approx(6 / 5)


def test_it_beats_the_baselines_where_regions_differ():
    train, validation, test = split(table())
    assert not set(train.song) & set(test.song)
    assert not set(validation.song) & set(test.song)
    network = train_curves(train, validation, known=3, epochs=60, patience=20, batch=32, lr=1e-2, **TINY)
    rows = evaluate_curves({"network": network}, train, test, known=3)
    found = {row.name: row for row in rows}
    assert rows[0].name == "persistence"
    assert found["network"].better[1] > 0
    others = [row.mae[0] for row in rows if row.name in ("persistence", "mean curve", "exponential decay")]
    assert found["network"].mae[0] < 0.7 * min(others)
    assert forecast(network, test, 3).shape == (len(test.song), 7)


def test_training_is_repeatable():
    train, validation, test = split(table(60))
    runs = [train_curves(train, validation, known=3, epochs=1, seed=4, **TINY) for _ in range(2)]
    np.testing.assert_array_equal(*(forecast(network, test, 3) for network in runs))


def test_rows_that_foretell_are_read(tmp_path):
    curves = np.array([[5.0, 4.0, 0.0, 4.0], [5.0, 0.0, 4.0, 4.0], [5.0, 4.0, 0.0, 0.0]])
    path = write(tmp_path / "curves.parquet", curves, [4, 4, 3], [False] * 3)
    found = read_curves(path, known=2)
    assert found.names == ("at", "us")
    assert found.song.tolist() == ["t0", "t2"]
    assert found.region.tolist() == [1, 1]
    np.testing.assert_array_equal(found.curve, [[5, 4, 0, 4], [5, 4, 0, np.nan]])


def test_tables_that_cannot_be_used(tmp_path):
    (tmp_path / "other.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match=r"not a curves\.parquet"):
        read_curves(tmp_path / "other.parquet")
    pyarrow.parquet.write_table(pa.table({"region": ["us"]}), tmp_path / "less.parquet")
    with pytest.raises(InputError, match=r"not a curves\.parquet"):
        read_curves(tmp_path / "less.parquet")
    curves = np.full((3, 4), 5.0)
    censored = write(tmp_path / "censored.parquet", curves, [4, 4, 2], [True, True, False])
    with pytest.raises(InputError, match="on the charts for 2 weeks"):
        read_curves(censored, known=2)
    with pytest.raises(InputError, match="holds no curves"):
        read_curves(write(tmp_path / "empty.parquet", curves[:0], [], []))
