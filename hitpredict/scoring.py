"""From audio to a prediction that says how sure it is: the one path that every command and the API take.

Source → blocks → front-end frames → model inputs → one batch → scores → record.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.read import AudioReader, open_audio
from hitpredict.audio.source import Source
from hitpredict.calibration import Calibration
from hitpredict.domain import Domain
from hitpredict.errors import InputError
from hitpredict.frontends import from_json
from hitpredict.frontends.store import FrameStore
from hitpredict.records import ScoreRecord, Segment
from hitpredict.runtime import Device, ModelFile, Session

_LEAST_16_BIT = 1 / 32768
_SHORTEST_SEGMENT = 1.0
# The previews that the field works with last 30 s; statistics of much less sound are no longer a track's.
_SHORTEST = 25.0


class Scorer:
    """A loaded model, ready for any number of songs.

    model: a bundled model's name, the path of an `.onnx` file, or None for the bundled default.
    device: `auto`, `cpu` or `cuda`. threads: CPU threads within one run of the model.
    Raises `EnvironmentProblem` when the model or the device is not to be had.
    """

    def __init__(self, model: str | None = None, device: Device = "auto", threads: int = 1):
        self.session = Session(ModelFile.find(model), device, threads)
        self.frontend = from_json(self.session.json("frontend"))
        self.calibration = Calibration.from_json(self.session.json("calibration"))
        self.domain = Domain.from_json(self.session.json("domain"))
        self.reference = Reference(**self.session.json("reference"))
        self.target = Target(**self.session.json("target"))

    def score(
        self, audio: Clip | Source | str | os.PathLike[str] | bytes, segments: float | None = None
    ) -> ScoreRecord:
        """Predict the popularity of a clip, a file, encoded bytes or a `Source`.

        segments: also score windows of this many seconds (at least 1), the last of them shorter.
        Raises `InputError`, naming the input, when it cannot be read or holds no audio.
        """
        if isinstance(audio, Clip):
            return self._record(_ClipReader(audio), segments)
        with open_audio(audio) as reader:
            return self._record(reader, segments)

    def _record(self, reader: "AudioReader | _ClipReader", segments: float | None) -> ScoreRecord:
        meter = _Meter()
        with FrameStore(self.frontend.frames(meter.watch(reader.blocks()), reader.rate)) as store:
            duration = reader.frames_read / reader.rate
            if not store.frames:
                raise InputError(f"{reader.path}: {duration:.3f} s is too short for this model; give it more sound")
            edges = self._edges(duration, segments)
            views = [store.view(), *(store.view(*self._frames(edge)) for edge in edges)]
            # The whole track goes alone: its score must not depend on how many segments ride along.
            inputs = np.stack([self.frontend.finish(view) for view in views])
        scores = np.concatenate([self.session.run(inputs[:1]), *([self.session.run(inputs[1:])] if edges else [])])
        low, high = self.calibration.interval(scores[:1])
        percentiles = self.reference.percentile(scores)
        parts = zip(edges, scores[1:], percentiles[1:], strict=True)
        return ScoreRecord(
            path=reader.path,
            name=reader.name,
            duration=duration,
            score=float(scores[0]),
            percentile=float(percentiles[0]),
            interval=(float(low[0]), float(high[0])),
            interval_level=self.calibration.level,
            reference=self.reference.name,
            warnings=(*reader.warnings, *meter.warnings(), *self._doubts(duration, inputs[:1])),
            model=self.session.reference,
            device=self.session.device,
            segments=None if segments is None else tuple(Segment(*e, float(s), float(p)) for e, s, p in parts),
        )

    def _edges(self, duration: float, seconds: float | None) -> list[tuple[float, float]]:
        if seconds is None:
            return []
        seconds = max(seconds, _SHORTEST_SEGMENT)
        starts = [i * seconds for i in range(max(1, int(np.ceil(duration / seconds - 1e-9))))]
        return [(start, min(start + seconds, duration)) for start in starts]

    def _frames(self, edge: tuple[float, float]) -> tuple[int, int]:
        first, last = (round(seconds * self.frontend.frames_per_second) for seconds in edge)
        return first, max(last, first + 1)

    def _doubts(self, duration: float, features: NDArray[np.float32]) -> Iterator[str]:
        if duration < _SHORTEST:
            low, high = self.domain.duration
            yield f"short: {duration:.1f} s of sound; the model learnt from whole tracks of {low:.0f} to {high:.0f} s"
        distance = float(self.domain.distance(features)[0])
        if distance > 1:
            yield (
                "unlike-training: this does not sound like the songs the model learnt from "
                f"(distance {distance:.2f}, limit 1); do not rely on the score"
            )


@dataclass(frozen=True)
class Reference:
    """The songs a percentile compares with: `scores` are evenly spaced quantiles of their predictions."""

    name: str
    scores: tuple[float, ...]

    def percentile(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """The share, 0 to 100, of reference songs that are predicted lower; shape as given."""
        return np.interp(scores, self.scores, np.linspace(0, 100, len(self.scores)))


@dataclass(frozen=True)
class Target:
    """What a model predicts: a name, the ends of its scale, its definition, and one line on what a score means."""

    name: str
    low: float
    high: float
    definition: str
    meaning: str


class _Meter:
    """Watches samples pass and remembers the peak."""

    def __init__(self) -> None:
        self._peak = 0.0

    def watch(self, blocks: Iterator[Samples]) -> Iterator[Samples]:
        for block in blocks:
            self._peak = max(self._peak, float(block.max()), -float(block.min()))
            yield block

    def warnings(self) -> Iterator[str]:
        if self._peak < _LEAST_16_BIT:
            yield "silent: no sample reaches the smallest 16-bit step"
        if self._peak > 1 + _LEAST_16_BIT:
            yield f"clipped: peaks {20 * np.log10(self._peak):.1f} dB above full scale were cut; lower the gain"


class _ClipReader:
    """A clip in memory, read like a file."""

    def __init__(self, clip: Clip):
        self.path = self.name = clip.name or "clip"
        self.rate, self.warnings, self.frames_read = clip.rate, list[str](), clip.frames
        self._samples = clip.samples

    def blocks(self) -> Iterator[Samples]:
        if not self._samples.size:
            raise InputError(f"{self.path}: holds no audio frames")
        if not np.isfinite(self._samples).all():
            raise InputError(f"{self.path}: holds NaN or infinite samples")
        yield self._samples
