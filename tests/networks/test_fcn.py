import pytest
import torch

from hitpredict.errors import UsageError
from hitpredict.networks.fcn import Fcn
from tests.helpers.learning import check_export, trained

SMALL = {"filters": (4, 4), "pools": ((4, 4), (4, 4)), "dropout": 0.0}


def test_five_blocks_bring_a_spectrogram_to_one_cell_as_published():
    with torch.device("meta"):
        network = Fcn([(1296, 128)], 1)
        seen = []
        for block in network.blocks:
            block.register_forward_hook(lambda _layer, _inputs, output: seen.append(tuple(output.shape[1:])))
        assert network(torch.empty(2, 1296, 128)).shape == (2, 1)
    # Filters, bins, frames: 1296 / 4 / 4 / 4 / 5 / 4 leaves one.
    assert seen == [(64, 64, 324), (128, 32, 81), (128, 16, 20), (128, 5, 4), (64, 1, 1)]


def test_it_learns_from_the_place_of_energy_in_a_spectrogram():
    torch.manual_seed(0)
    targets = torch.linspace(-1.5, 1.5, 16)
    frames = 0.3 * torch.rand(16, 32, 16)
    frames[:, :, :6] += 0.3 * targets[:, None, None]
    network = Fcn([(32, 16)], 1, **SMALL)
    assert trained(network, (frames,), targets, steps=30, lr=2e-2) < 0.3 * targets.var()


def test_onnx_gives_the_same():
    torch.manual_seed(0)
    network = Fcn([(32, 16)], 2, **SMALL)
    trained(network, (torch.rand(8, 32, 16),), torch.rand(8, 2), steps=2)
    check_export(network, [(32, 16)])


@pytest.mark.parametrize(
    ("shapes", "settings", "message"),
    [
        ([(32, 16)], {}, "nothing of 32 frames of 16 bins is left after the pooling"),
        ([(32, 16)], {"filters": (8,)}, "every convolution needs one pooling: 1 filters, 5 pools"),
        ([(32,)], {}, "fcn takes one input of frames × bins"),
    ],
)
def test_wrong_sizes_are_said_in_one_line(shapes, settings, message):
    with pytest.raises(UsageError, match=message):
        Fcn(shapes, 1, **settings)
