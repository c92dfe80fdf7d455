"""VGGish embeddings: 128 numbers for each 0.96 s."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import InputError
from hitpredict.features.embeddings.loading import columns, fetched_weights, inference, place, require
from hitpredict.features.embeddings.stream import mean_of_rows, pieces
from hitpredict.frontends.vggish import Vggish
from hitpredict.registry import check_known

_BATCH = 16
_PUBLISHED = "vggish-10086976.pth"
_loading = Lock()


@dataclass(frozen=True)
class VggishEmbedding:
    """The embedding layer of VGGish (Hershey et al. 2017, arXiv:1609.09430), after its ReLU.

    weights: a `.pth` or `.safetensors` file in the layout of torchvggish or of tcvrick's port; None takes the one that
    `hitpredict fetch weights vggish` brings.
    pca: a file with the whitening of AudioSet's released embeddings; each embedding is then 128 whole numbers 0 to 255.
    pool: `mean` over the patches gives (128,), `none` gives (patches, 128). device: `cpu` or `cuda`.
    """

    name: ClassVar[str] = "vggish_embedding"
    weights: str | None = None
    pca: str | None = None
    pool: str = "mean"
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_known(f"{self.name}: pool", [self.pool], ("mean", "none"))
        check_known(f"{self.name}: device", [self.device], ("cpu", "cuda"))

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the vector's elements, or None where `pool` is `none`."""
        return columns("vggish", 128) if self.pool == "mean" else None

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[np.float32]:
        """The embedding of a sound, float32.

        Raises `InputError` when it is shorter than one patch (0.975 s), `EnvironmentProblem` when torch, the
        device or a file of weights is missing or wrong.
        """
        batches = self.parts(blocks, rate)
        if self.pool == "mean":
            return mean_of_rows(batches)
        return np.concatenate(list(batches))

    def parts(self, blocks: Iterable[Samples], rate: int) -> Iterator[NDArray[np.float32]]:
        """The embeddings (n, 128) of each batch of patches, at least one of them."""
        torch, network, whitening = _network(self.weights or str(fetched_weights() / _PUBLISHED), self.pca, self.device)
        frontend, device, empty = Vggish(), place(self.device), True
        for piece in pieces(frontend.frames(blocks, rate), _BATCH * frontend.patch_frames):
            if len(piece) < frontend.patch_frames:
                break
            empty, patches = False, torch.from_numpy(frontend.patches(piece))
            with inference():
                embeddings = network(patches.to(device)).cpu().numpy()
            yield whitening(embeddings) if whitening else embeddings
        if empty:
            raise InputError(f"too short for {self.name}: one patch takes {frontend.shortest:.3f} s")


def _network(weights: str, pca: str | None, device: str) -> tuple[Any, Any, Any]:
    with _loading:
        return _loaded(weights, pca, device)


@cache
def _loaded(weights: str, pca: str | None, device: str) -> tuple[Any, Any, Any]:
    torch, target = require("torch"), place(device)
    from hitpredict.datasets.web.hashes import check_fetched
    from hitpredict.features.embeddings.vggish_network import load_network, load_whitening

    for path in filter(None, (weights, pca)):
        check_fetched(Path(path), "delete it, and get it again with `hitpredict fetch weights`")
    return torch, load_network(weights).to(target), load_whitening(pca) if pca else None
