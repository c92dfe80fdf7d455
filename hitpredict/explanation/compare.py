"""What a model makes of two versions of a song, or of two songs, and whether the difference is more than noise.

Both are cut to what they have in common and brought to one loudness, then scored. The interval of the difference comes
from changes to both that nobody hears: whatever those do to a score, a difference must exceed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from hitpredict.audio.clip import Clip
from hitpredict.audio.read import open_audio
from hitpredict.audio.source import Source
from hitpredict.errors import InputError
from hitpredict.explanation.align import aligned
from hitpredict.explanation.measures import MEASURES, level_of, properties_of
from hitpredict.explanation.sweep import NULL, Sweep
from hitpredict.files.arrays import Floats
from hitpredict.scoring.records import ComparedSegment, CompareRecord, MeasuredProperty, ScoreRecord, Side
from hitpredict.scoring.scorer import Scorer

LEVEL = 0.95
"""The share of differences without meaning that an interval of 0 ± its half width holds."""
_LONGEST = 2**27


@dataclass(frozen=True)
class Heard:
    """A decoded song and what the model says of it as it is. warnings: of reading and of the score."""

    clip: Clip
    record: ScoreRecord
    warnings: tuple[str, ...]


def heard(source: Source, scorer: Scorer) -> Heard:
    """Read and score a song. Raises `InputError`, naming it, when it is no sound, silent, or too long for memory."""
    blocks, size = [], 0
    with open_audio(source) as reader:
        for block in reader.blocks():
            size += block.size
            if size > _LONGEST:
                raise InputError(
                    f"{reader.path}: is longer than the {_LONGEST / reader.channels / reader.rate / 60:.0f} minutes "
                    "that can be compared; cut out a part of it"
                )
            blocks.append(block)
        clip = Clip(np.concatenate(blocks, axis=1), reader.rate, reader.path, reader.tags)
        level_of(clip)
        record = replace(scorer.score(clip), name=reader.name)
        return Heard(clip, record, (*reader.warnings, *record.warnings))


def comparison(first: Heard, second: Heard, scorer: Scorer, seconds: float) -> CompareRecord:
    """The difference of the second song from the first. seconds: length of the segments.

    Segments are compared where the two are mixes of one song; else the list is empty, and the songs whole.
    """
    found = aligned(first.clip, second.clip)
    parts = _common(first.clip, second.clip, found.lag) if found else (first.clip, second.clip)
    levels = [level_of(part) for part in parts]
    gains = [min(levels) - level for level in levels]
    matched = [_turned(part, gain) for part, gain in zip(parts, gains, strict=True)]
    scored = [Scores.of(scorer, clip, seconds if found else None) for clip in matched]
    difference = scored[1].whole - scored[0].whole
    half = max(scorer.noise_floor or 0.0, _half(scored))
    return CompareRecord(
        songs=(_side(first, scored[0], gains[0]), _side(second, scored[1], gains[1])),
        alignment=(found.lag, found.correlation) if found else None,
        difference=difference,
        interval=(difference - half, difference + half),
        interval_level=LEVEL,
        segments=_segments(scored, scorer.noise_floor or 0.0, max(0.0, -found.lag)) if found else (),
        descriptors=tuple(_descriptors(*parts)),
        noise_floor=scorer.noise_floor,
        model=first.record.model,
        device=first.record.device,
    )


@dataclass(frozen=True)
class Scores:
    """whole: the score. parts: of each segment. edges: their starts and ends in seconds, (n, 2).

    noise: for each kind of change that nobody hears how far each of k changes moves the score, and each segment's,
    (k, 1 + n).
    """

    whole: float
    parts: Floats
    edges: Floats
    noise: tuple[Floats, ...]

    @classmethod
    def of(cls, scorer: Scorer, clip: Clip, seconds: float | None) -> "Scores":
        """Score a clip and its inaudibly changed versions, those that `explain` has as well.

        Coding is tried where the model file states no noise floor, which has that in it.
        """
        plain = scorer.score(clip, seconds)
        usual, sweep, noise = _with_segments(plain), Sweep(()), []
        for kind in ("timing", "level") if scorer.noise_floor is not None else ("timing", "level", "coding"):
            chains = [sweep.chain(*steps) for steps in NULL[kind]]
            moved = [_with_segments(scorer.score(chain.apply(clip), seconds)) - usual for chain in chains]
            noise.append(np.array(moved))
        edges = np.array([(each.start, each.end) for each in plain.segments or ()]).reshape(-1, 2)
        return cls(plain.score, usual[1:], edges, tuple(noise))

    def variance(self, parts: bool) -> float:
        """Of the score, or (parts) of the segments' scores, by noise: each kind of change is a component of it."""
        which = slice(1, None) if parts else slice(0, 1)
        return float(sum(np.square(each[:, which]).mean() for each in self.noise if each[:, which].size))


def _with_segments(record: ScoreRecord) -> Floats:
    return np.array([record.score, *(each.score for each in record.segments or ())])


def _turned(clip: Clip, gain: float) -> Clip:
    return clip if not gain else replace(clip, samples=clip.samples * np.float32(10 ** (gain / 20)))


def _common(first: Clip, second: Clip, lag: float) -> tuple[Clip, Clip]:
    """The stretch that both songs have, of each."""
    starts = max(0.0, -lag), max(0.0, lag)
    seconds = min(first.duration - starts[0], second.duration - starts[1])
    cut = []
    for clip, start in zip((first, second), starts, strict=True):
        at = round(start * clip.rate)
        cut.append(replace(clip, samples=clip.samples[:, at : at + round(seconds * clip.rate)]))
    return cut[0], cut[1]


def _half(scored: Sequence[Scores], tests: int = 1, parts: bool = False) -> float:
    """Half the interval of the difference of two scores, or of the worst of so many differences of segments."""
    quantile = NormalDist().inv_cdf(1 - (1 - LEVEL) / 2 / tests)
    return float(quantile * np.sqrt(sum(each.variance(parts) for each in scored)))


def _segments(scored: Sequence[Scores], floor: float, began: float) -> tuple[ComparedSegment, ...]:
    """began: seconds into the first song, where the stretch begins that both have."""
    count = min(len(each.parts) for each in scored)
    half = max(floor, _half(scored, max(count, 1), parts=True))
    first, second = scored
    return tuple(
        ComparedSegment(
            began + float(start), began + float(end), (float(before), float(after)), abs(after - before) > half
        )
        for (start, end), before, after in zip(first.edges[:count], first.parts, second.parts, strict=False)
    )


def _side(song: Heard, scored: Scores, gain: float) -> Side:
    return Side(song.record, scored.whole, gain, song.warnings)


def _descriptors(*parts: Clip) -> list[MeasuredProperty]:
    """What was measured of both, what differs most first."""
    before, after = map(properties_of, parts)
    found = [
        MeasuredProperty(
            name, MEASURES[name].unit, (before[name], after[name]), MEASURES[name].steps(before[name], after[name])
        )
        for name in before
        if name in after
    ]
    return sorted(found, key=lambda each: -each.steps)
