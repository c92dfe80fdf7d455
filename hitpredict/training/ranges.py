"""The ranges that a search takes hyper-parameters from, as text and as what Optuna asks for."""

import re
from dataclasses import dataclass
from typing import Any

from hitpredict import recipes
from hitpredict.errors import UsageError

_RANGE = re.compile(r"(?P<low>[^|]*?)\.\.(?P<high>[^|.][^|]*|\.\d[^|]*)")
_DECADE = 10


@dataclass(frozen=True)
class Interval:
    """Numbers from `low` to `high`, both included; whole ones where both are. Where high is ten times low or more they
    are drawn by factors."""

    low: float
    high: float

    @property
    def by_factors(self) -> bool:
        return self.low > 0 and self.high / self.low >= _DECADE

    @property
    def examples(self) -> tuple[Any, ...]:
        return self.low, self.high

    def drawn(self, trial: Any, key: str) -> Any:
        """Optuna's suggestion for the entry `key` of a recipe."""
        whole = isinstance(self.low, int) and isinstance(self.high, int)
        ask = trial.suggest_int if whole else trial.suggest_float
        return ask(key, self.low, self.high, log=self.by_factors)

    def value(self, suggested: Any) -> Any:
        """What a recipe takes for a suggestion."""
        return suggested


@dataclass(frozen=True)
class Choices:
    """One of several values, each as text in TOML."""

    texts: tuple[str, ...]

    @property
    def examples(self) -> tuple[Any, ...]:
        return tuple(map(recipes.parsed, self.texts))

    def drawn(self, trial: Any, key: str) -> Any:
        """Optuna's suggestion for the entry `key` of a recipe, as text."""
        return trial.suggest_categorical(key, list(self.texts))

    def value(self, suggested: Any) -> Any:
        """What a recipe takes for a suggestion."""
        return recipes.parsed(suggested)


Range = Interval | Choices


def parsed_range(key: str, text: str) -> Range | None:
    """The range of `0..0.5`, `1e-4..1e-2` or `a|b|c`; None of anything else, which is a value. Raises `UsageError`."""
    if found := _RANGE.fullmatch(text):
        low, high = (recipes.parsed(found[side].strip()) for side in ("low", "high"))
        numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in (low, high))
        if not numbers or not low < high or high - low == float("inf"):
            raise UsageError(f"`settings` {key}={text}: a range goes from one number to a larger one, such as 0..0.5")
        return Interval(low, high)
    if "|" in text:
        texts = tuple(part.strip() for part in text.split("|"))
        if "" in texts or len(set(texts)) < len(texts):
            raise UsageError(f"`settings` {key}={text}: choices are different values with | between them, such as a|b")
        return Choices(texts)
    return None
