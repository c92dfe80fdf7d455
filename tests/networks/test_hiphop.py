import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hitpredict.errors import UsageError
from hitpredict.networks.hiphop import HipHopCnn, HipHopCnn2, HipHopCrnn, HipHopMlp
from tests.helpers.learning import check_export, squared, trained
from tests.helpers.marks import few_by_default

PUBLISHED = [(1292, 128)]
SMALL = [(64, 16)]
POOLS = ((2, 4), (2, 2))
TINY = {"filters": (4, 8), "pools": POOLS, "dropout": 0.0}
NETWORKS = [
    (HipHopMlp, {"hidden": (16, 8)}),
    (HipHopCnn, {**TINY, "hidden": (16, 8)}),
    (HipHopCnn2, {**TINY, "hidden": (16,)}),
    (HipHopCrnn, {**TINY, "pool_dropout": 0.0, "hidden": 8}),
]


def parameters(network: nn.Module) -> int:
    return sum(each.numel() for each in network.parameters())


def songs(count: int = 48) -> tuple[Tensor, Tensor]:
    """Frames in [0, 1] whose low bins are the louder the higher the target, which has mean 0."""
    targets = torch.linspace(-1.5, 1.5, count)
    frames = 0.3 * torch.rand(count, *SMALL[0])
    frames[:, :, :6] += 0.2 * (1.5 + targets[:, None, None])
    return frames, targets


@pytest.mark.parametrize(
    ("network", "count"),
    [(HipHopMlp, 21_176_577), (HipHopCnn, 2_727_041), (HipHopCnn2, 2_718_849), (HipHopCrnn, 391_585)],
)
def test_sizes_as_published(network, count):
    with torch.device("meta"):
        made = network(PUBLISHED, 1)
        assert parameters(made) == count
        assert made(torch.empty(2, 1292, 128)).shape == (2, 1)


def test_the_recurrence_sees_80_steps_of_128_features():
    with torch.device("meta"):
        network = HipHopCrnn(PUBLISHED, 1)
        seen = []
        network.recurrent.register_forward_hook(lambda _layer, inputs, _output: seen.append(inputs[0].shape))
        network(torch.empty(2, 1292, 128))
    assert seen == [(2, 80, 128)]
    assert (network.recurrent.hidden_size, network.recurrent.num_layers) == (32, 2)


def test_steps_of_the_recurrence_follow_time():
    torch.manual_seed(0)
    network = HipHopCrnn(SMALL, 1, **TINY, hidden=8).eval()
    seen = []
    network.recurrent.register_forward_hook(lambda _layer, inputs, _output: seen.append(inputs[0][0]))
    frames = torch.rand(1, *SMALL[0])
    late = frames.clone()
    late[:, 40:] += 1
    network(frames), network(late)
    changed = (seen[0] != seen[1]).any(dim=1)
    assert changed.tolist() == [step >= 4 for step in range(8)]


@pytest.mark.parametrize(("network", "options"), NETWORKS)
def test_it_learns(network, options):
    torch.manual_seed(0)
    frames, targets = songs()
    loss = trained(network(SMALL, 1, **options), (frames,), targets, steps=60, lr=5e-3)
    assert loss < 0.2 * float(squared(torch.zeros(len(targets), 1), targets).mean())


def test_logits_learn_popular_or_not():
    torch.manual_seed(0)
    frames, targets = songs()
    popular = (targets > 0).float()

    def loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(outputs[:, 0], labels, reduction="none")

    assert trained(HipHopCnn(SMALL, 1, **TINY, hidden=(16, 8)), (frames,), popular, loss=loss) < 0.3


@pytest.mark.parametrize(("network", "options"), few_by_default(NETWORKS, 3))
def test_it_exports(network, options):
    torch.manual_seed(0)
    check_export(network(SMALL, 1, **options), SMALL)


def test_a_sigmoid_keeps_the_output_in_range():
    torch.manual_seed(0)
    network = HipHopMlp(SMALL, 1, hidden=(8,), activation="sigmoid")
    scores = network(100 * torch.randn(20, *SMALL[0]))
    assert 0 <= scores.min() < scores.max() <= 1


@pytest.mark.parametrize(
    ("network", "shapes", "options", "message"),
    [
        (HipHopCnn, [(60, 128)], {}, "nothing of 60 frames of 128 bins is left"),
        (HipHopCrnn, [(1292, 128)], {"filters": (8,)}, "1 filters, 4 pools"),
        (HipHopMlp, [(40,)], {}, "takes? one input of frames × bins"),
        (HipHopMlp, [(64, 16)], {"activation": "softmax"}, "activation softmax: unknown"),
    ],
)
def test_it_says_what_it_cannot_take(network, shapes, options, message):
    with pytest.raises(UsageError, match=message):
        network(shapes, 1, **options)
