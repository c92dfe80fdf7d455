"""Parts that the transformers over spectrograms share: blocks, position embeddings, weights of image models."""

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from hitpredict.errors import EnvironmentProblem, UsageError

_FILES = ("model.safetensors", "pytorch_model.bin", "model.pth")
# Hugging Face's names of a ViT, of version 4 and of version 5, to timm's.
_RENAMES = (
    (r"^(vit|deit|base_model|model)\.", ""),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.cls_token$", "cls_token"),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^(?:encoder\.layer|layers)\.(\d+)\.", r"blocks.\1."),
    (r"\.attention\.attention\.(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.q_proj\.", ".attn.query."),
    (r"\.attention\.k_proj\.", ".attn.key."),
    (r"\.attention\.v_proj\.", ".attn.value."),
    (r"\.attention\.output\.dense\.|\.attention\.o_proj\.", ".attn.proj."),
    (r"\.intermediate\.dense\.", ".mlp.fc1."),
    (r"(blocks\.\d+)\.output\.dense\.", r"\1.mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"^layernorm\.", "norm."),
)


class Attention(nn.Module):
    """Multi-head self-attention, `causal` when a token may look at itself and those before it only."""

    def __init__(self, dim: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        if heads < 1 or dim % heads:
            raise UsageError(f"{heads} heads do not divide a width of {dim}")
        self.heads, self.causal = heads, causal
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T, D) to (B, T, D)."""
        query, key, value = self.split(tokens)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=self.causal)
        return self.merge(mixed)

    def split(self, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value (B, heads, T, D / heads) of tokens (B, T, D)."""
        parts = self.qkv(tokens).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        return query, key, value

    def merge(self, mixed: Tensor) -> Tensor:
        """(B, heads, T, D / heads) to (B, T, D)."""
        result: Tensor = self.proj(mixed.transpose(1, 2).flatten(2))
        return result


class FeedForward(nn.Module):
    """Two dense layers with GELU between them."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, tokens: Tensor) -> Tensor:
        result: Tensor = self.fc2(functional.gelu(self.fc1(tokens)))
        return result


class Block(nn.Module):
    """A transformer block with the normalisation before each part; the names of its weights are timm's."""

    def __init__(self, dim: int, heads: int, hidden: int, dropout: float = 0.0, causal: bool = False) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads, causal)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = FeedForward(dim, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, T, D) to (B, T, D)."""
        tokens = tokens + self.dropout(self.attn(self.norm1(tokens)))
        return self.feed(tokens)

    def feed(self, tokens: Tensor) -> Tensor:
        """The second half of the block."""
        result: Tensor = tokens + self.dropout(self.mlp(self.norm2(tokens)))
        return result


def start_weights(module: nn.Module) -> None:
    """A vision transformer's usual start: truncated normal weights (0.02), biases 0; for `Module.apply`."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def resize_positions(positions: Tensor, special: int, old: tuple[int, int], new: tuple[int, int]) -> Tensor:
    """Learnt position embeddings (1, special + rows · columns, D) for a grid of another size (rows, columns).

    The first `special` ones stay. An axis that gets shorter keeps its centre, one that gets longer is interpolated
    (bilinear), as AST does it (Gong, Chung and Glass 2021, arXiv:2104.01778, section 2.2).
    """
    first, grid = positions[:, :special], positions[:, special:]
    grid = grid.reshape(1, *old, -1).permute(0, 3, 1, 2)
    for axis in (2, 3):
        have, want = grid.shape[axis], new[axis - 2]
        if want < have:
            grid = grid.narrow(axis, have // 2 - want // 2, want)
    if tuple(grid.shape[2:]) != new:
        grid = functional.interpolate(grid, size=new, mode="bilinear", align_corners=False)
    return torch.cat([first, grid.flatten(2).transpose(1, 2)], dim=1)


def square(tokens: int) -> tuple[int, int]:
    """The grid (rows, columns) of a square image's tokens. Raises ValueError when it was not square."""
    side = math.isqrt(tokens)
    if side * side != tokens:
        raise ValueError(f"{tokens} tokens are no square image")
    return side, side


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Named weights, float32, of a `.safetensors` or `.pth`/`.bin` file, or of such a file in a checkpoint's folder.

    Raises `EnvironmentProblem` when there is none or it cannot be read.
    """
    file = Path(path)
    if file.is_dir():
        file = next((file / name for name in _FILES if (file / name).is_file()), file / _FILES[0])
    try:
        if file.suffix == ".safetensors":
            import safetensors.torch

            tensors = safetensors.torch.load_file(file)
        else:
            tensors = torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise EnvironmentProblem(f"{file}: {error.strerror or error}; give a .safetensors or .pth file") from error
    except Exception as error:
        # A broken file ends in one of many unrelated exceptions of zipfile, pickle, torch or safetensors.
        raise EnvironmentProblem(f"{file}: not a file of weights; give a .safetensors or .pth file") from error
    for key in ("model", "state_dict"):
        if isinstance(tensors, dict) and isinstance(tensors.get(key), dict):
            tensors = cast(dict[str, Tensor], tensors[key])
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise EnvironmentProblem(f"{file}: holds something else than a table of named weights")
    return {name: tensor.float() for name, tensor in tensors.items()}


def timm_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a vision transformer under timm's names, whether they had those already or Hugging Face's.

    Separate query, key and value weights become one.
    """
    named: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        new = name
        for pattern, replacement in _RENAMES:
            new = re.sub(pattern, replacement, new)
        named[new] = tensor
    for name in [name for name in named if ".attn.query." in name]:
        parts = [named.pop(name.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
        named[name.replace(".query.", ".qkv.")] = torch.cat(parts)
    return named
