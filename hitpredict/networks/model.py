"""A network with what surrounds it: scaling of inputs, the target's scale, and the outputs that scoring reads.

This is what is trained, evaluated and exported; the network inside knows only its own paper.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.scoring.outputs import CURVE, FORETOLD, PROBABILITIES, SCORE, TARGETS
from hitpredict.tables.join import filled

# log10 of weekly streams below which a predicted week counts as none.
_OFF_THE_CHARTS = 1.0


class Scaler(nn.Module):
    """Brings one input to the range its network was published with; not numbers become the training median.

    kind: `zscore` or `minmax` ([0, 1], cut there), per column of vectors and over everything of arrays; `full-scale`,
    divided by the largest level there can be; `none`.
    """

    shift: Tensor
    scale: Tensor
    fill: Tensor

    def __init__(self, kind: str, width: int):
        super().__init__()
        if kind not in ("zscore", "minmax", "full-scale", "none"):
            raise UsageError(f"scaling {kind!r}: must be zscore, minmax, full-scale or none")
        self.kind = kind
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        self.register_buffer("fill", torch.zeros(width))

    def fit(self, values: NDArray[Any], full_scale: float = 1.0) -> None:
        """Learn from training values: (N, D) of vectors, (M,) numbers of arrays, of levels up to `full_scale`."""
        table = np.asarray(values, np.float64)
        table, fill = filled(table if table.ndim == 2 else table[:, None])
        low, high = table.min(axis=0), table.max(axis=0)
        shift, scale = (table.mean(axis=0), table.std(axis=0)) if self.kind == "zscore" else (low, high - low)
        if self.kind in ("none", "full-scale"):
            shift, scale = np.zeros_like(fill), np.full_like(fill, full_scale if self.kind == "full-scale" else 1.0)
        scale = np.where(scale > 1e-12 * np.maximum(1, np.abs(shift)), scale, 1.0)
        for name, value in (("shift", shift), ("scale", scale), ("fill", fill)):
            getattr(self, name).copy_(torch.as_tensor(value, dtype=torch.float32))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.where(torch.isnan(x), self.fill.expand_as(x), x)
        x = (x - self.shift) / self.scale
        return x.clamp(0.0, 1.0) if self.kind == "minmax" else x


class NetworkModel(nn.Module):
    """Scalers, network, and the way from its raw output to the target scale.

    forward gives a tuple of what `outputs` names. `score` (B,) comes first: on the target scale, for classes the
    expected class number, for curves of log10 values the log10 of their sum. `probabilities` (B, K) are of classes,
    `curve` (B, W) of curves, `targets` (B, K) of several targets, each on its own scale. `foretold_error` (B,) is, of
    networks with an `uncertainty`, the root of the loss that they expect, on the target scale.
    ranges: of several targets the shift and scale of each; the first is that of the score.
    """

    target_shift: Tensor
    target_scale: Tensor
    numbers: Tensor
    shifts: Tensor
    scales: Tensor

    def __init__(
        self,
        network: nn.Module,
        scalers: Sequence[Scaler],
        task: str,
        classes: int,
        scaled: Sequence[float],
        ranges: Sequence[Sequence[float]] = (),
    ):
        super().__init__()
        self.network: Any = network
        self.scalers, self.task = nn.ModuleList(scalers), task
        self.register_buffer("target_shift", torch.tensor(float(scaled[0])))
        self.register_buffer("target_scale", torch.tensor(float(scaled[1])))
        self.register_buffer("numbers", torch.arange(max(classes, 1), dtype=torch.float32))
        for name, values in zip(("shifts", "scales"), zip(*ranges, strict=True) if ranges else ((), ()), strict=True):
            # They are in the configuration, and weights of earlier versions do not have them.
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The names of what `forward` gives."""
        by_task = {"classification": (PROBABILITIES,), "curve": (CURVE,)}.get(self.task, ())
        targets = (TARGETS,) if len(self.shifts) else ()
        return SCORE, *by_task, *targets, *((FORETOLD,) if self._foretells else ())

    @property
    def _foretells(self) -> bool:
        return self.task == "regression" and hasattr(self.network, "uncertainty")

    def prepared(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The inputs as the network takes them."""
        return tuple(scaler(x) for scaler, x in zip(self.scalers, inputs, strict=True))

    def learnt(self, values: Tensor) -> Tensor:
        """Values on the target scale as the network learns them."""
        return (values - self.target_shift) / self.target_scale

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        ready = self.prepared(*inputs)
        raw = self.network(*ready)
        if self.task == "classification":
            probabilities = torch.softmax(raw, dim=1)
            return probabilities @ self.numbers, probabilities
        if self.task == "curve":
            total = torch.where(raw > _OFF_THE_CHARTS, 10.0**raw, torch.zeros_like(raw)).sum(dim=1)
            return torch.log10(total.clamp(min=1.0)), raw
        found = [raw[:, 0] * self.target_scale + self.target_shift]
        if len(self.shifts):
            found.append(raw * self.scales + self.shifts)
        if self._foretells:
            found.append(self.network.uncertainty(*ready).sqrt() * self.target_scale)
        return tuple(found)


class ForRegion(nn.Module):
    """A model one of whose inputs, number `place`, is a region, one-hot, with that input always the same."""

    region: Tensor

    def __init__(self, model: NetworkModel, one_hot: Sequence[float], place: int):
        super().__init__()
        self.model, self.place = model, place
        self.scalers = nn.ModuleList(each for number, each in enumerate(model.scalers) if number != place)
        self.register_buffer("region", torch.tensor([one_hot]))
        self.outputs = model.outputs

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """As the model's, of the inputs but the region."""
        region = self.region.expand(inputs[0].shape[0], -1)
        result: tuple[Tensor, ...] = self.model(*inputs[: self.place], region, *inputs[self.place :])
        return result
