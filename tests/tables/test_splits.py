import numpy as np
import pytest

from hitpredict.tables.splits import group_folds, train_and_held_out


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
