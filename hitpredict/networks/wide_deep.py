"""Wide and deep (Zangerle et al. 2019, ISMIR): low-level descriptors squeezed by groups beside high-level ones."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.networks.mlp import Mlp, dense_layers, join, joined_width

GROUPS: Mapping[int, Sequence[int]] = {
    40: (20, 20),
    207: (128, 48, 12, 7, 6, *(1,) * 6),
    518: tuple(size for size in (12, 12, 12, 20, 1, 1, 1, 7, 1, 6, 1) for _ in range(7)),
}
"""Families of columns in the tables of MFCC statistics (40), HitMusicNet (207) and FMA (518), by their width."""

_LOW_LEVEL, _HIGH_LEVEL = 207, 12
"""Columns of HitMusicNet's table, and of Spotify's high-level features beside them."""


class WideDeep(nn.Module):
    """Each group of low-level columns becomes one number, which joins the high-level values in a dense stack.

    shapes: the low-level vector, then the high-level ones if there are any; high-level columns may also follow in the
    first vector. outputs: 1 for a number, the number of classes for logits. groups: how many neighbouring columns of
    the low-level ones each group has, all of them in all; none takes `GROUPS` for their number. high_level: how many
    columns at the end of the first vector are; none takes those beyond the 207 of HitMusicNet, up to 12, else 0.
    hidden: widths of the dense stack; none is two layers as wide as what enters them, where the published code makes
    them as wide as it has groups of inputs. dropout: after each of them. nonlinearity: of the groups' numbers and the
    stack. activation: of a single output, `linear` here; published is `elu` on chart positions, which would cut
    standardised targets.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        groups: Sequence[int] | None = None,
        high_level: int | None = None,
        hidden: Sequence[int] | None = None,
        dropout: float = 0.1,
        nonlinearity: str = "elu",
        activation: str = "linear",
    ):
        super().__init__()
        width = joined_width(shapes[:1])
        beside = width - _LOW_LEVEL if high_level is None else high_level
        beside = beside if high_level is not None or 0 < beside <= _HIGH_LEVEL else 0
        self.groups = _checked(groups, width - beside)
        self.beside = [beside] if beside else []
        self.squeezed = nn.ModuleList(nn.Sequential(*dense_layers((size, 1), nonlinearity)) for size in self.groups)
        entering = len(self.groups) + beside + (joined_width(shapes[1:]) if len(shapes) > 1 else 0)
        stack = (entering, entering) if hidden is None else hidden
        self.deep = Mlp([(entering,)], outputs, stack, dropout, nonlinearity, activation)

    def forward(self, *inputs: Tensor) -> Tensor:
        parts = torch.split(inputs[0].flatten(1), [*self.groups, *self.beside], dim=1)
        squeezed = [layer(part) for layer, part in zip(self.squeezed, parts, strict=False)]
        result: Tensor = self.deep(join([*squeezed, *parts[len(self.groups) :], *inputs[1:]]))
        return result


def _checked(groups: Sequence[int] | None, width: int) -> list[int]:
    sizes = GROUPS.get(width) if groups is None else groups
    if sizes is None:
        raise UsageError(f"{width} low-level columns are of no known table; give the sizes of their families as groups")
    if sum(sizes) != width or min(sizes) < 1:
        raise UsageError(f"groups {', '.join(map(str, sizes))} do not add up to {width} low-level columns")
    return list(sizes)
