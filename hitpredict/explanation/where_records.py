"""The records of where in a song its score comes from. Conventions are those of `scoring.records`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hitpredict.scoring.records import ModelReference, printed_record

WHERE_SCHEMA = "hitpredict.where/1"


@dataclass(frozen=True)
class WhereRecord:
    """What one part of a song does to its score.

    kind: `section`, `band`, `block` (a section of a band) or `gradient`. label: a section's letter, a band's ends, the
    name of an input. remark: what else is known of a section. begin, end: seconds; low, high: Hz; None where a part
    has no such ends. change: of the score from `base_score` when the part is taken away. how: the way it is, `cut out`,
    `levelled`, or `gradients`. interval: of the change, 95 %, of blocks. p_value: that the change is no more than what
    as much of the song makes, taken from everywhere, and what nobody hears. significant: after correction for the
    parts of this kind. blind: whether the score does not move at all. noise: the scale that changes are measured with,
    see `explanation.effects.NoiseScale`. fit: of blocks `r2` on held-out masks, `masks`, and whether it is `trusted`;
    of gradients `completeness`, the share of the score's difference from the training mean that is not accounted for.
    unlike_training: whether the song without the part is unlike the songs the model learnt from, while the song is
    not. rank: 1 for the largest change of its kind.
    """

    path: str
    name: str
    kind: str
    label: str
    remark: str
    begin: float | None
    end: float | None
    low: float | None
    high: float | None
    base_score: float
    change: float
    how: str
    interval: tuple[float, float] | None
    p_value: float
    significant: bool
    blind: bool
    noise: Mapping[str, Any]
    fit: Mapping[str, Any] | None
    unlike_training: bool
    rank: int
    warnings: tuple[str, ...]
    model: ModelReference
    device: str
    artist: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The record as printed."""
        return printed_record(WHERE_SCHEMA, self)


WHERE_COLUMNS = (
    "path", "name", "kind", "rank", "label", "remark", "begin", "end", "low", "high", "change", "how", "interval_low",
    "interval_high", "p_value", "significant", "blind", "base_score", "noise", "r2", "completeness", "unlike_training",
    "warnings", "model_name", "model_version", "model_sha256", "device", "artist",
)  # fmt: skip


def flat_where(record: Mapping[str, Any]) -> dict[str, Any]:
    """A printed record as one row of `WHERE_COLUMNS`; what a part does not have is None."""
    row = dict(record) | {f"model_{key}": value for key, value in record["model"].items()}
    row["interval_low"], row["interval_high"] = record.get("interval", (None, None))
    row["noise"] = record["noise"]["scale"]
    row |= record.get("fit", {})
    row["artist"] = record.get("artist", "")
    return {key: row.get(key) for key in WHERE_COLUMNS}
