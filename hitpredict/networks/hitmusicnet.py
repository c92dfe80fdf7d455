"""HitMusicNet (Martín-Gutiérrez et al. 2020, doi:10.1109/ACCESS.2020.2976033): compress, then predict."""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt
from typing import Any

from torch import Tensor, nn

from hitpredict.networks.mlp import dense_layers, join, joined_width, output_activation
from hitpredict.networks.stage import AutoencoderTraining, Stage
from hitpredict.registry import lookup, made

_HALF_NORMAL_CUT = 0.87962566103423978
"""Standard deviation of a unit normal distribution that is cut at ±2."""


class MusicAENet(nn.Module):
    """The autoencoder: d → ⌊d/2⌋ → ⌊d/3⌋ → code → ⌊d/3⌋ → ⌊d/2⌋ → d; with d = 228 and code 45: 114-76-45-76-114.

    Takes and gives (B, d), values in [0, 1]. A ReLU follows every layer but the last. No layer has less than one
    unit. activation: of the last layer, `sigmoid` as published, or `linear` for values outside [0, 1].
    """

    def __init__(self, width: int, code: int, activation: str = "sigmoid"):
        super().__init__()
        widths = (width, max(1, width // 2), max(1, width // 3), code)
        self.encoder = nn.Sequential(*dense_layers(widths, "relu"))
        self.decoder = nn.Sequential(*dense_layers(widths[:0:-1], "relu"), nn.Linear(widths[1], width))
        self.activation = output_activation(activation, 1)

    def forward(self, values: Tensor) -> Tensor:
        result: Tensor = self.activation(self.decoder(self.encoder(values)))
        return result

    def loss(self, values: Tensor) -> Tensor:
        """The mean squared error of each sample's reconstruction, (B,)."""
        result: Tensor = (self(values) - values).square().mean(1)
        return result


class MusicPopNet(nn.Module):
    """The predictor: code n → round(αn) → round(βn) → round(γn) → outputs; with n = 45: 45-22-15.

    Takes (B, n). A ReLU follows the hidden layers, dropout the first two. activation: of a single output.
    """

    def __init__(
        self,
        code: int,
        outputs: int,
        alpha: float = 1.0,
        beta: float = 1 / 2,
        gamma: float = 1 / 3,
        dropout: float = 0.25,
        activation: str = "sigmoid",
    ):
        super().__init__()
        first, second, third = (max(1, round(factor * code)) for factor in (alpha, beta, gamma))
        dropped = dense_layers((code, first, second), "relu", dropout)
        self.hidden = nn.Sequential(*dropped, *dense_layers((second, third), "relu"))
        self.output = nn.Linear(third, outputs)
        self.activation = output_activation(activation, outputs)

    def forward(self, code: Tensor) -> Tensor:
        result: Tensor = self.activation(self.output(self.hidden(code)))
        return result


class HitMusicNet(nn.Module):
    """Autoencoder, trained first and then frozen, and a predictor on its code; both of dense layers.

    shapes: vectors with values in [0, 1], joined to one of width d; 228 published. outputs: 1 for popularity in
    [0, 1], 3 for the logits of low, medium and high. compression: the code has ⌊d/compression⌋ units; published are
    5, 7 and 4. alpha, beta, gamma: widths of the predictor's hidden layers as shares of the code's. initialiser:
    `glorot` (uniform) or `he` (normal, cut at two standard deviations), with biases of 0, for all layers; the
    published grid has both, each with Adadelta and Adam. dropout: after the first two hidden layers. activation: of
    the single output, `sigmoid` (the better one as published) or `linear`. training: see
    `AutoencoderTraining`.
    Nothing is reconstructed but that a layer has at least one unit.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        compression: int = 5,
        alpha: float = 1.0,
        beta: float = 1 / 2,
        gamma: float = 1 / 3,
        initialiser: str = "glorot",
        dropout: float = 0.25,
        activation: str = "sigmoid",
        **training: Any,
    ):
        super().__init__()
        width = joined_width(shapes)
        code = max(1, width // compression)
        self.autoencoder = MusicAENet(width, code)
        self.popularity = MusicPopNet(code, outputs, alpha, beta, gamma, dropout, activation)
        initialise(self, initialiser)
        self._training = made("pre-training", AutoencoderTraining, training)

    def forward(self, *inputs: Tensor) -> Tensor:
        result: Tensor = self.popularity(self.autoencoder.encoder(join(inputs)))
        return result

    def stages(self) -> list[Stage]:
        """The autoencoder's training."""
        return [self._training.stage("autoencoder", self.autoencoder.parameters, self._autoencoder_loss)]

    def _autoencoder_loss(self, inputs: tuple[Tensor, ...], targets: Tensor) -> Tensor:
        return self.autoencoder.loss(join(inputs))


def initialise(network: nn.Module, initialiser: str, bias: float = 0.0) -> None:
    """Draw the weights of all linear layers anew, `glorot` or `he` as Keras does, and set their biases."""
    draw = lookup("initialiser", initialiser, _INITIALISERS)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            draw(layer.weight)
            nn.init.constant_(layer.bias, bias)


def _he_normal(weight: Tensor) -> Tensor:
    deviation = sqrt(2 / weight.shape[1]) / _HALF_NORMAL_CUT
    return nn.init.trunc_normal_(weight, std=deviation, a=-2 * deviation, b=2 * deviation)


_INITIALISERS: Mapping[str, Callable[[Tensor], Tensor]] = {"glorot": nn.init.xavier_uniform_, "he": _he_normal}
