"""Whether two changes to a song do together what the sum of each alone does.

The interaction of A and B is f(AB) - f(A) - f(B) + f(song), f being the score: 0 for a model in which the two add up.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from hitpredict.errors import InputError
from hitpredict.explanation.effects import discoveries, ranked_by_size
from hitpredict.explanation.grid import SweptParameter
from hitpredict.explanation.records import InteractionRecord
from hitpredict.explanation.sweep import Sweep, Tried, stands_still
from hitpredict.explanation.trial import Trial
from hitpredict.mutations.step import Step
from hitpredict.scoring.records import ExplainRecord, ScoreRecord

OF_ITS_OWN, ASKED_FOR = 4, 8
"""How many parameters are paired: of those that move the score most, and of those asked for. 6 and 28 pairs."""
_DIFFERENCES = 3


@dataclass(frozen=True, eq=False)
class _Pair:
    """Two parameters at the values of their largest change."""

    parameters: tuple[SweptParameter, SweptParameter]
    records: tuple[ExplainRecord, ExplainRecord]

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(
            parameter.steps[parameter.values.index(record.largest_change_at)]
            for parameter, record in zip(self.parameters, self.records, strict=True)
        )

    @property
    def stretches(self) -> bool:
        return any(each.stretches for each in self.parameters)


def interactions(sweep: Sweep, trial: Trial, most: int = OF_ITS_OWN) -> tuple[list[InteractionRecord], list[str]]:
    """A record for each pair of the `most` parameters that move the score most, and what could not be tried.

    Each parameter is taken at the value of its largest change. Raises `InputError` where the song has no score, or
    fewer than two parameters move it.
    """
    tried = trial.first(trial.scores({chain: chain.stream for chain in sweep.chains}))
    base = sweep.unchanged(trial.path, tried)
    records = sweep.explained(trial.path, tried, trial.scorers[0])
    seen = sorted((each for each in records if not each.blind), key=lambda each: -abs(each.largest_change))[:most]
    if len(seen) < 2:
        raise InputError(f"{trial.path}: the model sees fewer than two of the parameters, so there is no pair of them")
    names = {each.parameter: each for each in seen}
    parameters = [each for each in sweep.parameters if each.name in names]
    pairs = [_Pair(two, (names[two[0].name], names[two[1].name])) for two in combinations(parameters, 2)]
    chains = {sweep.chain(*pair.steps): pair for pair in pairs}
    together = trial.first(trial.scores({chain: chain.stream for chain in chains}))
    done = {pair: found for chain, pair in chains.items() if isinstance(found := together[chain], ScoreRecord)}
    failed = [f"{chain.label}: {each}" for chain, each in together.items() if isinstance(each, InputError)]
    return _records(sweep, trial, base, done, tried), [*map(_failure, sweep.failed(tried).items()), *failed]


def _failure(failed: tuple[str, InputError]) -> str:
    return f"{failed[0]}: {failed[1]}"


def _records(
    sweep: Sweep, trial: Trial, base: ScoreRecord, done: dict[_Pair, ScoreRecord], tried: Tried
) -> list[InteractionRecord]:
    scorer = trial.scorers[0]
    scales = [each.of_sum(_DIFFERENCES) for each in sweep.noise_scales(base.score, tried, scorer)]
    # Their values were picked for what they do, noise included, from so many.
    tries = sum(len(each.steps) for each in sweep.parameters)
    made = []
    for pair, both in done.items():
        alone = (pair.records[0].largest_change, pair.records[1].largest_change)
        change = both.score - base.score
        noise, excess = scales[pair.stretches], change - sum(alone)
        scores = (base.score, both.score, *(base.score + each for each in alone))
        at_end = not all(scorer.target.low < score < scorer.target.high for score in scores)
        blind = any(
            stands_still(base.score, (own, change - other), scorer.target) for own, other in (alone, alone[::-1])
        )
        made.append(
            InteractionRecord(
                path=trial.path,
                name=base.name,
                artist=base.artist,
                parameters=(pair.parameters[0].name, pair.parameters[1].name),
                units=(pair.parameters[0].unit, pair.parameters[1].unit),
                values=(pair.records[0].largest_change_at, pair.records[1].largest_change_at),
                base_score=base.score,
                alone=alone,
                together=change,
                interaction=excess,
                p_value=1.0 if blind or at_end else noise.p_value([excess] + [0.0] * (tries - 1)),
                significant=noise.exceeded([excess]),
                blind=blind,
                at_end=at_end,
                noise=noise.to_json(),
                pairs=len(done),
                quality=sweep.quality if pair.stretches else None,
                rank=0,
                warnings=base.warnings,
                model=base.model,
                device=base.device,
            )
        )
    return _ranked(made)


def _ranked(records: Sequence[InteractionRecord]) -> list[InteractionRecord]:
    """The records after correction for their number, the largest interaction first."""
    found = discoveries([each.p_value for each in records])
    told = (replace(each, significant=each.significant and new) for each, new in zip(records, found, strict=True))
    return ranked_by_size(told, lambda each: each.interaction, lambda each: each.blind or each.at_end)
