"""CLAP embeddings: one vector for each ten seconds, in the space that it shares with descriptions in words."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import EnvironmentProblem, InputError
from hitpredict.features.embeddings.loading import (
    columns,
    configuration,
    extractor,
    inference,
    place,
    require,
    transformer,
)
from hitpredict.features.embeddings.stream import windows
from hitpredict.features.embeddings.windowed import WindowedEmbedding
from hitpredict.frontends.resample import soxr_mono

_CLASS, _EXTRACTOR = "ClapModel", "ClapFeatureExtractor"


@dataclass(frozen=True)
class ClapEmbedding(WindowedEmbedding):
    """The audio embedding of CLAP (Wu et al. 2023, arXiv:2211.06687), of length 1 before the mean.

    checkpoint: a folder, or the hub id of files that were fetched before, of a model of type `clap` without fusion.
    Windows as long as it was trained on (10 s) follow each other, sharing `overlap` (0 up to, but not, 1) of their
    length; the last one ends with the sound, and only a sound shorter than one window is repeated to fill it. They are
    brought to log-mel spectrograms by the checkpoint's own feature extractor.
    pool: `mean` over the windows gives (D,), `none` gives (windows, D). device: `cpu` or `cuda`.
    """

    name: ClassVar[str] = "clap_embedding"
    checkpoint: str = "laion/larger_clap_music"
    overlap: float = 0.0
    pool: str = "mean"
    device: str = "cpu"

    def parts(self, blocks: Iterable[Samples], rate: int) -> Iterator[NDArray[np.float32]]:
        """The embedding (1, D) of each window. Raises `InputError` for a sound without samples."""
        torch, model = require("torch"), transformer(_CLASS, self.checkpoint, self.device)
        if configuration(_CLASS, self.checkpoint).audio_config.enable_fusion:
            raise EnvironmentProblem(f"checkpoint {self.checkpoint}: a CLAP with fusion; take one without")
        prepare: Any = extractor(_EXTRACTOR, self.checkpoint)
        size, device, empty = int(prepare.nb_max_samples), place(self.device), True
        sound = soxr_mono(blocks, rate, prepare.sampling_rate)
        for window in windows(sound, size, self.step(size)):
            given = prepare(window, sampling_rate=prepare.sampling_rate, return_tensors="np")["input_features"]
            with inference():
                embedding = model.get_audio_features(torch.from_numpy(np.asarray(given, np.float32)).to(device))
            empty = False
            yield np.asarray(embedding.pooler_output.cpu().numpy(), np.float32)
        if empty:
            raise InputError("the sound holds no samples")

    def _names(self) -> tuple[str, ...]:
        return columns("clap", configuration(_CLASS, self.checkpoint).projection_dim)
