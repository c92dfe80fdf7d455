"""A recipe: a chain of steps as data. It round-trips through JSON; applying it is a pure function."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError, UsageError
from hitpredict.mutations.registry import STEPS
from hitpredict.mutations.space import Mono
from hitpredict.mutations.step import ENGINES, QUALITIES, Context, Step
from hitpredict.mutations.time import fused, halves
from hitpredict.registry import check_known, check_parameters, lookup
from hitpredict.scoring.records import RECIPE_SCHEMA

_LONGEST_LABEL = 120


@dataclass(frozen=True)
class Chain:
    """Steps in the order in which they are applied, and what they share; no steps leave the clip as it is.

    engine: `pedalboard` or `rubberband`; quality: `best` or `draft`; both matter to pitch and tempo alone.
    seed: 0 or above; matters to noise alone.
    """

    steps: tuple[Step, ...] = ()
    engine: str = "pedalboard"
    quality: str = "best"
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(self.steps))
        for name, value, choices in (("engine", self.engine, ENGINES), ("quality", self.quality, QUALITIES)):
            if value not in choices:
                raise UsageError(f"`{name}` {value}: must be {' or '.join(choices)}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise UsageError(f"`seed` {self.seed}: must be a whole number, 0 or above")

    @property
    def label(self) -> str:
        """Such as `pitch+2.tempo0.9`: safe in file names, one for each chain of steps.

        `original` without steps; a label too long for a file name ends in a digest instead.
        """
        label = ".".join(step.label for step in self.steps) or "original"
        if len(label) <= _LONGEST_LABEL:
            return label
        digest = hashlib.sha256(label.encode()).hexdigest()[:12]
        return f"{label[: _LONGEST_LABEL - 13].rstrip('.')}.{digest}"

    def apply(self, clip: Clip) -> Clip:
        """The mutated clip; the same recipe and clip give the same bits. The name and tags stay.

        InputError when the clip is empty, holds NaN or infinite samples, or a step cannot be done on it.
        """
        if clip.frames == 0 or clip.channels == 0:
            raise InputError("the clip has no samples")
        if not np.isfinite(clip.samples).all():
            raise InputError("the clip holds NaN or infinite samples")
        sound = Sound.of(clip)
        changed = self.stream(sound)
        return clip if changed is sound else changed.clip()

    def stream(self, sound: Sound) -> Sound:
        """The mutated sound, made block by block while it is read; `sound` may be read several times for it.

        The bits are those of `apply`. InputError when a step cannot be done on it.
        """
        return applied(self.plan, sound)

    @property
    def plan(self) -> "Plan":
        """What is really done: channels averaged as early as possible, neighbouring pitch and tempo in one pass."""
        shared = Context(self.engine, self.quality, self.seed)
        steps = fused(_averaged_early(self.steps))
        return tuple((step, replace(shared, position=position)) for position, step in enumerate(steps))

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps`."""
        steps = [step.to_json() for step in self.steps]
        shared = {"engine": self.engine, "quality": self.quality, "seed": self.seed}
        return {"schema": RECIPE_SCHEMA, "steps": steps, **shared}

    @classmethod
    def from_json(cls, data: object) -> "Chain":
        """The recipe of `to_json`; `engine`, `quality` and `seed` may be absent. UsageError if malformed."""
        if not isinstance(data, Mapping) or data.get("schema") != RECIPE_SCHEMA:
            raise UsageError(f'a recipe must be a JSON object with "schema": "{RECIPE_SCHEMA}"')
        check_known("recipe, field", data, ("schema", "steps", "engine", "quality", "seed"))
        steps = data.get("steps")
        if not isinstance(steps, Sequence) or isinstance(steps, str):
            raise UsageError('recipe: "steps" must be a list')
        shared = {name: data[name] for name in ("engine", "quality", "seed") if name in data}
        return cls(tuple(step_from_json(step) for step in steps), **shared)


def read_recipes(path: Path) -> list[Chain]:
    """The recipes in a file: JSON, one or a list of them, or such a value a line. Raises `UsageError`."""
    try:
        text = path.read_text(encoding="utf-8")
        try:
            entries = [json.loads(text)]
        except ValueError:
            entries = [json.loads(line) for line in text.splitlines() if line.strip()]
        flat = chain.from_iterable(entry if isinstance(entry, list) else [entry] for entry in entries)
        return [Chain.from_json(entry) for entry in flat]
    except (OSError, UnicodeDecodeError, UsageError) as error:
        raise UsageError(f"`recipe` {path}: {getattr(error, 'strerror', None) or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"`recipe` {path}: not JSON: {error}") from error


Plan = tuple[tuple[Step, Context], ...]


def applied(plan: Plan, sound: Sound) -> Sound:
    """`sound` after all steps of a plan."""
    for step, context in plan:
        sound = step.apply(sound, context)
    return sound


def divided(plan: Plan, sound: Sound) -> tuple[Plan, Plan]:
    """A plan for this sound up to its last step that needs the whole of it, and the rest, which works block by block.

    A step that is two, of which the second works block by block, is cut in the middle where nothing but channel by
    channel changes come before it: those are not done before the sound is read, so that its length costs nothing.
    """
    last = max((number for number, (step, _) in enumerate(plan) if step.whole), default=-1)
    if last < 0:
        return (), plan
    before, (step, context), rest = plan[:last], plan[last], plan[last + 1 :]
    cheap = all((each.per_channel or isinstance(each, Mono)) and not each.whole for each, _ in before)
    two = halves(step, applied(before, sound), context) if cheap else None
    if two is None:
        return plan[: last + 1], rest
    return (*before, (two[0], context)), ((two[1], context), *rest)


def _averaged_early(steps: Sequence[Step]) -> list[Step]:
    """`steps` with each mono moved before what treats all channels alike: one channel is less work."""
    result: list[Step] = []
    for step in steps:
        place = len(result)
        while isinstance(step, Mono) and place and result[place - 1].per_channel:
            place -= 1
        result.insert(place, step)
    return result


def step_from_json(data: object) -> Step:
    """The step of `{"op": "pitch", "semitones": 2.0}`; UsageError if malformed or out of range."""
    if not isinstance(data, Mapping) or not isinstance(data.get("op"), str):
        raise UsageError('recipe: every step must be an object with an "op"')
    step = lookup("recipe: op", data["op"], STEPS)
    parameters = {name: value for name, value in data.items() if name != "op"}
    check_parameters(f"recipe, op {step.op}", parameters, {spec.name: spec.required for spec in step.parameters()})
    return step(**parameters)
