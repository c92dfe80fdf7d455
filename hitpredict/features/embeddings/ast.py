"""The Audio Spectrogram Transformer: an embedding, or tags, of each window of about ten seconds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import InputError
from hitpredict.features.embeddings.loading import (
    columns,
    configuration,
    inference,
    place,
    preprocessing,
    require,
    transformer,
)
from hitpredict.features.embeddings.stream import windows
from hitpredict.features.embeddings.windowed import WindowedEmbedding
from hitpredict.frontends.fbank import Fbank
from hitpredict.frontends.store import FrameStore


@dataclass(frozen=True)
class AstEmbedding(WindowedEmbedding):
    """The pooled output of AST (Gong, Chung and Glass 2021, arXiv:2104.01778): mean of its two class tokens.

    checkpoint: a folder, or the hub id of files that were fetched before, of a model of type
    `audio-spectrogram-transformer`. Windows of its `max_length` frames (1024, 10.24 s) follow each other, sharing
    `overlap` (0 up to, but not, 1) of their length; the last one ends with the sound, and only a sound shorter than
    one window is padded. The scaling of the filter-bank energies is the checkpoint's, AudioSet's where it names none.
    pool: `mean` over the windows gives (D,), `none` gives (windows, D). device: `cpu` or `cuda`.
    """

    name: ClassVar[str] = "ast"
    _network: ClassVar[str] = "ASTModel"
    checkpoint: str = "MIT/ast-finetuned-audioset-10-10-0.4593"
    overlap: float = 0.0
    pool: str = "mean"
    device: str = "cpu"

    @property
    def frontend(self) -> Fbank:
        """The front-end that the checkpoint was trained with. Raises `EnvironmentProblem` without a checkpoint."""
        settings = preprocessing(self.checkpoint, Fbank.sample_rate)
        scaling = {"mean": settings.get("mean", Fbank.mean), "deviation": settings.get("std", Fbank.deviation)}
        if not settings.get("do_normalize", True):
            scaling = {"mean": 0.0, "deviation": 0.5}
        return Fbank(n_mels=self._config.num_mel_bins, window=self._config.max_length, **scaling)

    def parts(self, blocks: Iterable[Samples], rate: int) -> Iterator[NDArray[np.float32]]:
        """The vector (1, D) of each window. Raises `InputError` for less than one frame (25 ms)."""
        torch, model = require("torch"), transformer(self._network, self.checkpoint, self.device)
        device, frontend, size = place(self.device), self.frontend, self._config.max_length
        empty = True
        for window in windows(frontend.frames(blocks, rate), size, self.step(size)):
            with FrameStore([window]) as store, inference():
                energies = torch.from_numpy(frontend.finish(store.view())).to(device)
                row = self._row(model(energies[None])).cpu().numpy()
            empty = False
            yield row
        if empty:
            raise InputError(f"too short for {self.name}: one frame takes 0.025 s")

    def _row(self, output: Any) -> Any:
        """The vector (1, D) in what the network gives of a window."""
        return output.pooler_output

    def _names(self) -> tuple[str, ...]:
        return columns(self.name, self._config.hidden_size)

    @property
    def _config(self) -> Any:
        return configuration(self._network, self.checkpoint)


@dataclass(frozen=True)
class AstTags(AstEmbedding):
    """The probabilities that AST gives the classes it was trained on, for AudioSet 527 kinds of sound and music.

    The parameters are those of `AstEmbedding`. Classes do not exclude one another: each has a probability of its own.
    Columns bear the names that the checkpoint gives its classes: `ast_tags.Music`.
    """

    name: ClassVar[str] = "ast_tags"
    _network: ClassVar[str] = "ASTForAudioClassification"

    def _names(self) -> tuple[str, ...]:
        labels = [label for _, label in sorted(self._config.id2label.items())]
        # A table has no two columns of one name.
        numbered = (f"{label} {i}" if labels.count(label) > 1 else label for i, label in enumerate(labels))
        return tuple(f"{self.name}.{label}" for label in numbered)

    def _row(self, output: Any) -> Any:
        return output.logits.sigmoid()
