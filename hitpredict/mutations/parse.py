"""The command line's syntax of values.

- `2` is a value, `1000:3:1.4` a value of several fields;
- `-2,0,2` is several values;
- `-4:4:1` is the inclusive range -4, -3 … 4; what follows, as in `0:20:10:pink`, goes with every value.
"""

import itertools
import math
import re
from collections.abc import Sequence

from hitpredict.errors import UsageError
from hitpredict.mutations.recipe import Recipe
from hitpredict.mutations.registry import STEPS
from hitpredict.mutations.step import Parameter, Step

MOST_VALUES = 1000
MOST_VARIANTS = 10_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def parse(op: str, text: str = "") -> list[Step]:
    """The steps that `--op text` asks for, in the order written, each once; a flag takes no text.

    UsageError for an unknown op, malformed text, a value out of range, or more than 1000 values.
    """
    if op not in STEPS:
        raise UsageError(f"unknown mutation --{op}; known are {', '.join(STEPS)}")
    step = STEPS[op]
    if not step.metavar:
        if text:
            raise UsageError(f"--{op} {text}: takes no value")
        return [step()]
    steps: dict[Step, None] = {}
    for item in text.split(","):
        steps.update(dict.fromkeys(_steps(step, item.strip(), text)))
        if len(steps) > MOST_VALUES:
            raise UsageError(f"--{op} {text}: more than {MOST_VALUES} values")
    return list(steps)


def product(
    choices: Sequence[Sequence[Step]], *, engine: str = "pedalboard", quality: str = "best", seed: int = 0
) -> list[Recipe]:
    """A recipe for every combination of one step from each of `choices`; the first varies slowest.

    No choices give the empty recipe. UsageError above 10,000 combinations.
    """
    count = math.prod(len(steps) for steps in choices)
    if count > MOST_VARIANTS:
        raise UsageError(f"these options ask for {count} variants; at most {MOST_VARIANTS} are possible")
    return [Recipe(steps, engine, quality, seed) for steps in itertools.product(*choices)]


def _steps(step: type[Step], item: str, text: str) -> list[Step]:
    fields = [field.strip() for field in item.split(":")]
    if step.ranged and len(fields) > 2 and all(_NUMBER.fullmatch(field) for field in fields[:3]):
        numbers = _range(f"--{step.op} {item}", *map(float, fields[:3]))
        return [_step(step, [repr(number), *fields[3:]], text) for number in numbers]
    if step.op == "crop" and len(fields) == 1:
        raise _malformed(step, text)
    return [_step(step, fields, text)]


def _step(step: type[Step], fields: list[str], text: str) -> Step:
    parameters = step.parameters()
    if len(fields) > len(parameters):
        raise _malformed(step, text)
    values = {}
    for index, spec in enumerate(parameters):
        field = fields[index] if index < len(fields) else ""
        if field or spec.required:
            values[spec.name] = _value(step, spec, field, text)
    return step(**values)


def _value(step: type[Step], spec: Parameter, field: str, text: str) -> float | str:
    if spec.is_text and field:
        return field
    if not _NUMBER.fullmatch(field):
        raise _malformed(step, text)
    return float(field)


def _malformed(step: type[Step], text: str) -> UsageError:
    return UsageError(f"--{step.op} {text}: expected {step.metavar}, such as {step.example}")


def _range(what: str, start: float, stop: float, stride: float) -> list[float]:
    if stride == 0:
        raise UsageError(f"{what}: the step of a range cannot be 0")
    last = (stop - start) / stride * (1 + 1e-12) + 1e-9
    if last < 0:
        raise UsageError(f"{what}: a step of {stride:g} never gets from {start:g} to {stop:g}")
    if not last < MOST_VALUES:
        raise UsageError(f"{what}: a range of more than {MOST_VALUES} values")
    return [round(start + index * stride, 10) for index in range(math.floor(last) + 1)]
