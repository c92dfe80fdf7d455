"""The Audio Spectrogram Transformer: an embedding, or tags, of each window of about ten seconds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.errors import InputError, UsageError
from hitpredict.features.embeddings.loading import (
    columns,
    configuration,
    inference,
    place,
    preprocessing,
    require,
    transformer,
)
from hitpredict.features.embeddings.stream import mean_of_rows, windows
from hitpredict.frontends.fbank import Fbank
from hitpredict.frontends.store import FrameStore
from hitpredict.registry import check_known


@dataclass(frozen=True)
class AstEmbedding:
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

    def __post_init__(self) -> None:
        check_known(f"{self.name}: pool", [self.pool], ("mean", "none"))
        check_known(f"{self.name}: device", [self.device], ("cpu", "cuda"))
        if not 0 <= self.overlap < 1:
            raise UsageError(f"{self.name}: overlap {self.overlap} must be at least 0 and below 1")

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the vector's elements, or None where `pool` is `none`. Raises as calling does."""
        return columns(self.name, self._config.hidden_size) if self.pool == "mean" else None

    @property
    def frontend(self) -> Fbank:
        """The front-end that the checkpoint was trained with. Raises `EnvironmentProblem` without a checkpoint."""
        settings = preprocessing(self.checkpoint, Fbank.sample_rate)
        scaling = {"mean": settings.get("mean", Fbank.mean), "deviation": settings.get("std", Fbank.deviation)}
        if not settings.get("do_normalize", True):
            scaling = {"mean": 0.0, "deviation": 0.5}
        return Fbank(n_mels=self._config.num_mel_bins, window=self._config.max_length, **scaling)

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[np.float32]:
        """The vector, or the vectors, of a sound, float32.

        Raises `InputError` when it is shorter than one frame (25 ms), `EnvironmentProblem` when a library, the
        device or the checkpoint is missing or wrong.
        """
        rows = self.parts(blocks, rate)
        return mean_of_rows(rows) if self.pool == "mean" else np.concatenate(list(rows))

    def parts(self, blocks: Iterable[Samples], rate: int) -> Iterator[NDArray[np.float32]]:
        """The vector (1, D) of each window, at least one of them."""
        torch, model = require("torch"), transformer(self._network, self.checkpoint, self.device)
        device, frontend, size = place(self.device), self.frontend, self._config.max_length
        empty = True
        for window in windows(frontend.frames(blocks, rate), size, max(1, round(size * (1 - self.overlap)))):
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

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the vector's elements, or None where `pool` is `none`. Raises as calling does."""
        if self.pool != "mean":
            return None
        labels = [label for _, label in sorted(self._config.id2label.items())]
        # A table has no two columns of one name.
        numbered = (f"{label} {i}" if labels.count(label) > 1 else label for i, label in enumerate(labels))
        return tuple(f"{self.name}.{label}" for label in numbered)

    def _row(self, output: Any) -> Any:
        return output.logits.sigmoid()
