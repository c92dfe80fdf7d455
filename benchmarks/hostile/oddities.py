"""Values and texts that nobody expects, and one of them somewhere inside a nested value."""

import math
from typing import Any

import numpy as np

ODD: tuple[Any, ...] = (
    *(None, True, False, [], {}, "", "x", [[]], [None], {"a": 1}, 0, -1, 1, 2, 0.5, -0.0, 1e-300, 1e308, 10**6, 10**9),
    *(
        2**31,
        2**63,
        10**30,
        10**400,
        math.nan,
        math.inf,
        -math.inf,
        "NaN",
        "1e9",
        "\x1b[2J\x07",
        "\ud800",
        "\u202e",
        "\0",
    ),
    *([1.0] * 100_000, ["x"] * 3, [0], [1e308, -1e308], "x" * 1_000_000, "../../etc/passwd", "\n\n\n", "\x9b31m"),
)
ODD_TEXTS = (
    *("", "null", "[]", "{}", "NaN", "[NaN]", "1e999", '"x"', "{", "\x1b[2J\x1b]0;owned\x07", "\x9b31m", "\u202e"),
    *("[" * 100_000, '{"a":' * 20_000, "9" * 10_000, "x" * 3_000_000, '{"name": "\\ud800"}', "true", "-1", "[[], {}]"),
)


def with_odd_leaf(value: Any, random: np.random.Generator) -> Any:
    """Replace something inside a nested value, in place; numbers may also become near or far numbers."""
    outer = [value]
    holder, key = _place(outer, random)
    odd = ODD[int(random.integers(len(ODD)))]
    if isinstance(holder[key], int | float) and random.random() < 0.4:
        odd = holder[key] * float(random.choice([-1, 0, 0.001, 1000, 1e6, 1e12]))
    holder[key] = odd
    return outer[0]


def _place(outer: list[Any], random: np.random.Generator) -> tuple[Any, Any]:
    holder: Any = outer
    key: Any = 0
    while isinstance(holder[key], dict | list) and holder[key] and (holder is outer or random.random() < 0.7):
        holder = holder[key]
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        key = keys[int(random.integers(len(keys)))]
    return holder, key
