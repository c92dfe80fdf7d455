"""What the tests of networks with pre-training share: a short form of what training does with their stages."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from hitpredict.networks.stage import Stage


def pretrained(
    network: nn.Module, inputs: tuple[Tensor, ...], targets: Tensor, steps: int = 60, lr: float = 3e-3
) -> Iterator[tuple[Stage, Tensor, Tensor]]:
    """Train and freeze stage after stage, on all songs at once; gives each with its losses (N,) before and after."""
    for stage in network.stages():
        parameters = list(stage.parameters())
        optimiser = torch.optim.Adam(parameters, lr)
        before = stage.loss(inputs, targets).detach()
        for _ in range(steps):
            optimiser.zero_grad()
            stage.loss(inputs, targets).mean().backward()
            optimiser.step()
        for parameter in parameters:
            parameter.requires_grad_(not stage.freeze)
        yield stage, before, stage.loss(inputs, targets).detach()
