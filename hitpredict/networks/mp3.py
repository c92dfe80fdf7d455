"""MP3: MP2's encoder and a causal decoder that writes a song's weekly stream curve, week after week."""

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.networks.mp2 import SCALE, SongFeatures
from hitpredict.networks.vit import Block, read_weights
from hitpredict.scoring.inputs import WEEKS

try:
    # There is no public one; only exporting needs it.
    from torch._higher_order_ops.scan import scan
except ImportError:
    scan = None  # type: ignore[assignment]

_START = -1.0


class CurveDecoder(nn.Module):
    """A causal transformer over weeks: each week's token is (previous value, its learnt position, features).

    features: width of what the curve depends on. weeks: length. blocks, heads, hidden: transformer blocks, their
    heads (which must divide features + 2) and the width of their dense parts. Then Linear and ReLU to the scaled
    value of the week, log10 of streams / 6. The value before the first week is -1.
    """

    def __init__(self, features: int, weeks: int, blocks: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        width = features + 2
        if width % heads:
            raise UsageError(f"decoder: {heads} heads do not divide its width {width} (features + 2)")
        self.weeks = weeks
        self.positions = nn.Parameter(torch.randn(weeks, 1))
        self.blocks = nn.Sequential(*(Block(width, heads, hidden, dropout, causal=True) for _ in range(blocks)))
        self.head = nn.Linear(width, 1)
        # Above 0 at the start, so that the ReLU passes gradients.
        nn.init.constant_(self.head.bias, 0.5)

    def forward(self, features: Tensor, known: Tensor) -> Tensor:
        """Free running: features (B, F) and scaled values (B, K) of the first K weeks to the rest, (B, weeks - K).

        K is 0 to weeks - 1. Each week is predicted from the predictions before it.
        """
        if not torch.compiler.is_exporting():
            return self._run(features, known)
        # The exporter's scan does not take part in differentiation.
        weights = {f"decoder.{name}": weight.detach() for name, weight in self.named_parameters()}
        result: Tensor = functional_call(_Runner(self), weights, (features.detach(), known.detach()))
        return result

    def teach(self, features: Tensor, curve: Tensor) -> Tensor:
        """Teacher forcing: features (B, F) and scaled values (B, T) to predictions (B, T + 1).

        Prediction t is made from the true values of the weeks before t.
        """
        return self._values(self._through(self._tokens(features, curve))[0])

    def _run(self, features: Tensor, known: Tensor) -> Tensor:
        given = known.shape[1] + 1
        tokens, state = self._through(self._tokens(features, known), self.weeks - given)
        first = self._values(tokens[:, -1:])
        if given == self.weeks:
            return first
        weeks, slots = (torch.arange(start, self.weeks, device=features.device) for start in (given, 0))
        # A row a week: its position, its slot among the kept keys and values, and what hides the slots after it.
        later = (slots > weeks[:, None]).to(features.dtype)
        plan = (self.positions[given:], (slots == weeks[:, None]).to(features.dtype), later * torch.finfo().min)

        def step(carry: tuple[Tensor, ...], row: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], Tensor]:
            carry = self._step(features, carry, *row)
            return carry, carry[0].clone()

        carry = (first, *state)
        if torch.compiler.is_exporting():
            if scan is None:
                raise EnvironmentProblem(f"PyTorch {torch.__version__} cannot export mp3; install one below 2.14")
            # One loop in the graph: written out, a hundred weeks take the exporter more than ten minutes.
            _, rest = scan(step, carry, plan)
        else:
            values = []
            for row in zip(*plan, strict=True):
                carry, value = step(carry, row)
                values.append(value)
            rest = torch.stack(values)
        return torch.cat([first, rest.squeeze(2).transpose(0, 1)], dim=1)

    def _through(self, tokens: Tensor, room: int = 0) -> tuple[Tensor, list[Tensor]]:
        """Tokens after all blocks, and each block's keys and values with room for more weeks."""
        state = []
        for block in self._each_block():
            _, *kept = block.attn.split(block.norm1(tokens))
            state += [functional.pad(each, (0, 0, 0, room)) for each in kept]
            tokens = block(tokens)
        return tokens, state

    def _step(
        self, features: Tensor, carry: tuple[Tensor, ...], position: Tensor, slot: Tensor, later: Tensor
    ) -> tuple[Tensor, ...]:
        """One week: its value, and each block's keys and values with this week's in their slot."""
        previous, *state = carry
        token = torch.cat([previous, position.expand_as(previous), features], dim=1).unsqueeze(1)
        kept: list[Tensor] = []
        for block, *old in zip(self._each_block(), state[::2], state[1::2], strict=True):
            query, *new = block.attn.split(block.norm1(token))
            keys, values = (each + week * slot[:, None] for each, week in zip(old, new, strict=True))
            kept += [keys, values]
            weights = (query @ keys.transpose(2, 3) / math.sqrt(query.shape[-1]) + later).softmax(-1)
            token = block.feed(token + block.attn.merge(weights @ values))
        return self._values(token), *kept

    def _each_block(self) -> list[Block]:
        return cast(list[Block], list(self.blocks))

    def _tokens(self, features: Tensor, values: Tensor) -> Tensor:
        """The tokens of the weeks whose previous values are the start's and these, (B, T + 1, F + 2)."""
        previous = torch.cat([torch.full_like(features[:, :1], _START), values], dim=1)
        weeks = previous.shape[1]
        positions = self.positions[:weeks].expand(previous.shape[0], -1, -1)
        return torch.cat([previous.unsqueeze(2), positions, features.unsqueeze(1).expand(-1, weeks, -1)], dim=2)

    def _values(self, tokens: Tensor) -> Tensor:
        return functional.relu(self.head(tokens)).squeeze(2)


class _Runner(nn.Module):
    """Free running as a module's forward, so that it can be called with other weights."""

    def __init__(self, decoder: CurveDecoder) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, features: Tensor, known: Tensor) -> Tensor:
        return self.decoder._run(features, known)


class Mp3(SongFeatures):
    """MP3 (2022, github.com/bhbbbbb/MPPP; no paper): filter-bank energies to a weekly stream curve.

    Inputs as `Mp2` takes them; outputs: log10 of the streams in each of `outputs` weeks (104), 0 off the charts.
    MP2's encoder gives 32 features; the decoder is 34 wide with 2 blocks, 2 heads and dense parts of 64. Training is
    by teacher forcing, prediction free running. The loss is `curve_loss`.
    encoder: a file or folder of a trained MP2's weights whose encoder to start from. checkpoint: as of `Mp2`.
    audio: options of `AudioEncoder`. kinds: the inputs, see `SongFeatures`; known first weeks come before the `outputs`
    weeks that are forecast, and the decoder goes on from them.

    The original decoder lacks a causal mask, so that it saw the week it had to predict; here it has one. Blocks with
    the normalisation first, no dropout in the decoder and the start of the output's bias (0.5) are reconstructed.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int = 104,
        *,
        features: int = 32,
        decoder_blocks: int = 2,
        decoder_heads: int = 2,
        decoder_hidden: int = 64,
        missing_weight: float = 0.2,
        encoder: str | None = None,
        checkpoint: str | None = None,
        kinds: Sequence[str | None] = (),
        **audio: Any,
    ) -> None:
        super().__init__(shapes, kinds, features, **audio)
        self.missing_weight = missing_weight
        given = shapes[self.kinds.index(WEEKS)][0] if WEEKS in self.kinds else 0
        self.decoder = CurveDecoder(features, given + outputs, decoder_blocks, decoder_heads, decoder_hidden)
        if checkpoint is not None and self.encoder is not None:
            self.encoder.load_image_weights(checkpoint)
        if encoder is not None:
            self.load_encoder(encoder)

    @property
    def network_state(self) -> dict[str, Any]:
        """Options that build this network again without the files it started from."""
        return {"encoder": None, "checkpoint": None}

    def forward(self, *inputs: Tensor) -> Tensor:
        """(B, frames, bins) and, with regions, (B, regions), to log10 of the weekly streams (B, weeks)."""
        curve: Tensor = self.decoder(self.features(*inputs), self.known(inputs))
        return SCALE * curve

    def training_loss(
        self, inputs: tuple[Tensor, ...], targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """`curve_loss` of the predictions made from the true past, in validation of those from its own; the recipe's
        loss is not used.

        targets: (B, weeks), log10 of weekly streams, 0 off the charts, NaN where unknown.
        """
        scaled, known = targets / SCALE, self.known(inputs)
        weights = week_weights(self.decoder.weeks)[known.shape[1] :]
        if not self.training:
            return curve_loss(self(*inputs) / SCALE, scaled, weights, self.missing_weight).mean()
        past = torch.cat([known, scaled[:, :-1].nan_to_num()], dim=1)
        predicted = self.decoder.teach(self.features(*inputs), past)[:, known.shape[1] :]
        return curve_loss(predicted, scaled, weights, self.missing_weight).mean()

    def load_encoder(self, path: str) -> None:
        """Take the encoder's weights from a trained `Mp2`: a file or folder with names that end in `encoder.…`.

        Raises `EnvironmentProblem` when they are not there or of another shape.
        """
        if self.encoder is None:
            raise UsageError("network.encoder: this mp3 takes no sound")
        marker = "encoder."
        found = {
            name[name.index(marker) + len(marker) :]: w for name, w in read_weights(path).items() if marker in name
        }
        try:
            self.encoder.load_state_dict(found)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1].strip()
            raise EnvironmentProblem(f"{path}: not the weights of an MP2 with this encoder: {reason}") from error


def week_weights(weeks: int) -> Tensor:
    """Weights of the weeks of a curve, (weeks,): 1 - 4 · log10(i / weeks) for week i from 1.

    They fall from 1 + 4 · log10(weeks), which is 9.07 of 104 weeks, to 1 in the last week.
    """
    return 1 - 4 * torch.log10(torch.arange(1, weeks + 1) / weeks)


def curve_loss(predicted: Tensor, target: Tensor, weights: Tensor, missing_weight: float, delta: float = 0.5) -> Tensor:
    """The loss of each sample, (B,): the mean over the known weeks of scaled curves (B, T), weeks weighted by (T,).

    Squared error in weeks with streams, missing_weight · Huber (`delta`) in weeks without (target 0), nothing where
    the target is NaN, because the data end before.
    """
    known = ~target.isnan()
    truth = target.nan_to_num()
    squared = (predicted - truth).square()
    missing = missing_weight * functional.huber_loss(predicted, truth, reduction="none", delta=delta)
    each = torch.where(truth > 0, squared, missing) * weights.to(predicted.device) * known
    return each.sum(dim=1) / known.sum(dim=1).clamp(min=1)
