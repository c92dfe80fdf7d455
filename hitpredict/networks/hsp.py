"""Hit song prediction at KKBOX: the convolutional networks of Yang et al. 2017 (ICASSP, arXiv:1704.01280), in the form
of HSP_CNN, and the twin network of Yu et al. 2017 (arXiv:1710.10814).

The published input is a log-mel spectrogram of the middle 30 s: 323 frames × 128 bins. Kernels are bins × frames. The
initial weights are not published: He-normal for the leaky ReLU, biases of zero.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.registry import lookup, made

_SLOPE = 0.1
_FEWEST_FRAMES = 13
_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky": lambda: nn.LeakyReLU(_SLOPE),
    "linear": nn.Identity,
    "sigmoid": nn.Sigmoid,
}


class HspCnn(nn.Module):
    """Frames (B, frames, bins), and tags (B, tags) where `shapes` holds a second input, to (B, outputs).

    A convolution over all bins and 4 frames (32 filters), pooling of 2 frames, one over 4 frames (64), pooling,
    dropout, then 1×1 convolutions of 256, 256 and `outputs`, dropout after the wide ones, and the mean over time; a
    leaky ReLU of slope 0.1 after every convolution, the last one too. The tag branch is dense, 100-100-30-`outputs`,
    with dropout; the result is then the mean of both branches.
    Reconstructed: the dropout follows each hidden layer of the tag branch, whose output has the same activation.

    filters: of the two convolutions. hidden: of the 1×1 convolutions. tag_hidden: widths of the tag branch.
    output_activation: `leaky` (published), `linear` or `sigmoid`. Raises `UsageError` for fewer than 13 frames.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        filters: Sequence[int] = (32, 64),
        hidden: int = 256,
        dropout: float = 0.25,
        tag_hidden: Sequence[int] = (100, 100, 30),
        output_activation: str = "leaky",
    ) -> None:
        super().__init__()
        bins, tags = _input_shapes(shapes)
        first, second = filters
        self.head = self._make_head(bins, first)
        self.trunk = nn.Sequential(
            nn.MaxPool2d((1, 2)),
            *_convolution(first, second, (1, 4)),
            nn.MaxPool2d((1, 2)),
            nn.Dropout(dropout),
            *_convolution(second, hidden, 1),
            nn.Dropout(dropout),
            *_convolution(hidden, hidden, 1),
            nn.Dropout(dropout),
            nn.Conv2d(hidden, outputs, 1),
            _activation(output_activation),
        )
        self.tags = _dense(tags, tag_hidden, outputs, dropout, output_activation) if tags else None
        self.apply(_start)

    def _make_head(self, bins: int, filters: int) -> nn.Module:
        return nn.Sequential(*_convolution(1, filters, (bins, 4)))

    def forward(self, *inputs: Tensor) -> Tensor:
        picture = inputs[0].transpose(1, 2).unsqueeze(1)
        scores: Tensor = self.trunk(self.head(picture)).mean(dim=(2, 3))
        return scores if self.tags is None else (scores + self.tags(inputs[1])) / 2


class HspInception(HspCnn):
    """`HspCnn` whose first convolution is three in parallel, joined by a 1×1 convolution of `filters[0]`.

    For 128 bins they are 128×4 (32 filters), 132×8 (16, padded by 2 on all sides) and 140×16 (16, padded by 6): each
    sees all bins and gives as many steps, 320 for the published 323 frames. The numbers of filters follow `filters[0]`.
    """

    def _make_head(self, bins: int, filters: int) -> nn.Module:
        return _InceptionHead(bins, filters)


class _InceptionHead(nn.Module):
    def __init__(self, bins: int, filters: int) -> None:
        super().__init__()
        half = max(1, filters // 2)
        self.short = nn.Sequential(*_convolution(1, filters, (bins, 4)))
        self.middle = nn.Sequential(*_convolution(1, half, (bins + 4, 8), padding=2))
        self.long = nn.Sequential(*_convolution(1, half, (bins + 12, 16), padding=6))
        self.join = nn.Sequential(*_convolution(filters + 2 * half, filters, 1))

    def forward(self, picture: Tensor) -> Tensor:
        maps = torch.cat([self.short(picture), self.middle(picture), self.long(picture)], dim=1)
        result: Tensor = self.join(maps)
        return result


class HspMlp(nn.Module):
    """Vectors (B, n), joined where there are several, through dense layers with leaky ReLU to (B, outputs).

    The tag branch of `HspCnn` on its own, with a linear output unless `output_activation` says otherwise.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        hidden: Sequence[int] = (100, 100, 30),
        dropout: float = 0.25,
        output_activation: str = "linear",
    ) -> None:
        super().__init__()
        if any(len(shape) != 1 for shape in shapes):
            raise UsageError(f"hsp: the branch mlp takes vectors, not {list(shapes)}")
        self.dense = _dense(sum(shape[0] for shape in shapes), hidden, outputs, dropout, output_activation)
        self.apply(_start)

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self.dense(torch.cat(inputs, dim=1))
        return result


_BRANCHES: dict[str, type[nn.Module]] = {"cnn": HspCnn, "inception": HspInception, "mlp": HspMlp}


class HspSiamese(nn.Module):
    """Twin copies of one network that score two songs, trained to be right on each and on their order.

    loss = (1 - ranking_weight) · regression + ranking_weight · mean of max(0, margin - (score of A - score of B)) over
    pairs (A, B), A drawn from the popular and B from the unpopular songs of the batch (A/B sampling). The copies share
    their weights, so `forward` scores one song: (B, …) to (B, 1).
    Reconstructed: margin, weight and the size of the groups are not published, nor is the branch for vectors.

    branch: `cnn` (`HspCnn`, published), `inception` (`HspInception`) or `mlp` (`HspMlp`); `auto` is `mlp` for vectors,
    else `cnn`. options: of the branch. margin: 0 or more, in units of the scores. ranking_weight: in [0, 1].
    share: of the batch that counts as popular, and as unpopular, in (0, 0.5]. pairs: for each popular song, 1 or more.
    Raises `UsageError` for options out of range and for more outputs than 1.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int = 1,
        *,
        branch: str = "auto",
        margin: float = 0.5,
        ranking_weight: float = 0.5,
        share: float = 0.5,
        pairs: int = 1,
        **options: Any,
    ) -> None:
        super().__init__()
        if outputs != 1:
            raise UsageError(f"hsp: the twin network orders songs by one score, so it cannot give {outputs} outputs")
        if not (margin >= 0 and 0 <= ranking_weight <= 1 and 0 < share <= 0.5 and pairs >= 1):
            raise UsageError("hsp: margin is 0 or more, ranking_weight in [0, 1], share in (0, 0.5], pairs 1 or more")
        if branch == "auto":
            branch = "mlp" if all(len(shape) == 1 for shape in shapes) else "cnn"
        self.branch = made(f"branch {branch}", lookup("branch", branch, _BRANCHES), options, shapes, outputs)
        self._margin, self._ranking_weight, self._share, self._pairs = margin, ranking_weight, share, pairs

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self.branch(*inputs)
        return result

    def training_loss(
        self, inputs: tuple[Tensor, ...], targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """Scalar loss of a batch; `loss` takes scores (B, 1) and targets (B,) or (B, 1), and gives (B,)."""
        scores = self(*inputs)
        ranking = self._ranking(scores[:, 0], targets.reshape(len(scores), -1)[:, 0])
        return (1 - self._ranking_weight) * loss(scores, targets).mean() + self._ranking_weight * ranking

    def _ranking(self, scores: Tensor, targets: Tensor) -> Tensor:
        size = min(max(1, round(self._share * len(targets))), len(targets) // 2)
        if not size:
            return scores.sum() * 0
        order = targets.argsort(stable=True)
        popular = order[-size:].repeat(self._pairs)
        unpopular = order[torch.randint(size, (len(popular),), device=order.device)]
        hinge = torch.relu(self._margin - (scores[popular] - scores[unpopular]))
        # Equally popular songs have no order to learn.
        differ = (targets[popular] > targets[unpopular]).to(hinge.dtype)
        return (hinge * differ).sum() / differ.sum().clamp(min=1)


def _input_shapes(shapes: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """Bins of the spectrogram and number of tags, 0 without."""
    if [len(shape) for shape in shapes] not in ([2], [2, 1]):
        raise UsageError(f"hsp takes frames × bins, then if wanted a vector of tags, not {list(shapes)}")
    if shapes[0][0] < _FEWEST_FRAMES:
        raise UsageError(f"hsp needs at least {_FEWEST_FRAMES} frames, not {shapes[0][0]}")
    return shapes[0][1], shapes[1][0] if len(shapes) == 2 else 0


def _convolution(before: int, after: int, kernel: int | tuple[int, int], padding: int = 0) -> list[nn.Module]:
    return [nn.Conv2d(before, after, kernel, padding=padding), nn.LeakyReLU(_SLOPE)]


def _dense(inputs: int, hidden: Sequence[int], outputs: int, dropout: float, activation: str) -> nn.Sequential:
    sizes = (inputs, *hidden)
    layers: list[nn.Module] = []
    for pair in pairwise(sizes):
        layers += [nn.Linear(*pair), nn.LeakyReLU(_SLOPE), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs), _activation(activation))


def _activation(name: str) -> nn.Module:
    return lookup("output_activation", name, _ACTIVATIONS)()


def _start(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.kaiming_normal_(module.weight, a=_SLOPE)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
