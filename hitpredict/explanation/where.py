"""Where in a song its score comes from: its sections, bands of frequencies, and both, each taken away in turn.

What a part does is held against what as much of the song does when it is taken from everywhere, in short pieces, and
against changes that nobody hears: a part matters where taking it away moves the score more than that.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np

from hitpredict.audio.clip import Clip
from hitpredict.audio.read import read_sound
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.engines import threads
from hitpredict.engines.limits import Budget
from hitpredict.errors import InputError
from hitpredict.explanation.effects import NoiseScale, discoveries, ranked_by_size
from hitpredict.explanation.lime import LinearFit, random_masks
from hitpredict.explanation.occlusion import FrequencyBand, Levelled, Stretch, bands_up_to, cut_out, short_pieces
from hitpredict.explanation.sections import SongSection, sections_in
from hitpredict.explanation.sweep import NULL, ROUNDING, Sweep, stands_still
from hitpredict.explanation.where_records import WhereRecord
from hitpredict.scoring.records import ScoreRecord
from hitpredict.scoring.scorer import Scorer

WHERE_KINDS = ("sections", "bands", "blocks", "gradients")
LONGEST = 2**25
"""Samples of one channel: all bands of a longer song would take more than 1.2 GB."""
_ELSEWHERE = 8
_SEED = 0
Taken = Mapping[int, Sequence[Stretch]]


@dataclass(frozen=True)
class Attribution:
    """What one part of a network's input adds to the score. completeness: see `WhereRecord.fit`."""

    label: str
    begin: float | None
    end: float | None
    low: float | None
    high: float | None
    share: float


class Gradients(Protocol):
    """Integrated gradients of a network; the model's folder gives them."""

    def __call__(
        self, sound: Sound, sections: Sequence[SongSection], bands: Sequence[FrequencyBand]
    ) -> tuple[list[Attribution], float]:
        """Attributions, and the share of the score's difference from the baseline that they leave out."""


@dataclass(frozen=True)
class SongPart:
    """A part of a song. taken: what of which band it is."""

    kind: str
    label: str
    taken: Taken
    remark: str = ""
    begin: float | None = None
    end: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Locator:
    """Finds where scores come from. kinds: some of `WHERE_KINDS`."""

    kinds: Sequence[str]
    scorer: Scorer
    gradients: Gradients | None = None

    @property
    def cuts(self) -> bool:
        """Whether sections are cut out: where the model hears all of a song, rather than windows to be kept full."""
        return all(window is None for window in self.scorer.windows)

    def located(
        self, source: Source, jobs: int | None, seconds: float, note: Callable[[str], None]
    ) -> list[WhereRecord]:
        """The records of a song, by kind and rank. seconds: for the work on it. note: takes a word on what is odd.

        Raises `InputError` where it cannot be read, is silent, too long, or has no parts of the kinds asked for.
        """
        budget = Budget(source.path, seconds)
        if source.problem:
            raise InputError(f"{source}: {source.problem}")
        sound = budget.timed(lambda: read_sound(source, lambda warning: note(f"{source}: {warning}")))()
        if sound.frames > LONGEST:
            raise InputError(
                f"{source}: is longer than the {LONGEST / sound.rate / 60:.0f} minutes of which it can be said where a "
                "score comes from; cut out a part of it"
            )
        song = budget.timed(lambda: _Song(self, source.path, sound.clip(), budget))()
        records = song.records(jobs)
        if len(song.sections) < 2 and {"sections", "blocks"} & {*self.kinds}:
            note(f"{source}: no boundary between sections was found (there are none below 8 s); it counts as one")
        if not records:
            raise InputError(f"{source}: is one section, so there is none to be taken away; ask for bands")
        return records


@dataclass(frozen=True)
class _Song:
    """A song, the ways in which it is changed, and what that does."""

    locator: Locator
    path: str
    clip: Clip
    budget: Budget

    @cached_property
    def sections(self) -> list[SongSection]:
        return sections_in(self.clip)

    @cached_property
    def bands(self) -> list[FrequencyBand]:
        return bands_up_to(self.clip.rate / 2)

    @cached_property
    def levelled(self) -> Levelled:
        return Levelled.of(self.clip, self.bands)

    @cached_property
    def edges(self) -> list[Stretch]:
        """The samples of each section."""
        rate, frames = self.clip.rate, self.clip.frames
        return [(round(each.begin * rate), min(frames, round(each.end * rate))) for each in self.sections]

    def records(self, jobs: int | None) -> list[WhereRecord]:
        """Of all kinds asked for, each by rank. Raises `InputError` for silence."""
        base = self._scored(Sound.of(self.clip))
        if base.warns("silent"):
            raise InputError(f"{self.path}: is silent, so nothing can be taken away; give a song with sound")
        null = self._null(base, jobs)
        makers = {
            "sections": self._sections,
            "bands": self._bands,
            "blocks": self._blocks,
            "gradients": self._gradients,
        }
        return [record for kind in self.locator.kinds for record in makers[kind](base, null, jobs)]

    def _scored(self, sound: Sound | Clip) -> ScoreRecord:
        given = Sound.of(sound) if isinstance(sound, Clip) else sound
        named = replace(given, name=self.path, parts=lambda: map(self.budget.check, given.parts()))
        return replace(self.locator.scorer.score(named), name=self.clip.name, artist=self.clip.tags.get("artist"))

    def _all(self, makers: Sequence[Callable[[], Sound | Clip]], jobs: int | None) -> list[ScoreRecord]:
        """The scores of changed songs. Raises the first `InputError`."""

        def score(make: Callable[[], Sound | Clip]) -> ScoreRecord:
            return self._scored(make())

        work = ((number, self.budget.timed(partial(score, make))) for number, make in enumerate(makers))
        with closing(threads.run(work, jobs, lambda _: self.path)) as results:
            found = [result for _, result in results]
        for result in found:
            if isinstance(result, InputError):
                raise result
        return [result for result in found if not isinstance(result, InputError)]

    def _null(self, base: ScoreRecord, jobs: int | None) -> dict[str, list[float]]:
        sweep = Sweep(())
        kinds = [(kind, sweep.chain(*steps)) for kind, chains in NULL.items() for steps in chains]
        found = self._all([partial(chain.apply, self.clip) for _, chain in kinds], jobs)
        null: dict[str, list[float]] = {}
        for (kind, _), record in zip(kinds, found, strict=True):
            null.setdefault(kind, []).append(record.score - base.score)
        return null

    def _noise(self, null: Mapping[str, Sequence[float]]) -> NoiseScale:
        return NoiseScale.of(null, self.locator.scorer.noise_floor or 0.0, self._rounding)

    @property
    def _rounding(self) -> float:
        target = self.locator.scorer.target
        return ROUNDING * (target.high - target.low)

    def _sections(self, base: ScoreRecord, null: Mapping[str, list[float]], jobs: int | None) -> list[WhereRecord]:
        if len(self.sections) < 2:
            return []
        every = range(len(self.bands))
        parts = [
            SongPart("section", each.label, {band: [edge] for band in every}, each.remark, each.begin, each.end)
            for each, edge in zip(self.sections, self.edges, strict=True)
        ]
        shares = [round((stop - start) / self.clip.frames, 2) for start, stop in self.edges]

        def elsewhere(share: float, rng: np.random.Generator) -> Taken:
            return dict.fromkeys(every, short_pieces(self.clip.frames, self.clip.rate, share, rng))

        return self._measured(parts, shares, elsewhere, self.locator.cuts, base, null, jobs)

    def _bands(self, base: ScoreRecord, null: Mapping[str, list[float]], jobs: int | None) -> list[WhereRecord]:
        whole = (0, self.clip.frames)
        parts = [
            SongPart("band", each.label, {number: [whole]}, low=each.low, high=each.high)
            for number, each in enumerate(self.bands)
        ]

        def elsewhere(share: float, rng: np.random.Generator) -> Taken:
            return {n: short_pieces(self.clip.frames, self.clip.rate, share, rng) for n in range(len(self.bands))}

        return self._measured(parts, [1 / len(parts)] * len(parts), elsewhere, False, base, null, jobs)

    def _without(self, taken: Taken, cut: bool) -> Sound | Clip:
        return cut_out(self.clip, taken[0]) if cut else self.levelled.sound(taken, self.path)

    def _measured(
        self,
        parts: Sequence[SongPart],
        shares: Sequence[float],
        elsewhere: Callable[[float, np.random.Generator], Taken],
        cut: bool,
        base: ScoreRecord,
        null: Mapping[str, list[float]],
        jobs: int | None,
    ) -> list[WhereRecord]:
        """Each part taken away, against its share of the song taken from everywhere."""
        rng = np.random.default_rng(_SEED)
        drawn = [(share, elsewhere(share, rng)) for share in dict.fromkeys(shares) for _ in range(_ELSEWHERE)]
        takes = [*(part.taken for part in parts), *(taken for _, taken in drawn)]
        if not cut:
            self.budget.timed(lambda: self.levelled)()
        found = self._all([partial(self._without, taken, cut) for taken in takes], jobs)
        by_share: dict[float, list[float]] = {}
        for (share, _), record in zip(drawn, found[len(parts) :], strict=True):
            by_share.setdefault(share, []).append(record.score - base.score)
        changes = [record.score - base.score for record in found[: len(parts)]]
        noises = [self._noise({**null, "elsewhere": by_share[share]}) for share in shares]
        how = "cut out" if cut else "levelled"
        doubted = base.warns("unlike-training")
        unlike = [record.warns("unlike-training") and not doubted for record in found[: len(parts)]]
        p_values = [noise.p_value([change]) for noise, change in zip(noises, changes, strict=True)]
        return self._records(parts, changes, p_values, noises, base, how, unlike=unlike)

    def _blocks(self, base: ScoreRecord, null: Mapping[str, list[float]], jobs: int | None) -> list[WhereRecord]:
        """A linear model of what random blocks do."""
        parts = [
            SongPart(
                "block", f"{part.label} · {band.label}", {n: [edge]}, "", part.begin, part.end, band.low, band.high
            )
            for part, edge in zip(self.sections, self.edges, strict=True)
            for n, band in enumerate(self.bands)
        ]
        rng = np.random.default_rng(_SEED)
        masks = random_masks(len(parts), rng)
        self.budget.timed(lambda: self.levelled)()
        takes = [_together([part.taken for part, on in zip(parts, mask, strict=True) if on]) for mask in masks]
        found = self._all([partial(self._without, taken, False) for taken in takes], jobs)
        fit = LinearFit.of(masks, [record.score - base.score for record in found], rng)
        noise = self._noise(null)
        scales = np.hypot(fit.deviations, noise.scale)
        p_values = [
            replace(noise, scale=scale).p_value([change]) for scale, change in zip(scales, fit.changes, strict=True)
        ]
        told = {"r2": fit.r2, "masks": fit.masks, "trusted": fit.trusted}
        noises = [noise] * len(parts)
        intervals = [(float(low), float(high)) for low, high in fit.intervals]
        changes = [float(change) for change in fit.changes]
        return self._records(parts, changes, p_values, noises, base, "levelled", fit=told, intervals=intervals)

    def _gradients(self, base: ScoreRecord, null: Mapping[str, list[float]], jobs: int | None) -> list[WhereRecord]:
        gradients = self.locator.gradients
        if gradients is None:
            return []
        found, completeness = self.budget.timed(lambda: gradients(Sound.of(self.clip), self.sections, self.bands))()
        parts = [SongPart("gradient", e.label, {}, "", e.begin, e.end, e.low, e.high) for e in found]
        noise, changes = self._noise(null), [-each.share for each in found]
        p_values = [noise.p_value([change]) for change in changes]
        told = {"completeness": completeness}
        return self._records(parts, changes, p_values, [noise] * len(parts), base, "gradients", fit=told)

    def _records(
        self,
        parts: Sequence[SongPart],
        changes: Sequence[float],
        p_values: Sequence[float],
        noises: Sequence[NoiseScale],
        base: ScoreRecord,
        how: str,
        unlike: Sequence[bool] | None = None,
        fit: Mapping[str, Any] | None = None,
        intervals: Sequence[tuple[float, float]] | None = None,
    ) -> list[WhereRecord]:
        """Records by rank."""
        scale = self.locator.scorer.target
        ends = intervals or [(change, change) for change in changes]
        blind = [stands_still(base.score, (own, *end), scale) for own, end in zip(changes, ends, strict=True)]
        p_values = [1.0 if unseen else p for p, unseen in zip(p_values, blind, strict=True)]
        believed = fit is None or fit.get("trusted", True)
        records = (
            WhereRecord(
                path=self.path,
                name=base.name,
                kind=part.kind,
                label=part.label,
                remark=part.remark,
                begin=part.begin,
                end=part.end,
                low=part.low,
                high=part.high,
                base_score=base.score,
                change=change,
                how=how,
                interval=intervals[place] if intervals else None,
                p_value=p_values[place],
                significant=bool(believed and new and noises[place].exceeded([change])),
                blind=blind[place],
                noise=noises[place].to_json(),
                fit=fit,
                unlike_training=bool(unlike and unlike[place]),
                rank=0,
                warnings=base.warnings,
                model=base.model,
                device=base.device,
                artist=base.artist,
            )
            for place, (part, change, new) in enumerate(zip(parts, changes, discoveries(p_values), strict=True))
        )
        return ranked_by_size(records, lambda each: each.change, lambda each: each.blind)


def _together(parts: Sequence[Taken]) -> Taken:
    taken: dict[int, list[Stretch]] = {}
    for part in parts:
        for band, stretches in part.items():
            taken.setdefault(band, []).extend(stretches)
    return taken
