"""One round of pre-training that a network asks for before its main training."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from torch import Tensor, nn

StageLoss = Callable[[tuple[Tensor, ...], Tensor], Tensor]


@dataclass(frozen=True)
class Stage:
    """What to train, on which loss and for how long; a network's `stages()` lists them in order.

    name: shown beside the progress, unique in a network. parameters: gives those that this stage trains; they are
    asked for when it starts. loss: takes the inputs of a batch, each (B, *shape), and its targets, (B,) or (B, K),
    and gives one loss per sample, (B,). epochs: at most so many. lr: learning rate of Adam. patience: epochs
    without a lower validation loss before it ends; None never ends early. batch_size: None is the recipe's.
    freeze: whether its parameters stay as they are from then on.
    """

    name: str
    parameters: Callable[[], Iterable[nn.Parameter]]
    loss: StageLoss
    epochs: int
    lr: float = 1e-3
    patience: int | None = None
    batch_size: int | None = None
    freeze: bool = True


@dataclass(frozen=True)
class AutoencoderTraining:
    """How an autoencoder is trained before what stands on it; the numbers are HitMusicNet's."""

    autoencoder_epochs: int = 50
    autoencoder_patience: int = 2
    autoencoder_lr: float = 1e-3
    autoencoder_batch_size: int = 32

    def __post_init__(self) -> None:
        if self.autoencoder_batch_size < 1:
            raise ValueError(f"autoencoder_batch_size {self.autoencoder_batch_size}: must be from 1")

    def stage(self, name: str, parameters: Callable[[], Iterable[nn.Parameter]], loss: StageLoss) -> Stage:
        """The stage that trains these parameters so."""
        sizes = (self.autoencoder_epochs, self.autoencoder_lr, self.autoencoder_patience, self.autoencoder_batch_size)
        return Stage(name, parameters, loss, *sizes)
