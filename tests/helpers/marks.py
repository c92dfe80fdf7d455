"""Which of many cases are tried by default."""

from collections.abc import Iterable
from typing import Any

import pytest


def few_by_default(cases: Iterable[Any], count: int = 1) -> list[Any]:
    """Cases for `pytest.mark.parametrize`: the first `count` by default, the others with the slow tests.

    A tuple is several arguments.
    """
    return [
        case if number < count else pytest.param(*(case if isinstance(case, tuple) else [case]), marks=pytest.mark.slow)
        for number, case in enumerate(cases)
    ]
