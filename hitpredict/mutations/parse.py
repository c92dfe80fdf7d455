"""The command line's syntax of values.

- `2` is a value, `1000:3:1.4` a value of several fields;
- `-2,0,2` is several values;
- `-4:4:1` is the inclusive range -4, -3 … 4; what follows, as in `0:20:10:pink`, goes with every value. The range of
  an equaliser's gain stands after its frequency: `1000:-6:6:3`;
- frequencies and bit rates may be written `3k` and `128k`, shares and ratios `90%`;
- a single time may be written `1:30` (or `1:02:30`), and two times with a dash between them: `1:00-1:30`, `90-`.
"""

import itertools
import math
import re
from collections.abc import Sequence

from hitpredict.errors import UsageError
from hitpredict.mutations.chain import Chain
from hitpredict.mutations.registry import STEPS
from hitpredict.mutations.step import Parameter, Step
from hitpredict.registry import lookup

MOST_VALUES = 1000
MOST_VARIANTS = 10_000
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_TIME = r"(?:\d+:){0,2}(?:\d+\.?\d*|\.\d+)"
_CLOCK = re.compile(rf"([+-]?)(?=[^:]+:)({_TIME})")
_TIMES = re.compile(rf"({_TIME})-({_TIME})?")


def parse(op: str, text: str = "") -> list[Step]:
    """The steps that `--op text` asks for, in the order written, each once; a flag takes no text.

    UsageError for an unknown op, malformed text, a value out of range, or more than 1000 values.
    """
    step = lookup("mutation", op, STEPS)
    if not step.metavar:
        if text:
            raise UsageError(f"`{op}` {text}: takes no value")
        return [step()]
    steps: dict[Step, None] = {}
    for item in text.split(","):
        steps.update(dict.fromkeys(_steps(step, item.strip(), text)))
        if len(steps) > MOST_VALUES:
            raise UsageError(f"`{op}` {text}: more than {MOST_VALUES} values")
    return list(steps)


def product(
    choices: Sequence[Sequence[Step]], *, engine: str = "pedalboard", quality: str = "best", seed: int = 0
) -> list[Chain]:
    """A recipe for every combination of one step from each of `choices`; the first varies slowest.

    No choices give the empty recipe. UsageError above 10,000 combinations.
    """
    count = math.prod(len(steps) for steps in choices)
    if count > MOST_VARIANTS:
        raise UsageError(f"these options ask for {count} variants; at most {MOST_VARIANTS} are possible")
    return [Chain(steps, engine, quality, seed) for steps in itertools.product(*choices)]


def _steps(step: type[Step], item: str, text: str) -> list[Step]:
    fields = _fields(step, item)
    first = step.ranged
    if first is not None and len(fields) > first + 2:
        spec = step.parameters()[first]
        numbers = [_number(spec, field) for field in fields[first : first + 3]]
        if None not in numbers:
            values = _range(f"`{step.op}` {item}", *(number for number in numbers if number is not None))
            return [_step(step, [*fields[:first], repr(value), *fields[first + 3 :]], text) for value in values]
    if step.op == "crop" and len(fields) == 1:
        raise _malformed(step, text)
    return [_step(step, fields, text)]


def _fields(step: type[Step], item: str) -> list[str]:
    """The fields of one value, clock times among them as seconds."""
    times = [spec.unit == "seconds" for spec in step.parameters()]
    if all(times):
        if len(times) == 1 and (clock := _CLOCK.fullmatch(item)):
            return [f"{clock[1]}{_seconds(clock[2])!r}"]
        if len(times) == 2 and (both := _TIMES.fullmatch(item)):
            return [repr(_seconds(both[1])), repr(_seconds(both[2])) if both[2] else ""]
    return [field.strip() for field in item.split(":")]


def _seconds(clock: str) -> float:
    seconds = 0.0
    for part in clock.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _number(spec: Parameter, field: str) -> float | None:
    """The number that a field holds: with k where thousands are usual, with % where the unit is a share or a ratio."""
    if field[-1:] in ("k", "K") and spec.unit in ("Hz", "kbit/s"):
        scale, field = 1000.0 if spec.unit == "Hz" else 1.0, field[:-1]
    elif field.endswith("%") and spec.unit.startswith(("of ", "times ")):
        scale, field = 0.01, field[:-1]
    else:
        scale = 1.0
    if not _NUMBER.fullmatch(field):
        return None
    return float(field) if scale == 1 else round(float(field) * scale, 10)


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
    if (number := _number(spec, field)) is None:
        raise _malformed(step, text)
    return number


def _malformed(step: type[Step], text: str) -> UsageError:
    return UsageError(f"`{step.op}` {text}: expected {step.metavar}, such as {step.example}")


def _range(what: str, start: float, stop: float, stride: float) -> list[float]:
    if stride == 0:
        raise UsageError(f"{what}: the step of a range cannot be 0")
    last = (stop - start) / stride * (1 + 1e-12) + 1e-9
    if last < 0:
        raise UsageError(f"{what}: a step of {stride:g} never gets from {start:g} to {stop:g}")
    if not last < MOST_VALUES:
        raise UsageError(f"{what}: a range of more than {MOST_VALUES} values")
    return [round(start + index * stride, 10) for index in range(math.floor(last) + 1)]
