"""The records that commands print: one JSON object a line, each with a `schema`.

Conventions: seconds for times, the model's own scale for scores and intervals, 0 to 100 for percentiles.
Numbers are rounded far below what they can mean, so that equal inputs print equal bytes everywhere.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from hitpredict.scoring.outputs import flat_outputs

SCORE_SCHEMA = "hitpredict.score/1"
FAILURE_SCHEMA = "hitpredict.failure/1"
RECIPE_SCHEMA = "hitpredict.recipe/1"
COMPARE_SCHEMA = "hitpredict.compare/1"
EXPLAIN_SCHEMA = "hitpredict.explain/1"
CORPUS_SCHEMA = "hitpredict.explain-corpus/1"
_FAR = 1e30
CLEAR, NOT_CLEAR = "clear", "no clear difference"


@dataclass(frozen=True)
class ModelReference:
    """Which model made a prediction: its name, version, and the SHA-256 of its file."""

    name: str
    version: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """Plain data."""
        return {"name": self.name, "version": self.version, "sha256": self.sha256}


@dataclass(frozen=True)
class Segment:
    """The score of one stretch of the sound, `start` to `end` in seconds."""

    start: float
    end: float
    score: float
    percentile: float

    def to_json(self) -> dict[str, float]:
        """Plain data."""
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "score": round(self.score, 4),
            "percentile": round(self.percentile, 2),
        }


@dataclass(frozen=True)
class ScoreRecord:
    """One prediction.

    path, name: the input as given, and what the sound is called. duration: seconds decoded.
    score: the prediction on the model's target scale. percentile: its place, 0 to 100, among the predictions
    for the songs of `reference`. interval: the (low, high) that holds the true value with probability
    `interval_level`. segments: scores over time, when asked for. warnings: `code: explanation`, for each reason
    to trust the score less. device: where the model really ran, `cpu` or `cuda`. artist: of the tags, where they name
    one. variant: of sound that `mutate` wrote, what was changed, see `variant_of`.
    noise_floor: how far changes that nobody hears move a score, where the model says so. answers: what the model says
    beside the score, see `outputs.Outputs`.
    """

    path: str
    name: str
    duration: float
    score: float
    percentile: float
    interval: tuple[float, float]
    interval_level: float
    reference: str
    warnings: tuple[str, ...]
    model: ModelReference
    device: str
    segments: tuple[Segment, ...] | None = None
    artist: str | None = None
    variant: Mapping[str, Any] | None = None
    noise_floor: float | None = None
    answers: Mapping[str, Any] = field(default_factory=dict)

    def warns(self, code: str) -> bool:
        """Whether one of the warnings has this code, such as `silent`."""
        return any(warning.startswith(code) for warning in self.warnings)

    def to_json(self) -> dict[str, Any]:
        """The record as printed."""
        record: dict[str, Any] = {
            "schema": SCORE_SCHEMA,
            "path": self.path,
            "name": self.name,
            **({"artist": self.artist} if self.artist else {}),
            **({"variant": dict(self.variant)} if self.variant is not None else {}),
            "duration": round(self.duration, 3),
            "score": round(self.score, 4),
            "percentile": round(self.percentile, 2),
            "interval": [round(self.interval[0], 4), round(self.interval[1], 4)],
            "interval_level": self.interval_level,
            "reference": self.reference,
            **({"noise_floor": self.noise_floor} if self.noise_floor is not None else {}),
            **self.answers,
        }
        if self.segments is not None:
            record["segments"] = [segment.to_json() for segment in self.segments]
        return record | {
            "warnings": list(self.warnings),
            "model": self.model.to_json(),
            "device": self.device,
        }


SCORE_COLUMNS = (
    "path", "name", "duration", "score", "percentile", "interval_low", "interval_high", "interval_level",
    "reference", "segments", "warnings", "model_name", "model_version", "model_sha256", "device", "artist", "variant",
)  # fmt: skip
SCORE_TYPES = {
    **dict.fromkeys(("path", "name", "reference", "model_name", "model_version", "model_sha256"), "text"),
    **dict.fromkeys(("device", "artist"), "text"), "segments": "segments", "warnings": "texts", "variant": "texts",
}  # fmt: skip
"""What the columns hold that hold no numbers."""


def flat(record: Mapping[str, Any], more: Sequence[str] = ()) -> dict[str, Any]:
    """A printed score record as one row of `SCORE_COLUMNS`, for tables; `segments` and `warnings` stay lists.

    more: the columns of what the model answers besides, see `Outputs.columns`, None in records that lack it.
    """
    others = flat_outputs(record)
    row = {key: record[key] for key in SCORE_COLUMNS if key in record}
    row["interval_low"], row["interval_high"] = record["interval"]
    row["segments"] = record.get("segments", [])
    row["artist"] = record.get("artist", "")
    row["variant"] = variant_steps(record.get("variant", {}))
    row |= {f"model_{key}": value for key, value in record["model"].items()}
    return {key: row[key] for key in SCORE_COLUMNS} | {key: others.get(key) for key in more}


def variant_of(comment: str | None) -> dict[str, Any] | None:
    """The changes that a tag holds which `mutate` wrote, such as {"pitch": -2.0, "tempo": 0.9}; None for other tags.

    A step of several parameters is text, `1000:3:1`; one without any is true; one that comes again is `eq.2`.
    """
    if not comment or RECIPE_SCHEMA not in comment:
        return None
    try:
        variant: dict[str, Any] = {}
        for step in json.loads(comment)["steps"]:
            values = [_step_value(value) for key, value in step.items() if key != "op"]
            value = values[0] if len(values) == 1 else ":".join(map(_text, values)) or True
            op = str(_step_value(step["op"]))
            times = sum(name.split(".")[0] == op for name in variant)
            variant[op if not times else f"{op}.{times + 1}"] = value
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return variant


def _step_value(value: Any) -> str | float:
    """What a step may hold; a tag may come from anywhere. Raises ValueError for lists and for what is no number."""
    if isinstance(value, str | bool) or (isinstance(value, int | float) and abs(value) < _FAR):
        return value
    raise ValueError(f"{type(value).__name__} in a step")


def variant_steps(variant: Mapping[str, Any]) -> list[str]:
    """The steps of a record's variant as text: `pitch=-2`, `mono`."""
    return [op if value is True else f"{op}={_text(value)}" for op, value in variant.items()]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Side:
    """One of two compared songs: `record`, its score as it is; `matched`, that of the part that was compared, turned
    by `gain` dB; `warnings` of both reading and scoring."""

    record: ScoreRecord
    matched: float
    gain: float
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        record = self.record
        return {
            "path": record.path,
            "name": record.name,
            **({"artist": record.artist} if record.artist else {}),
            **({"variant": dict(record.variant)} if record.variant is not None else {}),
            "duration": round(record.duration, 3),
            "score": round(record.score, 4),
            "percentile": round(record.percentile, 2),
            "matched_score": round(self.matched, 4),
            "gain": round(self.gain, 2),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True)
class ComparedSegment:
    """Scores of the same stretch of two mixes, `start` to `end` in seconds of the first."""

    start: float
    end: float
    scores: tuple[float, float]
    clear: bool

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        before, after = (round(score, 4) for score in self.scores)
        return {
            "start": round(self.start, 3),
            "end": round(self.end, 3),
            "scores": [before, after],
            "difference": round(after - before, 4),
            "verdict": CLEAR if self.clear else NOT_CLEAR,
        }


@dataclass(frozen=True)
class MeasuredProperty:
    """One measured property of two sounds. steps: how far apart they are, in steps that count alike for all."""

    name: str
    unit: str
    values: tuple[float, float]
    steps: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        before, after = (round(value, 2) for value in self.values)
        return {
            "name": self.name,
            "unit": self.unit,
            "values": [before, after],
            "difference": round(after - before, 2),
            "steps": round(self.steps, 2),
        }


@dataclass(frozen=True)
class CompareRecord:
    """How the second of two songs is scored against the first.

    alignment: seconds by which the second begins later, and how well the onsets agree; None where the two are no mixes
    of one song. difference: of the matched scores. interval: of it, where changes that nobody hears leave it with
    probability `interval_level`. segments: of mixes of one song. descriptors: what differs most first.
    """

    songs: tuple[Side, Side]
    alignment: tuple[float, float] | None
    difference: float
    interval: tuple[float, float]
    interval_level: float
    segments: tuple[ComparedSegment, ...]
    descriptors: tuple[MeasuredProperty, ...]
    noise_floor: float | None
    model: ModelReference
    device: str

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.interval[0] > 0 or self.interval[1] < 0

    def to_json(self) -> dict[str, Any]:
        """The record as printed."""
        lag, correlation = self.alignment or (None, None)
        aligned = self.alignment and {"lag": round(lag or 0.0, 4), "correlation": round(correlation or 0.0, 3)}
        return {
            "schema": COMPARE_SCHEMA,
            "songs": [side.to_json() for side in self.songs],
            "same_song": self.alignment is not None,
            "alignment": aligned,
            "difference": round(self.difference, 4),
            "interval": [round(end, 4) for end in self.interval],
            "interval_level": self.interval_level,
            "verdict": CLEAR if self.clear else NOT_CLEAR,
            **({"noise_floor": self.noise_floor} if self.noise_floor is not None else {}),
            "segments": [segment.to_json() for segment in self.segments],
            "descriptors": [descriptor.to_json() for descriptor in self.descriptors],
            "model": self.model.to_json(),
            "device": self.device,
        }


COMPARE_COLUMNS = (
    "first", "second", "first_score", "second_score", "difference", "interval_low", "interval_high", "verdict",
    "same_song", "lag", "model_name", "model_version", "model_sha256", "device",
)  # fmt: skip


def flat_comparison(record: Mapping[str, Any]) -> dict[str, Any]:
    """A printed comparison as one row of `COMPARE_COLUMNS`; the scores are those of the matched sounds."""
    first, second = record["songs"]
    low, high = record["interval"]
    aligned = record["alignment"] or {"lag": None}
    row = {"first": first["path"], "second": second["path"], "interval_low": low, "interval_high": high}
    row |= {"first_score": first["matched_score"], "second_score": second["matched_score"], "lag": aligned["lag"]}
    row |= {key: record[key] for key in ("difference", "verdict", "same_song", "device")}
    row |= {f"model_{key}": value for key, value in record["model"].items()}
    return {key: row[key] for key in COMPARE_COLUMNS}


@dataclass(frozen=True)
class ExplainRecord:
    """How a model's score of one song moves with one property of its sound.

    values, scores: the response curve, ascending. slope: of its least-squares line with the unchanged song in it, in
    score per `slope_unit` (`unit`, or an octave of values that are ratios to one another). effect: what that line
    makes of the whole range, towards more of what the parameter's name says, or, where no value leaves the song as it
    is, the change that the strongest value makes. towards: the value at that end. largest_change: of the scores from
    `base_score`, signed, at `largest_change_at`. monotonicity: Spearman's correlation of values and scores.
    significant: whether the largest change is more than noise, `p_value` corrected for the parameters of the song.
    blind: whether no value moves the score at all. noise: the scale that changes are measured with, see
    `explanation.effects.NoiseScale`. unlike_training: values at which the sound is unlike the songs the model learnt
    from, the unchanged song not being so. quality: of stretching, for parameters that need it. rank: 1 for the largest.
    group: what the song shares with others of a corpus, where that is known.
    recipe: of the largest change, for `mutate`. duration: of the unchanged song, in seconds.
    """

    path: str
    name: str
    parameter: str
    unit: str
    values: tuple[float, ...]
    scores: tuple[float, ...]
    base_score: float
    slope: float | None
    slope_unit: str
    effect: float
    towards: float
    largest_change: float
    largest_change_at: float
    monotonicity: float | None
    p_value: float
    significant: bool
    blind: bool
    noise: Mapping[str, Any]
    unlike_training: tuple[float, ...]
    quality: str | None
    rank: int
    recipe: Mapping[str, Any]
    duration: float
    warnings: tuple[str, ...]
    model: ModelReference
    device: str
    artist: str | None = None
    group: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as printed."""
        return printed_record(EXPLAIN_SCHEMA, self)


@dataclass(frozen=True)
class CorpusRecord:
    """What one property of the sound does to a model's scores of many songs.

    values: those swept. mean_effect: the mean over songs of `ExplainRecord.effect`, towards `towards`; interval: holds
    it with probability `interval_level`, by a bootstrap over songs, or over groups or artists where they are known.
    share_same_sign: of songs whose effect has the mean's sign. p_value: that the mean is no more than what noise makes.
    significant: after correction for the parameters. songs_significant: in how many songs alone. blind: in all of
    them. correlations: of the effects, over songs, with those of the other parameters. rank: 1 for the largest.
    """

    parameter: str
    unit: str
    values: tuple[float, ...]
    mean_effect: float
    towards: float
    interval: tuple[float, float]
    interval_level: float
    share_same_sign: float
    rank: int
    p_value: float
    significant: bool
    blind: bool
    songs: int
    groups: int
    songs_significant: int
    noise: float
    correlations: Mapping[str, float]
    quality: str | None
    model: ModelReference
    device: str

    def to_json(self) -> dict[str, Any]:
        """The record as printed."""
        return printed_record(CORPUS_SCHEMA, self)


_AS_ASKED = ("values", "towards", "largest_change_at", "unlike_training", "steps")


def printed_record(schema: str, record: Any) -> dict[str, Any]:
    """A dataclass of a record as printed: its fields in their order, floats rounded, what is not known left out."""
    named = ((each.name, getattr(record, each.name)) for each in fields(record))
    return {"schema": schema} | {name: _plain(value, name) for name, value in named if value is not None}


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, ModelReference):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(each, name) for each in value]
    if isinstance(value, Mapping):
        return {key: _plain(each, name) for key, each in value.items()}
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if name == "p_value" else value if name in _AS_ASKED else round(value, 4)


EXPLAIN_COLUMNS = (
    "path", "name", "rank", "parameter", "unit", "largest_change", "largest_change_at", "effect", "towards", "slope",
    "slope_unit", "monotonicity", "p_value", "significant", "blind", "base_score", "values", "scores", "noise",
    "unlike_training", "quality", "warnings", "model_name", "model_version", "model_sha256", "device", "artist",
    "group",
)  # fmt: skip
CORPUS_COLUMNS = (
    "rank", "parameter", "unit", "values", "mean_effect", "towards", "interval_low", "interval_high", "interval_level",
    "share_same_sign", "p_value", "significant", "blind", "songs", "groups", "songs_significant", "noise",
    "correlations", "quality", "model_name", "model_version", "model_sha256", "device",
)  # fmt: skip


def flat_explanation(record: Mapping[str, Any]) -> dict[str, Any]:
    """A printed record of either kind as one row of its columns, for tables."""
    row = dict(record) | {f"model_{key}": value for key, value in record["model"].items()}
    if "interval" in row:
        row["interval_low"], row["interval_high"] = row["interval"]
        row["correlations"] = json.dumps(row["correlations"])
        return {key: row.get(key, "") for key in CORPUS_COLUMNS}
    row["noise"] = row["noise"]["scale"]
    return {key: row.get(key, "") for key in EXPLAIN_COLUMNS}
