"""Response curves: the score of a song as properties of its sound change one at a time, beside what noise does.

One channel first: every front-end hears the mean of the channels alone, and steps that treat all channels alike (pitch,
tempo, gain, filters, equaliser) commute with it: the score changes by 0.001 at most. What bends the wave, and noise,
does not (differences of up to 2 points of 100), so it works on all channels.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby

from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.errors import InputError
from hitpredict.explanation.effects import NoiseScale, discoveries, monotonicity, ranked_by_size, slope
from hitpredict.explanation.grid import SweptParameter
from hitpredict.mutations import Chain
from hitpredict.mutations.damage import Mp3Compression
from hitpredict.mutations.edit import Roll
from hitpredict.mutations.level import Gain
from hitpredict.mutations.space import Mono
from hitpredict.mutations.step import Step
from hitpredict.mutations.time import Pitch, Tempo, stretch_of
from hitpredict.mutations.variants import made
from hitpredict.scoring.records import ExplainRecord, ScoreRecord
from hitpredict.scoring.scorer import Scorer, ScoreScale

# Rounding to 16 bits moves the bundled model's scores by up to 0.012 of 100 when a song is made 12 dB quieter.
ROUNDING = 5e-4
"""The share of a scale below which the score does not move."""
_MILLISECONDS = (1.0, -1.7, 2.3, -3.1, 4.1, -4.7, 5.3, -6.1)
# Of one channel: as many bits for it as of 320 and 256 kbit/s for two, at half the work.
_CODED = ((0.0, 160), (1.3, 160), (-2.9, 160), (3.7, 128))
NULL: Mapping[str, tuple[tuple[Step, ...], ...]] = {
    "identity": ((),),
    "timing": tuple((Roll(late / 1000),) for late in _MILLISECONDS),
    "level": tuple((Gain(db),) for db in (-0.1, -0.05, 0.05, 0.1)),
    "coding": tuple((Mono(), Roll(late / 1000), Mp3Compression(kbits)) for late, kbits in _CODED),
}
"""Changes that should not matter, by kind: steps of a chain."""
STRETCHED: Mapping[str, tuple[tuple[Step, ...], ...]] = {
    "stretching": ((Pitch(-0.05),), (Pitch(0.05),), (Tempo(0.998),), (Tempo(1.002),)),
}
"""The same for what only the stretcher can be blamed for: changes that nobody hears, made by it."""
Tried = Mapping[Chain, ScoreRecord | InputError]


@dataclass(frozen=True)
class Sweep:
    """What is tried on each song. quality: of stretching, `draft` or `best`."""

    parameters: tuple[SweptParameter, ...]
    quality: str = "draft"

    def chain(self, *steps: Step) -> Chain:
        """Steps as they are made here: of one channel where that is the same."""
        mono = steps and all(step.per_channel for step in steps)
        return Chain((*steps, Mono()) if mono else steps, quality=self.quality)

    @cached_property
    def null(self) -> dict[str, list[Chain]]:
        """The changes that should not matter."""
        kinds = {**NULL, **(STRETCHED if any(each.stretches for each in self.parameters) else {})}
        return {kind: [self.chain(*steps) for steps in chains] for kind, chains in kinds.items()}

    @cached_property
    def chains(self) -> list[Chain]:
        """All that is tried, each once; the first is the unchanged song, and what shares a stretch are neighbours."""
        steps = sorted((step for each in self.parameters for step in each.steps), key=stretch_of)
        swept = (self.chain(step) for step in steps)
        return list(dict.fromkeys([self.chain(), *(chain for kind in self.null.values() for chain in kind), *swept]))

    def explained(self, path: str, tried: Tried, scorer: Scorer) -> list[ExplainRecord]:
        """A record for each parameter of which at least one value could be tried, the largest effect first.

        Raises `InputError` where the unchanged song has no score, or is silent.
        """
        base = self.unchanged(path, tried)
        curves = [_Curve.of(each, [tried[self.chain(step)] for step in each.steps]) for each in self.parameters]
        curves = [curve for curve in curves if curve.values]
        if not curves:
            reason = next(iter(self.failed(tried).values()))
            raise InputError(f"{path}: nothing of what is asked for can be done to this sound: {reason}")
        plain, stretched = self.noise_scales(base.score, tried, scorer)
        noises = [stretched if curve.parameter.stretches else plain for curve in curves]
        blind = [curve.stands_still(base.score, scorer.target) for curve in curves]
        p_values = [
            1.0 if unseen else noise.p_value(curve.changes(base.score))
            for curve, noise, unseen in zip(curves, noises, blind, strict=True)
        ]
        found = discoveries(p_values)
        records = (
            _record(self, path, base, curve, noise, p, new and noise.exceeded(curve.changes(base.score)), unseen)
            for curve, noise, p, new, unseen in zip(curves, noises, p_values, found, blind, strict=True)
        )
        return ranked_by_size(records, lambda each: each.largest_change, lambda each: each.blind)

    def unchanged(self, path: str, tried: Tried) -> ScoreRecord:
        """What the unchanged song is scored. Raises `InputError`, naming it, where it has no score, or is silent."""
        base = tried[self.chain()]
        if isinstance(base, InputError):
            raise base if path in str(base) else InputError(f"{path}: {base}")
        if base.warns("silent"):
            raise InputError(f"{path}: is silent, so no change to it can be heard; give a song with sound")
        return base

    def noise_scales(self, base: float, tried: Tried, scorer: Scorer) -> tuple[NoiseScale, NoiseScale]:
        """What changes that should not matter do to a song of this score: without and with those of the stretcher."""
        null = {kind: _differences(chains, tried, base) for kind, chains in self.null.items()}
        least = ROUNDING * (scorer.target.high - scorer.target.low)
        plain, stretched = (
            NoiseScale.of({kind: null[kind] for kind in null if kind in kinds}, scorer.noise_floor or 0.0, least)
            for kinds in (NULL, {**NULL, **STRETCHED})
        )
        return plain, stretched

    def failed(self, tried: Tried) -> dict[str, InputError]:
        """What could not be tried, by label, and why."""
        steps = (step for each in self.parameters for step in each.steps)
        results = {step.label: tried[self.chain(step)] for step in steps}
        return {label: error for label, error in results.items() if isinstance(error, InputError)}


@dataclass(frozen=True)
class _Curve:
    """What could be tried of a parameter."""

    parameter: SweptParameter
    values: tuple[float, ...]
    records: tuple[ScoreRecord, ...]

    @classmethod
    def of(cls, parameter: SweptParameter, tried: Iterable[ScoreRecord | InputError]) -> "_Curve":
        pairs = [pair for pair in zip(parameter.values, tried, strict=True) if isinstance(pair[1], ScoreRecord)]
        return cls(parameter, tuple(value for value, _ in pairs), tuple(record for _, record in pairs))  # type: ignore[misc]

    def changes(self, base: float) -> list[float]:
        """Of the scores from the unchanged song's."""
        return [record.score - base for record in self.records]

    def stands_still(self, base: float, scale: ScoreScale) -> bool:
        """Whether the model does not see it; at the ends of its scale nobody can tell."""
        return stands_still(base, self.changes(base), scale)

    def with_base(self, base: float) -> tuple[list[float], list[float]]:
        """Places and scores, the unchanged song among them where it has a place."""
        points = dict(zip(self.values, (record.score for record in self.records), strict=True))
        if self.parameter.neutral is not None:
            points[self.parameter.neutral] = base
        return self.parameter.places(sorted(points)), [points[value] for value in sorted(points)]

    def effect(self, base: float) -> float:
        """Over the range where the unchanged song has a place in it, else of the strongest value."""
        places, scores = self.with_base(base)
        if self.parameter.neutral is not None and (steepness := slope(places, scores)) is not None:
            return self.parameter.direction * steepness * (places[-1] - places[0])
        return self.changes(base)[-1 if self.parameter.direction > 0 else 0]


def stands_still(base: float, changes: Iterable[float], scale: ScoreScale) -> bool:
    """Whether none of the changes moves the score by more than rounding; at the ends of its scale nobody can tell."""
    return scale.low < base < scale.high and max(map(abs, changes)) <= ROUNDING * (scale.high - scale.low)


def _differences(chains: Iterable[Chain], tried: Tried, base: float) -> list[float]:
    records = (tried[chain] for chain in chains)
    return [record.score - base for record in records if isinstance(record, ScoreRecord)]


def _record(
    sweep: Sweep,
    path: str,
    base: ScoreRecord,
    curve: _Curve,
    noise: NoiseScale,
    p: float,
    significant: bool,
    blind: bool,
) -> ExplainRecord:
    changes = curve.changes(base.score)
    largest = max(range(len(changes)), key=lambda place: abs(changes[place]))
    places, scores = curve.with_base(base.score)
    parameter = curve.parameter
    step = parameter.steps[parameter.values.index(curve.values[largest])]
    doubted = base.warns("unlike-training")
    return ExplainRecord(
        path=path,
        name=base.name,
        artist=base.artist,
        parameter=parameter.name,
        unit=parameter.unit,
        values=curve.values,
        scores=tuple(record.score for record in curve.records),
        base_score=base.score,
        slope=slope(places, scores),
        slope_unit="octave" if parameter.octaves else parameter.unit,
        effect=curve.effect(base.score),
        towards=curve.values[-1 if parameter.direction > 0 else 0],
        largest_change=changes[largest],
        largest_change_at=curve.values[largest],
        monotonicity=monotonicity(places, scores),
        p_value=p,
        significant=significant,
        blind=blind,
        noise=noise.to_json(),
        unlike_training=tuple(
            value
            for value, record in zip(curve.values, curve.records, strict=True)
            if record.warns("unlike-training") and not doubted
        ),
        quality=sweep.quality if parameter.stretches else None,
        rank=0,
        recipe=Chain((step,), quality=sweep.quality).to_json(),
        duration=base.duration,
        warnings=base.warnings,
        model=base.model,
        device=base.device,
    )


@dataclass(frozen=True)
class _Scores:
    """Where variants go: to the model."""

    scorer: Scorer

    def claim(self, source: Source, recipe: Chain) -> str:
        """What goes wrong in scoring is told of the input, by its path."""
        return source.path

    def take(self, name: str, sound: Sound) -> ScoreRecord:
        return replace(self.scorer.score(replace(sound, name=name)), name=sound.name)


def run(
    found: Iterable[Source], sweep: Sweep, scorer: Scorer, jobs: int | None, seconds: float, note: Callable[[str], None]
) -> Iterator[tuple[Source, Tried]]:
    """Each source with all that was tried on it, in order; see `mutations.variants.made`."""
    with closing(made(found, sweep.chains, _Scores(scorer), jobs, seconds, note)) as results:
        for _, group in groupby(results, lambda result: id(result[0].source)):
            tried = list(group)
            source = tried[0][0].source
            # A spooled copy of a long sound was kept until now.
            source.discard()
            yield source, {variant.recipe: result for variant, result in tried}
