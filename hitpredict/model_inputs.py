"""What a model takes, made from audio: for each of its inputs an array of the whole track and of each segment."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.frontends import FRONTENDS, Frontend, from_json
from hitpredict.frontends.store import FrameStore

Edge = tuple[float, float]
SHORTEST_SEGMENT = 1.0


class Blocks(Protocol):
    """An opened sound: `rate` in Hz, and `frames_read` once its blocks have passed."""

    rate: int
    frames_read: int


class ModelInput(Protocol):
    """One input of a model."""

    def arrays(self, blocks: Iterable[Samples], reader: Blocks, seconds: float | None) -> list[NDArray[np.float32]]:
        """The array of the whole track, then one for each segment of `seconds`; none when the sound is too short."""


def model_inputs(described: Any) -> list[ModelInput]:
    """The inputs that a model file's `frontend` entry describes: one kind of features, or a list of them."""
    kinds = described if isinstance(described, list) else [described]
    return [FromFrontend(from_json(kind)) if kind.get("name") in FRONTENDS else FromDescriptor(kind) for kind in kinds]


def segment_edges(duration: float, seconds: float | None) -> list[Edge]:
    """(start, end) in seconds of consecutive segments, at least a second each, the last one shorter."""
    if seconds is None:
        return []
    seconds = max(seconds, SHORTEST_SEGMENT)
    starts = [i * seconds for i in range(max(1, int(np.ceil(duration / seconds - 1e-9))))]
    return [(start, min(start + seconds, duration)) for start in starts]


class FromFrontend:
    """An input made by a front-end: the frames are computed once, segments are ranges of them."""

    def __init__(self, frontend: Frontend):
        self._frontend = frontend

    def arrays(self, blocks: Iterable[Samples], reader: Blocks, seconds: float | None) -> list[NDArray[np.float32]]:
        """See `ModelInput`."""
        with FrameStore(self._frontend.frames(blocks, reader.rate)) as store:
            if not store.frames:
                return []
            edges = segment_edges(reader.frames_read / reader.rate, seconds)
            views = [store.view(), *(store.view(*self._range(edge, store.frames)) for edge in edges)]
            return [self._frontend.finish(view) for view in views]

    def _range(self, edge: Edge, frames: int) -> tuple[int, int]:
        first, last = (round(seconds * self._frontend.frames_per_second) for seconds in edge)
        # A last segment shorter than a frame still has the frame before it.
        first = min(first, frames - 1)
        return first, max(last, first + 1)


class FromDescriptor:
    """An input made by a descriptor table, which takes samples: each segment is described by itself."""

    def __init__(self, described: Mapping[str, Any]):
        # The kinds of features are many modules, which models of front-ends need not load.
        from hitpredict.featurizing import make_kind

        settings = {key: str(value) for key, value in described.items() if key != "name"}
        self._kind = make_kind(str(described["name"]), settings)

    def arrays(self, blocks: Iterable[Samples], reader: Blocks, seconds: float | None) -> list[NDArray[np.float32]]:
        """See `ModelInput`."""
        if seconds is None:
            return [np.asarray(self._kind(blocks, reader.rate), np.float32)]
        kept: list[Samples] = []
        whole = np.asarray(self._kind(_kept(blocks, kept), reader.rate), np.float32)
        samples = np.concatenate(kept, axis=1)
        edges = segment_edges(samples.shape[1] / reader.rate, seconds)
        cuts = [samples[:, round(start * reader.rate) : max(1, round(end * reader.rate))] for start, end in edges]
        return [whole, *(np.asarray(self._kind([cut], reader.rate), np.float32) for cut in cuts)]


def _kept(blocks: Iterable[Samples], kept: list[Samples]) -> Iterator[Samples]:
    for block in blocks:
        kept.append(block.copy())
        yield block
