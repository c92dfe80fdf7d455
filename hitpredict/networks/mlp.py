"""A plain multi-layer perceptron, and the dense layers that the networks on vectors share."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.registry import lookup

NONLINEARITIES: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "elu": nn.ELU,
    "leaky-relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}
ACTIVATIONS: Mapping[str, type[nn.Module]] = {"linear": nn.Identity, "sigmoid": nn.Sigmoid, "elu": nn.ELU}


class Mlp(nn.Module):
    """All inputs, flattened and joined, through dense layers to the outputs.

    shapes: of one sample of each input. outputs: 1 for a number, the number of classes for logits. hidden: widths of
    the hidden layers; none is a linear model. dropout: share dropped after each of them, in [0, 1). nonlinearity:
    after each of them, one of `NONLINEARITIES`. activation: of a single output, one of `ACTIVATIONS`; logits stay
    as they are.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.0,
        nonlinearity: str = "relu",
        activation: str = "linear",
    ):
        super().__init__()
        widths = (joined_width(shapes), *hidden)
        self.hidden = nn.Sequential(*dense_layers(widths, nonlinearity, dropout))
        self.output = nn.Linear(widths[-1], outputs)
        self.activation = output_activation(activation, outputs)

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self.activation(self.output(self.hidden(join(inputs))))
        return result


def joined_width(shapes: Sequence[tuple[int, ...]]) -> int:
    """How many values one sample has in all its inputs. Raises `UsageError` when there are none."""
    width = sum(prod(shape) for shape in shapes)
    if width < 1:
        raise UsageError(f"inputs of shapes {[tuple(shape) for shape in shapes]} hold no values")
    return width


def join(inputs: Sequence[Tensor]) -> Tensor:
    """Inputs (B, *shape), each flattened, beside one another: (B, width)."""
    return torch.cat([values.flatten(1) for values in inputs], dim=1)


def dense_layers(widths: Sequence[int], nonlinearity: str, dropout: float = 0.0) -> list[nn.Module]:
    """From each width to the next a linear layer, its non-linearity, and dropout where it is above 0.

    Raises `UsageError` when the non-linearity is unknown, a width below 1, or dropout not in [0, 1).
    """
    if not 0 <= dropout < 1:
        raise UsageError(f"dropout {dropout} is not in [0, 1)")
    if min(widths) < 1:
        raise UsageError(f"layers of widths {', '.join(map(str, widths))}: each must be 1 or more")
    layers: list[nn.Module] = []
    for width, following in pairwise(widths):
        layers += [nn.Linear(width, following), lookup("nonlinearity", nonlinearity, NONLINEARITIES)()]
        layers += [nn.Dropout(dropout)] if dropout else []
    return layers


def output_activation(name: str, outputs: int) -> nn.Module:
    """What follows the last layer: the named one of `ACTIVATIONS` for one output, nothing for several."""
    activation = lookup("activation", name, ACTIVATIONS)()
    return activation if outputs == 1 else nn.Identity()
