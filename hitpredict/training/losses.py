"""Losses by name, one value per sample, so that a training loop may weight, mask or average them as it likes.

Each is a frozen dataclass whose fields are the parameters that a recipe may set, called with outputs (B, K) and
targets (B,) or (B, K), and gives (B,). Targets (B,) are one value per sample where K is 1, class numbers 0 to K - 1
for `cross-entropy` and `ranked-probability`. Outputs that do not fit the targets raise ValueError.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from hitpredict.registry import lookup, made

SampleLoss = Callable[[Tensor, Tensor], Tensor]


def make_loss(name: str, **params: Any) -> SampleLoss:
    """The loss of that name, one of `LOSSES`, with the given parameters.

    Raises `UsageError` when the name or a parameter is unknown, or a parameter is out of its range.
    """
    loss: SampleLoss = made(f"loss {name}", lookup("loss", name, LOSSES), params)
    return loss


def balanced_weights(targets: Tensor, classes: int) -> list[float]:
    """Weights for `cross-entropy` that let each class count the same: N / (classes · its rows).

    targets: (N,), class numbers. A class without rows gets 0.
    """
    counts = torch.bincount(targets.long(), minlength=classes)
    return [len(targets) / (classes * count) if count else 0.0 for count in counts.tolist()]


@dataclass(frozen=True)
class SquaredError:
    """(output - target)², averaged over the K outputs."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - _like(targets, outputs)).square().mean(1)


@dataclass(frozen=True)
class AbsoluteError:
    """|output - target|, averaged over the K outputs."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs - _like(targets, outputs)).abs().mean(1)


@dataclass(frozen=True)
class Huber:
    """Half the squared error up to `delta` > 0, a straight line beyond (Huber 1964), averaged over the K outputs."""

    delta: float = 1.0

    def __post_init__(self) -> None:
        _above_zero(delta=self.delta)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.huber_loss(outputs, _like(targets, outputs), reduction="none", delta=self.delta).mean(1)


@dataclass(frozen=True)
class BinaryCrossEntropy:
    """Cross-entropy of targets in [0, 1] for outputs that are logits, averaged over the K outputs.

    positive_weight: factor > 0 on the part of the targets above 0.
    """

    positive_weight: float = 1.0

    def __post_init__(self) -> None:
        _above_zero(positive_weight=self.positive_weight)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            outputs, _like(targets, outputs), reduction="none", pos_weight=outputs.new_tensor(self.positive_weight)
        ).mean(1)


@dataclass(frozen=True)
class CrossEntropy:
    """Cross-entropy of class numbers (B,) for outputs that are logits.

    weights: one factor per class, 0 or more, on the losses of its samples, as `balanced_weights` gives them; none
    are all 1. smoothing: share in [0, 1) of each target that is spread over all classes.
    """

    weights: Sequence[float] = ()
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        if any(not weight >= 0 for weight in self.weights):
            raise ValueError(f"weights {list(self.weights)} must be 0 or more")
        if not 0 <= self.smoothing < 1:
            raise ValueError(f"smoothing {self.smoothing} is not in [0, 1)")

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if targets.dim() != 1 or len(targets) != len(outputs):
            raise ValueError(f"targets {tuple(targets.shape)} are not one class per row of {tuple(outputs.shape)}")
        classes = targets.long()
        losses = functional.cross_entropy(outputs, classes, reduction="none", label_smoothing=self.smoothing)
        return losses * outputs.new_tensor(self.weights)[classes] if self.weights else losses


@dataclass(frozen=True)
class RankedProbability:
    """Ranked probability score (Epstein 1969), for classes in order: the mean over the K - 1 thresholds of the squared
    error of the probability to be above it, so that a class further off costs more. Outputs (B, K) are logits,
    targets class numbers (B,).
    """

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        if targets.dim() != 1 or len(targets) != len(outputs):
            raise ValueError(f"targets {tuple(targets.shape)} are not one class per row of {tuple(outputs.shape)}")
        below = outputs.softmax(1).cumsum(1)[:, :-1]
        truth = targets[:, None] <= torch.arange(below.shape[1], device=targets.device)
        return (below - truth.to(below.dtype)).square().mean(1)


@dataclass(frozen=True)
class HitWeighted:
    """Squared error times w = exp(((y - m) / (a · sd))² / b), so that uncommon targets count more.

    Autoen-chorder (MIT 6.S898, 2023). Targets y in [0, 1]. m: the target that weighs least. a, b, sd > 0; sd is the
    standard deviation of the training targets, by default that of SpotGenTrack's popularity / 100.
    """

    m: float = 0.36
    a: float = 2.0
    b: float = 2.0
    sd: float = 0.1679

    def __post_init__(self) -> None:
        _above_zero(a=self.a, b=self.b, sd=self.sd)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        truth = _like(targets, outputs)
        weights = (((truth - self.m) / (self.a * self.sd)).square() / self.b).exp()
        return (weights * (outputs - truth).square()).mean(1)


@dataclass(frozen=True)
class PairwiseHinge:
    """How far the outputs of a batch are from being in the order of their targets; K is 1.

    For each sample the mean, over the others with another target, of max(0, margin - the output of the one with the
    higher target + the output of the other); 0 where all targets are the same. margin > 0.
    """

    margin: float = 1.0

    def __post_init__(self) -> None:
        _above_zero(margin=self.margin)

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        score, truth = outputs[:, 0], _like(targets, outputs)[:, 0]
        if outputs.shape[1] != 1:
            raise ValueError(f"pairs are ranked by one output, not {outputs.shape[1]}")
        order = torch.sign(truth[:, None] - truth)
        hinge = functional.relu(self.margin - order * (score[:, None] - score)) * order.abs()
        return hinge.sum(1) / order.abs().sum(1).clamp(min=1)


LOSSES: Mapping[str, Any] = {
    "mse": SquaredError,
    "mae": AbsoluteError,
    "huber": Huber,
    "bce": BinaryCrossEntropy,
    "cross-entropy": CrossEntropy,
    "ranked-probability": RankedProbability,
    "hit-weighted": HitWeighted,
    "pairwise-hinge": PairwiseHinge,
}


def _like(targets: Tensor, outputs: Tensor) -> Tensor:
    """Targets in the shape (B, K) and type of the outputs; nothing is ever broadcast silently."""
    shaped = targets.unsqueeze(1) if targets.dim() == 1 else targets
    if outputs.dim() != 2 or shaped.shape != outputs.shape:
        raise ValueError(f"outputs {tuple(outputs.shape)} do not fit targets {tuple(targets.shape)}")
    return shaped.to(outputs.dtype)


def _above_zero(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} {value} is not above 0")
