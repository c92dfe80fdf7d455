"""Stream curves without sound: a song's region and its first weeks on the charts to the rest of its curve."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from hitpredict.errors import UsageError
from hitpredict.networks.mp2 import SCALE
from hitpredict.networks.mp3 import CurveDecoder, curve_loss, week_weights


class CurveNet(nn.Module):
    """MP3's decoder (`CurveDecoder`) on features of the region in place of the audio's; not published, but like it.

    Inputs: log10 of the streams in the first K weeks (K,), 0 where off the charts, and the region, one-hot (R,).
    Outputs: the same for the `outputs` weeks that follow,
    so that K + outputs is the curve's length. features: width of the region's vector. blocks, heads, hidden,
    missing_weight: as in `Mp3`; with 0 it predicts what a song streams if it is still on the charts, with 1 it weighs
    leaving them as much as anything, and MP3's 0.2 is between the two and does neither well on real charts.
    week_weighted: whether early weeks weigh more, as in MP3.
    own_share: share of the past weeks that in training are the network's own predictions and not the truth (scheduled
    sampling in two passes, Mihaylova and Martins 2019, arXiv:1906.07651), because in the end it has only those; 0 is
    MP3's teacher forcing.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        features: int = 32,
        blocks: int = 2,
        heads: int = 2,
        hidden: int = 64,
        dropout: float = 0.0,
        missing_weight: float = 0.0,
        week_weighted: bool = True,
        own_share: float = 0.5,
    ) -> None:
        super().__init__()
        if len(shapes) != 2 or any(len(shape) != 1 for shape in shapes):
            raise UsageError(f"curves takes weeks (K,) and a region (R,); the shapes are {list(shapes)}")
        ((known,), (regions,)) = shapes
        self.region = nn.Linear(regions, features, bias=False)
        nn.init.normal_(self.region.weight, std=0.1)
        self.decoder = CurveDecoder(features, known + outputs, blocks, heads, hidden, dropout)
        self.missing_weight, self.week_weighted, self.own_share = missing_weight, week_weighted, own_share

    def forward(self, first: Tensor, region: Tensor) -> Tensor:
        """(B, K) and (B, R) to (B, outputs), free running."""
        rest: Tensor = self.decoder(self.region(region), first / SCALE)
        return SCALE * rest

    def training_loss(
        self, inputs: tuple[Tensor, ...], targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The loss of predictions made from the true past and the network's own; the recipe's loss is not used.

        In validation, of the predictions that it makes in the end, free running.

        targets: (B, outputs), log10 of weekly streams, 0 off the charts, NaN where the data end before.
        """
        if not self.training:
            return self.error(self(*inputs), targets).mean()
        first, region = inputs
        features, known = self.region(region), first.shape[1]
        past = (torch.cat([first, targets[:, :-1]], dim=1) / SCALE).nan_to_num()
        if self.own_share > 0:
            with torch.no_grad():
                own = self.decoder.teach(features, past)[:, :-1]
            swapped = torch.rand_like(past) < self.own_share
            swapped[:, :known] = False
            past = torch.where(swapped, own, past)
        predicted = self.decoder.teach(features, past)[:, known:]
        return self.error(SCALE * predicted, targets).mean()

    def error(self, predicted: Tensor, targets: Tensor) -> Tensor:
        """`curve_loss` of each forecast, (B,), for predictions and targets (B, outputs) as in `training_loss`."""
        weeks = targets.shape[1]
        weights = week_weights(self.decoder.weeks)[-weeks:]
        weights = weights / weights.mean() if self.week_weighted else torch.ones_like(weights)
        return curve_loss(predicted / SCALE, targets / SCALE, weights, self.missing_weight)
