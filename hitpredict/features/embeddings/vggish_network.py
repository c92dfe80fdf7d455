"""VGGish (Hershey et al. 2017, arXiv:1609.09430): its network, its published weights, its post-processing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hitpredict.errors import EnvironmentProblem, UsageError

DIMENSIONS = 128
CHANNELS = (64, 128, 256, 256, 512, 512)
HIDDEN = 4096
_POOLED = (0, 1, 3, 5)
_CELLS = 6 * 4
_PCA_LIMIT = 2.0


class VggishNetwork(nn.Module):
    """Patches (N, 96, 64) of `frontends.Vggish` to embeddings (N, 128), none below 0; 72.14 million weights.

    Six 3×3 convolutions with 2×2 max-pooling, then three dense layers, a ReLU after each, the last one too.
    The names of the weights are those of the port torchvggish. channels: of each convolution. hidden: width of the
    first two dense layers.
    """

    def __init__(self, channels: Sequence[int] = CHANNELS, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.features = nn.Sequential(*_convolutions(channels))
        sizes = (_CELLS * channels[-1], hidden, hidden, DIMENSIONS)
        self.embeddings = nn.Sequential(*(layer for pair in pairwise(sizes) for layer in (nn.Linear(*pair), nn.ReLU())))

    def forward(self, patches: Tensor) -> Tensor:
        maps: Tensor = self.features(patches.unsqueeze(1))
        # The dense weights were learnt with the channels last.
        result: Tensor = self.embeddings(maps.permute(0, 2, 3, 1).flatten(1))
        return result


def _convolutions(channels: Sequence[int]) -> list[nn.Module]:
    if len(channels) != len(CHANNELS):
        raise UsageError(f"channels: VGGish has {len(CHANNELS)} convolutions, not {len(channels)}")
    layers: list[nn.Module] = []
    for number, (before, after) in enumerate(pairwise((1, *channels))):
        layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
        if number in _POOLED:
            layers.append(nn.MaxPool2d(2))
    return layers


@dataclass(frozen=True)
class Whitening:
    """The post-processing of AudioSet's released embeddings: rotate, clip to ±2, quantise to 8 bits.

    eigenvectors: (128, 128), one component a row; means: (128,).
    """

    eigenvectors: NDArray[np.float32]
    means: NDArray[np.float32]

    def __call__(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Embeddings (N, 128) to whole numbers 0 to 255, (N, 128) float32."""
        turned = (embeddings - self.means) @ self.eigenvectors.T
        clipped = np.clip(turned, -_PCA_LIMIT, _PCA_LIMIT)
        return np.asarray(np.rint((clipped + _PCA_LIMIT) * (255 / (2 * _PCA_LIMIT))), np.float32)


def load_network(path: str | Path) -> VggishNetwork:
    """The network with weights from a `.pth` or `.safetensors` file, ready to be run on the CPU.

    Takes the names of torchvggish (`features.*`, `embeddings.*`; its `pproc.*` are left out) and of tcvrick's port
    (`fc.*` for the dense layers). Raises `EnvironmentProblem` when the file is not there or does not hold them.
    """
    with torch.device("meta"):
        network = VggishNetwork()
    tensors = {
        f"embeddings.{name.removeprefix('fc.')}" if name.startswith("fc.") else name: tensor.float().contiguous()
        for name, tensor in _read_tensors(path).items()
        if not name.startswith("pproc.")
    }
    _check(path, tensors, {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()})
    network.load_state_dict(tensors, assign=True)
    return network.eval()


def load_whitening(path: str | Path) -> Whitening:
    """The post-processing from a file with `pca_eigen_vectors` and `pca_means`, or the same below `pproc.`.

    Raises `EnvironmentProblem` when the file is not there or does not hold them.
    """
    names = {"pca_eigen_vectors": (DIMENSIONS, DIMENSIONS), "pca_means": (DIMENSIONS, 1)}
    found = {name.removeprefix("pproc."): tensor.float() for name, tensor in _read_tensors(path).items()}
    found = {name: found[name] for name in names if name in found}
    if found.get("pca_means", torch.empty(0)).shape == (DIMENSIONS,):
        found["pca_means"] = found["pca_means"].unsqueeze(1)
    _check(path, found, names)
    return Whitening(found["pca_eigen_vectors"].numpy(), found["pca_means"].numpy()[:, 0])


def _read_tensors(path: str | Path) -> dict[str, Tensor]:
    try:
        if Path(path).suffix == ".safetensors":
            import safetensors.torch

            return safetensors.torch.load_file(path)
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: {error.strerror or error}; get it with `hitpredict fetch weights vggish`"
        ) from error
    except Exception as error:
        # A broken file ends in one of many unrelated exceptions of zipfile, pickle, torch or safetensors.
        raise EnvironmentProblem(f"{path}: not a file of weights; give a .pth or .safetensors file") from error
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise EnvironmentProblem(f"{path}: holds something else than a table of named weights")
    return tensors


def _check(path: str | Path, tensors: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    wrong = [f"lacks {name}" for name in shapes if name not in tensors]
    wrong += [f"has an unknown {name}" for name in tensors if name not in shapes]
    wrong += [
        f"{name} is {tuple(tensors[name].shape)}, not {shape}"
        for name, shape in shapes.items()
        if name in tensors and tuple(tensors[name].shape) != shape
    ]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise EnvironmentProblem(f"{path}: not weights of VGGish: {'; '.join(wrong[:3])}{more}")
