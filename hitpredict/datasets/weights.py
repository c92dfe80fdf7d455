"""Pretrained weights in the cache, with their licences and what of hitpredict takes them.

Files on GitHub carry the beginning of their SHA-256 in their names; no more of it is published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hitpredict.datasets.web.addresses import base
from hitpredict.datasets.web.cache import cache_folder
from hitpredict.datasets.web.download import Web
from hitpredict.datasets.web.hashes import record, recorded
from hitpredict.datasets.web.hub import snapshot
from hitpredict.errors import UsageError, unknown

OFFICIAL = "https://github.com"
# Sizes in the table are rounded, and those of repositories are of the weights alone.
_MARGIN, _SETTINGS_BYTES = 1.5, 50 * 10**6
_RELEASE = "harritaylor/torchvggish/releases/download/v0.1"


@dataclass(frozen=True)
class Weights:
    """A checkpoint. size: about, in MB. use: the commands that take it, separated by `; `.

    free: the licence allows any use; else it must be accepted.
    """

    size: float
    licence: str
    use: str
    free: bool = True
    file: str | None = None
    sha256: str | None = None
    repository: str | None = None

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return f"huggingface.co/{self.repository}" if self.repository else f"github.com/{self.file}"


_EMBEDDING = "featurize `kind`"
_CHECKPOINT = "train `settings` network.checkpoint=… -r"

ALL: Mapping[str, Weights] = {
    "vggish": Weights(
        289,
        "Apache-2.0",
        use=f"{_EMBEDDING} vggish_embedding; {_CHECKPOINT} vggish-finetuned",
        file=f"{_RELEASE}/vggish-10086976.pth",
        sha256="10086976",
    ),
    "vggish-pca": Weights(
        0.2,
        "Apache-2.0",
        use=f"{_EMBEDDING} vggish_embedding `settings` pca=…",
        file=f"{_RELEASE}/vggish_pca_params-970ea276.pth",
        sha256="970ea276",
    ),
    "ast": Weights(
        346,
        "BSD-3-Clause",
        use=f"{_EMBEDDING} ast; {_EMBEDDING} ast_tags; {_CHECKPOINT} ast",
        repository="MIT/ast-finetuned-audioset-10-10-0.4593",
    ),
    "wav2vec2": Weights(
        380, "Apache-2.0", use=f"{_EMBEDDING} wav2vec2; {_CHECKPOINT} wav2vec2", repository="facebook/wav2vec2-base"
    ),
    "vit-tiny": Weights(
        22, "Apache-2.0", use=f"{_CHECKPOINT} mp2", repository="timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"
    ),
    "clap": Weights(780, "Apache-2.0", use=f"{_EMBEDDING} clap_embedding", repository="laion/larger_clap_music"),
    "mert-95m": Weights(378, "CC-BY-NC-4.0", use=f"{_EMBEDDING} mert", free=False, repository="m-a-p/MERT-v1-95M"),
    "mert-330m": Weights(
        1260,
        "CC-BY-NC-4.0",
        use=f"{_EMBEDDING} mert `settings` checkpoint=…",
        free=False,
        repository="m-a-p/MERT-v1-330M",
    ),
    "fma2vec": Weights(378, "none stated", use=f"{_CHECKPOINT} wav2vec2", free=False, repository="mbien/fma2vec"),
}


def chosen(names: list[str], accept_licence: bool) -> dict[str, Weights]:
    """The checkpoints of these names. Raises `UsageError` for unknown ones and for licences not accepted."""
    for name in names:
        if name not in ALL:
            raise UsageError(unknown("weights", name, ALL))
    refused = [f"{name} ({ALL[name].licence})" for name in names if not (ALL[name].free or accept_licence)]
    if refused:
        raise UsageError(f"{', '.join(refused)}: not free for every use; read the licence, then give `accept_licence`")
    return {name: ALL[name] for name in names}


def fetch(web: Web, weights: Weights, mirror: str | None = None) -> Path:
    """Bring a checkpoint into the cache; gives the path of the file, or of the folder of a repository.

    Of a file of which only the beginning of the SHA-256 is known, the whole one is written down beside it when it
    first comes, and holds from then on.
    """
    most = round(weights.size * _MARGIN * 10**6) + _SETTINGS_BYTES
    if not weights.file:
        return snapshot(web, str(weights.repository), most, mirror)
    path = cache_folder("weights", offline=web.offline) / Path(weights.file).name
    url = f"{base('weights', OFFICIAL, mirror)}/{weights.file}"
    digest = f"sha256:{weights.sha256}"
    known = recorded(path)
    if known and known.startswith(digest):
        return web.download(url, path, known, most=most)
    record(web.download(url, path, digest, most=most))
    return path
