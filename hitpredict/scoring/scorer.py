"""From audio to a prediction that says how sure it is: the one path that every command and the API take.

Source → blocks → front-end frames → model inputs → one batch → scores → record.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.read import FULL_SCALE, AudioReader, open_audio
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.engines import lockstep
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.files.arrays import AnyArray, ArrayStore, Floats
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.domain import Domain
from hitpredict.scoring.inputs import FromBeside, model_inputs, segment_edges
from hitpredict.scoring.outputs import SCORE, Outputs
from hitpredict.scoring.records import ScoreRecord, Segment, variant_of
from hitpredict.scoring.session import DeviceName, ModelFile, Session
from hitpredict.scoring.windows import batches_in_common, summary_of

Beside = Mapping[str, Sequence[float]]
_LEAST_16_BIT = 1 / 32768
# The share of samples above full scale that 99 % of MP3s of loud masters stay under: docs/score.md has how measured.
_LOUDEST_MASTERS = 0.0025
# The previews that the field works with last 30 s; statistics of much less sound are no longer a track's.
_SHORTEST = 25.0
# Sound as long as the training songs passes, whatever a decoder adds or drops at its ends.
_NEARLY = 0.95
_MUCH = 3.0
_ROUNDING = 1e-5
_BATCH_VALUES = 2**18


class Scorer:
    """A loaded model, ready for any number of songs.

    model: a bundled model's name, the path of an `.onnx` file, or None for the bundled default.
    device: `auto`, `cpu` or `cuda`. threads: CPU threads within one run of the model. seconds: how long a run may take.
    noise_floor: how far inaudible changes to the sound move a score, where the model file says so, else None.
    Raises `EnvironmentProblem` when the model or the device is not to be had.
    """

    def __init__(
        self, model: str | None = None, device: DeviceName = "auto", threads: int = 1, seconds: float | None = None
    ):
        self.session = Session(ModelFile.find(model), device, threads, seconds)
        try:
            self.inputs = model_inputs(self.session.json("frontend"))
            self.windows = self.session.json("windows") if "windows" in self.session.metadata else [None]
            self.calibration = Calibration.from_json(self.session.json("calibration"))
            self.domain = Domain.from_json(self.session.json("domain"))
            self.reference = Reference(**self.session.json("reference"))
            self.target = ScoreScale(**self.session.json("target"))
            more = "outputs" in self.session.metadata
            self.outputs = Outputs.from_json(self.session.json("outputs") if more else {})
            known = "noise_floor" in self.session.metadata
            self.noise_floor = float(self.session.json("noise_floor")) if known else None
        except (UsageError, EnvironmentProblem) as error:
            path = self.session.file.path
            told = str(error).startswith(f"model {path}")
            raise EnvironmentProblem(str(error) if told else f"model {path}: {error}") from error
        if not len(self.inputs) == len(self.windows) == self.session.inputs:
            raise EnvironmentProblem(
                f"model {self.session.file.path}: takes {self.session.inputs} arrays, but its metadata describes "
                f"{len(self.inputs)}, and {len(self.windows)} windows"
            )

    def score(
        self,
        audio: Clip | Sound | Source | str | os.PathLike[str] | bytes,
        segments: float | None = None,
        beside: Beside | None = None,
    ) -> ScoreRecord:
        """Predict the popularity of a clip, a sound, a file, encoded bytes or a `Source`.

        segments: also score windows of this many seconds (at least 1), the last of them shorter. beside: for models
        that take more than sound, by name `weeks` (log10 of the streams in the first weeks) and `season` (sine and
        cosine of the week of the year).
        Raises `InputError`, naming the input, when it cannot be read or holds no audio.
        """
        with _opened(audio) as reader, ExitStack() as stores:
            # One for each, since they work at the same time.
            makers = [
                partial(each.arrays, reader=reader, seconds=segments, store=stores.enter_context(ArrayStore()))
                for each in self.inputs
                if not isinstance(each, FromBeside)
            ]
            arrays = lockstep.run(reader.blocks(reuse=True), makers)
            if not all(arrays):
                seconds = reader.frames_read / reader.rate
                raise InputError(f"{reader.path}: {seconds:.3f} s is too short for this model; give it more sound")
            try:
                arrays += [[each.value(beside)] * len(arrays[0]) for each in self.beside]
                return self._record(reader, arrays, segments)
            except InputError as error:
                raise InputError(f"{reader.path}: {error}") from error

    @property
    def beside(self) -> list[FromBeside]:
        """What the model takes beside the sound; nothing, as a rule."""
        return [each for each in self.inputs if isinstance(each, FromBeside)]

    def _record(
        self,
        reader: "AudioReader | _SoundReader",
        arrays: list[list[AnyArray]],
        segments: float | None,
    ) -> ScoreRecord:
        duration = reader.frames_read / reader.rate
        edges = segment_edges(duration, segments)
        # The whole track goes alone: its score must not depend on how many segments ride along.
        answers = [self._answers_of([found[place] for found in arrays]) for place in range(len(edges) + 1)]
        raw = np.array([each[SCORE] for each in answers])
        scores = np.clip(raw, self.target.low, self.target.high)
        low, high = self.calibration.interval(scores[:1])
        percentiles = self.reference.percentile(scores)
        parts = [
            Segment(*edge, float(score), float(percentile))
            for edge, score, percentile in zip(edges, scores[1:], percentiles[1:], strict=True)
        ]
        return ScoreRecord(
            path=reader.path,
            name=reader.name,
            duration=duration,
            score=float(scores[0]),
            percentile=float(percentiles[0]),
            interval=(float(low[0]), float(high[0])),
            interval_level=self.calibration.level,
            reference=self.reference.name,
            warnings=(
                *reader.warnings,
                *_level_warnings(reader.peak, reader.over / (reader.frames_read * reader.channels)),
                *self._doubts(duration, arrays[0][0], float(raw[0])),
            ),
            model=self.session.reference,
            device=self.session.device,
            segments=None if segments is None else tuple(parts),
            noise_floor=self.noise_floor,
            artist=reader.tags.get("artist"),
            variant=variant_of(reader.tags.get("comment")),
            answers=self.outputs.described(answers[0], (float(low[0]), float(high[0]))),
        )

    def _answers_of(self, inputs: list[AnyArray]) -> dict[str, Floats]:
        """The means of the score, and of what the model file says of other outputs, over the windows that the inputs
        have in common."""
        found = [self.session.outputs(batch) for batch in batches_in_common(inputs, self.windows, _BATCH_VALUES)]
        (scores, *_), names = zip(*found, strict=True), self.session.names
        means = {SCORE: np.asarray(np.mean(np.concatenate(scores)), np.float64)}
        for name, shape in self.outputs.shapes.items():
            parts = [each[names.index(name)] for each in found] if name in names else []
            if not parts or any(part.shape != (len(score), *shape) for part, score in zip(parts, scores, strict=True)):
                raise InputError(f"the model does not answer {name} as its metadata says")
            means[name] = np.mean(np.concatenate(parts), axis=0, dtype=np.float64)
        return means

    def _doubts(self, duration: float, array: AnyArray, raw: float) -> Iterator[str]:
        low, high = self.domain.duration
        learnt = f"; the model learnt from tracks of {low:.0f} to {high:.0f} s" if high else ""
        if duration < max(low / _MUCH, min(_SHORTEST, _NEARLY * low) if low else _SHORTEST):
            yield f"short: {duration:.1f} s of sound{learnt}"
        if high and duration > _MUCH * high:
            yield f"long: {duration:.1f} s of sound{learnt}"
        summary, known = summary_of(array), len(self.domain.centre)
        if len(summary) != known:
            raise InputError(f"the model's domain is of {known} columns, what it takes of {len(summary)}")
        distance = float(self.domain.distance(summary[None])[0])
        if distance > 1:
            yield (
                "unlike-training: this does not sound like the songs the model learnt from "
                f"(distance {distance:.2f}, limit 1); do not rely on the score"
            )
        low, high = self.target.low, self.target.high
        if not low - _ROUNDING * (high - low) <= raw <= high + _ROUNDING * (high - low):
            end = "highest" if raw > high else "lowest"
            yield (
                f"extrapolated: the model answers {raw:.4g}, beyond the {low:.4g} to {high:.4g} of its scale; "
                f"the score is the {end} there is, do not rely on it"
            )


def scoring(
    model: str | None,
    device: DeviceName,
    segments: float | None,
    seconds: float | None,
    beside: Mapping[str, Beside] | None = None,
) -> Callable[[Source], ScoreRecord]:
    """The function that scores one source, with its own loaded model: what each process of a batch runs.

    beside: by track id, what the model takes beside the sound.
    """
    return scored_with(Scorer(model, device, seconds=seconds), segments, beside)


def scored_with(
    scorer: Scorer, segments: float | None, beside: Mapping[str, Beside] | None = None
) -> Callable[[Source], ScoreRecord]:
    """The same with a model that is loaded. It raises `InputError` for a track that `beside` does not have."""

    def score(source: Source) -> ScoreRecord:
        if beside is not None and source.track_id not in beside:
            raise InputError(f"{source}: `weeks` has no whole row for track {source.track_id}")
        return scorer.score(source, segments, None if beside is None else beside[source.track_id])

    return score


@dataclass(frozen=True)
class Reference:
    """The songs a percentile compares with: `scores` are evenly spaced quantiles of their predictions."""

    name: str
    scores: tuple[float, ...]

    def percentile(self, scores: NDArray[np.float32]) -> NDArray[np.float64]:
        """The share, 0 to 100, of reference songs that are predicted lower; shape as given."""
        places, last = np.asarray(self.scores), len(self.scores) - 1
        values, first, counts = np.unique(places, return_index=True, return_counts=True)
        # Songs that are scored alike share the middle of their places.
        return np.interp(scores, values, (first + (counts - 1) / 2) * 100 / max(last, 1))


@dataclass(frozen=True)
class ScoreScale:
    """What a model predicts: a name, the ends of its scale, its definition, and one line on what a score means."""

    name: str
    low: float
    high: float
    definition: str
    meaning: str


def _level_warnings(peak: float, share_over: float) -> Iterator[str]:
    if peak < _LEAST_16_BIT:
        yield "silent: no sample reaches the smallest 16-bit step"
    if share_over > _LOUDEST_MASTERS:
        yield (
            f"clipped: {100 * share_over:.2g} % of the samples are above full scale, by up to "
            f"{20 * np.log10(peak):.1f} dB; 99 % of very loud masters stay below {100 * _LOUDEST_MASTERS:g} %"
        )


@contextmanager
def _opened(audio: Clip | Sound | Source | str | os.PathLike[str] | bytes) -> Iterator["AudioReader | _SoundReader"]:
    if isinstance(audio, Clip | Sound):
        yield _SoundReader(Sound.of(audio) if isinstance(audio, Clip) else audio)
    else:
        with open_audio(audio) as reader:
            yield reader


class _SoundReader:
    """A sound that is no file, read like one."""

    def __init__(self, sound: Sound):
        self.path = self.name = sound.name or "clip"
        self.tags, self.rate, self.channels, self.frames_read = sound.tags, sound.rate, sound.channels, sound.frames
        self.warnings, self.peak, self.over = list[str](), 0.0, 0
        self._sound = sound

    def blocks(self, *, reuse: bool = False) -> Iterator[Samples]:
        if not self._sound.channels * self._sound.frames:
            raise InputError(f"{self.path}: holds no audio frames")
        for block in self._sound.blocks():
            magnitude = np.abs(block)
            self.peak = max(self.peak, float(magnitude.max()))
            if not np.isfinite(magnitude.max()):
                raise InputError(f"{self.path}: holds NaN or infinite samples")
            self.over += int(np.count_nonzero(magnitude > FULL_SCALE))
            yield block
