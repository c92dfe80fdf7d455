import re
from itertools import groupby

import pytest
import torch
from torch import nn

from hitpredict.errors import UsageError
from hitpredict.features.descriptors import Fma518, Hmn207
from hitpredict.frontends.mfcc_stats import MfccStats
from hitpredict.networks.wide_deep import GROUPS, WideDeep
from tests.helpers.learning import check_export, cross_entropy, trained


def column_groups(columns):
    """Sizes of the families of neighbouring columns whose names differ only in a number at their end."""
    return [len(list(family)) for _, family in groupby(columns, key=lambda name: re.sub(r"_\d+$", "", name))]


@pytest.mark.parametrize("table", [MfccStats(), Hmn207(), Fma518()])
def test_the_groups_of_known_tables_are_their_families(table):
    assert tuple(GROUPS[len(table.columns)]) == tuple(column_groups(table.columns))
    assert len(WideDeep([(len(table.columns),)], 1).squeezed) == len(column_groups(table.columns))


def test_each_group_becomes_one_value_beside_the_high_level_ones():
    network = WideDeep([(207,), (12,)], 1)
    assert [layer[0].in_features for layer in network.squeezed] == [128, 48, 12, 7, 6, 1, 1, 1, 1, 1, 1]
    dense = [layer for layer in network.deep.modules() if isinstance(layer, nn.Linear)]
    assert [(layer.in_features, layer.out_features) for layer in dense] == [(23, 23), (23, 23), (23, 1)]
    assert {layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)} == {0.1}
    assert sum(isinstance(layer, nn.ELU) for layer in network.modules()) == 11 + 2


def test_a_group_sees_its_own_columns_only():
    torch.manual_seed(0)
    network = WideDeep([(5,), (2,)], 1, groups=[2, 3]).eval()
    entering: list[torch.Tensor] = []
    network.deep.register_forward_hook(lambda _layer, inputs, _output: entering.append(inputs[0]))
    low, high = torch.randn(1, 5), torch.randn(1, 2)
    network(low, high)
    network(low + torch.tensor([0, 0, 1.0, 1, 1]), high)
    changed = (entering[0] != entering[1])[0].tolist()
    assert changed == [False, True, False, False]
    torch.testing.assert_close(entering[0][:, 2:], high)


def test_it_learns_numbers_from_both_parts():
    torch.manual_seed(0)
    low, high = torch.randn(128, 6), torch.randn(128, 2)
    targets = low[:, :3].sum(1).tanh() * high[:, 0].sign() + high[:, 1]
    network = WideDeep([(6,), (2,)], 1, groups=[3, 3], hidden=(32, 16))
    assert trained(network, (low, high), targets, steps=150, lr=1e-2) < 0.3 * targets.var()


def test_it_learns_from_low_level_columns_alone():
    torch.manual_seed(0)
    values = torch.randn(128, 6)
    classes = (values[:, :2].sum(1) > 0).long()
    network = WideDeep([(6,)], 2, groups=[2, 2, 2])
    assert trained(network, (values,), classes, loss=cross_entropy, steps=150, lr=1e-2) < 0.4 * torch.log(
        torch.tensor(2.0)
    )


@pytest.mark.parametrize("shapes", [[(5,)], [(5,), (2,)]])
def test_onnx_gives_the_same(shapes):
    torch.manual_seed(0)
    check_export(WideDeep(shapes, 1, groups=[2, 3]), shapes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "5 low-level columns are of no known table"),
        ({"groups": [2, 2]}, "groups 2, 2 do not add up to 5"),
        ({"groups": [5, 0]}, "groups 5, 0 do not add up to 5"),
    ],
)
def test_wrong_groups_are_said_in_one_line(settings, message):
    with pytest.raises(UsageError, match=message):
        WideDeep([(5,)], 1, **settings)
