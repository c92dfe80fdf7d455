"""What a model takes, made from audio: for each of its inputs an array of the whole track and of each segment."""

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import numpy as np

from hitpredict.audio.clip import Samples
from hitpredict.errors import InputError, UsageError
from hitpredict.files.arrays import AnyArray, ArrayStore, blocks_of
from hitpredict.frontends import FRONTENDS, Frontend, from_json
from hitpredict.frontends.store import FrameStore

Edge = tuple[float, float]
WEEKS, SEASON = "weeks", "season"
BESIDE = (WEEKS, SEASON)
"""Kinds of inputs that no sound gives: log10 of the streams in the first weeks, the week of the year (sine, cosine)."""
SHORTEST_SEGMENT = 1.0


class Blocks(Protocol):
    """An opened sound: `rate` in Hz, and `frames_read` once its blocks have passed."""

    rate: int
    frames_read: int


class ModelInput(Protocol):
    """One input of a model."""

    def arrays(
        self, blocks: Iterable[Samples], reader: Blocks, seconds: float | None, store: ArrayStore
    ) -> list[AnyArray]:
        """The array of the whole track, then one for each segment of `seconds`; none when the sound is too short.

        They last as long as `store`, which keeps what is large.
        """


def model_inputs(described: Any) -> "list[ModelInput | FromBeside]":
    """The inputs that a model file's `frontend` entry describes: one kind of features, or a list of them, those that
    come beside the sound last."""
    kinds = described if isinstance(described, list) else [described]
    heard = [kind for kind in kinds if kind.get("name") not in BESIDE]
    if heard != kinds[: len(heard)] or not heard:
        raise UsageError("the model file names no sound that it takes before what it takes beside it")
    made = (FromBeside(kind) for kind in kinds[len(heard) :])
    return [*map(_from_sound, heard), *made]


def _from_sound(kind: Mapping[str, Any]) -> ModelInput:
    return FromFrontend(from_json(kind)) if kind.get("name") in FRONTENDS else FromDescriptor(kind)


def segment_edges(duration: float, seconds: float | None) -> list[Edge]:
    """(start, end) in seconds of consecutive segments, at least a second each, the last one shorter."""
    if seconds is None:
        return []
    seconds = max(seconds, SHORTEST_SEGMENT)
    starts = [i * seconds for i in range(max(1, int(np.ceil(duration / seconds - 1e-9))))]
    return [(start, min(start + seconds, duration)) for start in starts]


class FromBeside:
    """An input that comes with the song and not from its sound, the same for all of its segments."""

    def __init__(self, kind: Mapping[str, Any]):
        self.kind, self.name = kind, str(kind["name"])
        self.width = int(kind.get("count", 0)) if self.name == WEEKS else 2

    def value(self, beside: Mapping[str, Sequence[float]] | None) -> Samples:
        """What was given for it, (width,). Raises `InputError` when that is missing or of another size."""
        if beside is None or self.name not in beside:
            raise InputError(f"the model takes {self.told} beside the sound, which `hitpredict score` finds in `weeks`")
        values = np.asarray(beside[self.name], np.float32)
        if values.shape != (self.width,) or not np.isfinite(values).all():
            raise InputError(f"the model takes {self.told} beside the sound, {self.width} numbers")
        return values

    @property
    def told(self) -> str:
        """What it is, in words."""
        return f"the streams of the first {self.width} weeks" if self.name == WEEKS else "the season"


class FromFrontend:
    """An input made by a front-end: the frames are computed once, segments are ranges of them."""

    def __init__(self, frontend: Frontend):
        self._frontend = frontend

    def arrays(
        self, blocks: Iterable[Samples], reader: Blocks, seconds: float | None, store: ArrayStore
    ) -> list[AnyArray]:
        """See `ModelInput`."""
        with FrameStore(self._frontend.frames(blocks, reader.rate)) as frames:
            if not frames.rows:
                return []
            edges = segment_edges(reader.frames_read / reader.rate, seconds)
            views = [frames.view(), *(frames.view(*self._range(edge, frames.rows)) for edge in edges)]
            return [store.put(self._frontend.parts(view)) for view in views]

    def _range(self, edge: Edge, frames: int) -> tuple[int, int]:
        first, last = (round(seconds * self._frontend.frames_per_second) for seconds in edge)
        # A last segment shorter than a frame still has the frame before it.
        first = min(first, frames - 1)
        return first, max(last, first + 1)


class FromDescriptor:
    """An input made by a descriptor table, which takes samples: each segment is described by itself."""

    def __init__(self, described: Mapping[str, Any]):
        # The kinds of features are many modules, which models of front-ends need not load.
        from hitpredict.features.kinds import make_kind, values_of

        settings = {key: str(value) for key, value in described.items() if key != "name"}
        kind = make_kind(str(described["name"]), settings)
        self._values_of = partial(values_of, kind)

    def arrays(
        self, blocks: Iterable[Samples], reader: Blocks, seconds: float | None, store: ArrayStore
    ) -> list[AnyArray]:
        """See `ModelInput`."""
        if seconds is None:
            return [self._values_of(blocks, reader.rate, store)]
        samples = store.put(block.T.copy() for block in blocks)
        edges = segment_edges(len(samples) / reader.rate, seconds)
        cuts = [(round(start * reader.rate), max(1, round(end * reader.rate))) for start, end in edges]
        parts = ((part.T for part in blocks_of(samples, None, *cut)) for cut in [(0, len(samples)), *cuts])
        return [self._values_of(part, reader.rate, store) for part in parts]
