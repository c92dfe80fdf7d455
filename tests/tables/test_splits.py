import numpy as np
import pytest

from hitpredict.tables.splits import (
    CALIBRATION,
    TEST,
    TRAIN,
    USUAL_SHARES,
    VALIDATION,
    connected_groups,
    group_folds,
    group_split,
    halved,
    parsed_shares,
    temporal_split,
    train_and_held_out,
    usual_folds,
)


def skewed_groups(seed=0):
    """About 2,000 rows: 300 small groups, and one that holds a third of all rows."""
    rng = np.random.default_rng(seed)
    sizes = np.concatenate([[700], rng.integers(1, 9, 300)])
    return rng.permutation(np.repeat(np.arange(301), sizes))


def test_no_group_is_in_two_folds():
    groups = skewed_groups()
    folds = group_folds(groups)
    assert set(folds) == set(range(5))
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1


def test_folds_are_balanced_around_an_oversized_group():
    groups = skewed_groups()
    folds = group_folds(groups, seed=4)
    alone = folds[groups == 0][0]
    assert set(groups[folds == alone]) == {0}
    rest = np.delete(np.bincount(folds), alone)
    assert rest.max() - rest.min() <= 8


def test_seeds_give_other_folds_and_the_same_seed_the_same():
    groups = skewed_groups()
    assert (group_folds(groups, seed=1) == group_folds(groups, seed=1)).all()
    first, second = (group_folds(groups, seed=seed) for seed in (1, 2))
    pairs = np.random.default_rng(0).integers(len(groups), size=(500, 2))
    together = [(folds[pairs[:, 0]] == folds[pairs[:, 1]]) for folds in (first, second)]
    assert (together[0] != together[1]).any()


def test_the_order_of_rows_does_not_matter():
    groups = skewed_groups()
    order = np.random.default_rng(1).permutation(len(groups))
    np.testing.assert_array_equal(group_folds(groups)[order], group_folds(groups[order]))


def test_each_row_is_held_out_once():
    folds = group_folds(skewed_groups())
    held_out = []
    for rest, fold in train_and_held_out(folds):
        assert sorted([*rest, *fold]) == list(range(len(folds)))
        held_out.extend(fold)
    assert sorted(held_out) == list(range(len(folds)))


@pytest.mark.parametrize(("groups", "folds"), [(["a", "a", "b"], 3), (["a", "b"], 1)])
def test_too_few_groups_or_folds(groups, folds):
    with pytest.raises(ValueError, match="groups"):
        group_folds(groups, folds)


def shares_of(split):
    return {name: float(np.mean(split == name)) for name in (TRAIN, VALIDATION, CALIBRATION, TEST)}


def test_folds_may_be_two_and_as_many_as_there_are_groups():
    assert sorted(group_folds([0, 1], 2)) == [0, 1]
    assert sorted(group_folds(range(4), 4)) == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="2 folds need"):
        group_folds([3, 3], 2)
    with pytest.raises(ValueError, match="1 folds"):
        group_folds([0, 1], 1)


def test_the_seed_alone_draws_folds_and_splits():
    groups = skewed_groups()
    for make in (group_folds, group_split):
        np.testing.assert_array_equal(make(groups), make(groups, seed=0))
        assert (make(groups, seed=1) != make(groups, seed=0)).any()


def test_usual_folds_are_twenty_or_one_for_each_group():
    assert set(usual_folds(np.repeat(np.arange(50), 3))) == set(range(20))
    assert sorted(usual_folds(["a", "b", "b", "c"]).tolist()) in ([0, 1, 1, 2], [0, 0, 1, 2], [0, 1, 2, 2])


def test_a_split_keeps_groups_together_and_its_shares():
    groups = np.repeat(np.arange(400), 5)
    split = group_split(groups)
    for group in range(400):
        assert len(set(split[groups == group])) == 1
    assert list(shares_of(split).values()) == pytest.approx(USUAL_SHARES, abs=0.01)
    own = group_split(groups, shares=(0.2, 0.5, 0.1, 0.2))
    assert shares_of(own) == pytest.approx({TRAIN: 0.2, VALIDATION: 0.5, CALIBRATION: 0.1, TEST: 0.2}, abs=0.01)


def test_calibration_and_test_are_the_same_songs_without_validation():
    groups = skewed_groups()
    whole, without = group_split(groups, 3), group_split(groups, 3, (CALIBRATION, TEST))
    for name in (CALIBRATION, TEST):
        np.testing.assert_array_equal(whole == name, without == name)
    assert VALIDATION not in without


def test_a_group_larger_than_a_share_stays_in_training():
    groups = skewed_groups()
    for seed in range(5):
        split = group_split(groups, seed)
        assert set(split[groups == 0]) == {TRAIN}
        # No part is overfilled by more than a tenth of its share.
        for name, share in zip((VALIDATION, CALIBRATION, TEST), USUAL_SHARES[1:], strict=True):
            assert 0.9 * share < np.mean(split == name) <= 1.1 * share


def test_each_part_has_a_group_even_where_all_are_large():
    assert sorted(group_split([0, 1, 2, 3])) == sorted((TRAIN, VALIDATION, CALIBRATION, TEST))
    assert sorted(group_split([0, 1], splits=(TEST,))) == [TEST, TRAIN]
    with pytest.raises(ValueError, match="at least 4 groups; there are 3"):
        group_split([0, 1, 2])


def test_groups_are_connected_through_any_chain():
    rows = [["a"], ["b"], ["c", "a"], ["d"], ["b", "c"], [], ["e", "d"], ["e"]]
    assert connected_groups(rows).tolist() == ["0", "0", "0", "3", "0", "5", "3", "3"]


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("80,10,10", (0.8, 0.05, 0.05, 0.1)),
        ("60,10,15,15", USUAL_SHARES),
        ("99.5,0.4,0.1", (0.995, 0.002, 0.002, 0.001)),
    ],
)
def test_shares_are_percentages(text, shares):
    assert parsed_shares(text) == pytest.approx(shares)


@pytest.mark.parametrize(
    "text", ["80,20", "80,10,5", "80,10,5,4,1", "a,b,c", "110,-20,10", "100,0,0", "90,10,0", "", "nan,50,50"]
)
def test_what_are_no_shares_is_refused(text):
    with pytest.raises(ValueError, match="add up to 100"):
        parsed_shares(text)


def test_half_of_the_validation_part_calibrates():
    groups = np.arange(1000) // 2
    split = group_split(groups, 0, (VALIDATION, TEST))
    for share in (0.5, 0.2):
        found = halved(split, groups, share=share)
        before = split == VALIDATION
        np.testing.assert_array_equal(found[~before], split[~before])
        assert set(found[before]) == {VALIDATION, CALIBRATION}
        assert np.mean(found[before] == CALIBRATION) == pytest.approx(share, abs=0.05)
        assert not set(groups[found == CALIBRATION]) & set(groups[found == VALIDATION])
        np.testing.assert_array_equal(found, halved(split, groups, share=share))
    assert (halved(split, groups, seed=1) != halved(split, groups)).any()
    # Frozen: models that were trained before calibrate on the same songs.
    second = halved(np.full(6, VALIDATION), np.arange(6)) == CALIBRATION
    assert second.tolist() == [False, True, True, False, True, False]
    with pytest.raises(ValueError, match="groups"):
        halved(np.full(4, VALIDATION), np.zeros(4))


def test_time_goes_from_training_to_test():
    days = np.random.default_rng(0).permutation(100)
    split = temporal_split(days)
    assert {name: sorted(days[split == name].tolist()) for name in (TRAIN, VALIDATION, TEST)} == {
        TRAIN: [*range(70)],
        VALIDATION: [*range(70, 85)],
        TEST: [*range(85, 100)],
    }
    own = temporal_split(days, (0.5, 0.1, 0.1, 0.3))
    assert [int(np.sum(own == name)) for name in (TRAIN, VALIDATION, TEST)] == [50, 20, 30]
    # A day is not torn, and the last row tests whatever the shares are.
    assert temporal_split(["2020", "2021", "2021", "2021"]).tolist() == [TRAIN, TEST, TEST, TEST]
    assert temporal_split([1, 2, 3, 4], (0.97, 0.01, 0.01, 0.01)).tolist() == [TRAIN, TRAIN, TRAIN, TEST]
