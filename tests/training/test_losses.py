import math

import pytest
import torch

from hitpredict.errors import UsageError
from hitpredict.training.losses import LOSSES, balanced_weights, make_loss

OUTPUTS = torch.tensor([[0.2], [-1.0], [3.0], [0.5]])
TARGETS = torch.tensor([0.0, 1.0, 0.25, 0.5])


@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        ("mse", {}, [0.04, 4, 7.5625, 0]),
        ("mae", {}, [0.2, 2, 2.75, 0]),
        ("huber", {}, [0.02, 1.5, 2.25, 0]),
        ("huber", {"delta": 0.1}, [0.015, 0.195, 0.27, 0]),
    ],
)
def test_losses_of_numbers(name, params, expected):
    losses = make_loss(name, **params)(OUTPUTS, TARGETS)
    torch.testing.assert_close(losses, torch.tensor(expected))
    torch.testing.assert_close(make_loss(name, **params)(OUTPUTS, TARGETS[:, None]), losses)


def test_several_outputs_are_averaged_for_each_sample():
    outputs, targets = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[0.0, 0.0], [2.0, 4.0]])
    torch.testing.assert_close(make_loss("mse")(outputs, targets), torch.tensor([2.5, 10.0]))
    torch.testing.assert_close(make_loss("mae")(outputs, targets), torch.tensor([1.5, 3.0]))


def test_binary_cross_entropy_is_of_logits():
    chance = OUTPUTS[:, 0].sigmoid()
    hit, miss = -TARGETS * chance.log(), -(1 - TARGETS) * (1 - chance).log()
    torch.testing.assert_close(make_loss("bce")(OUTPUTS, TARGETS), hit + miss)
    torch.testing.assert_close(make_loss("bce", positive_weight=3)(OUTPUTS, TARGETS), 3 * hit + miss)


def test_class_weights_multiply_the_cross_entropy_of_their_samples():
    logits, classes = torch.randn(6, 3, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 2, 2, 1, 0])
    plain = make_loss("cross-entropy")(logits, classes)
    torch.testing.assert_close(plain, -logits.log_softmax(1)[torch.arange(6), classes])
    weighted = make_loss("cross-entropy", weights=[1, 2, 0])(logits, classes.float())
    torch.testing.assert_close(weighted, plain * torch.tensor([1.0, 2, 0, 0, 2, 1]))


def test_smoothing_asks_for_a_share_of_every_class():
    logits = torch.tensor([[2.0, 0.0]])
    expected = -logits.log_softmax(1) @ torch.tensor([0.9, 0.1])
    torch.testing.assert_close(make_loss("cross-entropy", smoothing=0.2)(logits, torch.tensor([0])), expected)


def test_balanced_weights_let_every_class_count_the_same():
    targets = torch.tensor([0.0, 0, 0, 1, 3, 3])
    weights = balanced_weights(targets, 4)
    assert weights == [0.5, 1.5, 0, 0.75]
    sums = [sum(weights[int(each)] for each in targets if each == number) for number in (0, 1, 3)]
    assert sums == [1.5, 1.5, 1.5]


def test_hit_weighted_follows_its_formula():
    m, a, b, sd = 0.4, 1.8, 2.2, 0.2
    losses = make_loss("hit-weighted", m=m, a=a, b=b, sd=sd)(OUTPUTS, TARGETS)
    for loss, output, target in zip(losses, OUTPUTS[:, 0], TARGETS, strict=True):
        weight = math.exp(((float(target) - m) / (a * sd)) ** 2 / b)
        assert float(loss) == pytest.approx(weight * float(output - target) ** 2, rel=1e-5)


def test_hit_weighted_counts_uncommon_targets_more():
    targets = torch.tensor([0.36, 0.2, 0.6, 1.0])
    losses = make_loss("hit-weighted")(targets[:, None] + 1, targets).tolist()
    assert losses[0] == pytest.approx(1)
    assert losses == sorted(losses)
    assert losses[3] == pytest.approx(math.exp((0.64 / (2 * 0.1679)) ** 2 / 2), rel=1e-4)


def test_pairwise_hinge_asks_for_the_order_with_a_margin():
    targets, hinge = torch.tensor([1.0, 2.0, 3.0]), make_loss("pairwise-hinge", margin=0.5)
    torch.testing.assert_close(hinge(torch.tensor([[0.0], [1.0], [2.0]]), targets), torch.zeros(3))
    # Pairs (1, 2) and (2, 3) are short of the margin by 0.4, pair (1, 3) by 0.3.
    torch.testing.assert_close(hinge(torch.tensor([[0.0], [0.1], [0.2]]), targets), torch.tensor([0.35, 0.4, 0.35]))
    reversed_order = hinge(torch.tensor([[1.0], [0.0]]), targets[:2])
    torch.testing.assert_close(reversed_order, torch.tensor([1.5, 1.5]))


def test_pairs_with_the_same_target_have_no_order():
    hinge = make_loss("pairwise-hinge")
    torch.testing.assert_close(hinge(OUTPUTS, torch.ones(4)), torch.zeros(4))
    losses = hinge(torch.tensor([[0.0], [5.0], [0.5]]), torch.tensor([1.0, 1.0, 2.0]))
    torch.testing.assert_close(losses, torch.tensor([0.5, 5.5, 3.0]))


@pytest.mark.parametrize("name", sorted(LOSSES))
def test_every_loss_is_one_number_per_sample_with_a_gradient(name):
    outputs = torch.randn(5, 3 if name in ("cross-entropy", "ranked-probability") else 1, requires_grad=True)
    losses = make_loss(name)(outputs, torch.tensor([0, 1, 0, 1, 1]))
    losses.mean().backward()
    assert losses.shape == (5,)
    assert losses.dtype == torch.float32
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert outputs.grad.abs().sum() > 0


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "bce", "hit-weighted", "pairwise-hinge"])
@pytest.mark.parametrize("shape", [(3,), (4, 2), (1,), (4, 1, 1)])
def test_targets_of_another_shape_are_refused(name, shape):
    with pytest.raises(ValueError, match="do not fit"):
        make_loss(name)(OUTPUTS, torch.zeros(shape))


def test_cross_entropy_wants_a_class_per_sample_and_pairs_one_output():
    with pytest.raises(ValueError, match="one class per row"):
        make_loss("cross-entropy")(torch.zeros(4, 3), torch.zeros(4, 3))
    with pytest.raises(ValueError, match="one output, not 2"):
        make_loss("pairwise-hinge")(torch.zeros(4, 2), torch.zeros(4, 2))


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("rmse", {}, "loss rmse: unknown; did you mean mse"),
        ("huber", {"gamma": 1}, "loss huber, parameter gamma: unknown; there are delta"),
        ("mse", {"delta": 1}, "loss mse, parameter delta: unknown; there are none"),
        ("huber", {"delta": 0}, "loss huber: delta 0 is not above 0"),
        ("hit-weighted", {"sd": float("nan")}, "sd nan is not above 0"),
        ("hit-weighted", {"a": "two"}, "loss hit-weighted: "),
        ("cross-entropy", {"weights": [1, -1]}, "must be 0 or more"),
        ("cross-entropy", {"smoothing": 1}, "smoothing 1 is not in"),
        ("pairwise-hinge", {"margin": -1}, "margin -1 is not above 0"),
        ("bce", {"positive_weight": 0}, "positive_weight 0 is not above 0"),
    ],
)
def test_wrong_settings_are_said_in_one_line(name, params, message):
    with pytest.raises(UsageError, match=message):
        make_loss(name, **params)
