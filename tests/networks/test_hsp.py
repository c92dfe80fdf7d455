import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.networks.hsp import HspCnn, HspInception, HspSiamese
from tests.helpers.learning import check_export, squared, trained
from tests.helpers.marks import few_by_default

PUBLISHED = (323, 128)
SMALL = (24, 8)
TINY = {"filters": (8, 8), "hidden": 16, "dropout": 0.0}
SONGS = 48


def sizes(network: nn.Module, kinds: tuple[type[nn.Module], ...], *inputs: Tensor) -> list[tuple[int, ...]]:
    """The shapes, without the batch, that layers of these kinds give, in the order in which they run."""
    shapes: list[tuple[int, ...]] = []
    for layer in network.modules():
        if isinstance(layer, kinds):
            layer.register_forward_hook(lambda _layer, _inputs, output: shapes.append(tuple(output.shape[1:])))
    network(*inputs)
    return shapes


def songs() -> tuple[Tensor, Tensor, Tensor]:
    """Standardised frames whose low bins, and tags whose first, follow the target; targets from -1.5 to 1.5."""
    targets = torch.linspace(-1.5, 1.5, SONGS)[torch.randperm(SONGS)]
    frames = torch.randn(SONGS, *SMALL)
    frames[:, :, :3] += targets[:, None, None]
    tags = torch.randn(SONGS, 5)
    tags[:, 0] = targets
    return frames, tags, targets


def constant(targets: Tensor) -> float:
    return float(targets.var(correction=0))


def test_the_plain_network_has_the_published_sizes():
    with torch.device("meta"):
        shapes = sizes(HspCnn([PUBLISHED], 1), (nn.Conv2d, nn.MaxPool2d), torch.empty(2, *PUBLISHED))
    assert shapes == [
        *[(32, 1, 320), (32, 1, 160), (64, 1, 157), (64, 1, 78)],
        *[(256, 1, 78), (256, 1, 78), (1, 1, 78)],
    ]


def test_every_kernel_of_the_inception_head_gives_320_steps():
    with torch.device("meta"):
        network = HspInception([PUBLISHED, (50,)], 1)
        shapes = sizes(network.head, (nn.Conv2d,), torch.empty(2, 1, 128, 323))
    assert shapes == [(32, 1, 320), (16, 1, 320), (16, 1, 320), (32, 1, 320)]
    kernels = [layer.weight.shape[2:] for layer in network.head.modules() if isinstance(layer, nn.Conv2d)]
    assert kernels == [(128, 4), (132, 8), (140, 16), (1, 1)]
    assert [layer.out_features for layer in network.tags if isinstance(layer, nn.Linear)] == [100, 100, 30, 1]


def test_every_activation_leaks_by_a_tenth():
    activations = [layer for layer in HspInception([SMALL, (5,)], 1).modules() if isinstance(layer, nn.LeakyReLU)]
    assert len(activations) == 4 + 4 + 4
    assert {layer.negative_slope for layer in activations} == {0.1}


def test_the_score_is_the_mean_of_the_branches():
    torch.manual_seed(0)
    frames, tags, _ = songs()
    both = HspCnn([SMALL, (5,)], 1, **TINY).eval()
    alone = HspCnn([SMALL], 1, **TINY).eval()
    alone.load_state_dict({name: value for name, value in both.state_dict().items() if not name.startswith("tags")})
    torch.testing.assert_close(both(frames, tags), (alone(frames) + both.tags(tags)) / 2)


@pytest.mark.parametrize("network", few_by_default([HspCnn, HspInception]))
@pytest.mark.parametrize("with_tags", few_by_default([True, False]))
def test_it_learns(network, with_tags):
    torch.manual_seed(0)
    frames, tags, targets = songs()
    inputs, shapes = ((frames, tags), [SMALL, (5,)]) if with_tags else ((frames,), [SMALL])
    assert trained(network(shapes, 1, **TINY), inputs, targets) < 0.3 * constant(targets)


@pytest.mark.parametrize("branch", ["cnn", "inception", "auto"])
def test_the_twin_network_learns_the_value_and_the_order(branch):
    torch.manual_seed(0)
    frames, tags, targets = songs()
    vectors = branch == "auto"
    inputs, shapes = ((tags,), [(5,)]) if vectors else ((frames,), [SMALL])
    network = HspSiamese(shapes, branch=branch, **({"dropout": 0.0} if vectors else TINY))
    assert trained(network, inputs, targets, steps=100) < 0.3 * constant(targets)
    with torch.no_grad():
        scores = network(*inputs)[:, 0]
    assert np.corrcoef(scores.argsort().argsort(), targets.argsort().argsort())[0, 1] > 0.85


def test_ranking_alone_learns_the_order():
    torch.manual_seed(0)
    _, tags, targets = songs()
    network = HspSiamese([(5,)], ranking_weight=1, dropout=0.0, share=0.4, pairs=3)
    trained(network, (tags,), targets)
    with torch.no_grad():
        scores = network(tags)[:, 0]
    assert np.corrcoef(scores.argsort().argsort(), targets.argsort().argsort())[0, 1] > 0.8


class Given(nn.Module):
    """A branch whose score is its input."""

    def forward(self, values: Tensor) -> Tensor:
        return values


def twin(**options: float) -> HspSiamese:
    network = HspSiamese([(1,)], **options)
    network.branch = Given()
    return network


def test_pairs_cost_what_they_lack_of_the_margin():
    targets = torch.tensor([0.0, 0.0, 1.0, 1.0])
    scores = torch.tensor([[0.2], [0.2], [0.4], [0.4]])
    ranking = twin(margin=0.5, ranking_weight=1).training_loss((scores,), targets, squared)
    assert ranking.item() == pytest.approx(0.5 - (0.4 - 0.2))
    regression = squared(scores, targets).mean().item()
    mixed = twin(margin=0.5, ranking_weight=0.25).training_loss((scores,), targets[:, None], squared)
    assert mixed.item() == pytest.approx(0.75 * regression + 0.25 * 0.3)
    assert twin(margin=0.1, ranking_weight=1).training_loss((scores,), targets, squared) == 0


@pytest.mark.parametrize("targets", [[1.0], [1.0, 1.0, 1.0]])
def test_songs_without_an_order_cost_nothing_in_ranking(targets):
    scores = torch.randn(len(targets), 1, requires_grad=True)
    ranking = twin(ranking_weight=1).training_loss((scores,), torch.tensor(targets), squared)
    ranking.backward()
    assert ranking == 0
    assert not scores.grad.any()


def test_pairs_are_drawn_from_the_most_and_the_least_popular():
    scores = torch.zeros(10, 1, requires_grad=True)
    network = twin(ranking_weight=1, share=0.3, pairs=40)
    torch.manual_seed(0)
    network.training_loss((scores,), torch.arange(10.0), squared).backward()
    assert (scores.grad[:, 0] > 0).tolist() == [True] * 3 + [False] * 7
    assert (scores.grad[:, 0] < 0).tolist() == [False] * 7 + [True] * 3


def test_the_seed_decides_the_pairs():
    def loss(seed: int) -> float:
        torch.manual_seed(seed)
        return float(twin().training_loss((torch.linspace(0, 1, 20)[:, None] ** 3,), torch.arange(20.0), squared))

    assert loss(1) == loss(1) != loss(2)


@pytest.mark.parametrize(
    ("network", "shapes", "outputs", "options"),
    few_by_default(
        [
            (HspInception, [SMALL, (5,)], 3, TINY),
            (HspSiamese, [(5,), (3,)], 1, {}),
            (HspCnn, [SMALL], 1, TINY),
        ],
        2,
    ),
)
def test_it_exports(network, shapes, outputs, options):
    torch.manual_seed(0)
    check_export(network(shapes, outputs, **options), shapes)


@pytest.mark.parametrize(
    ("network", "shapes", "options", "message"),
    [
        (HspCnn, [(5,)], {}, "takes frames × bins"),
        (HspCnn, [(12, 8)], {}, "at least 13 frames, not 12"),
        (
            HspInception,
            [SMALL],
            {"output_activation": "relu"},
            "relu: unknown; there are leaky, linear, sigmoid",
        ),
        (HspSiamese, [SMALL], {"outputs": 3}, "cannot give 3 outputs"),
        (HspSiamese, [SMALL], {"branch": "mlp"}, "takes vectors"),
        (HspSiamese, [SMALL], {"branch": "vit"}, "branch vit: unknown"),
        (HspSiamese, [(5,)], {"share": 0.7}, r"share in \(0, 0.5\]"),
        (HspSiamese, [(5,)], {"margin": -1}, "margin is 0 or more"),
    ],
)
def test_it_says_what_it_cannot_take(network, shapes, options, message):
    with pytest.raises(UsageError, match=message):
        network(shapes, **{"outputs": 1, **options})
