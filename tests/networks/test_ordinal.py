import math

import pytest
import torch
from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.networks.ordinal import PairwiseOrdinal
from tests.helpers.learning import check_export, cross_entropy, squared, trained

PAIRINGS = ["concat", "difference"]


def songs(count: int = 160) -> tuple[Tensor, Tensor]:
    """Standardised vectors (N, 6) and a target that rises, not in a line, with two of them."""
    values = torch.randn(count, 6)
    return values, (values[:, 0] + values[:, 1]).tanh() + 0.05 * torch.randn(count)


def judge(outputs: int = 1, **settings) -> PairwiseOrdinal:
    torch.manual_seed(0)
    return PairwiseOrdinal([(6,)], outputs, **{"hidden": (32, 16), **settings})


def fitted(network: PairwiseOrdinal, values: Tensor, targets: Tensor, steps: int = 150) -> Tensor:
    """What the network gives after training it, (N, outputs)."""
    trained(network, (values,), targets, loss=lambda outputs, _: outputs.new_zeros(len(outputs)), steps=steps)
    network.finish_training((values,), targets)
    with torch.no_grad():
        return network(values)


@pytest.mark.parametrize(("pairing", "width"), [("concat", 80), ("difference", 40)])
def test_the_published_judge(pairing, width):
    layers = [layer for layer in PairwiseOrdinal([(40,)], 1, pairing=pairing).judge if isinstance(layer, nn.Linear)]
    assert [layer.in_features for layer in layers] == [width, 256, 128, 128, 128, 64]
    assert layers[-1].out_features == 1


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_it_learns_numbers_on_their_own_scale(pairing):
    network = judge(pairing=pairing)
    values, targets = songs()
    targets = 30 + 12 * targets
    scores = fitted(network, values, targets)[:, 0]
    assert squared(scores[:, None], targets).mean() < 0.2 * targets.var()


def test_the_loss_falls_well_below_chance():
    network = judge()
    values, targets = songs()
    before = float(network.training_loss((values,), targets, squared).detach())
    fitted(network, values, targets)
    after = float(network.training_loss((values,), targets, squared).detach())
    assert before == pytest.approx(math.log(2), rel=0.1)
    assert after < 0.4 * math.log(2)


@pytest.mark.parametrize("pairing", PAIRINGS)
def test_it_learns_ordered_classes(pairing):
    network = judge(3, pairing=pairing)
    values, targets = songs()
    classes = (targets > -0.4).long() + (targets > 0.4)
    logits = fitted(network, values, classes)
    assert (logits.argmax(1) == classes).float().mean() > 0.8
    assert cross_entropy(logits, classes).mean() < 0.6 * math.log(3)


def test_a_song_that_wins_more_scores_higher():
    network = judge()
    values, targets = songs()
    fitted(network, values, targets)
    ladder = torch.zeros(5, 6)
    ladder[:, 0] = torch.linspace(-2, 2, 5)
    scores = network(ladder)[:, 0].tolist()
    assert scores == sorted(scores)
    wins = network._wins(ladder)
    assert 0 <= wins.min() < 0.2
    assert 0.8 < wins.max() <= 1


def test_anchors_are_averages_of_equal_shares_of_the_ranking():
    network = judge(anchors=4)
    values, targets = songs()
    network.finish_training((values,), targets)
    ranked = values[targets.argsort()].view(4, 40, 6).mean(1)
    torch.testing.assert_close(network.anchors, ranked)


def test_anchors_of_classes_are_their_averages():
    network = judge(3)
    values, _ = songs(9)
    classes = torch.tensor([0, 0, 1, 1, 1, 0, 0, 1, 1])
    network.finish_training((values,), classes)
    torch.testing.assert_close(network.anchors[0], values[classes == 0].mean(0))
    torch.testing.assert_close(network.anchors[1], values[classes == 1].mean(0))
    torch.testing.assert_close(network.anchors[2], values.mean(0))


def test_thresholds_lie_halfway_between_the_classes():
    network = judge(3)
    network._set_classes(torch.tensor([0.2, 0.4, 0.8]), torch.tensor(0.01))
    wins = torch.tensor([[0.1], [0.29], [0.31], [0.59], [0.61], [0.9]])
    assert (wins * network.slope + network.offset).argmax(1).tolist() == [0, 0, 1, 1, 2, 2]


def test_finishing_again_changes_nothing_and_keeps_the_mode():
    network = judge(dropout=0.5).train()
    values, targets = songs()
    network.finish_training((values,), targets)
    first = [buffer.clone() for buffer in network.buffers()]
    network.finish_training((values,), targets)
    assert network.training
    assert all(torch.equal(*each) for each in zip(first, network.buffers(), strict=True))
    assert not any(buffer.requires_grad for buffer in network.buffers())


def test_fewer_songs_than_anchors_and_equal_targets_do_no_harm():
    network = judge().eval()
    values = torch.randn(3, 6)
    network.finish_training((values,), torch.full((3,), 7.0))
    torch.testing.assert_close(network(values), torch.full((3, 1), 7.0))


def test_scores_mean_something_before_the_end_of_training():
    network = judge().eval()
    scores = network(torch.randn(50, 6))
    assert 0 < scores.min() < scores.max() < 1
    assert judge(4).eval()(torch.randn(50, 6)).shape == (50, 4)


def test_a_song_is_never_its_own_opponent_and_ties_are_half_a_win(monkeypatch):
    network = judge(pairs=5)
    seen: list[tuple[Tensor, Tensor]] = []
    monkeypatch.setattr(network, "_verdicts", lambda songs, others: seen.append((songs, others)) or songs[..., 0] * 0)
    values = torch.randn(4, 6)
    loss = network.training_loss((values,), torch.zeros(4), squared)
    ((left, right),) = seen
    assert left.shape == right.shape == (5, 4, 6)
    assert (left != right).any(-1).all()
    assert float(loss) == pytest.approx(math.log(2))


def test_a_batch_of_one_has_a_loss():
    network = judge()
    loss = network.training_loss((torch.randn(1, 6),), torch.ones(1), squared)
    loss.backward()
    assert loss.isfinite()


def test_the_anchors_are_saved_with_the_weights():
    network, fresh = judge(), judge()
    values, targets = songs()
    network.finish_training((values,), targets)
    fresh.load_state_dict(network.state_dict())
    torch.testing.assert_close(fresh(values), network(values))


@pytest.mark.parametrize(("pairing", "outputs"), [("concat", 1), ("difference", 3)])
def test_onnx_gives_the_same(pairing, outputs):
    network = judge(outputs, pairing=pairing)
    values, targets = songs()
    network.finish_training((values,), targets if outputs == 1 else torch.arange(160) % 3)
    check_export(network, [(6,)])


def test_an_unknown_pairing_is_said_in_one_line():
    with pytest.raises(UsageError, match="pairing product: unknown; there are concat, difference"):
        judge(pairing="product")
