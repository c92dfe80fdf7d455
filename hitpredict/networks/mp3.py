"""MP3: MP2's encoder and a causal decoder that writes a song's weekly stream curve, week after week."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn
from torch._higher_order_ops.scan import scan
from torch.nn import functional

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.networks.mp2 import ENCODER_OPTIONS, audio_encoder
from hitpredict.networks.vit import Block, read_weights

SCALE = 6.0
"""Curves are log10 of the streams divided by this inside the decoder, so about 0.5 to 1.2 on the charts."""
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
        self.blocks = nn.ModuleList(Block(width, heads, hidden, dropout, causal=True) for _ in range(blocks))
        self.head = nn.Linear(width, 1)
        # Above 0 at the start, so that the ReLU passes gradients.
        nn.init.constant_(self.head.bias, 0.5)

    def forward(self, features: Tensor, previous: Tensor) -> Tensor:
        """Features (B, F) and scaled values (B, T) of the first T weeks to the values (B, T + 1) predicted from them.

        Prediction t sees the values of the weeks before it only; with T = weeks - 1 that is teacher forcing.
        """
        start = torch.full_like(features[:, :1], _START)
        tokens = self._tokens(features, torch.cat([start, previous], dim=1))
        for block in self.blocks:
            tokens = block(tokens)
        return self._value(tokens)

    def run(self, features: Tensor, known: Tensor | None = None) -> Tensor:
        """Free running: features (B, F) and scaled values (B, K) of the first weeks to the rest, (B, weeks - K).

        Each week is predicted from the predictions before it; keys and values of past weeks are kept.
        """
        start = torch.full_like(features[:, :1], _START)
        given = start if known is None else torch.cat([start, known], dim=1)
        tokens, state = self._tokens(features, given), []
        left = self.weeks - given.shape[1]
        for block in self.blocks:
            _, key, value = block.attn.split(block.norm1(tokens))
            state += [functional.pad(key, (0, 0, 0, left)), functional.pad(value, (0, 0, 0, left))]
            tokens = block(tokens)
        first = self._value(tokens[:, -1:])
        if not left:
            return first
        weeks = torch.arange(given.shape[1], self.weeks, device=features.device)
        slots = torch.arange(self.weeks, device=features.device)
        # One row a week: its position, its slot in the kept keys and values, the slots that it must not see.
        plan = (self.positions[given.shape[1]:], (slots == weeks[:, None]).to(features.dtype), torch.where(slots > weeks[:, None], -math.inf, 0.0))

        def step(carry, row):
            value, *kept = self._step(features, carry, row)
            return (value, *kept), value.clone()
        carry = (first, *state)
        if torch.compiler.is_exporting():
            with torch.no_grad():
                _, rest = scan(step, carry, plan)
        else:
            values = []
            for row in zip(*plan):
                carry, value = step(carry, row)
                values.append(value)
            rest = torch.stack(values)
        return torch.cat([first, rest.squeeze(2).transpose(0, 1)], dim=1)

    def _step(self, features: Tensor, carry: Sequence[Tensor], row: Sequence[Tensor]) -> list[Tensor]:
        """One week: (previous value, keys and values of each block) before it to the same after it."""
        position, slot, hidden = row
        token = self._token(features, carry[0], position)
        kept: list[Tensor] = []
        for place, block in enumerate(self.blocks):
            query, key, value = block.attn.split(block.norm1(token))
            keys, values = (old + new * slot[:, None] for old, new in zip(carry[1 + 2 * place : 3 + 2 * place], (key, value), strict=True))
            kept += [keys, values]
            weights = (query @ keys.transpose(2, 3) / math.sqrt(query.shape[-1]) + hidden).softmax(-1)
            token = block.feed(token + block.attn.merge(weights @ values))
        return [self._value(token), *kept]

    def _tokens(self, features: Tensor, previous: Tensor) -> Tensor:
        batch, weeks = previous.shape
        positions = self.positions[:weeks].expand(batch, -1, -1)
        return torch.cat([previous.unsqueeze(2), positions, features.unsqueeze(1).expand(-1, weeks, -1)], dim=2)

    def _token(self, features: Tensor, previous: Tensor, position: Tensor) -> Tensor:
        return torch.cat([previous, position.expand_as(previous), features], dim=1).unsqueeze(1)

    def _value(self, tokens: Tensor) -> Tensor:
        return functional.relu(self.head(tokens)).squeeze(2)
