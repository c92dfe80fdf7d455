"""Pairwise ordinal regression (Vötter et al. 2023, SMC): learn which of two songs is the more popular one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from hitpredict.networks.mlp import dense_layers, join, joined_width
from hitpredict.registry import lookup

_PAIRINGS = {"concat": 2, "difference": 1}
_ROWS = 1024


class PairwiseOrdinal(nn.Module):
    """A judge of pairs of songs; a song's score is how often it wins against anchor songs.

    shapes: vectors, joined to one of width d. outputs: 1 for a number, the number of classes for logits; classes
    are in order, the last is the most popular one. hidden: widths of the judge, as published. pairing: whether it
    sees both songs side by side (`concat`) or their `difference`. pairs: how many others of its batch each song is
    judged against at each step; 3 pairs per song are published. anchors: how many anchor songs a number rests on;
    classes have one each. dropout, nonlinearity: as in `Mlp`.

    Anchors are averages of the training songs of a class, or of a quantile of the target where it is a number.
    Reconstructed: the judge's logistic loss, where a tie is half a win (the published code has it regress -1, 0 and
    1); counting wins by their probability; the line from the share of wins to the target, and from there to logits.
    """

    anchors: Tensor
    slope: Tensor
    offset: Tensor

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        hidden: Sequence[int] = (256, 128, 128, 128, 64),
        pairing: str = "concat",
        pairs: int = 3,
        anchors: int = 10,
        dropout: float = 0.0,
        nonlinearity: str = "relu",
    ):
        super().__init__()
        width = joined_width(shapes)
        widths = (lookup("pairing", pairing, _PAIRINGS) * width, *hidden)
        self.judge = nn.Sequential(*dense_layers(widths, nonlinearity, dropout), nn.Linear(widths[-1], 1))
        self.outputs, self.pairing, self.pairs = outputs, pairing, pairs
        # Until `finish_training`: the chance to win against the average song of standardised inputs.
        self.register_buffer("anchors", torch.zeros(anchors if outputs == 1 else outputs, width))
        self.register_buffer("slope", torch.ones(outputs))
        self.register_buffer("offset", torch.zeros(outputs))
        if outputs > 1:
            self._set_classes(torch.linspace(0, 1, outputs), torch.tensor(1 / outputs**2))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self._wins(join(inputs)).unsqueeze(1) * self.slope + self.offset

    def training_loss(
        self, inputs: tuple[Tensor, ...], targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The judge's mean logistic loss on random pairs of the batch; `loss` is for the scores, not for pairs."""
        values, truth = join(inputs), targets.flatten()
        steps = torch.randint(1, max(2, len(values)), (self.pairs, len(values)), device=values.device)
        others = (torch.arange(len(values), device=values.device) + steps) % len(values)
        verdicts = self._verdicts(values.expand(self.pairs, -1, -1), values[others])
        wins = (torch.sign(truth - truth[others]).to(verdicts.dtype) + 1) / 2
        return functional.binary_cross_entropy_with_logits(verdicts, wins)

    @torch.no_grad()
    def finish_training(self, inputs: tuple[Tensor, ...], targets: Tensor) -> None:
        """Take the anchors and the scale of scores from all training songs, (N, *shape) each, and targets (N,).

        May be called again at any time, so also before each validation.
        """
        values, truth, training = join(inputs), targets.flatten(), self.training
        self.eval()
        rows = self._classes(truth) if self.outputs > 1 else truth.argsort(stable=True).tensor_split(len(self.anchors))
        self.anchors.copy_(_means(values, rows))
        wins = torch.cat([self._wins(part) for part in torch.split(values, _ROWS)])
        if self.outputs > 1:
            centres = _means(wins, rows)
            self._set_classes(centres, (wins - centres[truth.long()]).square().mean())
        else:
            self._set_line(wins, truth)
        self.train(training)

    def _wins(self, values: Tensor) -> Tensor:
        """Share of the anchors that each row of (B, d) wins against, (B,)."""
        shape = (values.shape[0], *self.anchors.shape)
        songs, anchors = values.unsqueeze(1).expand(shape), self.anchors.unsqueeze(0).expand(shape)
        return self._verdicts(songs, anchors).sigmoid().mean(1)

    def _verdicts(self, songs: Tensor, others: Tensor) -> Tensor:
        """Logits (…) that each of (…, d) is more popular than the other."""
        pairs = torch.cat([songs, others], dim=-1) if self.pairing == "concat" else songs - others
        result: Tensor = self.judge(pairs).squeeze(-1)
        return result

    def _classes(self, truth: Tensor) -> list[Tensor]:
        return [(truth == number).nonzero().flatten() for number in range(self.outputs)]

    def _set_line(self, wins: Tensor, truth: Tensor) -> None:
        """The line of least squares from shares of wins to the target; flat where they are all the same."""
        centred = wins - wins.mean()
        slope = (centred * truth).sum() / centred.square().sum().clamp(min=1e-12)
        self.slope.copy_(slope)
        self.offset.copy_(truth.mean() - slope * wins.mean())

    def _set_classes(self, centres: Tensor, variance: Tensor) -> None:
        """Logits of normal distributions around the classes' shares of wins, the thresholds halfway between them."""
        spread = variance.clamp(min=1e-6)
        self.slope.copy_(centres / spread)
        self.offset.copy_(-centres.square() / (2 * spread))


def _means(values: Tensor, rows: Sequence[Tensor]) -> Tensor:
    """The mean of each set of rows, of all rows where a set is empty."""
    return torch.stack([values[chosen].mean(0) if len(chosen) else values.mean(0) for chosen in rows])
