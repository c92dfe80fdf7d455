"""A fully convolutional network (Choi, Fazekas & Sandler 2016, ISMIR, arXiv:1606.00298), as in the replication of hit
song prediction on HSP-S and HSP-L (Vötter et al. 2021)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.networks.hiphop import Pools
from hitpredict.networks.mlp import output_activation


class Fcn(nn.Module):
    """Frames (B, frames, bins) through blocks of a 3×3 convolution and max-pooling, then one dense layer: (B, outputs).

    The published blocks bring 1296 frames of 128 bins to one cell of 64 filters. Published are kernels, filters and
    pools; what stands around them is reconstructed after the tagger of the same widths (Won et al. 2020,
    arXiv:2006.00751): batch normalisation of the input and after each convolution, ReLU, dropout before the last
    layer.

    filters: of each block, padded to keep the size. pools: bins × frames joined after each. activation: of the output,
    `linear` or `sigmoid`. Raises `UsageError` for a spectrogram with less than one cell left after the pooling.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        filters: Sequence[int] = (64, 128, 128, 128, 64),
        pools: Pools = ((2, 4), (2, 4), (2, 4), (3, 5), (4, 4)),
        dropout: float = 0.5,
        activation: str = "linear",
    ) -> None:
        super().__init__()
        cells = _cells(shapes, filters, pools)
        blocks = zip(pairwise((1, *filters)), pools, strict=True)
        self.blocks = nn.Sequential(*(_block(before, after, (high, wide)) for (before, after), (high, wide) in blocks))
        self.normalise = nn.BatchNorm2d(1)
        self.output = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(filters[-1] * cells, outputs))
        self.activation = output_activation(activation, outputs)

    def forward(self, frames: Tensor) -> Tensor:
        picture = self.normalise(frames.transpose(1, 2).unsqueeze(1))
        result: Tensor = self.activation(self.output(self.blocks(picture)))
        return result


def _cells(shapes: Sequence[tuple[int, ...]], filters: Sequence[int], pools: Pools) -> int:
    """How many cells are left after the pooling."""
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise UsageError(f"fcn takes one input of frames × bins, not {list(shapes)}")
    if len(filters) != len(pools):
        raise UsageError(f"every convolution needs one pooling: {len(filters)} filters, {len(pools)} pools")
    frames, bins = shapes[0]
    for high, wide in pools:
        bins, frames = bins // high, frames // wide
    if not bins or not frames:
        given = f"{shapes[0][0]} frames of {shapes[0][1]} bins"
        raise UsageError(f"nothing of {given} is left after the pooling {[list(pool) for pool in pools]}")
    return bins * frames


def _block(before: int, after: int, pool: tuple[int, int]) -> nn.Module:
    convolution = nn.Conv2d(before, after, 3, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(pool))
