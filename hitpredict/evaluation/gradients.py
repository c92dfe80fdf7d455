"""What each part of a network's input adds to its score, by captum: integrated gradients (Sundararajan et al. 2017).

The way leads from what the network saw in training on average to the song; what the parts add sums up to the
difference of the two scores, but for the error of the sum over steps, which is told.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError, UsageError, needs
from hitpredict.explanation.occlusion import FrequencyBand
from hitpredict.explanation.sections import SongSection
from hitpredict.explanation.where import Attribution
from hitpredict.files.arrays import AnyArray, ArrayStore, Floats
from hitpredict.frontends import maker_of
from hitpredict.frontends.mel import htk_hz, htk_mel, slaney_hz, slaney_mel
from hitpredict.model_folder.config import InputSpec
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.scoring.inputs import FromBeside, model_inputs
from hitpredict.scoring.windows import windows_in_common

_STEPS, _MOST_STEPS = 64, 512
_COMPLETE = 0.01
_AT_ONCE = 64


class NetworkGradients:
    """Of the network in a model folder. Raises `UsageError` where there is none in it, `EnvironmentProblem` without
    captum."""

    def __init__(self, folder: ModelFolder):
        with needs("explain", "gradients need"):
            from captum.attr import IntegratedGradients
        self._folder = folder
        if (folder.folder / "estimator.onnx").exists():
            raise UsageError(f"`model` {folder.folder}: is an estimator, which has no gradients; leave them out")
        self._model: Callable[..., Any] = folder.network
        model = self._model
        self._method = IntegratedGradients(lambda *inputs: model(*inputs)[0])

    def __call__(
        self, sound: Sound, sections: Sequence[SongSection], bands: Sequence[FrequencyBand]
    ) -> tuple[list[Attribution], float]:
        """What the network's inputs add: columns of vectors by name, arrays by section and band where they have such.

        The second is the completeness error: the sum of all less the difference of the scores, as a share of that.
        """
        features = self._folder.config.features
        with ArrayStore() as store:
            arrays = _arrays(sound, features, store)
            batches = windows_in_common(arrays, self._folder.windows)
            places = [_first(array, each.window) for array, each in zip(arrays, features, strict=True)]
        found, error = self._integrated(batches)
        parts = [
            part
            for number, (each, shares, place) in enumerate(zip(features, found, places, strict=True), 1)
            for part in _parts(
                each, shares, place, sections, bands, f"input {number}" if len(features) > 1 else "input"
            )
        ]
        return parts, error

    def _integrated(self, batches: Sequence[NDArray[np.float32]]) -> tuple[list[Floats], float]:
        """Shares of the mean score over the windows, shaped as the batches, and the completeness error."""
        import torch

        inputs, baselines = zip(*(self._ends(number, batch) for number, batch in enumerate(batches)), strict=True)
        with torch.no_grad():
            model = self._model
            difference = float(model(*inputs)[0].mean() - model(*baselines)[0].mean())
        steps = _STEPS
        while True:
            found = self._method.attribute(inputs, baselines, n_steps=steps, internal_batch_size=_AT_ONCE)
            shares = [each.detach().numpy().astype(np.float64) / len(batches[0]) for each in found]
            error = abs(sum(float(each.sum()) for each in shares) - difference) / max(abs(difference), 1e-9)
            if error < _COMPLETE or steps >= _MOST_STEPS:
                return shares, error
            steps *= 2

    def _ends(self, number: int, batch: NDArray[np.float32]) -> tuple[Any, Any]:
        """An input, and the training mean in its shape."""
        import torch

        scaler: Any = self._folder.network.scalers[number]
        x = torch.tensor(batch)
        x = torch.where(torch.isnan(x), scaler.fill.expand_as(x), x)
        mean = scaler.shift if scaler.kind == "zscore" else scaler.fill
        known = self._folder.domain
        if x.ndim > 2 and number == 0 and known.log_from == x[0, 0].numel():
            # Of the spectra of the training songs, by bin.
            mean = torch.as_tensor(known.centre[: known.log_from], dtype=x.dtype).reshape(x.shape[2:])
        return x, mean.expand_as(x).contiguous()


@dataclass
class _Length:
    """What `ModelInput.arrays` asks of an opened sound."""

    rate: int
    frames_read: int


def _arrays(sound: Sound, features: Sequence[InputSpec], store: ArrayStore) -> list[AnyArray]:
    inputs = model_inputs([each.kind for each in features])
    length = _Length(sound.rate, sound.frames)
    found = [
        # There is no table here of what comes beside the sound, which this tells.
        [each.value(None)] if isinstance(each, FromBeside) else each.arrays(sound.blocks(), length, None, store)
        for each in inputs
    ]
    if not all(found):
        raise InputError(f"{sound.name}: {sound.duration:.3f} s is too short for this model; give it more sound")
    return [each[0] for each in found]


def _first(array: AnyArray, window: dict[str, Any] | None) -> int:
    """The row that windows begin with."""
    if window is None or window.get("place") != "middle":
        return 0
    return max(0, len(array) // 2 - int(window["length"]) // 2)


def _parts(
    feature: InputSpec,
    shares: Floats,
    first: int,
    sections: Sequence[SongSection],
    bands: Sequence[FrequencyBand],
    name: str,
) -> list[Attribution]:
    if feature.columns is not None:
        return [
            Attribution(column, None, None, None, None, float(share))
            for column, share in zip(feature.columns, shares.sum(axis=0), strict=True)
        ]
    frontend = maker_of(feature.kind)
    if frontend is None or frontend.name == "spectrogram_image" or not hasattr(frontend, "frames_per_second"):
        return [Attribution(name, None, None, None, None, float(shares.sum()))]
    centres = _centres(frontend)
    inner = int(np.prod(shares.shape[2:-1])) if shares.ndim > 3 else 1
    table = shares.reshape(-1, len(centres)) if centres is not None else shares.reshape(-1, 1)
    times = (first * inner + np.arange(len(table))) / frontend.frames_per_second
    begins = np.array([each.begin for each in sections])
    rows = np.clip(np.searchsorted(begins, times, "right") - 1, 0, len(sections) - 1)
    if centres is None:
        return [
            Attribution(part.label, part.begin, part.end, None, None, float(table[rows == place].sum()))
            for place, part in enumerate(sections)
        ]
    columns = np.searchsorted([band.high for band in bands[:-1]], centres, "right")
    return [
        Attribution(
            f"{part.label} · {band.label}", part.begin, part.end, band.low, band.high,
            float(table[rows == place][:, columns == number].sum()),
        )
        for place, part in enumerate(sections)
        for number, band in enumerate(bands)
        if (columns == number).any()
    ]  # fmt: skip


def _centres(frontend: Any) -> Floats | None:
    """The middle of each mel band in Hz; None where there are none."""
    if not hasattr(frontend, "n_mels"):
        return None
    htk = getattr(frontend, "htk", True)
    to_mel, to_hz = (htk_mel, htk_hz) if htk else (slaney_mel, slaney_hz)
    high = frontend.sample_rate / 2 if frontend.fmax is None else frontend.fmax
    corners = np.linspace(float(to_mel(frontend.fmin)), float(to_mel(high)), frontend.n_mels + 2)
    return np.asarray(to_hz(corners[1:-1]), np.float64)
