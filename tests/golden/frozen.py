"""Frozen answers: their files, and how near a computed answer must come to them."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.golden.answers import Answers

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def file_of(subject: str) -> Path:
    return Path(__file__).with_name(f"{subject}.json")


def read(subject: str) -> Answers:
    return json.loads(file_of(subject).read_text())  # type: ignore[no-any-return]


def write(subject: str, answers: Answers) -> None:
    """One line for each answer; numbers to seven digits."""
    lines = [f" {json.dumps(name)}: {json.dumps(_rounded(answer))}" for name, answer in answers.items()]
    file_of(subject).write_text("{\n" + ",\n".join(lines) + "\n}\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.7g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


@dataclass(frozen=True)
class Tolerance:
    """How far numbers may lie apart: relative to the frozen one, to the span of the list that it stands in, or at all;
    whichever is the most."""

    relative: float
    of_span: float
    absolute: float

    def disagreeing(self, found: Any, frozen: Any, place: str = "", span: float = 0.0) -> list[str]:
        """`place: found, not frozen` for everything that does not agree. Numbers within text count as numbers."""
        if isinstance(frozen, dict) and isinstance(found, dict) and found.keys() == frozen.keys():
            return [line for key in frozen for line in self.disagreeing(found[key], frozen[key], f"{place}/{key}")]
        if isinstance(frozen, list) and isinstance(found, list) and len(found) == len(frozen):
            numbers = [each for each in frozen if _is_number(each)]
            span = max(numbers) - min(numbers) if numbers else 0.0
            pairs = enumerate(zip(found, frozen, strict=True))
            return [line for i, (a, b) in pairs for line in self.disagreeing(a, b, f"{place}/{i}", span)]
        if isinstance(frozen, str) and isinstance(found, str) and _NUMBER.sub("", found) == _NUMBER.sub("", frozen):
            numbers = [[float(number) for number in _NUMBER.findall(text)] for text in (found, frozen)]
            pairs = zip(*numbers, strict=True)
            return [line for a, b in pairs for line in self.disagreeing(a, b, place)]
        if _is_number(frozen) and _is_number(found):
            allowed = max(self.relative * abs(frozen), self.of_span * span, self.absolute)
            return [] if abs(found - frozen) <= allowed else [f"{place}: {found}, not {frozen}"]
        return [] if found == frozen else [f"{place}: {found}, not {frozen}"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
