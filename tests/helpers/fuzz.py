"""Properties that hold whatever is given: a few examples by default, many where slow tests are asked for."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, strategies

from hitpredict.errors import HitpredictError

Strategy = strategies.SearchStrategy[Any]


def fuzzed(
    *given: Strategy, examples: Sequence[tuple[Any, ...]] = (), few: int = 20, many: int = 120
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make tests of a property, a function of what the strategies give. The same examples come every time.

    examples: arguments that are tried each time, such as those that once failed.
    """

    def decorate(check: Callable[..., None]) -> Callable[..., None]:
        @pytest.mark.parametrize("count", [few, pytest.param(many, marks=pytest.mark.slow)])
        def test(count: int) -> None:
            tried = hypothesis.given(*given)(check)
            for each in examples:
                tried = hypothesis.example(*each)(tried)
            hypothesis.settings(
                max_examples=count,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            )(tried)()

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate


@contextmanager
def file_of(data: bytes | str, name: str) -> Iterator[Path]:
    """A file of that name with these bytes, or this text."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(data if isinstance(data, bytes) else data.encode(errors="surrogatepass"))
        yield path


def unless_refused(action: Callable[[], Any], errors: type[Exception] = HitpredictError) -> Any:
    """What an action gives, or None where it refuses, saying why; any other error is the test's."""
    try:
        return action()
    except errors as error:
        assert str(error).strip()
        return None


def damaged(data: bytes) -> Strategy:
    """The bytes with a few places changed, and perhaps cut."""
    places = strategies.integers(0, max(0, len(data) - 1))
    edits = strategies.lists(strategies.tuples(places, strategies.binary(min_size=1, max_size=8)), max_size=4)
    ends = strategies.one_of(strategies.just(len(data)), places)
    return strategies.builds(Damaged, strategies.just(data), edits, ends)


class Damaged(bytes):
    """Bytes that tell how they were changed, not what they are."""

    def __new__(cls, data: bytes, edits: Sequence[tuple[int, bytes]], end: int) -> "Damaged":
        changed = bytearray(data)
        for place, text in edits:
            changed[place : place + len(text)] = text
        self = super().__new__(cls, changed[:end])
        self.told = f"Damaged(..., {edits!r}, {end})"
        return self

    def __repr__(self) -> str:
        return self.told


_ODD = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(),
    strategies.sampled_from([0, -1, 10**400, 2**63, 1e300, -0.0]),
    strategies.floats(),
    strategies.text(max_size=20),
)
anything = strategies.recursive(
    _ODD,
    lambda inner: strategies.one_of(
        strategies.lists(inner, max_size=3), strategies.dictionaries(strategies.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
"""Whatever JSON may hold, and numbers that it may not."""


def altered(value: Any) -> Strategy:
    """JSON with one or two of its entries replaced by anything, or gone."""
    return strategies.lists(
        strategies.tuples(strategies.integers(0, 2**16), anything | strategies.just(...)), max_size=2
    ).map(lambda changes: _altered(value, changes))


def _altered(value: Any, changes: Sequence[tuple[int, Any]]) -> Any:
    for number, new in changes:
        places = list(_places(value, ()))
        if places:
            value = _with(value, places[number % len(places)], new)
    return value


def _places(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    found = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in found:
        yield (*place, key)
        yield from _places(each, (*place, key))


def _with(value: Any, place: tuple[Any, ...], new: Any) -> Any:
    copy: Any = value.copy()
    key, *rest = place
    if rest:
        copy[key] = _with(copy[key], tuple(rest), new)
    elif new is ...:
        del copy[key]
    else:
        copy[key] = new
    return copy
