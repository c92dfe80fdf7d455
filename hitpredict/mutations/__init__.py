"""Changes to the sound: steps with ranges and units, recipes that chain them, the command line's syntax."""

from typing import Any

from hitpredict.audio.clip import Clip
from hitpredict.errors import UsageError
from hitpredict.mutations.chain import Chain
from hitpredict.mutations.parse import parse, product
from hitpredict.mutations.registry import STEPS
from hitpredict.mutations.step import Step

__all__ = ["STEPS", "Chain", "mutate", "parse", "product"]


def mutate(clip: Clip, *, engine: str = "pedalboard", quality: str = "best", seed: int = 0, **steps: Any) -> Clip:
    """`clip` after the steps, in the order of the keywords: `mutate(clip, pitch=2, eq=(3000, 4), mono=True)`.

    A value is a number, a tuple of a step's fields, one value in the command line's syntax (`"20:pink"`),
    or True for a step without a value; None and False leave a step out. UsageError for a value without
    meaning, InputError for a clip that a step cannot be done on.
    """
    chain = [_step(op, value) for op, value in steps.items() if value is not None and value is not False]
    return Chain(tuple(chain), engine, quality, seed).apply(clip)


def _step(op: str, value: Any) -> Step:
    if isinstance(value, str) or value is True or op not in STEPS:
        parsed = parse(op, "" if value is True else value)
        if len(parsed) != 1:
            raise UsageError(f"`{op}` {value}: one value is needed here, not {len(parsed)}")
        return parsed[0]
    fields = value if isinstance(value, tuple | list) else (value,)
    parameters = STEPS[op].parameters()
    needed = sum(spec.required for spec in parameters)
    if not needed <= len(fields) <= len(parameters):
        raise UsageError(f"`{op}` {value}: expected {STEPS[op].metavar or 'True'}")
    return STEPS[op](*fields)
