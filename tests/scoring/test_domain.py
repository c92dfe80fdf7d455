import json

import numpy as np
import pytest

from hitpredict.scoring.domain import Domain
from hitpredict.tables.splits import usual_folds

MEANS = 6


def fitted(features, log_from, durations, groups):
    return Domain.fit(features, log_from, durations, groups, usual_folds(groups))


def table(seed, rows=1500):
    """Correlated means, then positive deviations, of songs in groups of three."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(2 * MEANS, 2 * MEANS)) / 3 + np.eye(2 * MEANS)
    values = rng.normal(size=(rows, 2 * MEANS)) @ mixing
    features = np.hstack([20 * values[:, :MEANS], 10 * np.exp(0.2 * values[:, MEANS:])])
    return features, rng.uniform(100, 400, rows), np.arange(rows) // 3


@pytest.fixture(scope="module")
def domain():
    features, durations, groups = table(0)
    return fitted(features, MEANS, durations, groups)


def test_songs_like_the_training_songs_pass(domain):
    distance = domain.distance(table(1)[0])
    assert (distance > 1).mean() < 0.01
    assert 0.3 < np.median(distance) < 0.9


@pytest.mark.parametrize("factor", [0.02, 0.15, 8])
def test_too_little_and_too_much_movement_are_far(domain, factor):
    features = np.median(table(0)[0], axis=0, keepdims=True)
    assert domain.distance(features)[0] < 0.3
    features[:, MEANS:] *= factor
    assert domain.distance(features)[0] > 1


def test_silence_is_far_and_finite(domain):
    distance = domain.distance(np.zeros((1, 2 * MEANS), np.float32))
    assert np.isfinite(distance).all()
    assert distance[0] > 1


def test_an_unseen_combination_of_usual_values_is_far(domain):
    features = table(3)[0]
    shuffled = np.random.default_rng(4).permuted(features, axis=0)
    assert domain.distance(shuffled).mean() > 1.1 * domain.distance(features).mean()


def test_outliers_and_silence_in_the_table_change_little(domain):
    features, durations, groups = table(0)
    features[::300] = 0
    features[1::300] *= 30
    dirty = fitted(features, MEANS, durations, groups)
    fresh = table(5)[0]
    assert 0.65 < np.median(dirty.distance(fresh) / domain.distance(fresh)) < 1.05


def test_durations_are_the_middle_98_percent(domain):
    low, high = domain.duration
    assert low == pytest.approx(103, abs=2)
    assert high == pytest.approx(397, abs=2)


def wide(seed, rows=136, columns=518, groups=35):
    """Few songs of more columns, each column a mixture of a few causes; some are counts and flags that mostly stand
    still, and some reach far out now and then, as kurtosis does."""
    rng, fixed = np.random.default_rng(seed), np.random.default_rng(7)
    group = np.arange(rows) % groups
    causes = rng.normal(size=(groups, 30))[group] / 2 + rng.normal(size=(rows, 30))
    features = causes @ fixed.normal(size=(30, columns)) + rng.normal(size=(rows, columns))
    features[:, ::10] = (features[:, ::10] > 11).astype(float)
    features[:, 1::10] = np.sinh(features[:, 1::10])
    return features, group


@pytest.fixture(scope="module")
def few():
    features, groups = wide(0)
    return fitted(features, 518, np.full(136, 12.0), groups)


def test_few_songs_of_wide_features_still_have_a_region(few):
    assert (few.distance(wide(1)[0]) > 1).mean() < 0.15
    other = np.random.default_rng(3).normal(size=(30, 518)) * 5
    assert (few.distance(other) > 1).all()
    assert len(json.dumps(few.to_json())) < 200_000


def test_one_odd_group_does_not_set_the_limit():
    features, groups = wide(0)
    features[groups < 1, :100] *= 20
    odd = fitted(features, 518, np.full(136, 12.0), groups)
    other = np.random.default_rng(3).normal(size=(30, 518)) * 5
    assert (odd.distance(other) > 1).all()


@pytest.mark.parametrize(("groups", "share"), [(35, 2 / 36), (200, 2 / 201)])
def test_of_songs_of_new_groups_the_announced_share_is_flagged(groups, share):
    found = []
    for seed in range(6):
        features, durations, _ = table(seed, rows=2 * groups)
        region = fitted(features, MEANS, durations, np.arange(len(features)) // 2)
        found.append((region.distance(table(50 + seed)[0]) > 1).mean())
    assert np.mean(found) == pytest.approx(share, rel=0.5)


def test_a_table_that_never_varies_has_a_region():
    still = fitted(np.ones((20, 4)), 4, np.zeros(20), np.arange(20))
    assert np.isfinite(still.distance(np.array([[1.0, 1, 1, 1], [2, 1, 1, 1]]))).all()
    assert still.duration == (0, 0)


def test_durations_that_are_not_known_are_left_out():
    features, durations, groups = table(0)
    durations[:700] = np.nan
    assert fitted(features, MEANS, durations, groups).duration[0] == pytest.approx(103, abs=4)


def test_files_of_earlier_versions_load():
    old = {
        "log_from": 1,
        "floor": 0.3,
        "centre": [1.0, 0.0],
        "scale": [2.0, 1.0],
        "whitening": [[1.0, 0.0], [0.5, 2.0]],
    }
    domain = Domain.from_json({**old, "duration": [10, 20]})
    # ((21 - 1) / 2, log 1) through the whitening: nothing is bent, no direction is left over.
    assert domain.distance([[21.0, 1.0]])[0] == pytest.approx(10)
    again = Domain.from_json(json.loads(json.dumps(domain.to_json())))
    assert again.distance([[3.0, 2.0]]) == pytest.approx(domain.distance([[3.0, 2.0]]), rel=1e-3)


def test_json_round_trip(domain):
    again = Domain.from_json(json.loads(json.dumps(domain.to_json())))
    features = table(6)[0]
    np.testing.assert_array_equal(again.distance(features), domain.distance(features))
    assert again.duration == domain.duration
