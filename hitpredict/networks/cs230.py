"""The convolutional classifier of spectrogram images by Rossi and Pleus (Stanford CS230 poster)."""

from collections.abc import Sequence

from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.registry import lookup

LAYOUTS = {"2conv": 2, "4conv": 4, "6conv": 6}
# filters, kernel (rows, columns), size of the max-pooling, its stride
_STAGES = (
    (32, (3, 5), (2, 2), 2),
    (64, (2, 5), (2, 2), 2),
    (128, (2, 2), (2, 2), 2),
    (256, (2, 2), (2, 2), 2),
    (512, (2, 2), (2, 2), 1),
    (1024, (2, 2), (2, 5), 1),
)


class Cs230(nn.Module):
    """Pictures with levels in [0, 1], (B, rows, columns) in grey or (B, rows, columns, 3) in colour, to (B, outputs).

    Published: images of 102 × 159, six convolutions without padding, each followed by max-pooling, with activations
    of 50×77, 24×36, 11×17, 5×8, 3×6 and 1×1; a dense layer of 512 with dropout 0.4; three classes. The outputs are
    logits for classes, or a linear unit for regression.
    Reconstructed: which kernel belongs to which convolution (the ones here give every published activation), ReLU
    between the layers, He-normal initial weights, and the layouts `2conv` and `4conv`, which the poster names only:
    they are the first stages of `6conv`, flattened before the same dense layer.

    layout: `6conv`, `4conv` or `2conv`. hidden: width of the dense layer. dropout: in [0, 1).
    width: multiplies the number of filters of every stage. Raises `UsageError` for an unknown layout or an image too
    small for it.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        layout: str = "6conv",
        hidden: int = 512,
        dropout: float = 0.4,
        width: float = 1.0,
    ) -> None:
        super().__init__()
        self._colour = len(_image_shape(shapes)) == 3
        convolutions, size = _convolutions(_image_shape(shapes), layout, width)
        self.convolutions = nn.Sequential(*convolutions)
        dense, output = nn.Linear(size, hidden), nn.Linear(hidden, outputs)
        self.dense = nn.Sequential(nn.Flatten(), dense, nn.ReLU(), nn.Dropout(dropout), output)
        self.apply(_start)

    def forward(self, images: Tensor) -> Tensor:
        channels_first = images.permute(0, 3, 1, 2) if self._colour else images.unsqueeze(1)
        result: Tensor = self.dense(self.convolutions(channels_first))
        return result


def _image_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    if len(shapes) != 1 or len(shapes[0]) not in (2, 3) or (len(shapes[0]) == 3 and shapes[0][2] != 3):
        raise UsageError(f"cs230 takes one image, (rows, columns) or (rows, columns, 3), not {list(shapes)}")
    return tuple(shapes[0])


def _convolutions(shape: tuple[int, ...], layout: str, width: float) -> tuple[list[nn.Module], int]:
    """The convolutional layers of `layout` and how many numbers they give for an image of `shape`."""
    stages = lookup("layout", layout, LAYOUTS)
    layers: list[nn.Module] = []
    channels, rows, columns = (3 if len(shape) == 3 else 1), shape[0], shape[1]
    for filters, kernel, pool, stride in _STAGES[:stages]:
        wide = max(1, round(filters * width))
        layers += [nn.Conv2d(channels, wide, kernel), nn.ReLU(), nn.MaxPool2d(pool, stride)]
        channels = wide
        rows = (rows - kernel[0] + 1 - pool[0]) // stride + 1
        columns = (columns - kernel[1] + 1 - pool[1]) // stride + 1
        if rows < 1 or columns < 1:
            size = f"{shape[0]} × {shape[1]}"
            raise UsageError(f"cs230: an image of {size} is too small for {layout}; it was made for 102 × 159")
    return layers, channels * rows * columns


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
