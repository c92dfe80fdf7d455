"""The smallest changes to a song that raise its score by more than noise, and on which models agree.

The space is one table: what may be changed, and how far. A change's size is the share of that limit, of a pair the sum
of both. Single changes are tried at the limit and at half of it, those that help also in between; then pairs of those
that help most.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from statistics import NormalDist

from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError, UsageError, unknown
from hitpredict.explanation.effects import FALSE_DISCOVERIES, NoiseScale
from hitpredict.explanation.grid import SweptParameter
from hitpredict.explanation.records import SuggestionRecord
from hitpredict.explanation.sweep import Sweep, stands_still
from hitpredict.explanation.trial import Scored, Trial
from hitpredict.mutations import STEPS, Chain
from hitpredict.mutations.step import Step
from hitpredict.scoring.records import ScoreRecord

_BANDS = (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)


@dataclass(frozen=True)
class Direction:
    """One way in which a song may be changed. neutral, limit: the values of no change and of the largest one.

    logarithmic: whether the way between them is by ratio. before: what else the step is given.
    digits: to which a value is rounded."""

    name: str
    op: str
    neutral: float
    limit: float
    logarithmic: bool = False
    before: tuple[float, ...] = ()
    digits: int = 2

    def step(self, share: float) -> Step:
        """The change that is this share of the limit, from 0 to 1."""
        if self.logarithmic:
            value = self.neutral * (self.limit / self.neutral) ** share
        else:
            value = self.neutral + share * (self.limit - self.neutral)
        made: Callable[..., Step] = STEPS[self.op]
        return made(*self.before, round(value, self.digits))

    @property
    def family(self) -> str:
        """The name without its direction: two directions of one property do not go together."""
        return self.name.rstrip("+-")


def _both(name: str, op: str, neutral: float, low: float, high: float, **more: object) -> tuple[Direction, Direction]:
    return Direction(f"{name}-", op, neutral, low, **more), Direction(f"{name}+", op, neutral, high, **more)  # type: ignore[arg-type]


SPACE: tuple[Direction, ...] = (
    *_both("pitch", "pitch", 0.0, -2.0, 2.0),
    *_both("tempo", "tempo", 1.0, 0.92, 1.08, logarithmic=True, digits=4),
    Direction("compress", "compress", 0.0, -24.0, digits=1),
    Direction("lowpass", "lowpass", 20000.0, 8000.0, logarithmic=True, digits=0),
    Direction("highpass", "highpass", 20.0, 120.0, logarithmic=True, digits=0),
    *(each for hz in _BANDS for each in _both(f"eq-{hz}", "eq", 0.0, -4.0, 4.0, before=(float(hz),))),
    Direction("reverb", "reverb", 0.0, 0.2),
    *_both("width", "width", 1.0, 0.5, 1.5),
)
"""All that is searched, in the order in which changes are made."""
COARSE, FINE = (1.0, 0.5), (0.75, 0.25)
_PAIRED, _PAIR_SHARES = 4, ((0.5, 0.5), (0.25, 0.25))
_LEVEL = 1 - FALSE_DISCOVERIES


def chosen_directions(names: str | None, space: Sequence[Direction] = SPACE) -> tuple[Direction, ...]:
    """The directions of the named properties, separated by commas; `eq` stands for all of its bands. `UsageError`."""
    if names is None:
        return tuple(space)
    wanted: list[Direction] = []
    known = list(dict.fromkeys(each.family for each in space))
    for name in filter(None, (part.strip() for part in names.split(","))):
        found = [each for each in space if name in (each.family, each.family.rpartition("-")[0])]
        if not found:
            raise UsageError(unknown("parameter", name, known))
        wanted += found
    return tuple(each for each in space if each in wanted)


@dataclass(frozen=True)
class Candidate:
    """Directions, each with its share of the limit."""

    parts: tuple[tuple[Direction, float], ...]

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """What is done, in the order of the space."""
        return tuple(direction.step(share) for direction, share in self.parts)

    @property
    def size(self) -> float:
        """The sum of the shares."""
        return sum(share for _, share in self.parts)

    @property
    def names(self) -> frozenset[str]:
        """The directions."""
        return frozenset(direction.name for direction, _ in self.parts)

    @property
    def stretches(self) -> bool:
        """Whether the stretcher makes it."""
        return any(direction.op in ("pitch", "tempo") for direction, _ in self.parts)

    def __str__(self) -> str:
        return ".".join(step.label for step in self.steps)


@dataclass(frozen=True)
class Search:
    """What is searched for a song, and how: `wanted` suggestions, in `quality` of stretching."""

    wanted: int
    directions: tuple[Direction, ...] = SPACE
    quality: str = "draft"

    @cached_property
    def sweep(self) -> Sweep:
        """What makes the variants; its noise has that of the stretcher where something is stretched."""
        stretched = (
            (SweptParameter.of("pitch", "pitch", "1"),)
            if any(direction.op in ("pitch", "tempo") for direction in self.directions)
            else ()
        )
        return Sweep(stretched, self.quality)


@dataclass
class _Tried:
    """Candidates and their effects on the score of each model, as far as they could be made."""

    search: Search
    trial: Trial
    base: tuple[ScoreRecord, ...]
    effects: dict[Candidate, tuple[float, ...]]
    failed: dict[Candidate, InputError]

    def add(self, candidates: Iterable[Candidate]) -> None:
        new = [each for each in dict.fromkeys(candidates) if each not in self.effects and each not in self.failed]
        chains = {each: self.search.sweep.chain(*each.steps) for each in new}
        for each, found in self.trial.scores({each: chain.stream for each, chain in chains.items()}).items():
            if isinstance(found, InputError):
                self.failed[each] = found
            else:
                self.effects[each] = _differences(found, self.base)


def _differences(found: Sequence[ScoreRecord], base: Sequence[ScoreRecord]) -> tuple[float, ...]:
    return tuple(after.score - before.score for after, before in zip(found, base, strict=True))


def suggestions(search: Search, trial: Trial) -> tuple[list[SuggestionRecord], list[str]]:
    """The suggestions, smallest first, or one record that says that nothing small helps; and what could not be tried.

    The first model's score has to rise by more than noise, after correction for all candidates tried (Šidák), and those
    of all models have to rise; with one model alone, those of both halves of the song. Raises `InputError` where the
    song has no score.
    """
    scored = trial.scores({chain: chain.stream for chain in search.sweep.chains})
    unchanged = search.sweep.unchanged(trial.path, trial.first(scored))
    base = scored[search.sweep.chain()]
    assert not isinstance(base, InputError)
    noises = search.sweep.noise_scales(unchanged.score, trial.first(scored), trial.scorers[0])
    tried = _Tried(search, trial, base, {}, {})
    tried.add(Candidate(((each, share),)) for each in search.directions for share in COARSE)
    promising = {each.parts[0][0] for each in tried.effects if _helps(each, tried.effects, noises, len(tried.effects))}
    tried.add(Candidate(((each, share),)) for each in search.directions if each in promising for share in FINE)
    tried.add(_pairs(tried.effects, search.directions))
    count = len(tried.effects)
    good = [each for each in tried.effects if _helps(each, tried.effects, noises, count)]
    blind = _blind(tried, unchanged.score)
    made: list[tuple[Candidate, SuggestionRecord]] = []
    for each in sorted(good, key=lambda each: (each.size, -tried.effects[each][0])):
        if any(own.names <= each.names for own, _ in made):
            continue
        record = _confirmed(each, tried, noises[each.stretches], count, blind)
        if record is not None:
            made.append((each, record))
        if len(made) == search.wanted:
            break
    failed = [f"{each}: {error}" for each, error in tried.failed.items()]
    records = [replace(record, rank=rank) for rank, (_, record) in enumerate(made, 1)]
    return records or [_record(tried, noises[0], count, blind)], failed


def _helps(
    candidate: Candidate, effects: Mapping[Candidate, tuple[float, ...]], noises: Sequence[NoiseScale], count: int
) -> bool:
    """Whether a change raises the first model's score by more than noise, of so many tried, and lowers no other's."""
    first, *_ = found = effects[candidate]
    noise = noises[candidate.stretches]
    return min(found) > 0 and noise.exceeded([first]) and noise.p_value([first] + [0.0] * (count - 1)) < 1 - _LEVEL


def _pairs(effects: Mapping[Candidate, tuple[float, ...]], order: Sequence[Direction]) -> list[Candidate]:
    """Pairs of the four single changes that raise the score most at half of their limits."""
    half = {each.parts[0][0]: found[0] for each, found in effects.items() if each.size == COARSE[-1] and found[0] > 0}
    best = sorted(half, key=lambda each: -half[each])[:_PAIRED]
    return [
        Candidate(tuple(zip(two, shares, strict=True)))
        for two in combinations([each for each in order if each in best], 2)
        if two[0].family != two[1].family
        for shares in _PAIR_SHARES
    ]


def _blind(tried: _Tried, base: float) -> tuple[str, ...]:
    """The properties that the first model does not see."""
    found: dict[str, list[float]] = {}
    for each, effects in tried.effects.items():
        if len(each.parts) == 1:
            found.setdefault(each.parts[0][0].family, []).append(effects[0])
    scale = tried.trial.scorers[0].target
    return tuple(name for name, changes in found.items() if stands_still(base, changes, scale))


def _confirmed(
    candidate: Candidate, tried: _Tried, noise: NoiseScale, count: int, blind: tuple[str, ...]
) -> SuggestionRecord | None:
    """A suggestion with the score of what `mutate` makes, where the models, or both halves of the song, agree."""
    chain, trial = Chain(candidate.steps, quality=tried.search.quality), tried.trial
    found = trial.scores({chain: chain.stream})[chain]
    if isinstance(found, InputError):
        return None
    effects = _differences(found, tried.base)
    votes, by = (list(effects), "models") if len(effects) > 1 else (_of_halves(chain, trial), "halves of the song")
    if min(votes, default=effects[0]) <= 0 or effects[0] <= 0:
        return None
    record = _record(tried, noise, count, blind)
    half = NormalDist().inv_cdf(1 - (1 - _LEVEL) / 2) * noise.scale
    return replace(
        record,
        found=True,
        steps=tuple(step.to_json() for step in candidate.steps),
        score=found[0].score,
        effect=effects[0],
        effects=effects,
        interval=(effects[0] - half, effects[0] + half),
        p_value=noise.p_value([effects[0]] + [0.0] * (count - 1)),
        significant=True,
        size=candidate.size,
        agreement=by if votes else "none: the halves of the song are too short",
        agreeing=sum(vote > 0 for vote in votes),
        unlike_training=found[0].warns("unlike-training") and not tried.base[0].warns("unlike-training"),
    )


def _of_halves(chain: Chain, trial: Trial) -> list[float]:
    """What the change does to the score of each half of the song; nothing where the halves are too short."""
    sound = trial.sound
    middle = sound.frames // 2

    def half(which: int) -> Callable[[Sound], Sound]:
        begin, stop = (0, middle) if not which else (middle, sound.frames)
        return lambda sound: sound.between(begin, stop)

    changes: dict[tuple[int, bool], Callable[[Sound], Sound]] = {}
    for which in (0, 1):
        part = half(which)
        changes[which, False] = part
        changes[which, True] = lambda sound, part=part: chain.stream(part(sound))  # type: ignore[misc]
    found: dict[tuple[int, bool], Scored] = trial.scores(changes)
    if any(isinstance(each, InputError) for each in found.values()):
        return []
    scores = trial.first(found)
    return [_score(scores[which, True]) - _score(scores[which, False]) for which in (0, 1)]


def _score(found: ScoreRecord | InputError) -> float:
    return float("nan") if isinstance(found, InputError) else found.score


def _record(tried: _Tried, noise: NoiseScale, count: int, blind: tuple[str, ...]) -> SuggestionRecord:
    """What a record says whether or not there is a suggestion."""
    base = tried.base[0]
    return SuggestionRecord(
        path=tried.trial.path,
        name=base.name,
        artist=base.artist,
        found=False,
        base_score=base.score,
        tried=count,
        blind=blind,
        noise=noise.to_json(),
        quality=tried.search.quality,
        models=tuple(each.model for each in tried.base),
        rank=0,
        warnings=base.warnings,
        model=base.model,
        device=base.device,
    )
