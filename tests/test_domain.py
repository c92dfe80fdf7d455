import json

import numpy as np
import pytest

from hitpredict.domain import Domain

MEANS = 6


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
    return Domain.fit(features, MEANS, durations, groups)


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
    dirty = Domain.fit(features, MEANS, durations, groups)
    fresh = table(5)[0]
    np.testing.assert_allclose(dirty.distance(fresh), domain.distance(fresh), rtol=0.15)


def test_durations_are_the_middle_98_percent(domain):
    low, high = domain.duration
    assert low == pytest.approx(103, abs=2)
    assert high == pytest.approx(397, abs=2)


def test_json_round_trip(domain):
    again = Domain.from_json(json.loads(json.dumps(domain.to_json())))
    features = table(6)[0]
    np.testing.assert_array_equal(again.distance(features), domain.distance(features))
    assert again.duration == domain.duration
