"""Front-ends: from blocks of samples to what a model takes. Frozen dataclasses, NumPy only.

A front-end works in two steps. `frames(blocks, rate)` streams float32 frames × bins in constant memory;
`finish(view)` turns a range of those frames (a whole track, a segment, a window) into one model input.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, fields
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip, Samples
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.frontends.fbank import Fbank
from hitpredict.frontends.image import SpectrogramImage
from hitpredict.frontends.limits import check_ranges, check_sizes
from hitpredict.frontends.logmel import LogMel
from hitpredict.frontends.mfcc_stats import MfccStats
from hitpredict.frontends.stft import Frames
from hitpredict.frontends.store import FrameStore, FrameView
from hitpredict.frontends.vggish import Vggish
from hitpredict.frontends.waveform import Waveform
from hitpredict.registry import check_parameters, lookup

__all__ = [
    "FRONTENDS",
    "Fbank",
    "Frontend",
    "LogMel",
    "MfccStats",
    "compute",
    "from_json",
    "make_frontend",
    "maker_of",
    "to_json",
    "zero_of",
]


class Frontend(Protocol):
    """What every front-end is; see the module's docstring."""

    name: ClassVar[str]

    @property
    def frames_per_second(self) -> float:
        """How many frames describe a second of sound."""

    def frames(self, blocks: Iterable[Samples], rate: int) -> Iterator[Frames]:
        """Blocks of samples (channels, n) at `rate` Hz to blocks of frames (m, bins)."""

    def finish(self, frames: FrameView) -> NDArray[np.float32]:
        """All frames, or a range of them, to what the model takes."""

    def parts(self, frames: FrameView) -> Iterator[NDArray[np.float32]]:
        """What `finish` gives, in parts that follow one another along the first axis."""

    def louder(self, features: NDArray[Any], db: float) -> NDArray[Any]:
        """What `finish` gives, changed to what it gives of the same sound `db` dB louder (below 0: quieter)."""


FRONTENDS: Mapping[str, Any] = {cls.name: cls for cls in (MfccStats, LogMel, Fbank, Vggish, SpectrogramImage, Waveform)}


def compute(frontend: Frontend, clip: Clip) -> NDArray[np.float32]:
    """The model input of a whole clip. Raises `InputError` when it is too short for a single frame."""
    with FrameStore(frontend.frames([clip.samples], clip.rate)) as store:
        if not store.rows:
            raise InputError(f"{clip.name or 'clip'}: {clip.duration:.3f} s is too short for {frontend.name}")
        return frontend.finish(store.view())


def zero_of(frontend: Frontend | None) -> float:
    """What a zero in the features became when the front-end scaled them, as `fbank` alone does."""
    return float(getattr(frontend, "zero", 0.0))


def maker_of(kind: Mapping[str, Any] | None) -> Frontend | None:
    """The front-end that made a feature table of this kind; None where something else did, or nobody knows."""
    return from_json(kind) if kind and kind.get("name") in FRONTENDS else None


def to_json(frontend: Frontend) -> dict[str, Any]:
    """The front-end's name and parameters, as stored in model files."""
    return {"name": frontend.name, **asdict(frontend)}  # type: ignore[call-overload]


def from_json(data: Mapping[str, Any]) -> Frontend:
    """The front-end that `to_json` described. Raises `EnvironmentProblem` for what `make_frontend` refuses."""
    try:
        return make_frontend(data.get("name"), {key: value for key, value in data.items() if key != "name"})
    except UsageError as error:
        raise EnvironmentProblem(f"the model's {error}") from error


def make_frontend(name: object, parameters: Mapping[str, Any]) -> Frontend:
    """The front-end of that name. Raises `UsageError` for an unknown name or parameter, or one out of its range."""
    cls = lookup("front-end", name, FRONTENDS)
    check_parameters(f"front-end {name}", parameters, {field.name: False for field in fields(cls)})
    try:
        check_ranges(cls, parameters)
        frontend: Frontend = cls(**parameters)
        check_sizes(frontend)
    except ValueError as error:
        raise UsageError(f"front-end {name}: {error}") from error
    return frontend
