"""What `explain` says besides response curves: of pairs of changes, of stems, and of what small changes would do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hitpredict.scoring.records import ModelReference, printed_record

INTERACTION_SCHEMA = "hitpredict.interaction/1"
STEM_SCHEMA = "hitpredict.stem/1"
SUGGESTION_SCHEMA = "hitpredict.suggestion/1"


@dataclass(frozen=True)
class InteractionRecord:
    """What two changes together do to a score that the sum of each alone does not.

    parameters, units, values: of the two, in the order in which they are made. alone: the change of the score that
    each makes, from `base_score`; together: that both make; interaction: together minus the sum of alone. at_end:
    whether a score is at an end of the scale, where sums say nothing. p_value: against noise, which an interaction has
    of three differences, corrected for the number of values swept; significant: after correction for the `pairs`
    tried. blind: whether one of the two is not seen, neither alone nor with the other.
    """

    path: str
    name: str
    parameters: tuple[str, str]
    units: tuple[str, str]
    values: tuple[float, float]
    base_score: float
    alone: tuple[float, float]
    together: float
    interaction: float
    p_value: float
    significant: bool
    blind: bool
    at_end: bool
    noise: Mapping[str, Any]
    pairs: int
    quality: str | None
    rank: int
    warnings: tuple[str, ...]
    model: ModelReference
    device: str
    artist: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as printed."""
        return printed_record(INTERACTION_SCHEMA, self)


@dataclass(frozen=True)
class StemRecord:
    """What one change of one stem, in the whole song or in one section, does to the score of the whole song.

    section, start, end: where, in seconds. level: of the stem there, in dB of the mix, None where it is silent.
    effect: `score` minus `base_score`. residual: level of what all stems lack of the mix, in dB of it, None for
    nothing; gain, lag: dB by which the stems were turned to fit it, seconds by which they begin later. p_value,
    significant, blind, noise, rank: as of an `ExplainRecord`, over all that was tried on the song.
    """

    path: str
    name: str
    stem: str
    change: str
    section: str
    start: float
    end: float
    level: float | None
    silent: bool
    base_score: float
    score: float
    effect: float
    p_value: float
    significant: bool
    blind: bool
    noise: Mapping[str, Any]
    residual: float | None
    gain: float
    lag: float
    rank: int
    warnings: tuple[str, ...]
    model: ModelReference
    device: str
    artist: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as printed."""
        return printed_record(STEM_SCHEMA, self)


@dataclass(frozen=True)
class SuggestionRecord:
    """A small change that raises a song's score, or (found: false) that there is none among the `tried`.

    steps, quality: as of a recipe of `mutate`. score, effect: of the changed song by the first model, exactly as
    `mutate` makes it; effects: by each of `models`. interval: the effect, and around it what noise does with
    probability 0.95. p_value: against noise, corrected for the number of candidates tried. size: in shares of the
    limits. agreement: of what the signs are alike, `models` or `halves of the song`; agreeing: of how many. blind:
    properties that the first model does not see. unlike_training: whether the change makes it a song of a kind that the
    model does not know. noise, rank, warnings: as of an `ExplainRecord`.
    """

    path: str
    name: str
    found: bool
    base_score: float
    tried: int
    blind: tuple[str, ...]
    noise: Mapping[str, Any]
    quality: str
    models: tuple[ModelReference, ...]
    rank: int
    warnings: tuple[str, ...]
    model: ModelReference
    device: str
    steps: tuple[Mapping[str, Any], ...] | None = None
    score: float | None = None
    effect: float | None = None
    effects: tuple[float, ...] | None = None
    interval: tuple[float, float] | None = None
    p_value: float | None = None
    significant: bool | None = None
    size: float | None = None
    agreement: str | None = None
    agreeing: int | None = None
    unlike_training: bool | None = None
    artist: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as printed."""
        return printed_record(SUGGESTION_SCHEMA, self)


INTERACTION_COLUMNS = (
    "path", "name", "rank", "parameters", "units", "values", "alone", "together", "interaction", "p_value",
    "significant", "blind", "at_end", "base_score", "noise", "pairs", "quality", "warnings", "model_name",
    "model_version", "model_sha256", "device", "artist",
)  # fmt: skip


STEM_COLUMNS = (
    "path", "name", "rank", "stem", "change", "section", "start", "end", "level", "silent", "base_score", "score",
    "effect", "p_value", "significant", "blind", "noise", "residual", "gain", "lag", "warnings", "model_name",
    "model_version", "model_sha256", "device", "artist",
)  # fmt: skip


SUGGESTION_COLUMNS = (
    "path", "name", "rank", "found", "command", "size", "base_score", "score", "effect", "interval_low",
    "interval_high", "p_value", "significant", "agreement", "agreeing", "effects", "unlike_training", "tried", "blind",
    "noise", "quality", "warnings", "model_name", "model_version", "model_sha256", "device", "artist",
)  # fmt: skip


def flat_change(columns: tuple[str, ...], record: Mapping[str, Any]) -> dict[str, Any]:
    """A printed record as one row of its columns: the noise as its scale, the model in three."""
    row = dict(record) | {f"model_{key}": value for key, value in record["model"].items()}
    row["noise"] = row["noise"]["scale"]
    row["interval_low"], row["interval_high"] = row.get("interval", ("", ""))
    return {key: row.get(key, "") for key in columns}
