"""MP2: a vision transformer over filter-bank energies that predicts a song's streams, in all and at its debut."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.networks.vit import Block, read_weights, resize_positions, square, start_weights, timm_names
from hitpredict.registry import check_known, made
from hitpredict.scoring.inputs import SEASON, WEEKS
from hitpredict.tables.label_inputs import NAMES as _BESIDE
from hitpredict.tables.label_inputs import REGION

REGION_MODES = ("token", "embedding")
SCALE = 6.0
"""Log10 of weekly streams is divided by this inside the networks, so about 0.5 to 1.2 on the charts."""


class AudioEncoder(nn.Module):
    """Filter-bank energies (B, frames, bins), and the region one-hot (B, regions), to features (B, `features`).

    Patches of `patch` × `patch` that do not overlap, learnt positions, `depth` blocks. Without regions the patches'
    outputs are averaged. region_mode says what a region does: `token`, each has a class token, whose output is taken
    in place of the average; `embedding`, a vector of the region is added to every patch.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        features: int,
        regions: int = 0,
        *,
        dim: int = 192,
        depth: int = 12,
        heads: int = 3,
        patch: int = 16,
        region_mode: str = "token",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        check_known("region_mode", [region_mode], REGION_MODES)
        frames, bins = shape
        self.grid = (bins // patch, frames // patch)
        if min(self.grid) < 1:
            raise UsageError(f"mp2: an input of {frames} × {bins} is smaller than one patch of {patch} × {patch}")
        self.region_mode = region_mode
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(1, dim, patch, stride=patch)})
        self.pos_embed = nn.Parameter(torch.empty(1, self.grid[0] * self.grid[1], dim))
        self.region = nn.Linear(regions, dim, bias=False) if regions else None
        self.blocks = nn.Sequential(*(Block(dim, heads, 4 * dim, dropout) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, features)
        self.apply(start_weights)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        if self.region is not None:
            nn.init.trunc_normal_(self.region.weight, std=0.02)

    def forward(self, energies: Tensor, region: Tensor | None = None) -> Tensor:
        image = energies.transpose(1, 2).unsqueeze(1)
        tokens = self.patch_embed["proj"](image).flatten(2).transpose(1, 2) + self.pos_embed
        if self.region is None or region is None:
            return self._features(tokens).mean(dim=1)
        vector = self.region(region).unsqueeze(1)
        if self.region_mode == "embedding":
            return self._features(tokens + vector).mean(dim=1)
        return self._features(torch.cat([vector, tokens], dim=1))[:, 0]

    def _features(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.head(self.norm(self.blocks(tokens)))
        return result

    def load_image_weights(self, path: str | Path) -> None:
        """Start from a vision transformer for images: timm's or Hugging Face's names, a file or a folder.

        The kernel of its patches is summed over the colours; its positions are cropped or interpolated; its class
        token starts every region's. Raises `EnvironmentProblem` when the weights are not there or do not fit.
        """
        found = timm_names(read_weights(path))
        own = self.state_dict()
        try:
            kernel = found["patch_embed.proj.weight"].sum(dim=1, keepdim=True)
            special = 1 if "cls_token" in found else 0
            positions = found["pos_embed"]
            old = square(positions.shape[1] - special)
            chosen = {name: found[name] for name in own if name.startswith(("blocks.", "norm.")) and name in found}
            chosen["patch_embed.proj.weight"] = kernel
            chosen["patch_embed.proj.bias"] = found["patch_embed.proj.bias"]
            chosen["pos_embed"] = resize_positions(positions, special, old, self.grid)[:, special:]
            if self.region is not None and self.region_mode == "token" and special:
                chosen["region.weight"] = (found["cls_token"] + positions[:, :1])[0].T.expand_as(self.region.weight)
            missing = sorted(name for name in own if name not in chosen and not name.startswith(("head.", "region.")))
            if missing:
                raise KeyError(missing[0])
            self.load_state_dict({**own, **chosen})
        except (KeyError, ValueError, RuntimeError) as error:
            reason = f"lacks {error.args[0]}" if isinstance(error, KeyError) else str(error).strip().splitlines()[-1]
            raise EnvironmentProblem(f"{path}: not weights of this vision transformer: {reason.strip()}") from error


class SongFeatures(nn.Module):
    """What MP2 and MP3 make of a song before they predict: the audio's features (B, `features`), and, of what comes
    beside it, those of a small network added to them.

    kinds: the names of the inputs' kinds, in order. `weeks` (B, K), log10 of the streams in a song's first weeks, and
    `season` (B, 2) come beside the sound; a `region` goes into the audio encoder. Without kinds the first input is
    audio, a second one the region. Without audio, to compare what sound adds, region, weeks and season go into the
    small network: linear, GELU, linear, twice as wide as the features. All of it but audio and region is added to MPPP.
    """

    def __init__(self, shapes: Sequence[tuple[int, ...]], kinds: Sequence[str | None], features: int, **audio: Any):
        super().__init__()
        names = tuple(name if name in _BESIDE else "audio" for name in kinds or (None, REGION)[: len(shapes)])
        if len(names) != len(shapes) or len(set(names)) < len(names):
            raise UsageError(
                f"mp2 takes energies (frames, bins), and a region if wanted; the shapes are {list(shapes)}"
            )
        self.kinds = names
        by_name = dict(zip(names, shapes, strict=True))
        heard = [by_name[name] for name in ("audio", REGION) if "audio" in names and name in by_name]
        self.encoder = audio_encoder(heard, features, **audio) if heard else None
        self._sides = tuple(name for name in names if name in (_BESIDE if self.encoder is None else (WEEKS, SEASON)))
        width = sum(by_name[name][0] for name in self._sides)
        self.side = _side_network(width, features) if width else None

    def known(self, inputs: Sequence[Tensor]) -> Tensor:
        """The first weeks, scaled, (B, K); K is 0 where they are no input."""
        given = dict(zip(self.kinds, inputs, strict=True))
        return given[WEEKS] / SCALE if WEEKS in given else inputs[0].new_zeros((inputs[0].shape[0], 0))

    def features(self, *inputs: Tensor) -> Tensor:
        """The song's features, (B, `features`)."""
        given = dict(zip(self.kinds, inputs, strict=True))
        parts = []
        if self.encoder is not None:
            parts.append(self.encoder(given["audio"], given.get(REGION)))
        if self.side is not None:
            if WEEKS in given:
                given[WEEKS] = given[WEEKS] / SCALE
            parts.append(self.side(torch.cat([given[name] for name in self._sides], dim=1)))
        result: Tensor = sum(parts[1:], parts[0])
        return result


def _side_network(width: int, features: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 2 * features), nn.GELU(), nn.Linear(2 * features, features))


def audio_encoder(shapes: Sequence[tuple[int, ...]], features: int, **options: Any) -> AudioEncoder:
    """The encoder for inputs of these shapes. Raises `UsageError` when they do not fit its options."""
    if len(shapes) not in (1, 2) or len(shapes[0]) != 2:
        raise UsageError(f"mp2 takes energies (frames, bins), and a region if wanted; the shapes are {shapes}")
    if len(shapes) == 2 and len(shapes[1]) != 1:
        raise UsageError(f"mp2: a second input must be a one-hot vector over the regions; its shape is {shapes[1]}")
    regions = shapes[1][0] if len(shapes) == 2 else 0
    return made("audio encoder", AudioEncoder, options, (shapes[0][0], shapes[0][1]), features, regions)


class Mp2(SongFeatures):
    """MP2 (2022, github.com/bhbbbbb/MPPP; no paper): filter-bank energies to two standardised targets.

    Input: energies (frames, bins), published as 2800 × 128 at 16 kHz; a second input (regions,) is the region,
    one-hot. Outputs: log10 of the sum of a song's streams and of its first week's, standardised; the loss weighs them
    `loss_weights` (4 to 1). The encoder is that of timm's `vit_tiny_patch16_224` with one channel: 16 × 16 patches
    (8 × 175 of them), 192 wide, 12 blocks, 3 heads; average, then 32 features, then the targets.
    checkpoint: a file or folder with a vision transformer's weights to start from. encoder: options of `AudioEncoder`.

    Regions are an idea of its authors that they did not publish in code: both forms are reconstructed, see
    `AudioEncoder`. With other outputs than two the targets weigh the same. kinds: the inputs, see `SongFeatures`.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int = 2,
        *,
        features: int = 32,
        loss_weights: Sequence[float] = (4.0, 1.0),
        checkpoint: str | None = None,
        kinds: Sequence[str | None] = (),
        **encoder: Any,
    ) -> None:
        super().__init__(shapes, kinds, features, **encoder)
        self.head = nn.Linear(features, outputs)
        weights = list(loss_weights) if len(loss_weights) == outputs else [1.0] * outputs
        self.loss_weights = [weight / sum(weights) for weight in weights]
        if checkpoint is not None and self.encoder is not None:
            self.encoder.load_image_weights(checkpoint)

    @property
    def network_state(self) -> dict[str, Any]:
        """Options that build this network again without the files it started from."""
        return {"checkpoint": None}

    def forward(self, *inputs: Tensor) -> Tensor:
        """(B, frames, bins) and, with regions, (B, regions), to (B, outputs)."""
        result: Tensor = self.head(self.features(*inputs))
        return result

    def training_loss(
        self, inputs: tuple[Tensor, ...], targets: Tensor, loss: Callable[[Tensor, Tensor], Tensor]
    ) -> Tensor:
        """The weighted mean of each target's loss."""
        outputs = self(*inputs)
        if targets.dim() == 1:
            return loss(outputs, targets).mean()
        each = [loss(outputs[:, [k]], targets[:, k]).mean() * weight for k, weight in enumerate(self.loss_weights)]
        return torch.stack(each).sum()
