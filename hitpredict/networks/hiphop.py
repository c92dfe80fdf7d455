"""The four networks of HipHopPopularity (Nindorph; "Using deep learning to predict hip-hop popularity on Spotify").

All take one log-mel spectrogram of frames × bins, (1292, 128) as published, its values brought to [0, 1] by the
extremes of the training set. The published output is one sigmoid unit under binary cross-entropy; with
`activation="linear"` the output is its logit. Initial weights are Keras's: Glorot-uniform, orthogonal within the
recurrence, biases of zero.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.networks.mlp import dense_layers, output_activation

Pools = Sequence[Sequence[int]]


class HipHopMlp(nn.Module):
    """Frames (B, frames, bins), flattened, through dense layers to (B, outputs); 21.2 million weights as published.

    hidden: widths of the dense layers, ReLU after each. activation: of the output, `linear` or `sigmoid`.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        hidden: Sequence[int] = (128, 64),
        activation: str = "linear",
    ) -> None:
        super().__init__()
        frames, bins = _spectrogram_shape(shapes)
        self.dense = nn.Sequential(
            nn.Flatten(), *_dense(frames * bins, hidden, outputs, 0.0), output_activation(activation, outputs)
        )
        self.apply(_start)

    def forward(self, frames: Tensor) -> Tensor:
        result: Tensor = self.dense(frames)
        return result


class HipHopCnn(nn.Module):
    """Frames (B, frames, bins) through 3×3 convolutions, each followed by max-pooling, then dense layers.

    2.73 million weights as published. The result is (B, outputs).
    filters: of each convolution (padded to keep the size, ReLU). pools: bins × frames joined after each.
    hidden: widths of the dense layers, ReLU and dropout after each. activation: of the output, `linear` or `sigmoid`.
    Raises `UsageError` for a spectrogram with less than one cell left after the pooling.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        filters: Sequence[int] = (16, 32, 64, 128),
        pools: Pools = ((2, 4), (2, 4), (2, 2), (2, 2)),
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.3,
        activation: str = "linear",
    ) -> None:
        super().__init__()
        bins, frames = _pooled(shapes, pools)
        self.convolutions = nn.Sequential(*_convolutions(filters, pools, nn.ReLU(), 0.0))
        dense = _dense(filters[-1] * bins * frames, hidden, outputs, dropout)
        self.dense = nn.Sequential(nn.Flatten(), *dense, output_activation(activation, outputs))
        self.apply(_start)

    def forward(self, frames: Tensor) -> Tensor:
        result: Tensor = self.dense(self.convolutions(_picture(frames)))
        return result


class HipHopCnn2(HipHopCnn):
    """`HipHopCnn` with a single dense layer and without dropout; 2.72 million weights as published."""

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        filters: Sequence[int] = (16, 32, 64, 128),
        pools: Pools = ((2, 4), (2, 4), (2, 2), (2, 2)),
        hidden: Sequence[int] = (128,),
        dropout: float = 0.0,
        activation: str = "linear",
    ) -> None:
        super().__init__(
            shapes, outputs, filters=filters, pools=pools, hidden=hidden, dropout=dropout, activation=activation
        )


class HipHopCrnn(nn.Module):
    """Frames (B, frames, bins) through convolutions, then two recurrent layers over time, to (B, outputs).

    391,585 weights as published: 3×3 convolutions with ELU, each followed by max-pooling and dropout 0.1, leave 80
    steps of 128 features; two GRU layers of 32, of which the last step counts; dropout 0.3; one unit.
    filters: of each convolution. pools: bins × frames joined after each; bins that are left over are stacked into
    the features. hidden, layers: of the GRU. activation: of the output, `linear` or `sigmoid`.
    Raises `UsageError` for a spectrogram with less than one cell left after the pooling.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        filters: Sequence[int] = (64, 128, 128, 128),
        pools: Pools = ((2, 2), (4, 2), (4, 2), (4, 2)),
        pool_dropout: float = 0.1,
        hidden: int = 32,
        layers: int = 2,
        dropout: float = 0.3,
        activation: str = "linear",
    ) -> None:
        super().__init__()
        bins, _ = _pooled(shapes, pools)
        self.convolutions = nn.Sequential(*_convolutions(filters, pools, nn.ELU(), pool_dropout))
        self.recurrent = nn.GRU(filters[-1] * bins, hidden, layers, batch_first=True)
        self.output = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(hidden, outputs), output_activation(activation, outputs)
        )
        self.apply(_start)

    def forward(self, frames: Tensor) -> Tensor:
        maps = self.convolutions(_picture(frames))
        steps, _ = self.recurrent(maps.permute(0, 3, 1, 2).flatten(2))
        result: Tensor = self.output(steps[:, -1])
        return result


def _spectrogram_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    if len(shapes) != 1 or len(shapes[0]) != 2:
        raise UsageError(f"the networks of HipHopPopularity take one input of frames × bins, not {list(shapes)}")
    frames, bins = shapes[0]
    return frames, bins


def _pooled(shapes: Sequence[tuple[int, ...]], pools: Pools) -> tuple[int, int]:
    """Bins and frames that are left after `pools`."""
    shape = frames, bins = _spectrogram_shape(shapes)
    for high, wide in pools:
        bins, frames = bins // high, frames // wide
    if not bins or not frames:
        raise UsageError(f"nothing of {shape[0]} frames of {shape[1]} bins is left after the pooling {list(pools)}")
    return bins, frames


def _picture(frames: Tensor) -> Tensor:
    """(B, frames, bins) to (B, 1, bins, frames)."""
    return frames.transpose(1, 2).unsqueeze(1)


def _convolutions(filters: Sequence[int], pools: Pools, activation: nn.Module, dropout: float) -> list[nn.Module]:
    if len(filters) != len(pools):
        raise UsageError(f"every convolution needs one pooling: {len(filters)} filters, {len(pools)} pools")
    layers: list[nn.Module] = []
    for (before, after), (high, wide) in zip(pairwise((1, *filters)), pools, strict=True):
        layers += [nn.Conv2d(before, after, 3, padding=1), activation, nn.MaxPool2d((high, wide)), nn.Dropout(dropout)]
    return layers


def _dense(inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> list[nn.Module]:
    widths = (inputs, *hidden)
    return [*dense_layers(widths, "relu", dropout), nn.Linear(widths[-1], outputs)]


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear | nn.GRU):
        for name, weights in module.named_parameters():
            if "bias" in name:
                nn.init.zeros_(weights)
            elif "weight_hh" in name:
                nn.init.orthogonal_(weights)
            else:
                nn.init.xavier_uniform_(weights)
