"""wav2vec 2.0 and MERT embeddings: one vector for each 20 ms or 13 ms, from the waveform itself."""

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
from hitpredict.features.embeddings.stream import mean_of_rows, pieces
from hitpredict.frontends.resample import MonoSamples, soxr_mono
from hitpredict.registry import check_known


@dataclass(frozen=True)
class Wav2Vec2Embedding:
    """Hidden states of wav2vec 2.0 (Baevski et al. 2020, arXiv:2006.11477).

    checkpoint: a folder, or the hub id of files that were fetched before, of a model of type `wav2vec2`.
    The sound, mono at 16 kHz, passes through in chunks of `seconds` (at least 1), each scaled to mean 0 and variance
    1 where the checkpoint wants that; what is left at the end joins the last chunk when it is shorter than 1 s.
    layer: 0 is the input of the first transformer layer, n the output of the nth; None the model's own output.
    pool: `mean` over all frames or only the `first` frame (as the popularity model of FMA2Vec takes it) gives (D,),
    `none` gives (frames, D). device: `cpu` or `cuda`.
    """

    name: ClassVar[str] = "wav2vec2"
    sample_rate: ClassVar[int] = 16000
    _network: ClassVar[str] = "Wav2Vec2Model"
    checkpoint: str = "facebook/wav2vec2-base"
    layer: int | None = None
    pool: str = "mean"
    seconds: float = 30.0
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_known(f"{self.name}: pool", [self.pool], ("mean", "first", "none"))
        check_known(f"{self.name}: device", [self.device], ("cpu", "cuda"))
        if not 1 <= self.seconds < float("inf"):
            raise UsageError(f"{self.name}: seconds {self.seconds} must be at least 1 and finite")

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the vector's elements, or None where `pool` is `none`. Raises as calling does."""
        return columns(self.name, self._size) if self.pool != "none" else None

    def __call__(self, blocks: Iterable[Samples], rate: int) -> NDArray[np.float32]:
        """The embedding of a sound, float32.

        Raises `InputError` when it is shorter than the network's first frame (25 ms), `UsageError` when the network
        has no such layer, `EnvironmentProblem` when a library, the device or the checkpoint is missing or wrong.
        """
        states = self.parts(blocks, rate)
        if self.pool == "none":
            return np.concatenate(list(states))
        if self.pool == "first":
            return np.asarray(next(states)[0], np.float32)
        return mean_of_rows(states)

    def parts(self, blocks: Iterable[Samples], rate: int) -> Iterator[NDArray[np.float32]]:
        """The hidden states (n, D) of each chunk, at least one of them."""
        self._check_layer()
        model, empty = transformer(self._network, self.checkpoint, self.device), True
        for chunk in pieces(
            soxr_mono(blocks, rate, self.sample_rate), round(self.seconds * self.sample_rate), least=self.sample_rate
        ):
            if len(chunk) >= self._shortest:
                empty = False
                yield self._run(model, chunk)
        if empty:
            raise InputError(f"too short for {self.name}: one frame takes {self._shortest / self.sample_rate:.3f} s")

    def _run(self, model: Any, chunk: MonoSamples) -> NDArray[np.float32]:
        torch = require("torch")
        if preprocessing(self.checkpoint, self.sample_rate).get("do_normalize", True):
            chunk = (chunk - chunk.mean()) / np.sqrt(chunk.var() + np.float32(1e-7))
        with inference():
            samples = torch.from_numpy(chunk).to(place(self.device))[None]
            output = model(samples, output_hidden_states=self.layer is not None)
        states = output.last_hidden_state if self.layer is None else output.hidden_states[self.layer]
        return np.asarray(states[0].cpu().numpy(), np.float32)

    def _check_layer(self) -> None:
        layers = self._config.num_hidden_layers
        if self.layer is not None and not 0 <= self.layer <= layers:
            raise UsageError(f"{self.name}: layer {self.layer} must be between 0 and {layers}")

    @property
    def _shortest(self) -> int:
        """Samples that one frame is made of."""
        samples = 1
        for kernel, stride in reversed(list(zip(self._config.conv_kernel, self._config.conv_stride, strict=True))):
            samples = (samples - 1) * stride + kernel
        return samples

    @property
    def _size(self) -> int:
        config = self._config
        adapted = getattr(config, "add_adapter", False) and self.layer is None
        return int(config.output_hidden_size if adapted else config.hidden_size)

    @property
    def _config(self) -> Any:
        return configuration(self._network, self.checkpoint)


@dataclass(frozen=True)
class MertEmbedding(Wav2Vec2Embedding):
    """Hidden states of MERT (Li et al. 2024, arXiv:2306.00107), trained on music; at 24 kHz, else as wav2vec 2.0.

    Its checkpoints bring code that is not run: their network is HuBERT's. APEX (arXiv:2605.03395) takes the layers 2,
    5, 8 and the last of the smaller one: a table each, all of which a recipe takes together.
    """

    name: ClassVar[str] = "mert"
    sample_rate: ClassVar[int] = 24000
    _network: ClassVar[str] = "HubertModel"
    checkpoint: str = "m-a-p/MERT-v1-95M"
