"""Random changes to training data: transforms as data, chained by `Compose`, listed in a recipe's TOML.

Conventions: one sample at a time, its layout told by its dimensions. A waveform is (samples,), full scale ±1; a
spectrogram is (frames, bins); an image is (rows, columns) or (rows, columns, 3). A transform called with an array
(NumPy or torch, floating point) and a `numpy.random.Generator` gives a new array of the same kind and, but for
`RandomCrop`, of the same shape. The array stays as it is, and the same state of the generator gives the same result.
Amounts are uniform in their range unless a transform says otherwise.

Features are what a front-end gives, before a recipe's `[scaling]`; what a decibel or a zero is among them the
front-end says (`Transform.on`).

Only training data is meant to pass through here: the caller sees to that.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self, TypeVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip
from hitpredict.errors import UsageError
from hitpredict.frontends import Frontend, zero_of
from hitpredict.mutations.chain import Chain
from hitpredict.mutations.step import Parameter, Step, decibels, parameter
from hitpredict.mutations.time import Pitch, Tempo
from hitpredict.mutations.tone import Equaliser, Highpass, Lowpass
from hitpredict.registry import check_parameters, lookup

Array = TypeVar("Array", bound=Any)  # a NumPy array or a torch tensor
_HIGHEST = 0.45  # of the sample rate, for filters


def _probability() -> Any:
    return parameter(minimum=0, maximum=1, default=1)


def _axis(default: int) -> Any:
    return parameter(choices=(0, 1), default=default, whole=True)


def _rate() -> Any:
    return parameter("Hz", 4000, 384000, optional=True, whole=True)


class Transform(ABC):
    """One random change. Subclasses are frozen dataclasses whose fields come from `parameter()`.

    probability: that it is done at all, in [0, 1]; `RandomCrop` is always done.
    Raises `UsageError` for a value out of range.
    """

    name: ClassVar[str]
    dimensions: ClassVar[tuple[int, ...]] = (1, 2, 3)
    probability: float = 1.0

    def __post_init__(self) -> None:
        for spec in self.parameters():
            what = f"augmentation {self.name}: {spec.name}"
            object.__setattr__(self, spec.name, spec.checked(getattr(self, spec.name), what))

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """The parameters with their ranges, units and defaults, in order."""
        specs = fields(cls)  # type: ignore[arg-type]
        known = [each for each in specs if "parameter" in each.metadata]
        return tuple(replace(each.metadata["parameter"], name=each.name) for each in known)

    def on(self, frontend: Frontend) -> Self:
        """The transform for what this front-end gives."""
        return self

    def __call__(self, array: Array, generator: Generator) -> Array:
        """The changed array. Raises `UsageError` for a layout on which the transform has no meaning."""
        values: NDArray[Any] = array if isinstance(array, np.ndarray) else array.detach().cpu().numpy()
        if values.ndim not in self.dimensions:
            raise UsageError(f"augmentation {self.name}: has no meaning for an array of shape {values.shape}")
        changed: Any = values.copy()
        if values.size and (self.probability == 1 or generator.random() < self.probability):
            changed = np.ascontiguousarray(self.apply(changed, generator), dtype=values.dtype)
        # `new_tensor` keeps the type and the device.
        result: Any = changed if isinstance(array, np.ndarray) else array.new_tensor(changed)
        return result  # type: ignore[no-any-return]

    @abstractmethod
    def apply(self, array: NDArray[Any], generator: Generator) -> NDArray[Any]:
        """The change itself, on a NumPy array that may be overwritten."""


class _Mask(Transform):
    share: float
    count: int
    fill: str
    axis: int
    frontend: Frontend | None

    def on(self, frontend: Frontend) -> Self:
        return replace(self, frontend=frontend)  # type: ignore[type-var]

    def apply(self, array: NDArray[Any], generator: Generator) -> NDArray[Any]:
        fill = {"mean": array.mean(), "least": array.min(), "zero": zero_of(self.frontend)}[self.fill]
        along = np.moveaxis(array, self.axis, 0)
        for _ in range(self.count):
            width = generator.integers(_steps(self.share, len(along)), endpoint=True)
            start = generator.integers(len(along) - width, endpoint=True)
            along[start : start + width] = fill
        return array


@dataclass(frozen=True)
class TimeMask(_Mask):
    """Overwrites runs of frames (SpecAugment; Park et al. 2019, arXiv:1904.08779).

    share: longest run, of the length; a run's length is uniform up to it. count: number of runs.
    fill: the array's `mean` or `least` value, or `zero`, which of scaled features is what scaling makes of a zero (the
    front-end `fbank`: energy 1, louder than most music). axis: of time, 0 for spectrograms, 1 for images.
    """

    name: ClassVar[str] = "time_mask"
    dimensions: ClassVar[tuple[int, ...]] = (2, 3)
    share: float = parameter("of the length", 0, 1, default=0.2)
    count: int = parameter("", 1, 100, default=1, whole=True)
    fill: str = parameter(choices=("mean", "least", "zero"), default="mean")
    axis: int = _axis(0)
    probability: float = _probability()
    frontend: Frontend | None = None


@dataclass(frozen=True)
class FrequencyMask(_Mask):
    """Overwrites bands of bins as `TimeMask` does frames; axis: of frequency, 1 for spectrograms, 0 for images."""

    name: ClassVar[str] = "frequency_mask"
    dimensions: ClassVar[tuple[int, ...]] = (2, 3)
    share: float = parameter("of the bins", 0, 1, default=0.2)
    count: int = parameter("", 1, 100, default=1, whole=True)
    fill: str = parameter(choices=("mean", "least", "zero"), default="mean")
    axis: int = _axis(1)
    probability: float = _probability()
    frontend: Frontend | None = None


@dataclass(frozen=True)
class RandomRoll(Transform):
    """Shifts in time; what leaves at one end comes in at the other.

    share: furthest shift, of the length, either way. axis: of time, 1 for images, else 0.
    """

    name: ClassVar[str] = "roll"
    share: float = parameter("of the length", 0, 1, default=0.1)
    axis: int = _axis(0)
    probability: float = _probability()

    def apply(self, array: NDArray[Any], generator: Generator) -> NDArray[Any]:
        furthest = _steps(self.share, array.shape[_time(array, self)])
        return np.roll(array, generator.integers(-furthest, furthest, endpoint=True), _time(array, self))


@dataclass(frozen=True)
class RandomGain(Transform):
    """Makes louder or quieter: waveforms are multiplied, features become what the front-end gives of the louder sound.

    db: furthest change in dB, either way. scale: for spectrograms of no known front-end what one dB is in their
    numbers, 1 in a log-mel in dB; with it they are shifted. Raises `UsageError` where neither is known.
    """

    name: ClassVar[str] = "gain"
    db: float = parameter("dB", 0, 40, default=6)
    scale: float | None = parameter("per dB", 0, 100, optional=True)
    probability: float = _probability()
    frontend: Frontend | None = None

    def on(self, frontend: Frontend) -> Self:
        return replace(self, frontend=frontend)

    def apply(self, array: NDArray[Any], generator: Generator) -> NDArray[Any]:
        change = generator.uniform(-self.db, self.db)
        if array.ndim == 1:
            return array * decibels(change)
        if self.scale is not None:
            return array + change * self.scale
        if self.frontend is None:
            raise UsageError("augmentation gain: scale is missing; what made these features, and so a dB, is unknown")
        return self.frontend.louder(array, change)


@dataclass(frozen=True)
class RandomNoise(Transform):
    """Adds white Gaussian noise, between `quietest_db` and `loudest_db` below the array's own spread.

    The spread is the standard deviation, so in a waveform the ratio is the signal-to-noise ratio; a spectrogram is
    jittered, which is not what noise in the sound does to it.
    """

    name: ClassVar[str] = "noise"
    quietest_db: float = parameter("dB", -20, 120, default=40)
    loudest_db: float = parameter("dB", -20, 120, default=20)
    probability: float = _probability()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loudest_db > self.quietest_db:
            raise UsageError(
                "augmentation noise: loudest_db must not be above quietest_db, for both are below the sound"
            )

    def apply(self, array: NDArray[Any], generator: Generator) -> NDArray[Any]:
        below = generator.uniform(self.loudest_db, self.quietest_db)
        noisy: NDArray[Any] = array + generator.standard_normal(array.shape) * (array.std() * decibels(-below))
        return noisy


@dataclass(frozen=True)
class RandomCrop(Transform):
    """Clip choice: keeps a random excerpt of `length` frames or samples, any equally likely.

    Shorter arrays are padded at the end as `excerpt` does. axis: of time, 1 for images, else 0.
    """

    name: ClassVar[str] = "crop"
    length: int = parameter("frames or samples", 1, 1e9, whole=True)
    axis: int = _axis(0)

    def apply(self, array: NDArray[Any], generator: Generator) -> NDArray[Any]:
        return excerpt(array, self.length, generator.random(), _time(array, self))


def excerpt(array: NDArray[Any], length: int, place: float = 0.5, axis: int = 0) -> NDArray[Any]:
    """`length` steps of `axis`; place: 0 is the beginning, 0.5 the middle, 1 the end.

    A shorter array is padded at the end, a waveform with silence, another array with its least value.
    """
    missing = length - array.shape[axis]
    if missing > 0:
        widths = [(0, missing if each == axis else 0) for each in range(array.ndim)]
        return np.pad(array, widths, constant_values=0 if array.ndim == 1 or not array.size else array.min())
    start = min(int(place * (1 - missing)), -missing)
    kept: NDArray[Any] = array.take(np.arange(start, start + length), axis)
    return kept


def _steps(share: float, length: int) -> int:
    return round(share * length)


def _time(array: NDArray[Any], transform: RandomRoll | RandomCrop) -> int:
    return min(transform.axis, array.ndim - 1)


class _Sound(Transform):
    """A change of a waveform by the steps of `mutate`; its rate is the front-end's where it is not given.

    Raises `InputError` for NaN or infinite samples, `UsageError` where nobody knows the rate.
    """

    dimensions: ClassVar[tuple[int, ...]] = (1,)
    rate: int | None

    def on(self, frontend: Frontend) -> Self:
        rate = getattr(frontend, "sample_rate", None)
        return self if self.rate is not None else replace(self, rate=rate)  # type: ignore[type-var]

    @abstractmethod
    def steps(self, generator: Generator, rate: int) -> tuple[Step, ...]: ...

    def apply(self, array: NDArray[Any], generator: Generator) -> NDArray[Any]:
        if self.rate is None:
            raise UsageError(f"augmentation {self.name}: rate is missing; what made these samples is unknown")
        clip = Clip(np.asarray(array, np.float32)[None], self.rate)
        changed = Chain(self.steps(generator, self.rate), quality="draft").apply(clip).samples[0]
        if len(changed) > len(array):
            return excerpt(changed, len(array), generator.random())
        return np.pad(changed, (0, len(array) - len(changed)), mode="wrap")


@dataclass(frozen=True)
class RandomPitch(_Sound):
    """Transposes a waveform of `rate` Hz by up to `semitones`, up or down."""

    name: ClassVar[str] = "pitch"
    rate: int | None = _rate()
    semitones: float = parameter("semitones", 0, 24, default=2)
    probability: float = _probability()

    def steps(self, generator: Generator, rate: int) -> tuple[Step, ...]:
        return (Pitch(generator.uniform(-self.semitones, self.semitones)),)


@dataclass(frozen=True)
class RandomTempo(_Sound):
    """Plays a waveform of `rate` Hz up to `ratio` times as fast or as slow, at the same pitch.

    The ratio is uniform on a logarithmic scale. The length stays: what became longer is cut to a random excerpt, what
    became shorter goes on from its beginning.
    """

    name: ClassVar[str] = "tempo"
    rate: int | None = _rate()
    ratio: float = parameter("times the speed", 1, 4, default=1.1)
    probability: float = _probability()

    def steps(self, generator: Generator, rate: int) -> tuple[Step, ...]:
        return (Tempo(_log_uniform(generator, 1 / self.ratio, self.ratio)),)


@dataclass(frozen=True)
class RandomTimbre(_Sound):
    """Random equaliser bands, and sometimes a filter, on a waveform of `rate` Hz.

    db: furthest change of a band, either way. bands: how many, with centres from 60 Hz to 0.45 of the rate and widths
    (q) from 0.5 to 2, both uniform on a logarithmic scale. filtered: probability, in [0, 1], of a low-pass above a
    tenth of the rate or a high-pass of 40 to 400 Hz, either as likely.
    """

    name: ClassVar[str] = "timbre"
    rate: int | None = _rate()
    db: float = parameter("dB", 0, 40, default=6)
    bands: int = parameter("", 1, 20, default=3, whole=True)
    filtered: float = parameter(minimum=0, maximum=1, default=0.25)
    probability: float = _probability()

    def steps(self, generator: Generator, rate: int) -> tuple[Step, ...]:
        steps: list[Step] = [self._band(generator, rate) for _ in range(self.bands)]
        if generator.random() < self.filtered:
            steps.append(self._filter(generator, rate))
        return tuple(steps)

    def _band(self, generator: Generator, rate: int) -> Step:
        centre = _log_uniform(generator, 60, _HIGHEST * rate)
        return Equaliser(centre, generator.uniform(-self.db, self.db), _log_uniform(generator, 0.5, 2))

    def _filter(self, generator: Generator, rate: int) -> Step:
        if generator.random() < 0.5:
            return Lowpass(_log_uniform(generator, rate / 10, _HIGHEST * rate))
        return Highpass(_log_uniform(generator, 40, 400))


def _log_uniform(generator: Generator, low: float, high: float) -> float:
    return float(np.exp(generator.uniform(np.log(low), np.log(high))))


_ON_ANY = (TimeMask, FrequencyMask, RandomRoll, RandomGain, RandomNoise, RandomCrop)
_ON_SOUND = (RandomPitch, RandomTempo, RandomTimbre)
TRANSFORMS: Mapping[str, type[Transform]] = {each.name: each for each in (*_ON_ANY, *_ON_SOUND)}


@dataclass(frozen=True)
class Compose:
    """Transforms, one after the other; without any, a copy."""

    transforms: tuple[Transform, ...] = ()

    def on(self, frontend: Frontend | None) -> "Compose":
        """The chain for what this front-end gives; None where nobody knows what made the arrays."""
        return self if frontend is None else Compose(tuple(each.on(frontend) for each in self.transforms))

    def __call__(self, array: Array, generator: Generator) -> Array:
        """The array after all transforms. Raises `UsageError` where one has no meaning for its layout."""
        if not self.transforms:
            copy: Array = array.copy() if isinstance(array, np.ndarray) else array.clone()
            return copy
        for transform in self.transforms:
            array = transform(array, generator)
        return array


def from_config(config: Sequence[Mapping[str, Any]]) -> Compose:
    """The chain of a recipe's list: `[{"name": "roll", "share": 0.1}, …]`; what has a default may be absent.

    Raises `UsageError` for an unknown name or parameter, a missing one, or a value out of range.
    """
    return Compose(tuple(_transform(each) for each in config))


def _transform(config: Mapping[str, Any]) -> Transform:
    if not isinstance(config, Mapping):
        raise UsageError(f"augmentation {config}: must be a table with a name")
    transform = lookup("augmentation", config.get("name"), TRANSFORMS)
    values = {key: value for key, value in config.items() if key != "name"}
    known = {spec.name: spec.required for spec in transform.parameters()}
    check_parameters(f"augmentation {transform.name}", values, known)
    return transform(**values)
