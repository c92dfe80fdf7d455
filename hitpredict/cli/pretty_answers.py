"""What a model answers beside its score, as a person reads it: rows of a card."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.markup import escape

from hitpredict.scoring.curve import FLOOR
from hitpredict.tables.cells import shown

_BLOCKS = "▁▂▃▄▅▆▇█"
_SPARK_CELLS = 41
_CLASS_CELLS = 24

CardRow = tuple[str, str]


def answer_rows(answers: Mapping[str, Any], colour: str) -> Iterator[CardRow]:
    """Labels and texts for each of several targets, a bar for each class, a curve with its band, a foretold error."""
    if "foretold_error" in answers:
        yield (
            "Foretold error",
            f"{answers['foretold_error']:.2f}: how far off this model expects to be for such a sound",
        )
    for name, found in answers.get("outputs", {}).items():
        low, high = found["interval"]
        streams = f"about {found['streams']:,} streams, " if "streams" in found else ""
        yield safe(name), f"[{colour}]{found['value']:.2f}[/] {streams}{low:.2f} to {high:.2f} {safe(found['unit'])}"
    yield from _class_rows(answers.get("classes", {}), colour)
    if "curve" in answers:
        yield from _curve_rows(answers["curve"], colour)


def _class_rows(classes: Mapping[str, Any], colour: str) -> Iterator[CardRow]:
    for label, (name, found) in zip(["Classes", *[""] * len(classes)], classes.items(), strict=False):
        share = found["probability"]
        filled = round(share * _CLASS_CELLS)
        bar = "█" * filled + "·" * (_CLASS_CELLS - filled)
        ends = [f"{word} {found[key]:.4g}" for word, key in (("from", "from"), ("below", "below")) if key in found]
        yield label, f"[{colour}]{bar}[/] {share:4.0%}  {safe(name)} [dim]({', '.join(ends)})[/]"


def _curve_rows(curve: Mapping[str, Any], colour: str) -> Iterator[CardRow]:
    lines = {name: curve[name] for name in ("high", "weeks", "low")}
    first, last, top = curve["first_week"], curve["first_week"] + len(curve["weeks"]) - 1, max(curve["high"])
    words = {"high": "high end", "weeks": "forecast", "low": "low end"}
    for name, values in lines.items():
        label = f"Weeks {first} to {last}" if name == "high" else ""
        yield label, f"[{colour if name == 'weeks' else 'dim'}]{blocks(values, FLOOR, top)}[/] {words[name]}"
    ends = f"{_streams(curve['weeks'][0])} streams a week at first, {_streams(curve['weeks'][-1])} at last"
    level = f"{100 * curve['level']:g}"
    yield (
        "",
        f"{ends}; from {_streams(FLOOR)} to {_streams(top)}, by powers; the ends hold {level} in 100 songs by week",
    )
    measures = (f"{name} {value:.2f}" for name, value in curve["measures"].items() if value is not None)
    yield "Measures", ", ".join(measures)


def _streams(logarithm: float) -> str:
    """Streams of a week, in three figures."""
    return f"{float(f'{10**logarithm:.3g}'):,.0f}"


def blocks(values: Sequence[float], low: float, high: float) -> str:
    """Numbers in a row as block characters, on a scale from `low` to `high`; of many, means of neighbours."""
    step = (high - low) / (len(_BLOCKS) - 1)
    shown_ = _averaged(list(values), _SPARK_CELLS)
    return "".join(_BLOCKS[round((min(max(value, low), high) - low) / step)] for value in shown_)


def _averaged(values: list[float], cells: int) -> list[float]:
    if len(values) <= cells:
        return values
    edges = [round(i * len(values) / cells) for i in range(cells + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]


def safe(text: str) -> str:
    """Text from outside, with nothing in it that rich or the terminal would take for a command."""
    return escape(shown(text, lines=True))
