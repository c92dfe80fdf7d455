"""VGGish with a predictor behind it, trained together."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from hitpredict.datasets.web.hashes import check_fetched
from hitpredict.errors import UsageError
from hitpredict.features.embeddings.vggish_network import CHANNELS, DIMENSIONS, HIDDEN, VggishNetwork, load_network
from hitpredict.networks.mlp import Mlp

_PATCH = (96, 64)


class VggishFinetuned(nn.Module):
    """Patches (B, T, 96, 64) through VGGish, which goes on learning, and dense layers on the mean: (B, outputs).

    Patches that are all zeros at the end are no sound and do not count. VGGish is that of Hershey et al. 2017
    (arXiv:1609.09430), whose post-processing is left out.

    checkpoint: a `.pth` or `.safetensors` file of VGGish, see `load_network`; None starts from random weights.
    channels and dense: of VGGish's convolutions and of its dense layers, for other networks than the published one;
    without a checkpoint only. hidden: widths of the dense layers behind it, dropout and activation as `Mlp` has them.
    frozen: only those learn.
    Reconstructed: all but VGGish itself; no code and no numbers are published of VGGish trained in series.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        outputs: int,
        *,
        checkpoint: str | None = None,
        channels: Sequence[int] = CHANNELS,
        dense: int = HIDDEN,
        hidden: Sequence[int] = (128, 64),
        dropout: float = 0.25,
        activation: str = "sigmoid",
        frozen: bool = False,
    ) -> None:
        super().__init__()
        if len(shapes) != 1 or tuple(shapes[0][1:]) != _PATCH:
            raise UsageError(f"vggish-finetuned takes one input of patches × 96 × 64, not {list(shapes)}")
        if checkpoint is not None and (tuple(channels), dense) != (CHANNELS, HIDDEN):
            raise UsageError("vggish-finetuned: channels and dense are the checkpoint's; give them without one")
        self.frozen = frozen
        self.body = VggishNetwork(channels, dense) if checkpoint is None else _loaded(checkpoint)
        self.head = Mlp([(DIMENSIONS,)], outputs, hidden, dropout, activation=activation)
        if frozen:
            self.body.requires_grad_(False)

    @property
    def network_state(self) -> Mapping[str, Any]:
        """Options that build this network again without the file it started from."""
        return {"checkpoint": None}

    def forward(self, patches: Tensor) -> Tensor:
        embeddings = self.body(patches.flatten(0, 1)).unflatten(0, patches.shape[:2])
        lasting = (patches.abs().amax(dim=(2, 3)) > 0).to(patches.dtype)
        mean = (embeddings * lasting[:, :, None]).sum(1) / lasting.sum(1, keepdim=True).clamp(min=1)
        result: Tensor = self.head(mean)
        return result


def _loaded(checkpoint: str) -> VggishNetwork:
    check_fetched(Path(checkpoint), "delete it, and get it again with `hitpredict fetch weights`")
    return load_network(checkpoint).train()
