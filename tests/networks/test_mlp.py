import pytest
import torch
from torch import nn

from hitpredict.errors import UsageError
from hitpredict.networks.mlp import Mlp, dense_layers
from tests.helpers.learning import check_export, cross_entropy, trained


def test_layers_and_weights_are_as_asked():
    network = Mlp([(207,)], 1, hidden=(128, 64))
    widths = [(layer.in_features, layer.out_features) for layer in network.modules() if isinstance(layer, nn.Linear)]
    assert widths == [(207, 128), (128, 64), (64, 1)]
    assert sum(parameter.numel() for parameter in network.parameters()) == 207 * 128 + 128 + 128 * 64 + 64 + 64 + 1


def test_no_hidden_layer_is_a_linear_model():
    network = Mlp([(3,)], 1, hidden=())
    values = torch.randn(4, 3)
    torch.testing.assert_close(network(values), values @ network.output.weight.T + network.output.bias)


def test_inputs_of_any_shape_are_joined():
    network = Mlp([(4,), (2, 3)], 1, hidden=(5,))
    vector, table = torch.randn(2, 4), torch.randn(2, 2, 3)
    assert network.hidden[0].in_features == 10
    torch.testing.assert_close(network(vector, table), Mlp.forward(network, torch.cat([vector, table.flatten(1)], 1)))


def test_the_activation_is_for_numbers_not_for_logits():
    torch.manual_seed(0)
    values = 50 * torch.randn(64, 8)
    scores = Mlp([(8,)], 1, activation="sigmoid")(values)
    assert 0 <= scores.min() < scores.max() <= 1
    assert Mlp([(8,)], 3, activation="sigmoid")(values).abs().max() > 1


def test_dropout_is_off_when_scoring():
    torch.manual_seed(0)
    network = Mlp([(8,)], 1, dropout=0.5)
    values = torch.randn(4, 8)
    assert not torch.equal(network(values), network(values))
    network.eval()
    torch.testing.assert_close(network(values), network(values), rtol=0, atol=0)


def test_the_same_seed_gives_the_same_network():
    scores = []
    for _ in range(2):
        torch.manual_seed(3)
        values, network = torch.randn(32, 5), Mlp([(5,)], 1, hidden=(8,), dropout=0.2)
        trained(network, (values,), values[:, 0], steps=5)
        scores.append(network(values))
    assert torch.equal(*scores)


@pytest.mark.parametrize("nonlinearity", ["relu", "elu", "leaky-relu", "gelu", "tanh"])
def test_it_learns_numbers(nonlinearity):
    torch.manual_seed(0)
    values = torch.randn(128, 6)
    targets = (values[:, 0] * values[:, 1]).sign() + values[:, 2]
    network = Mlp([(6,)], 1, hidden=(32, 16), nonlinearity=nonlinearity)
    assert trained(network, (values,), targets, steps=120, lr=1e-2) < 0.3 * targets.var()


def test_it_learns_classes():
    torch.manual_seed(0)
    values = torch.randn(128, 6)
    classes = (values[:, 0] > 0.4).long() + (values[:, 0] > -0.4)
    loss = trained(Mlp([(6,)], 3, hidden=(32,)), (values,), classes, loss=cross_entropy, lr=1e-2)
    assert loss < 0.4 * torch.log(torch.tensor(3.0))


def test_onnx_gives_the_same():
    torch.manual_seed(0)
    check_export(Mlp([(6,), (2, 2)], 1, hidden=(8, 4), dropout=0.1, activation="sigmoid"), [(6,), (2, 2)])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"nonlinearity": "step"}, "nonlinearity step: unknown; there are relu, elu"),
        ({"activation": "relu"}, "activation relu: unknown; "),
        ({"dropout": 1}, r"dropout 1 is not in \[0, 1\)"),
        ({"hidden": (4, 0)}, "layers of widths 3, 4, 0"),
        ({"shapes": []}, r"inputs of shapes \[\] hold no values"),
    ],
)
def test_wrong_settings_are_said_in_one_line(settings, message):
    with pytest.raises(UsageError, match=message):
        Mlp(**{"shapes": [(3,)], "outputs": 1, **settings})


def test_dropout_comes_after_every_non_linearity():
    kinds = [type(layer) for layer in dense_layers((4, 3, 2), "elu", 0.1)]
    assert kinds == [nn.Linear, nn.ELU, nn.Dropout] * 2
    assert [type(layer) for layer in dense_layers((4, 3), "elu")] == [nn.Linear, nn.ELU]
