"""What each stem of a song does to its score: without it, 3 dB louder or quieter, more to one side, in each section.

A variant is the mix plus the change of one stem, so that whatever the stems lack of the mix stays as it is. After
audioLIME (Haunschmid, Manilow & Widmer 2020), whose components are sources in segments of a song.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import BLOCK_FRAMES, Sound
from hitpredict.errors import InputError
from hitpredict.explanation.effects import NoiseScale, discoveries, ranked_by_size
from hitpredict.explanation.records import StemRecord
from hitpredict.explanation.sections import sections_in
from hitpredict.explanation.stem_files import Stems
from hitpredict.explanation.sweep import Sweep, stands_still
from hitpredict.explanation.trial import Trial
from hitpredict.scoring.records import ScoreRecord

WHOLE = "whole song"
_FADE_SECONDS = 0.02
_DB = 3.0
_SIDEWAYS = 0.5


def _gained(stem: Samples, gain: float) -> Samples:
    return stem * np.float32(gain - 1)


def _panned(stem: Samples, share: float) -> Samples:
    """What is added when a share of the middle goes to the left (above 0) or right: the sum of both sides stays."""
    middle = stem.mean(axis=0) * np.float32(share)
    return np.stack([middle, -middle])


CHANGES: Mapping[str, Callable[[Samples], Samples]] = {
    "mute": partial(_gained, gain=0.0),
    f"+{_DB:g} dB": partial(_gained, gain=10 ** (_DB / 20)),
    f"-{_DB:g} dB": partial(_gained, gain=10 ** (-_DB / 20)),
    "pan left": partial(_panned, share=_SIDEWAYS),
    "pan right": partial(_panned, share=-_SIDEWAYS),
}
"""What is done to a stem: what has to be added to the mix for it."""
_SIDES = ("pan left", "pan right")


@dataclass(frozen=True)
class StemChange:
    """A change of one stem from `begin` to `end`, in seconds; section: what that stretch is called."""

    stem: str
    change: str
    section: str
    begin: float
    end: float

    def __str__(self) -> str:
        return f"{self.stem}, {self.change}, {self.section}"

    @property
    def group(self) -> tuple[str, bool]:
        """The stem, and whether it is moved to a side."""
        return self.stem, self.change in _SIDES

    def made(self, stems: Stems, sound: Sound) -> Sound:
        """The mix with the change, faded in and out over 20 ms where it is of a section."""
        part, add = stems.parts[self.stem], CHANGES[self.change]

        def parts() -> Iterator[Samples]:
            for start in range(0, sound.frames, BLOCK_FRAMES):
                stop = min(sound.frames, start + BLOCK_FRAMES)
                mix = stems.mix.samples[:, start:stop]
                yield mix + add(part[:, start:stop]) * self._weights(start, stop, sound)

        return replace(sound, parts=parts)

    def _weights(self, start: int, stop: int, sound: Sound) -> Samples:
        if self.section == WHOLE:
            return np.ones(1, np.float32)
        seconds = np.arange(start, stop) / sound.rate
        rise = (seconds - self.begin) / _FADE_SECONDS + 0.5 if self.begin > 0 else np.ones(stop - start)
        fall = (self.end - seconds) / _FADE_SECONDS + 0.5 if self.end < sound.duration else np.ones(stop - start)
        return np.clip(np.minimum(rise, fall), 0, 1).astype(np.float32)


def stretches_of(stems: Stems) -> list[tuple[str, float, float]]:
    """Name, begin and end in seconds of each section of the mix, such as `2 B`; none where it has but one."""
    found = sections_in(stems.mix)
    if len(found) < 2:
        return []
    return [(f"{number} {each.label}", each.begin, each.end) for number, each in enumerate(found, 1)]


def explained_stems(stems: Stems, trial: Trial) -> tuple[list[StemRecord], list[str]]:
    """A record for each stem, change and section, the largest effect first, and what could not be tried.

    The score is always that of the whole song. Pans are tried in sections where the model hears them in the whole.
    Raises `InputError` where the song has no score.
    """
    scorer, sweep = trial.scorers[0], Sweep(())
    tried = trial.first(trial.scores({chain: chain.stream for chain in sweep.chains}))
    base = sweep.unchanged(trial.path, tried)
    heard = [name for name in stems.parts if stems.level(name) is not None]
    if not heard:
        raise InputError(f"{trial.path}: all stems are silent")
    whole = (WHOLE, 0.0, stems.mix.duration)
    everywhere = [StemChange(name, change, *whole) for name in stems.parts for change in CHANGES]
    found = _scored(everywhere, stems, trial, base)
    panned = [each for change, each in found.items() if change.change in _SIDES]
    moved = [each.score - base.score for each in panned if isinstance(each, ScoreRecord)]
    sides = bool(moved) and not stands_still(base.score, moved, scorer.target)
    wanted = [change for change in CHANGES if sides or change not in _SIDES]
    local = [StemChange(name, change, *where) for where in stretches_of(stems) for name in heard for change in wanted]
    found |= _scored(local, stems, trial, base)
    noise, _ = sweep.noise_scales(base.score, tried, scorer)
    good = {
        change: each for change, each in found.items() if isinstance(each, ScoreRecord) and not each.warns("silent")
    }
    failed = [f"{each}: {_reason(found[each])}" for each in found if each not in good]
    blind = {
        group: stands_still(base.score, [good[each].score - base.score for each in own], scorer.target)
        for group, own in _grouped(good).items()
    }
    made = [_record(change, stems, trial.path, base, each, noise, blind[change.group]) for change, each in good.items()]
    return _ranked_stems(made), failed


def _reason(found: ScoreRecord | InputError) -> str:
    return str(found) if isinstance(found, InputError) else "nothing is left to be scored"


def _grouped(changes: Iterable[StemChange]) -> dict[tuple[str, bool], list[StemChange]]:
    """Changes of one kind (level, sides) of one stem, in all places: the model sees them, or it does not."""
    groups: dict[tuple[str, bool], list[StemChange]] = {}
    for each in changes:
        groups.setdefault(each.group, []).append(each)
    return groups


def _record(
    change: StemChange, stems: Stems, path: str, base: ScoreRecord, found: ScoreRecord, noise: NoiseScale, blind: bool
) -> StemRecord:
    level = stems.level(change.stem, change.begin, change.end)
    effect, tested = found.score - base.score, level is not None and not blind
    return StemRecord(
        path=path,
        name=base.name,
        artist=base.artist,
        stem=change.stem,
        change=change.change,
        section=change.section,
        start=change.begin,
        end=change.end,
        level=level,
        silent=level is None,
        base_score=base.score,
        score=found.score,
        effect=effect,
        p_value=noise.p_value([effect]) if tested else 1.0,
        significant=tested and noise.exceeded([effect]),
        blind=blind and level is not None,
        noise=noise.to_json(),
        residual=None if math.isinf(stems.residual) else stems.residual,
        gain=stems.gain,
        lag=stems.lag,
        rank=0,
        warnings=base.warnings,
        model=base.model,
        device=base.device,
    )


def _scored(
    changes: Sequence[StemChange], stems: Stems, trial: Trial, base: ScoreRecord
) -> dict[StemChange, ScoreRecord | InputError]:
    """What is silent changes nothing."""
    heard = [each for each in changes if stems.level(each.stem, each.begin, each.end) is not None]
    found = trial.first(trial.scores({each: partial(each.made, stems) for each in heard}))
    return {each: found.get(each, base) for each in changes}


def _ranked_stems(records: Sequence[StemRecord]) -> list[StemRecord]:
    """The records after correction for their number, the largest effect first."""
    tested = [each for each in records if not (each.silent or each.blind)]
    found = dict(zip(map(id, tested), discoveries([each.p_value for each in tested]), strict=True))
    told = (replace(each, significant=each.significant and found.get(id(each), False)) for each in records)
    return ranked_by_size(told, lambda each: each.effect, lambda each: each.blind or each.silent)
