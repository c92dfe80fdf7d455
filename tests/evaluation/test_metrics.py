import numpy as np
import pytest
from scipy.stats import kendalltau, rankdata, spearmanr
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    mean_absolute_error,
    mean_squared_error,
    ndcg_score,
    r2_score,
    roc_auc_score,
)

from hitpredict.evaluation import metrics
from hitpredict.evaluation.metrics import auc, coverage, group_bootstrap, r2, ranks, spearman


@pytest.fixture
def tied():
    rng = np.random.default_rng(0)
    return rng.integers(0, 10, 300), rng.integers(0, 40, 300) / 7


def test_ranks_share_the_average_among_ties(tied):
    assert ranks([3, 1, 3, 2]).tolist() == [3.5, 1, 3.5, 2]
    np.testing.assert_array_equal(ranks(tied[0]), rankdata(tied[0]))


def test_agreement_with_the_reference_implementations(tied):
    target, prediction = tied
    assert spearman(target, prediction) == pytest.approx(spearmanr(target, prediction).statistic, abs=1e-12)
    assert r2(target, prediction) == pytest.approx(r2_score(target, prediction), abs=1e-12)
    assert auc(target >= 7, prediction) == pytest.approx(roc_auc_score(target >= 7, prediction), abs=1e-12)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("mae", mean_absolute_error),
        ("mse", mean_squared_error),
        ("kendall", lambda target, prediction: kendalltau(target, prediction).statistic),
        ("ndcg", lambda target, prediction: ndcg_score([target - target.min()], [prediction], k=100)),
    ],
)
@pytest.mark.parametrize("scale", [1, 0])
def test_numbers_agree_with_the_libraries(tied, name, reference, scale):
    target, prediction = tied
    prediction = prediction + scale * np.random.default_rng(2).normal(size=len(target))
    assert getattr(metrics, name)(target, prediction) == pytest.approx(reference(target, prediction), abs=1e-12)


def test_classes_agree_with_the_libraries(tied):
    target, chosen = tied[0], np.where(tied[1] > 3, tied[0], 4)
    assert metrics.accuracy(target, chosen) == pytest.approx(accuracy_score(target, chosen))
    assert metrics.balanced_accuracy(target, chosen) == pytest.approx(balanced_accuracy_score(target, chosen))
    assert metrics.macro_f1(target, chosen) == pytest.approx(f1_score(target, chosen, average="macro"))


def test_kendall_of_a_side_without_order_is_0():
    for target, prediction in (([1, 2, 3], [4, 4, 4]), ([4, 4, 4], [1, 2, 3]), ([1], [1])):
        assert metrics.kendall(target, prediction) == 0
    assert metrics.kendall([1, 2, 3, 4], [1, np.nan, 2, np.nan]) == pytest.approx(0.5477225575051661)


def test_ties_count_by_their_chance_in_what_is_at_the_top():
    # Frozen: gains 3, 2, 1, 0; the two in the middle share 1.5 at the second and third place.
    second = 1 / np.log2(3)
    shared = (3 + 1.5 * second + 0.75) / (3.5 + 2 * second)
    assert metrics.ndcg([3, 2, 1, 0], [9, 5, 5, 1]) == pytest.approx(shared)
    assert metrics.ndcg([3, 2, 1, 0], [9, 5, 5, 1], top=2) == pytest.approx((3 + 1.5 * second) / (3 + 2 * second))
    # The best two of four; of the pair at the edge one is drawn.
    assert metrics.recall([3, 2, 1, 0], [9, 5, 5, 1], top=2) == 0.75
    assert metrics.recall([3, 2, 1, 0], [5, 5, 5, 5], top=2) == 0.5


def test_a_constant_prediction_orders_nothing(tied):
    target, _ = tied
    constant = np.full(len(target), 4.0)
    assert spearman(target, constant) == 0
    assert auc(target >= 7, constant) == 0.5
    assert r2(target, np.full(len(target), target.mean())) == pytest.approx(0)


def test_undefined_numbers_are_errors():
    with pytest.raises(ValueError, match="both classes"):
        auc([True, True], [1, 2])
    with pytest.raises(ValueError, match="constant target"):
        r2([2, 2], [1, 2])


def test_bootstrap_draws_groups_not_rows():
    rng = np.random.default_rng(1)
    level = rng.normal(size=50)
    groups = np.repeat(np.arange(50), 20)
    values = level[groups] + 0.1 * rng.normal(size=1000)

    def mean(rows):
        return float(values[rows].mean())

    by_group = group_bootstrap(mean, groups)
    by_row = group_bootstrap(mean, np.arange(1000))
    assert by_group[0] < mean(np.arange(1000)) < by_group[1]
    assert by_group[1] - by_group[0] > 3 * (by_row[1] - by_row[0])
    assert np.ptp(by_group) == pytest.approx(2 * 1.96 * level.std() / np.sqrt(50), rel=0.2)


def test_bootstrap_is_repeatable_and_leaves_undefined_resamples_out():
    positive = np.array([True, False, False, False])

    def area(rows):
        return auc(positive[rows], np.arange(len(rows)))

    first = group_bootstrap(area, np.arange(4), resamples=50, seed=3)
    assert first == group_bootstrap(area, np.arange(4), resamples=50, seed=3)
    with pytest.raises(ValueError, match="every resample"):
        group_bootstrap(lambda rows: auc(np.zeros(len(rows)), rows), np.arange(4), resamples=5)


def test_coverage_of_rows_and_of_groups():
    by_row, by_group = coverage([1, 2, 3, 9], [1, 0, 0, 0], [5, 2, 2, 8], ["a", "a", "a", "b"])
    assert by_row == pytest.approx(2 / 4)
    assert by_group == pytest.approx((2 / 3 + 0) / 2)


def test_gains_are_counted_from_the_least_target(tied):
    target, prediction = tied
    moved = metrics.ndcg(target + 50, prediction)
    assert moved == pytest.approx(metrics.ndcg(target, prediction))
    assert metrics.ndcg([0, 1], [0, 1]) == 1
    with pytest.raises(ValueError, match="nDCG is undefined for a constant target"):
        metrics.ndcg([3, 3], [1, 2])


def test_recall_is_of_the_first_hundred_or_of_the_upper_half():
    rng = np.random.default_rng(4)
    for rows, top in ((1000, 100), (60, 30), (2, 1), (3, 1)):
        target, prediction = rng.permutation(rows), rng.permutation(rows)
        both = set(np.argsort(-target)[:top]) & set(np.argsort(-prediction)[:top])
        assert metrics.recall(target, prediction) == pytest.approx(len(both) / top)
        assert metrics.recall(target, target) == 1
        assert metrics.recall(target, -target) == 0
    with pytest.raises(ValueError, match="at least two rows"):
        metrics.recall([1], [1])


def test_small_whole_numbers_do_not_wrap_around():
    target, prediction = np.array([0, 255, 3], np.uint8), np.array([255, 0, 5], np.uint8)
    wide = [each.astype(float) for each in (target, prediction)]
    for name in ("mae", "mse", "r2", "ndcg", "recall", "spearman", "kendall"):
        assert getattr(metrics, name)(target, prediction) == getattr(metrics, name)(*wide)


def test_tiny_numbers_are_ordered_too():
    assert spearman([1, 2], [1e-9, 2e-9]) == 1
