"""Every recipe applied to every source: each sound is read once, and stretched once for neighbours that agree on it."""

import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol, TypeVar

from hitpredict.audio.read import read_sound
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.engines import threads
from hitpredict.engines.limits import Budget
from hitpredict.errors import InputError
from hitpredict.mutations.chain import Chain, Plan, applied, divided

Made_co = TypeVar("Made_co", covariant=True)


class Taker(Protocol[Made_co]):
    """Where variants go."""

    def claim(self, source: Source, recipe: Chain) -> str | None:
        """A name for a variant that is about to be made; None when it is there already. `InputError` if it is taken."""

    def take(self, name: str, sound: Sound) -> Made_co:
        """Make the variant of this name, in any thread."""


@dataclass(frozen=True)
class Variant:
    """What one recipe makes of one source. budget: the time that is left for the source. rest: of the recipe's plan,
    what comes after the part that neighbours share."""

    source: Source
    recipe: Chain
    budget: Budget = field(compare=False)
    name: str = ""
    rest: Plan = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.source}: {self.recipe.label}"


def made(
    found: Iterable[Source],
    recipes: list[Chain],
    taker: Taker[Made_co],
    jobs: int | None,
    seconds: float,
    note: Callable[[str], None],
) -> Generator[tuple[Variant, Made_co | InputError], None, None]:
    """Yield (variant, what the taker made of it), in order; what failed comes as an `InputError` in its place.

    What is wrong with a source comes once, with its first variant. jobs: threads, None for as many as there are cores.
    seconds: for the work on one source. note: takes what was found wrong with a file and survived.
    """
    with (
        closing(threads.run(_stretches(found, recipes, taker, seconds, note), jobs, _first)) as stretches,
        closing(threads.run(_calls(stretches, taker), jobs)) as results,
    ):
        yield from results


def _calls(
    stretches: Iterable[tuple[list[Variant], Sound | InputError]], taker: Taker[Made_co]
) -> Iterator[tuple[Variant, Callable[[], Made_co]]]:
    """The work that comes after a stretch: a call for each variant."""
    for variants, sound in stretches:
        for variant in variants:
            if isinstance(sound, InputError):
                yield variant, partial(_raise, sound)
            else:
                yield variant, variant.budget.timed(partial(_taken, variant, sound, taker))


def _stretches(
    found: Iterable[Source], recipes: list[Chain], taker: Taker[Any], seconds: float, note: Callable[[str], None]
) -> Iterator[tuple[list[Variant], Callable[[], Sound]]]:
    """Calls that stretch a sound, each with the neighbouring variants that begin with this stretch."""
    for source in found:
        budget = Budget(source.path, seconds)
        read = threads.attempted(budget.timed(partial(_read, source, recipes, taker, budget, note)), source)
        if isinstance(read, InputError):
            yield [Variant(source, recipes[0], budget)], partial(_raise, read)
        elif read:
            wanted, sound = read
            cut = [_cut(variant, sound) for variant in wanted]
            for plan, alike in groupby(cut, itemgetter(0)):
                yield [variant for _, variant in alike], budget.timed(partial(applied, plan, sound))


def _cut(variant: Variant, sound: Sound) -> tuple[Plan, Variant]:
    """What may be shared of a variant's plan, and the variant with the rest of it."""
    try:
        shared, rest = divided(variant.recipe.plan, sound)
    except InputError:
        # It cannot be done on this sound, which is told where it is tried.
        shared, rest = (), variant.recipe.plan
    return shared, replace(variant, rest=rest)


def _read(
    source: Source, recipes: list[Chain], taker: Taker[Any], budget: Budget, note: Callable[[str], None]
) -> tuple[list[Variant], Sound] | None:
    """The variants that are wanted of a source, and its sound; None where all are there already."""
    if source.problem:
        raise InputError(f"{source}: {source.problem}")
    named = [(recipe, taker.claim(source, recipe)) for recipe in recipes]
    wanted = [Variant(source, recipe, budget, name) for recipe, name in named if name is not None]
    if not wanted:
        return None
    return wanted, within(read_sound(source, lambda warning: note(f"{source}: {warning}")), budget)


def _taken(variant: Variant, stretched: Sound, taker: Taker[Made_co]) -> Made_co:
    """The variant, with its name and its recipe in the tags."""
    recipe = variant.recipe
    title = f"{stretched.name} [{recipe.label}]" if recipe.steps else stretched.name
    artist = {"artist": stretched.tags["artist"]} if stretched.tags.get("artist") else {}
    comment = json.dumps(recipe.to_json(), separators=(",", ":"))
    changed = within(applied(variant.rest, stretched), variant.budget)
    return taker.take(variant.name, replace(changed, name=title, tags={**artist, "title": title, "comment": comment}))


def within(sound: Sound, budget: Budget) -> Sound:
    """The same sound, that breaks off when the time is up."""
    return replace(sound, parts=lambda: map(budget.check, sound.parts()))


def _first(variants: list[Variant]) -> str:
    return str(variants[0])


def _raise(error: InputError) -> Any:
    raise error
