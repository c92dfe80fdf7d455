"""Autoen-chorder (MIT 6.S898, 2023): descriptors and a VGGish sequence, each compressed, then a deep regressor.

Its source is a blog post without code. All networks here take two inputs: a vector (d,), values in [0, 1], and a
sequence (T, 128) whose rows after its true end are all zeros. Published are the sizes of the codes, the LSTM at the
start of the encoder and at the end of the decoder, the number of layers of the regressor and how they start. What is
reconstructed: every other width, ReLU between layers, and the sequence's decoder, which repeats the code at each
step and ends in a linear layer per step, as an LSTM alone gives nothing above 1.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hitpredict.errors import UsageError
from hitpredict.networks.hitmusicnet import HitMusicNet, MusicAENet, MusicPopNet, initialise
from hitpredict.networks.mlp import dense_layers, join, joined_width, output_activation
from hitpredict.networks.stage import AutoencoderTraining, Stage, StageLoss
from hitpredict.registry import made

Shapes = Sequence[tuple[int, ...]]
_BIAS = 0.1


class SequenceAutoencoder(nn.Module):
    """Sequences (B, T, d) to codes (B, code) and back: LSTM → linear → code → linear → LSTM → linear.

    hidden: units of each LSTM (reconstructed).
    """

    def __init__(self, steps: int, width: int, code: int = 20, hidden: int = 64):
        super().__init__()
        self.steps = steps
        self.encoder = SequenceEncoder(width, code, hidden)
        self.expand = nn.Sequential(nn.Linear(code, hidden), nn.ReLU())
        self.decoder = nn.LSTM(hidden, hidden, batch_first=True)
        self.readout = nn.Linear(hidden, width)

    def forward(self, sequence: Tensor) -> Tensor:
        expanded = self.expand(self.encoder(sequence))
        states, _ = self.decoder(expanded.unsqueeze(1).expand(-1, self.steps, -1))
        result: Tensor = self.readout(states)
        return result

    def loss(self, sequence: Tensor) -> Tensor:
        """The mean squared error over each sample's true steps, (B,)."""
        lasting = (torch.arange(self.steps, device=sequence.device) < true_lengths(sequence)[:, None]).float()
        errors: Tensor = (self(sequence) - sequence).square().mean(2)
        return (errors * lasting).sum(1) / lasting.sum(1)


class SequenceEncoder(nn.Module):
    """The LSTM's state at the last true step of (B, T, d), through a linear layer and a ReLU: (B, code)."""

    def __init__(self, width: int, code: int, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        self.code = nn.Sequential(nn.Linear(hidden, code), nn.ReLU())

    def forward(self, sequence: Tensor) -> Tensor:
        states, _ = self.lstm(sequence)
        last = (true_lengths(sequence) - 1)[:, None, None].expand(-1, 1, states.shape[2])
        result: Tensor = self.code(states.gather(1, last)[:, 0])
        return result


def true_lengths(sequence: Tensor) -> Tensor:
    """Steps of (B, T, d) up to the last that is not all zeros, (B,), whole numbers from 1."""
    filled = (sequence.abs().amax(2) > 0).long()
    steps = torch.arange(1, sequence.shape[1] + 1, device=sequence.device)
    return (filled * steps).amax(1).clamp(min=1)


class DeepRegressor(nn.Module):
    """(B, width) through `layers` linear layers of `hidden` units, a ReLU after each but the last, to (B, outputs).

    Weights start Xavier-uniform, biases at 0.1. activation: of a single output.
    """

    def __init__(self, width: int, outputs: int, layers: int = 7, hidden: int = 64, activation: str = "sigmoid"):
        super().__init__()
        if layers < 1:
            raise UsageError(f"layers {layers}: the regressor needs at least 1")
        widths = (width, *(hidden,) * (layers - 1))
        self.hidden = nn.Sequential(*dense_layers(widths, "relu"))
        self.output = nn.Linear(widths[-1], outputs)
        self.activation = output_activation(activation, outputs)
        initialise(self, "glorot", bias=_BIAS)

    def forward(self, code: Tensor) -> Tensor:
        result: Tensor = self.activation(self.output(self.hidden(code)))
        return result


class AutoenChorder(nn.Module):
    """Two autoencoders, trained first and then frozen; a deep regressor on both codes beside one another.

    shapes: (207,) and (31, 128) published. outputs: 1 for popularity in [0, 1], or the number of classes for
    logits. code: units of each code, 20 published. layers: linear layers of the regressor; published are 7, 9 and
    12. hidden: its width, sequence_hidden: units of each LSTM (both reconstructed). activation: of a single output
    (reconstructed). training: of the autoencoders, see `AutoencoderTraining` (reconstructed).
    """

    def __init__(
        self,
        shapes: Shapes,
        outputs: int,
        code: int = 20,
        layers: int = 7,
        hidden: int = 64,
        sequence_hidden: int = 64,
        activation: str = "sigmoid",
        **training: Any,
    ):
        super().__init__()
        width, steps, features = _sizes(shapes)
        self.descriptors = MusicAENet(width, code)
        self.sequence = SequenceAutoencoder(steps, features, code, sequence_hidden)
        self.regressor = DeepRegressor(2 * code, outputs, layers, hidden, activation)
        self._training = made("pre-training", AutoencoderTraining, training)

    def forward(self, *inputs: Tensor) -> Tensor:
        vector, sequence = inputs
        codes = torch.cat([self.descriptors.encoder(vector), self.sequence.encoder(sequence)], dim=1)
        result: Tensor = self.regressor(codes)
        return result

    def stages(self) -> list[Stage]:
        """The training of the autoencoder of descriptors, then of that of sequences."""
        return [
            self._training.stage("descriptors", self.descriptors.parameters, self._descriptors_loss),
            self._training.stage("sequence", self.sequence.parameters, self._sequence_loss),
        ]

    def _descriptors_loss(self, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        return self.descriptors.loss(inputs[0])

    def _sequence_loss(self, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        return self.sequence.loss(inputs[1])


class SingleAutoencoder(nn.Module):
    """One autoencoder over the vector and the flattened sequence; a deep regressor on its code.

    The published attempt was given up because the shapes did not match. code: 40, both codes of `AutoenChorder`
    together (reconstructed). The decoder's output is linear and both inputs weigh the same in its loss (reconstructed).
    The others as in `AutoenChorder`.
    """

    def __init__(
        self,
        shapes: Shapes,
        outputs: int,
        code: int = 40,
        layers: int = 7,
        hidden: int = 64,
        activation: str = "sigmoid",
        **training: Any,
    ):
        super().__init__()
        _sizes(shapes)
        self.autoencoder = MusicAENet(joined_width(shapes), code, activation="linear")
        self.regressor = DeepRegressor(code, outputs, layers, hidden, activation)
        self._training = made("pre-training", AutoencoderTraining, training)

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self.regressor(self.autoencoder.encoder(join(inputs)))
        return result

    def stages(self) -> list[Stage]:
        """The autoencoder's training."""
        return [self._training.stage("autoencoder", self.autoencoder.parameters, self._autoencoder_loss)]

    def _autoencoder_loss(self, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        errors = (self.autoencoder(join(inputs)) - join(inputs)).square()
        parts = errors.split([values[0].numel() for values in inputs], dim=1)
        # Value by value the sequence, twenty times as long, would leave the code nothing of the vector.
        return torch.stack([part.mean(dim=1) for part in parts]).mean(dim=0)


class RecurrentChorder(nn.Module):
    """An LSTM over the sequence, trained with the regressor, beside the vector's code.

    The autoencoder of the vector is trained first and then frozen, as in `AutoenChorder`, whose layers these are; the
    sequence has no decoder. The arguments are those of `AutoenChorder`.
    """

    def __init__(
        self,
        shapes: Shapes,
        outputs: int,
        code: int = 20,
        layers: int = 7,
        hidden: int = 64,
        sequence_hidden: int = 64,
        activation: str = "sigmoid",
        **training: Any,
    ):
        super().__init__()
        width, _, features = _sizes(shapes)
        self.descriptors = MusicAENet(width, code)
        self.sequence = SequenceEncoder(features, code, sequence_hidden)
        self.regressor = DeepRegressor(2 * code, outputs, layers, hidden, activation)
        self._training = made("pre-training", AutoencoderTraining, training)

    def forward(self, *inputs: Tensor) -> Tensor:
        vector, sequence = inputs
        codes = torch.cat([self.descriptors.encoder(vector), self.sequence(sequence)], dim=1)
        result: Tensor = self.regressor(codes)
        return result

    def stages(self) -> list[Stage]:
        """The training of the vector's autoencoder."""
        return [self._training.stage("descriptors", self.descriptors.parameters, self._descriptors_loss)]

    def _descriptors_loss(self, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        return self.descriptors.loss(inputs[0])


class HmnVggish(nn.Module):
    """HitMusicNet whose predictor takes, beside the frozen code, the mean of the VGGish sequence.

    compression, dropout, activation, training: as in `HitMusicNet`. That the mean goes past the autoencoder
    and that HitMusicNet's predictor follows, as wide as both together, is reconstructed.
    """

    def __init__(
        self,
        shapes: Shapes,
        outputs: int,
        compression: int = 5,
        dropout: float = 0.25,
        activation: str = "sigmoid",
        **training: Any,
    ):
        super().__init__()
        width, _, features = _sizes(shapes)
        code = max(1, width // compression)
        self.autoencoder = MusicAENet(width, code)
        self.popularity = MusicPopNet(code + features, outputs, dropout=dropout, activation=activation)
        initialise(self, "glorot")
        self._training = made("pre-training", AutoencoderTraining, training)

    def forward(self, *inputs: Tensor) -> Tensor:
        vector, sequence = inputs
        mean = sequence.sum(1) / true_lengths(sequence)[:, None]
        result: Tensor = self.popularity(torch.cat([self.autoencoder.encoder(vector), mean], dim=1))
        return result

    def stages(self) -> list[Stage]:
        """The autoencoder's training."""
        return [self._training.stage("autoencoder", self.autoencoder.parameters, self._autoencoder_loss)]

    def _autoencoder_loss(self, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        return self.autoencoder.loss(inputs[0])


class LossNet(nn.Module):
    """HitMusicNet on the vector gives the prediction; an LSTM over the sequence foretells that prediction's loss.

    hidden: units of the LSTM, code: of the layer after it, layers and width as in `DeepRegressor` (all
    reconstructed). The others, and what the prediction is, as in `HitMusicNet`. Both are trained at the same time,
    neither on the other's gradients, so that the foretold loss ends as that of the finished predictor.
    """

    def __init__(
        self,
        shapes: Shapes,
        outputs: int,
        compression: int = 5,
        code: int = 20,
        layers: int = 3,
        hidden: int = 64,
        sequence_hidden: int = 64,
        dropout: float = 0.25,
        activation: str = "sigmoid",
        **training: Any,
    ):
        super().__init__()
        _, _, features = _sizes(shapes)
        self.predictor = HitMusicNet(
            shapes[:1],
            outputs,
            compression,
            dropout=dropout,
            activation=activation,
            **training,
        )
        self.sequence = SequenceEncoder(features, code, sequence_hidden)
        self.foretold = DeepRegressor(code, 1, layers, hidden, activation="linear")

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self.predictor(inputs[0])
        return result

    def uncertainty(self, *inputs: Tensor) -> Tensor:
        """The loss that the prediction for each sample is expected to have, (B,), above 0."""
        return functional.softplus(self.foretold(self.sequence(inputs[1])))[:, 0]

    def training_loss(
        self, inputs: tuple[Tensor, ...], targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The prediction's mean loss plus the mean squared error of the foretold losses."""
        losses = loss(self(*inputs), targets)
        return losses.mean() + (self.uncertainty(*inputs) - losses.detach()).square().mean()

    def stages(self) -> list[Stage]:
        """The training of HitMusicNet's autoencoder."""
        return [replace(stage, loss=partial(_on_vector, stage.loss)) for stage in self.predictor.stages()]


def _on_vector(loss: StageLoss, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
    return loss(inputs[:1], targets)


def _sizes(shapes: Shapes) -> tuple[int, int, int]:
    """Width of the vector; steps and features of the sequence."""
    if len(shapes) != 2 or (len(shapes[0]), len(shapes[1])) != (1, 2):
        found = ", ".join(str(tuple(shape)) for shape in shapes)
        raise UsageError(f"inputs must be a vector and a sequence, such as (207,), (31, 128); they are {found}")
    return shapes[0][0], shapes[1][0], shapes[1][1]
