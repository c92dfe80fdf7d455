"""What the tests of networks share: training on planted data, and what an exported network gives."""

import inspect
import logging
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

Shapes = Sequence[tuple[int, ...]]


def squared(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets.reshape(outputs.shape)).square().mean(dim=1)


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    return functional.cross_entropy(outputs, targets, reduction="none")


def trained(
    network: nn.Module,
    inputs: tuple[Tensor, ...],
    targets: Tensor,
    *,
    loss: Callable[[Tensor, Tensor], Tensor] = squared,
    steps: int = 60,
    lr: float = 3e-3,
) -> float:
    """The loss per song, without dropout, after `steps` of Adam on all songs at once."""
    optimiser = torch.optim.Adam(network.parameters(), lr)
    network.train()
    for _ in range(steps):
        optimiser.zero_grad()
        special = getattr(network, "training_loss", None)
        total = special(inputs, targets, loss) if special else loss(network(*inputs), targets).mean()
        total.backward()
        optimiser.step()
    network.eval()
    with torch.no_grad():
        return float(loss(network(*inputs), targets).mean())


def exported(network: nn.Module, shapes: Shapes) -> Callable[..., NDArray[np.float32]]:
    """The network as ONNX Runtime runs it, exported with a batch size that is left open."""
    example = tuple(torch.randn(2, *shape) for shape in shapes)
    axes = tuple({0: torch.export.Dim("batch")} for _ in shapes)
    (kind, *_) = [parameter.kind for parameter in inspect.signature(network.forward).parameters.values()]
    joined = kind is inspect.Parameter.VAR_POSITIONAL
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns of its own deprecations
        program = torch.onnx.export(
            network.eval(), example, dynamo=True, verbose=False, dynamic_shapes=(axes,) if joined else axes
        )
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]
    return lambda *inputs: session.run(None, {n: i.numpy() for n, i in zip(names, inputs, strict=True)})[0]


def check_export(network: nn.Module, shapes: Shapes) -> None:
    """ONNX Runtime gives what torch gives, for one song and for several."""
    scores = exported(network, shapes)
    for batch in (1, 3):
        inputs = tuple(torch.rand(batch, *shape) for shape in shapes)
        with torch.no_grad():
            expected = network(*inputs).numpy()
        assert expected.std() > 0 or expected.size == 1
        np.testing.assert_allclose(scores(*inputs), expected, rtol=1e-4, atol=1e-6)
