"""What a model makes of two versions of a song, or of two songs, and whether the difference is more than noise.

Both are cut to what they have in common and brought to one loudness, then scored. The interval of the difference comes
from changes to both that nobody hears: whatever those do to a score, a difference must exceed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from threading import Lock

import numpy as np

from hitpredict.audio.read import read_sound
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.engines.limits import Budget
from hitpredict.errors import InputError
from hitpredict.explanation.align import aligned
from hitpredict.explanation.measures import MEASURES, level_of, properties_of
from hitpredict.explanation.sweep import NULL, Sweep
from hitpredict.files.arrays import Floats
from hitpredict.mutations.step import decibels
from hitpredict.mutations.variants import within
from hitpredict.scoring.records import ComparedSegment, CompareRecord, MeasuredProperty, ScoreRecord, Side
from hitpredict.scoring.scorer import Scorer

LEVEL = 0.95
"""The share of differences without meaning that an interval of 0 ± its half width holds."""
_LONGEST = 2 * 3600.0
_Span = tuple[int, int, float | None]


@dataclass(frozen=True)
class NullVariance:
    """What changes that nobody hears do to the score of a song, and to those of its segments: variances."""

    whole: float
    parts: float

    @classmethod
    def of(cls, scorer: Scorer, sound: Sound, plain: ScoreRecord, seconds: float | None) -> "NullVariance":
        """Measured with the changes that `explain` has as well; each kind is a component of the variance.

        Coding is tried where the model file states no noise floor, which has that in it. plain: the unchanged score.
        """
        usual, sweep, whole, parts = _with_segments(plain), Sweep(()), 0.0, 0.0
        for kind in ("timing", "level") if scorer.noise_floor is not None else ("timing", "level", "coding"):
            chains = [sweep.chain(*steps) for steps in NULL[kind]]
            moved = np.array([_with_segments(scorer.score(chain.stream(sound), seconds)) - usual for chain in chains])
            squares = np.square(moved)
            whole += float(squares[:, 0].mean())
            parts += float(squares[:, 1:].mean()) if squares.shape[1] > 1 else 0.0
        return cls(whole, parts)


class Heard:
    """A song that was read, and what the model says of it as it is. warnings: of reading and of the score. budget:
    the time that is left for it.

    The noise of its score is measured once for each part of it that is compared, to the second.
    """

    def __init__(self, sound: Sound, record: ScoreRecord, warnings: tuple[str, ...], budget: Budget):
        self.sound, self.record, self.warnings, self.budget = sound, record, warnings, budget
        self._noise: dict[_Span, NullVariance] = {}
        self._measuring = Lock()

    def noise(self, span: _Span, measured: Callable[[], NullVariance]) -> NullVariance:
        """That of a part: what is known, or what is measured now. In any thread; the others wait."""
        with self._measuring:
            if span not in self._noise:
                self._noise[span] = measured()
            return self._noise[span]


def heard(source: Source, scorer: Scorer, budget: Budget) -> Heard:
    """Read and score a song. Raises `InputError`, naming it, when it is no sound, silent, too long, or out of time.

    A long song stays where it is and is decoded for every pass; whoever is done with it discards the source.
    """
    if source.problem:
        raise InputError(f"{source}: {source.problem}")
    warnings: list[str] = []
    read = read_sound(source, warnings.append)
    if read.duration > _LONGEST:
        raise InputError(
            f"{source.path}: is longer than the {_LONGEST / 60:.0f} minutes that can be compared; cut out a part of it"
        )
    sound = replace(within(read, budget), name=source.path)
    level_of(sound)
    record = replace(scorer.score(sound), name=read.name)
    return Heard(sound, record, (*warnings, *record.warnings), budget)


def comparison(first: Heard, second: Heard, scorer: Scorer, seconds: float) -> CompareRecord:
    """The difference of the second song from the first. seconds: length of the segments.

    Segments are compared where the two are mixes of one song; else the list is empty, and the songs whole.
    """
    # What is done to the first song costs the second one's time.
    sounds = within(first.sound, second.budget), second.sound
    found = aligned(*sounds)
    spans = _common(*sounds, found.lag if found else None)
    parts = [sound.between(*span) for sound, span in zip(sounds, spans, strict=True)]
    levels = [level_of(part) for part in parts]
    gains = [min(levels) - level for level in levels]
    length = seconds if found else None
    scored = [
        Scores.of(scorer, song, _turned(part, gain), span[0], length)
        for song, part, gain, span in zip((first, second), parts, gains, spans, strict=True)
    ]
    difference = scored[1].whole - scored[0].whole
    half = max(scorer.noise_floor or 0.0, _half([each.noise.whole for each in scored]))
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
    """whole: the score. parts: of each segment. edges: their starts and ends in seconds, (n, 2)."""

    whole: float
    parts: Floats
    edges: Floats
    noise: NullVariance

    @classmethod
    def of(cls, scorer: Scorer, song: Heard, part: Sound, start: int, seconds: float | None) -> "Scores":
        """Score a part of a song, which begins at the frame `start`."""
        plain = scorer.score(part, seconds)
        edges = np.array([(each.start, each.end) for each in plain.segments or ()]).reshape(-1, 2)
        span = round(start / part.rate), round((start + part.frames) / part.rate), seconds
        noise = song.noise(span, lambda: NullVariance.of(scorer, part, plain, seconds))
        return cls(plain.score, _with_segments(plain)[1:], edges, noise)


def _with_segments(record: ScoreRecord) -> Floats:
    return np.array([record.score, *(each.score for each in record.segments or ())])


def _turned(sound: Sound, gain: float) -> Sound:
    return sound if not gain else sound.each(lambda block: block * np.float32(decibels(gain)))


def _common(first: Sound, second: Sound, lag: float | None) -> list[tuple[int, int]]:
    """The first frame and the end of the stretch that both songs have, in each; all of them without a lag."""
    if lag is None:
        return [(0, first.frames), (0, second.frames)]
    starts = max(0.0, -lag), max(0.0, lag)
    seconds = min(first.duration - starts[0], second.duration - starts[1])
    spans = []
    for sound, start in zip((first, second), starts, strict=True):
        at = round(start * sound.rate)
        spans.append((at, min(at + round(seconds * sound.rate), sound.frames)))
    return spans


def _half(variances: Sequence[float], tests: int = 1) -> float:
    """Half the interval of the difference of two scores, or of the worst of so many differences of segments."""
    return float(NormalDist().inv_cdf(1 - (1 - LEVEL) / 2 / tests) * np.sqrt(sum(variances)))


def _segments(scored: Sequence[Scores], floor: float, began: float) -> tuple[ComparedSegment, ...]:
    """began: seconds into the first song, where the stretch begins that both have."""
    count = min(len(each.parts) for each in scored)
    half = max(floor, _half([each.noise.parts for each in scored], max(count, 1)))
    first, second = scored
    return tuple(
        ComparedSegment(
            began + float(start), began + float(end), (float(before), float(after)), abs(after - before) > half
        )
        for (start, end), before, after in zip(first.edges[:count], first.parts, second.parts, strict=False)
    )


def _side(song: Heard, scored: Scores, gain: float) -> Side:
    return Side(song.record, scored.whole, gain, song.warnings)


def _descriptors(*parts: Sound) -> list[MeasuredProperty]:
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
