"""From audio to a prediction that says how sure it is: the one path that every command and the API take.

Source → blocks → front-end frames → model inputs → one batch → scores → record.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitpredict.audio.clip import Samples
from hitpredict.audio.source import Source
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.files.arrays import AnyArray, ArrayStore, Floats
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.domain import Domain
from hitpredict.scoring.hearing import Audio, HeardSound, hear
from hitpredict.scoring.inputs import FromBeside, ModelInput, model_inputs, segment_edges
from hitpredict.scoring.outputs import SCORE, Outputs
from hitpredict.scoring.records import ScoreRecord, Segment, variant_of
from hitpredict.scoring.session import DeviceName, ModelFile, Session
from hitpredict.scoring.windows import batches_in_common, summary_of, together

Beside = Mapping[str, Sequence[float]]
# The previews that the field works with last 30 s; statistics of much less sound are no longer a track's.
_SHORTEST = 25.0
# Sound as long as the training songs passes, whatever a decoder adds or drops at its ends.
_NEARLY = 0.95
_MUCH = 3.0
_ROUNDING = 1e-5
_BATCH_VALUES = 2**18


class Scorer:
    """A loaded model, ready for any number of songs.

    model: a bundled model's name, the path of an `.onnx` file, what was read of one, or None for the bundled default.
    device: `auto`, `cpu` or `cuda`. threads: CPU threads within one run of the model. seconds: how long a run may take.
    noise_floor: how far inaudible changes to the sound move a score, where the model file says so, else None.
    Raises `EnvironmentProblem` when the model or the device is not to be had.
    """

    def __init__(
        self,
        model: str | ModelFile | None = None,
        device: DeviceName = "auto",
        threads: int = 1,
        seconds: float | None = None,
    ):
        file = model if isinstance(model, ModelFile) else ModelFile.find(model)
        self.session = Session(file, device, threads, seconds)
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
        audio: Audio,
        segments: float | None = None,
        beside: Beside | None = None,
    ) -> ScoreRecord:
        """Predict the popularity of a clip, a sound, a file, encoded bytes or a `Source`.

        segments: also score windows of this many seconds (at least 1), the last of them shorter. beside: for models
        that take more than sound, by name `weeks` (log10 of the streams in the first weeks) and `season` (sine and
        cosine of the week of the year).
        Raises `InputError`, naming the input, when it cannot be read or holds no audio.
        """
        with ExitStack() as open_stores:
            # One for each, since they work at the same time.
            stores = [open_stores.enter_context(ArrayStore()) for _ in self.sounds]
            return self.judged(hear(audio, self.sounds, segments, stores), segments, beside)

    @property
    def sounds(self) -> list[ModelInput]:
        """What the model takes of the sound."""
        return [each for each in self.inputs if not isinstance(each, FromBeside)]

    @property
    def beside(self) -> list[FromBeside]:
        """What the model takes beside the sound; nothing, as a rule."""
        return [each for each in self.inputs if isinstance(each, FromBeside)]

    def judged(self, song: HeardSound, segments: float | None = None, beside: Beside | None = None) -> ScoreRecord:
        """The second half of `score`: predict the popularity of what was heard of a sound."""
        try:
            # The whole track goes alone: its score must not depend on how many segments ride along.
            answers = [self.answers([piece], _BATCH_VALUES)[0] for piece in self.pieces(song, beside)]
            return self.record(song, answers, segments)
        except InputError as error:
            raise InputError(f"{song.path}: {error}") from error

    def pieces(self, song: HeardSound, beside: Beside | None = None) -> list[list[AnyArray]]:
        """What the model takes at once: an array for each input, of the whole track and of each segment."""
        given = [each.value(beside) for each in self.beside]
        return [[*arrays, *given] for arrays in zip(*song.arrays, strict=True)]

    def record(
        self, song: HeardSound, answers: Sequence[Mapping[str, Floats]], segments: float | None = None
    ) -> ScoreRecord:
        """What is said of a song. answers: see `answers`, of each of its pieces."""
        edges = segment_edges(song.duration, segments)
        raw = np.array([each[SCORE] for each in answers])
        scores = np.clip(raw, self.target.low, self.target.high)
        low, high = self.calibration.interval(scores[:1])
        percentiles = self.reference.percentile(scores)
        parts = [
            Segment(*edge, float(score), float(percentile))
            for edge, score, percentile in zip(edges, scores[1:], percentiles[1:], strict=True)
        ]
        return ScoreRecord(
            path=song.path,
            name=song.name,
            duration=song.duration,
            score=float(scores[0]),
            percentile=float(percentiles[0]),
            interval=(float(low[0]), float(high[0])),
            interval_level=self.calibration.level,
            reference=self.reference.name,
            warnings=(*song.warnings, *self._doubts(song.duration, song.arrays[0][0], float(raw[0]))),
            model=self.session.reference,
            device=self.session.device,
            segments=None if segments is None else tuple(parts),
            noise_floor=self.noise_floor,
            artist=song.tags.get("artist"),
            variant=variant_of(song.tags.get("comment")),
            answers=self.outputs.described(dict(answers[0]), (float(low[0]), float(high[0]))),
        )

    def answers(self, pieces: Sequence[Sequence[AnyArray]], values: int) -> list[dict[str, Floats]]:
        """For each piece the means of the score, and of what the model file says of other outputs, over the windows
        that its inputs have in common.

        Windows of one shape go to the model together, whatever piece they are of, about so many `values` an input.
        """
        windows = (
            (place, batch)
            for place, inputs in enumerate(pieces)
            for batch in batches_in_common(inputs, self.windows, values)
        )
        found: list[list[Mapping[str, AnyArray]]] = [[] for _ in pieces]
        for places, batch in together(windows, values):
            answered = self._answered(batch)
            for place in np.unique(places):
                found[place].append({name: array[places == place] for name, array in answered.items()})
        return [_means(parts) for parts in found]

    def _answered(self, batch: Sequence[Samples]) -> dict[str, Samples]:
        """The score of each window, and the other outputs that the model file speaks of, by name."""
        outputs, names = self.session.outputs(batch), self.session.names
        answered = {SCORE: outputs[0].reshape(-1)}
        for name, shape in self.outputs.shapes.items():
            if name not in names or outputs[names.index(name)].shape != (len(batch[0]), *shape):
                raise InputError(f"the model does not answer {name} as its metadata says")
            answered[name] = outputs[names.index(name)]
        return answered

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
    model: str | ModelFile | None,
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
        return scorer.score(source, segments, beside_of(beside, source))

    return score


def beside_of(beside: Mapping[str, Beside] | None, source: Source) -> Beside | None:
    """What the model takes of a track beside the sound. Raises `InputError` where it is not given."""
    if beside is not None and source.track_id not in beside:
        raise InputError(f"{source}: `weeks` has no whole row for track {source.track_id}")
    return None if beside is None else beside[source.track_id]


def _means(parts: Sequence[Mapping[str, AnyArray]]) -> dict[str, Floats]:
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    means = {name: np.asarray(np.mean(each, axis=0, dtype=np.float64)) for name, each in joined.items()}
    return means | {SCORE: np.asarray(np.mean(joined[SCORE]), np.float64)}


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
