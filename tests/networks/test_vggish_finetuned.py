import pytest
import torch

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.features.embeddings.vggish_network import VggishNetwork, load_network
from hitpredict.networks.vggish_finetuned import VggishFinetuned
from tests.helpers import checkpoints
from tests.helpers.learning import check_export, trained

SHAPE = (3, 96, 64)
TINY = {"channels": (4, 4, 4, 4, 8, 8), "dense": 16, "hidden": (8,), "dropout": 0.0}


def patches(count: int) -> torch.Tensor:
    return 0.1 + torch.rand(count, *SHAPE)


def test_it_has_the_weights_of_vggish_as_published():
    with torch.device("meta"):
        body = VggishFinetuned([SHAPE], 1).body
    assert sum(each.numel() for each in body.parameters()) == 72_141_184


def test_the_mean_is_over_the_patches_that_hold_sound():
    torch.manual_seed(0)
    network = VggishFinetuned([SHAPE], 1, **TINY).eval()
    songs = patches(2)
    songs[1, 1:] = 0
    seen = []
    network.head.register_forward_hook(lambda _layer, inputs, _output: seen.append(inputs[0]))
    network(songs)
    torch.testing.assert_close(seen[0][0], network.body(songs[0]).mean(0))
    torch.testing.assert_close(seen[0][1], network.body(songs[1, :1])[0])


@pytest.mark.parametrize("frozen", [False, True])
def test_vggish_goes_on_learning_unless_it_is_frozen(frozen):
    torch.manual_seed(0)
    network = VggishFinetuned([SHAPE], 1, **TINY, frozen=frozen, activation="linear")
    before = {name: weight.clone() for name, weight in network.body.state_dict().items()}
    songs = patches(4)
    trained(network, (songs,), torch.linspace(0, 1, 4), steps=2, lr=1e-2)
    same = [torch.equal(weight, before[name]) for name, weight in network.body.state_dict().items()]
    assert all(same) if frozen else not any(same[:2])


def test_onnx_gives_the_same():
    torch.manual_seed(0)
    check_export(VggishFinetuned([SHAPE], 1, **TINY), [SHAPE])


@pytest.mark.slow
def test_it_starts_from_a_checkpoint_and_is_built_again_without(tmp_path):
    file = checkpoints.vggish(tmp_path / "vggish.pth")
    network = VggishFinetuned([(1, 96, 64)], 1, checkpoint=str(file))
    for name, weight in load_network(file).state_dict().items():
        torch.testing.assert_close(network.body.state_dict()[name], weight)
    assert all(weight.requires_grad for weight in network.body.parameters())
    with torch.device("meta"):
        again = VggishFinetuned([(1, 96, 64)], 1, **network.network_state)
    assert again.state_dict().keys() == network.state_dict().keys()


def test_mistakes_are_said_in_one_line(tmp_path):
    with pytest.raises(UsageError, match="takes one input of patches × 96 × 64"):
        VggishFinetuned([(31, 128)], 1)
    with pytest.raises(UsageError, match="VGGish has 6 convolutions, not 2"):
        VggishFinetuned([SHAPE], 1, channels=(4, 4))
    with pytest.raises(UsageError, match="channels and dense are the checkpoint's"):
        VggishFinetuned([SHAPE], 1, checkpoint="a.pth", channels=(4,) * 6)
    with pytest.raises(EnvironmentProblem, match="get it with `hitpredict fetch weights vggish`"):
        VggishFinetuned([SHAPE], 1, checkpoint=str(tmp_path / "none.pth"))
    assert sum(each.numel() for each in VggishNetwork((4,) * 6, 8).parameters()) < 10**5
