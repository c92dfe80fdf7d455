"""The Audio Spectrogram Transformer, fine-tuned whole or as a frozen body below a small head."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import ASTConfig, ASTModel, AutoConfig

from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.features.embeddings.loading import transformer
from hitpredict.networks.vit import resize_positions, square
from hitpredict.registry import check_known, lookup

SIZES = {"tiny": (192, 3), "small": (384, 6), "base": (768, 12)}
_SPECIAL = 2
_DEIT = ("embeddings.patch_embeddings.projection.", "embeddings.position_embeddings")


class Ast(nn.Module):
    """AST (Gong, Chung and Glass 2021, arXiv:2104.01778): filter-bank energies to outputs.

    Input: energies (frames, bins) scaled by the front-end `fbank`, published as 1024 × 128. Patches of 16 × 16 that
    overlap by 6 (12 × 101 tokens), a class and a distillation token, 12 layers; the mean of the two tokens after the
    last normalisation goes through LayerNorm and Linear.

    size: of a network that starts from random weights: `tiny` (192 wide, 5.6 million weights), `small` (384, 21.9),
    `base` (768, 86.1). checkpoint: start from a pretrained one in its place, a folder or a hub id in the local cache:
    an AST, or a distilled DeiT, whose patch kernel is summed over the colours. Position embeddings are cropped or
    interpolated to this input's length and strides. strides: of the patches over frequency and time; None is the
    checkpoint's, 10 without one. frozen: only the head learns (a probe). activation: `linear` or `sigmoid`.
    config: fields of transformers' `ASTConfig` to set otherwise, `num_hidden_layers` for one.

    Without a checkpoint the two tokens and the positions start from truncated normal values (0.02), as vision
    transformers do: from zeros the two tokens would stay the same for ever.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        checkpoint: str | None = None,
        size: str = "base",
        strides: Sequence[int] | None = None,
        frozen: bool = False,
        dropout: float = 0.0,
        activation: str = "linear",
        config: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if len(shapes) != 1 or len(shapes[0]) != 2:
            raise UsageError(f"ast takes one input of energies (frames, bins); the shapes are {list(shapes)}")
        check_known("activation", [activation], ("linear", "sigmoid"))
        self.frozen, self.activation = frozen, activation
        fields: dict[str, Any] = {"max_length": shapes[0][0], "num_mel_bins": shapes[0][1]}
        if strides is not None:
            fields |= {"frequency_stride": strides[0], "time_stride": strides[1]}
        self.body = _random(size, fields, config or {}) if checkpoint is None else _pretrained(checkpoint, fields)
        width = self.body.config.hidden_size
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Dropout(dropout), nn.Linear(width, outputs))
        if frozen:
            self.body.requires_grad_(False).eval()

    @property
    def network_state(self) -> dict[str, Any]:
        """Options that build this network again without the checkpoint it started from."""
        return {"checkpoint": None, "strides": None, "config": self.body.config.to_diff_dict()}

    def train(self, mode: bool = True) -> "Ast":
        """A frozen body stays as in evaluation."""
        super().train(mode)
        if self.frozen:
            self.body.eval()
        return self

    def forward(self, energies: Tensor) -> Tensor:
        """(B, frames, bins) to (B, outputs)."""
        result: Tensor = self.head(self.body(energies).pooler_output)
        return torch.sigmoid(result) if self.activation == "sigmoid" else result


def _random(size: str, fields: Mapping[str, Any], changes: Mapping[str, Any]) -> Any:
    width, heads = lookup("size", size, SIZES)
    shape = {"hidden_size": width, "num_attention_heads": heads, "intermediate_size": 4 * width}
    body = ASTModel(ASTConfig(**{**shape, **fields, **changes}))
    for tensor in (
        body.embeddings.cls_token,
        body.embeddings.distillation_token,
        body.embeddings.position_embeddings,
    ):
        nn.init.trunc_normal_(tensor, std=0.02)
    return body


def _pretrained(checkpoint: str, fields: Mapping[str, Any]) -> Any:
    """An `ASTModel` for another input shape, from a checkpoint's weights.

    Raises `EnvironmentProblem` when there is no such checkpoint or it is of another network.
    """
    deit = _model_type(checkpoint) == "deit"
    source = transformer("DeiTModel" if deit else "ASTModel", checkpoint, "cpu")
    kept = source.config.to_dict()
    if deit:
        names = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act")
        kept = {name: kept[name] for name in (*names, "layer_norm_eps", "qkv_bias", "patch_size")}
    body = ASTModel(ASTConfig(**{**kept, **fields}))
    weights = {name: tensor for name, tensor in source.state_dict().items() if not name.startswith("pooler.")}
    kernel, positions = f"{_DEIT[0]}weight", _DEIT[1]
    tokens = weights[positions].shape[1] - _SPECIAL
    old = square(tokens) if deit else _grid(source.config)
    weights[positions] = resize_positions(weights[positions], _SPECIAL, old, _grid(body.config))
    weights[kernel] = weights[kernel].sum(dim=1, keepdim=True)
    try:
        body.load_state_dict(weights)
    except RuntimeError as error:
        raise EnvironmentProblem(f"checkpoint {checkpoint}: {str(error).strip().splitlines()[-1].strip()}") from error
    return body


def _model_type(checkpoint: str) -> str | None:
    try:
        kind: str = AutoConfig.from_pretrained(checkpoint, local_files_only=True, trust_remote_code=False).model_type
    except Exception:
        # `transformer` says what is wrong with it.
        return None
    return kind


def _grid(config: Any) -> tuple[int, int]:
    """Tokens over frequency and over time."""
    sizes = ((config.num_mel_bins, config.frequency_stride), (config.max_length, config.time_stride))
    rows, columns = ((length - config.patch_size) // stride + 1 for length, stride in sizes)
    return rows, columns
