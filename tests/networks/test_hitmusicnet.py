import copy
import math

import pytest
import torch
from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.networks.hitmusicnet import HitMusicNet, MusicAENet, MusicPopNet, initialise
from tests.helpers.learning import check_export, cross_entropy, trained
from tests.helpers.pretraining import pretrained


def widths(network: nn.Module) -> list[int]:
    """What each linear layer gives."""
    return [layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear)]


def songs(count: int = 160, width: int = 120) -> tuple[Tensor, Tensor]:
    """Vectors in [0, 1] made of three causes, and a popularity in [0, 1] that depends on two of them."""
    causes = torch.rand(count, 3)
    values = (causes @ torch.rand(3, width) / 3 + 0.05 * torch.rand(count, width)).clamp(0, 1)
    return values, (0.2 + 0.7 * causes[:, 0] * causes[:, 1])


def test_the_published_widths():
    network = HitMusicNet([(228,)], 1)
    assert widths(network.autoencoder) == [114, 76, 45, 76, 114, 228]
    assert widths(network.popularity) == [45, 22, 15, 1]


@pytest.mark.parametrize(("compression", "code"), [(5, 45), (7, 32), (4, 57)])
def test_the_code_is_a_share_of_the_input(compression, code):
    network = HitMusicNet([(228,)], 3, compression=compression)
    assert network.autoencoder.encoder(torch.rand(2, 228)).shape == (2, code)
    assert widths(network.popularity) == [code, round(code / 2), round(code / 3), 3]


def test_the_predictor_has_dropout_after_its_first_two_layers():
    kinds = [type(layer).__name__ for layer in MusicPopNet(45, 1).hidden]
    assert kinds == ["Linear", "ReLU", "Dropout"] * 2 + ["Linear", "ReLU"]
    assert {layer.p for layer in MusicPopNet(45, 1).modules() if isinstance(layer, nn.Dropout)} == {0.25}


def test_narrow_inputs_keep_at_least_one_unit_per_layer():
    assert widths(HitMusicNet([(2,)], 1)) == [1, 1, 1, 1, 1, 2, 1, 1, 1, 1]


def test_several_vectors_are_joined():
    network = HitMusicNet([(20,), (8,)], 1).eval()
    values = torch.rand(3, 28)
    torch.testing.assert_close(network(values[:, :20], values[:, 20:]), network(values))


def test_glorot_is_uniform_and_he_normal_within_two_deviations():
    layer = nn.Linear(400, 200).requires_grad_(False)
    initialise(layer, "glorot")
    bound = math.sqrt(6 / 600)
    assert layer.weight.abs().max() <= bound
    assert float(layer.weight.std()) == pytest.approx(bound / math.sqrt(3), rel=0.02)
    initialise(layer, "he")
    assert float(layer.weight.std()) == pytest.approx(math.sqrt(2 / 400), rel=0.02)
    assert layer.weight.abs().max() <= 2.28 * math.sqrt(2 / 400)
    assert not layer.bias.any()


def test_the_initialiser_reaches_all_layers():
    for name in ("glorot", "he"):
        network = HitMusicNet([(120,)], 1, initialiser=name)
        assert not any(layer.bias.any() for layer in network.modules() if isinstance(layer, nn.Linear))
    with pytest.raises(UsageError, match="initialiser zeros: unknown; "):
        HitMusicNet([(120,)], 1, initialiser="zeros")


def test_the_stage_is_the_published_training_of_the_autoencoder():
    (stage,) = HitMusicNet([(120,)], 1).stages()
    assert (stage.name, stage.epochs, stage.lr, stage.patience, stage.batch_size) == ("autoencoder", 50, 1e-3, 2, 32)
    assert stage.freeze
    (stage,) = HitMusicNet([(120,)], 1, autoencoder_epochs=3, autoencoder_patience=1).stages()
    assert (stage.epochs, stage.patience) == (3, 1)


def test_the_stage_learns_to_reconstruct_and_leaves_the_predictor_alone():
    torch.manual_seed(0)
    values, popularity = songs()
    network = HitMusicNet([(120,)], 1)
    predictor = copy.deepcopy(network.popularity.state_dict())
    ((_, before, after),) = pretrained(network, (values,), popularity, steps=300)
    assert before.shape == after.shape == (160,)
    assert after.mean() < 0.5 * values.var(0).mean() < before.mean()
    assert all(torch.equal(weights, predictor[name]) for name, weights in network.popularity.state_dict().items())


def test_the_main_training_leaves_the_frozen_code_alone():
    torch.manual_seed(0)
    values, popularity = songs()
    network = HitMusicNet([(120,)], 1)
    list(pretrained(network, (values,), popularity, steps=100))
    encoder = copy.deepcopy(network.autoencoder.state_dict())
    assert trained(network, (values,), popularity, steps=150, lr=1e-2) < 0.5 * popularity.var()
    assert all(torch.equal(weights, encoder[name]) for name, weights in network.autoencoder.state_dict().items())


def test_a_copy_trains_its_own_autoencoder():
    network = HitMusicNet([(6,)], 1)
    (stage,) = copy.deepcopy(network).stages()
    assert not {id(each) for each in stage.parameters()} & {id(each) for each in network.parameters()}


def test_it_learns_classes():
    torch.manual_seed(0)
    values, popularity = songs()
    classes = (popularity > 0.3).long() + (popularity > 0.45)
    network = HitMusicNet([(120,)], 3)
    list(pretrained(network, (values,), classes, steps=200))
    loss = trained(network, (values,), classes, loss=cross_entropy, steps=250, lr=1e-2)
    assert loss < 0.6 * torch.log(torch.tensor(3.0))


def test_the_output_is_a_sigmoid_a_line_or_logits():
    torch.manual_seed(0)
    values = torch.rand(64, 120)
    network = HitMusicNet([(120,)], 1).eval()
    torch.manual_seed(0)
    torch.rand(64, 120)
    linear = HitMusicNet([(120,)], 1, activation="linear").eval()
    torch.testing.assert_close(network(values), linear(values).sigmoid())
    assert not torch.allclose(HitMusicNet([(120,)], 3)(values).sum(1), torch.ones(64))


def test_the_reconstruction_can_leave_the_unit_interval_where_asked():
    torch.manual_seed(0)
    values = 100 * torch.randn(64, 6)
    assert MusicAENet(6, 3)(values).abs().max() <= 1
    assert MusicAENet(6, 3, activation="linear")(values).abs().max() > 1


def test_onnx_gives_the_same():
    torch.manual_seed(0)
    check_export(HitMusicNet([(120,)], 1), [(120,)])
