"""One song in memory, and what models make of any number of changes to it."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from hitpredict.audio.read import read_sound
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.engines import threads
from hitpredict.engines.limits import Budget
from hitpredict.errors import InputError
from hitpredict.scoring.records import ScoreRecord
from hitpredict.scoring.scorer import Scorer

Key = TypeVar("Key", bound=Hashable)
Scored = tuple[ScoreRecord, ...] | InputError
"""Of each model a record, or why there is none."""


@dataclass(frozen=True)
class Trial:
    """A song, the models that score what is made of it, and the threads and seconds that this may take.

    path: what messages call the song. scorers: at least one. jobs: threads, None for as many as there are cores.
    """

    path: str
    sound: Sound
    scorers: tuple[Scorer, ...]
    jobs: int | None
    budget: Budget

    @classmethod
    def read(
        cls,
        source: Source,
        scorers: tuple[Scorer, ...],
        jobs: int | None,
        seconds: float,
        note: Callable[[str], None],
    ) -> "Trial":
        """Read a source; note takes what was found wrong and survived. Raises `InputError`."""
        budget = Budget(source.path, seconds)
        return cls(source.path, read_sound(source, lambda text: note(f"{source}: {text}")), scorers, jobs, budget)

    def scores(self, changes: Mapping[Key, Callable[[Sound], Sound]]) -> dict[Key, Scored]:
        """Each change made and scored, by its key, which tells people what it is; what fails has an `InputError`."""

        def work() -> Iterator[tuple[Key, Callable[[], tuple[ScoreRecord, ...]]]]:
            for key, change in changes.items():
                yield key, self.budget.timed(partial(self._scored, change))

        return dict(threads.run(work(), self.jobs, lambda _: self.path))

    def _scored(self, change: Callable[[Sound], Sound]) -> tuple[ScoreRecord, ...]:
        made = change(self.sound)
        parts = made.parts
        made = replace(made, name=self.path, parts=lambda: map(self.budget.check, parts()))
        if len(self.scorers) > 1:
            made = Sound.of(made.clip())
        return tuple(replace(each.score(made), path=self.path, name=self.sound.name) for each in self.scorers)

    def first(self, found: Mapping[Key, Scored]) -> dict[Key, ScoreRecord | InputError]:
        """What the first model says."""
        return {key: each if isinstance(each, InputError) else each[0] for key, each in found.items()}
