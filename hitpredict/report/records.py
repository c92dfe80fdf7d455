"""The records that a report is made of, read from JSON Lines that may come from anywhere."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from hitpredict.errors import InputError
from hitpredict.explanation.records import INTERACTION_SCHEMA, STEM_SCHEMA, SUGGESTION_SCHEMA
from hitpredict.explanation.where_records import WHERE_SCHEMA
from hitpredict.scoring.metadata import anything, either, listed, number, one_of, table, text
from hitpredict.scoring.records import COMPARE_SCHEMA, FAILURE_SCHEMA, SCORE_SCHEMA
from hitpredict.tables.cells import shown

_LONGEST_LINE = 2**24
_MOST = 50_000

Printed = Mapping[str, Any]


@dataclass
class Records:
    """What was read, by kind, in the order in which it came."""

    scores: list[Printed] = field(default_factory=list)
    comparisons: list[Printed] = field(default_factory=list)
    effects: list[Printed] = field(default_factory=list)
    places: list[Printed] = field(default_factory=list)
    corpus: list[Printed] = field(default_factory=list)
    interactions: list[Printed] = field(default_factory=list)
    stems: list[Printed] = field(default_factory=list)
    suggestions: list[Printed] = field(default_factory=list)
    evaluations: list[Printed] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(map(len, vars(self).values()))


_MODEL = table({"name": text(), "version": text(), "sha256": text()}, others=anything)
_NUMBERS, _PAIR, _TRUTH = listed(number(), 1, 10_000), listed(number(), 2, 2), one_of(True, False)
_SEGMENT = {"start": number(0), "end": number(0)}
_SONG = {"path": text(), "name": text()}
_MORE = {
    "artist": text(), "variant": table({}, others=anything), "duration": number(0), "percentile": number(0, 100),
    "warnings": listed(text(), 0, 100), "noise_floor": number(0), "interval_level": number(0, 1), "reference": text(),
    "model": _MODEL, "device": text(), "segments": listed(table({**_SEGMENT, "score": number()}, others=anything)),
}  # fmt: skip
_SIDE = table({**_SONG, "score": number(), "matched_score": number()}, {**_MORE, "gain": number()}, anything)
_COMPARED = {**_SEGMENT, "scores": _PAIR, "difference": number(), "verdict": text()}
_PROPERTY = {"name": text(), "unit": text(), "values": _PAIR, "difference": number(), "steps": number(0)}
_MEASURED = table({"value": number(), "interval": _PAIR}, others=anything)
_METRICS = table({}, others=either(one_of(None), _MEASURED))
_DIFFERENCE = table(
    {"value": number(), "interval": _PAIR, "verdict": text()}, {"better": one_of(None, "first", "second")}, anything
)
_BAND = table({"from": number(), "to": number(), "difference": _MEASURED}, others=anything)
_VALUE = table(
    {"rows": number(0), "groups": number(0), "metrics": _METRICS, "differences": table({}, others=_DIFFERENCE)},
    {"value": text()},
    anything,
)
_PARAMETER = {"parameter": text(), "unit": text()}
_NOISE = table({}, {"scale": number(0), "floor": number(0)}, anything)
_TESTED = {"p_value": number(0, 1), "significant": _TRUTH, "blind": _TRUTH}
_TOLD = {"artist": text(), "warnings": listed(text(), 0, 100), "model": _MODEL, "noise": _NOISE}
_TWO = listed(text(), 2, 2)
_KNOWN = {
    SCORE_SCHEMA: ("scores", table({**_SONG, "score": number(), "interval": _PAIR}, _MORE, anything)),
    COMPARE_SCHEMA: (
        "comparisons",
        table(
            {
                "songs": listed(_SIDE, 2, 2),
                "difference": number(),
                "interval": _PAIR,
                "verdict": text(),
                "segments": listed(table(_COMPARED, others=anything)),
                "descriptors": listed(table(_PROPERTY, others=anything)),
            },
            {"model": _MODEL, "noise_floor": number(0), "interval_level": number(0, 1)},
            anything,
        ),
    ),
    "hitpredict.explain/1": (
        "effects",
        table(
            {
                **_SONG,
                **_PARAMETER,
                "values": _NUMBERS,
                "scores": _NUMBERS,
                "base_score": number(),
                "largest_change": number(),
                "significant": _TRUTH,
                "blind": _TRUTH,
            },
            {
                "artist": text(),
                "p_value": number(0, 1),
                "slope": either(one_of(None), number()),
                "effect": number(),
                "largest_change_at": number(),
                "noise": table({}, {"scale": number(0), "floor": number(0)}, anything),
                "warnings": listed(text(), 0, 100),
                "duration": number(0),
                "recipe": table({}, others=anything),
                "model": _MODEL,
            },
            anything,
        ),
    ),
    WHERE_SCHEMA: (
        "places",
        table(
            {
                **_SONG,
                "kind": one_of("section", "band", "block", "gradient"),
                "label": text(),
                "base_score": number(),
                "change": number(),
                "p_value": number(0, 1),
                "significant": _TRUTH,
                "blind": _TRUTH,
            },
            {
                "artist": text(),
                "begin": number(0),
                "end": number(0),
                "low": number(0),
                "high": number(0),
                "noise": table({}, {"scale": number(0)}, anything),
                "fit": table(
                    {},
                    {"r2": either(one_of(None), number()), "trusted": _TRUTH, "completeness": number(0)},
                    anything,
                ),
                "warnings": listed(text(), 0, 100),
                "model": _MODEL,
            },
            anything,
        ),
    ),
    "hitpredict.explain-corpus/1": (
        "corpus",
        table(
            {
                **_PARAMETER,
                "mean_effect": number(),
                "interval": _PAIR,
                "share_same_sign": number(0, 1),
                "rank": number(0),
            },
            {
                "songs": number(0),
                "significant": _TRUTH,
                "blind": _TRUTH,
                "noise": number(0),
                "correlations": table({}, others=number(-1.01, 1.01)),
                "model": _MODEL,
            },
            anything,
        ),
    ),
    INTERACTION_SCHEMA: (
        "interactions",
        table(
            {
                **_SONG,
                **_TESTED,
                "parameters": _TWO,
                "units": _TWO,
                "values": _PAIR,
                "base_score": number(),
                "alone": _PAIR,
                "together": number(),
                "interaction": number(),
                "at_end": _TRUTH,
            },
            _TOLD,
            anything,
        ),
    ),
    STEM_SCHEMA: (
        "stems",
        table(
            {
                **_SONG,
                **_SEGMENT,
                **_TESTED,
                "stem": text(),
                "change": text(),
                "section": text(),
                "base_score": number(),
                "effect": number(),
                "silent": _TRUTH,
            },
            {**_TOLD, "residual": number()},
            anything,
        ),
    ),
    SUGGESTION_SCHEMA: (
        "suggestions",
        either(
            table({**_SONG, "found": one_of(False), "base_score": number(), "tried": number(0)}, _TOLD, anything),
            table(
                {
                    **_SONG,
                    "found": one_of(True),
                    "base_score": number(),
                    "tried": number(0),
                    "effect": number(),
                    "p_value": number(0, 1),
                    "significant": _TRUTH,
                    "steps": listed(table({"op": text()}, others=either(text(), number())), 1, 10),
                },
                {**_TOLD, "agreement": text(), "agreeing": number(0), "command": text()},
                anything,
            ),
        ),
    ),
    "hitpredict.evaluation/1": (
        "evaluations",
        table(
            {"metrics": _METRICS},
            {
                "baselines": table({}, others=_METRICS),
                "model": text(),
                "compared": table({"with": text()}, others=either(one_of(None), _DIFFERENCE)),
                "nearer": table({"share": number(0, 1), "interval": _PAIR, "p_value": number(0, 1)}, others=anything),
                "bands": listed(
                    table({"from": number(), "to": number(), "difference": _MEASURED}, others=anything), 1, 100
                ),
                "by": table({"column": text(), "values": listed(_VALUE, 1, 100)}, others=anything),
            },
            anything,
        ),
    ),
}


def take(records: Records, file: IO[bytes], name: str, failed: Callable[[InputError], None]) -> None:
    """Add the records of one file: one a line, or one that takes the whole file.

    failed: called with an error for each line that holds no record that a report knows; the others are taken. Lines of
    inputs that could not be scored are passed over.
    """
    for place, value in _values(file, name, failed):
        if isinstance(value, dict) and value.get("schema") == FAILURE_SCHEMA:
            continue
        try:
            kind = _kind(value)
            if len(records) >= _MOST:
                raise ValueError(f"a report takes at most {_MOST:,} records")
        except ValueError as error:
            failed(InputError(f"{place}: {error}"))
            continue
        getattr(records, kind).append(value)


def _kind(value: Any) -> str:
    schema = value.get("schema") if isinstance(value, dict) else None
    if not isinstance(schema, str) or schema not in _KNOWN:
        told = f"of the schema {str(schema)[:60]!r}" if schema else "no record of hitpredict"
        raise ValueError(f"is {told}; a report is made of what score, compare, explain and evaluate -f json print")
    kind, check = _KNOWN[schema]
    check(value, schema)
    if kind == "places" and not _is_placed(value):
        raise ValueError(f"{schema}: a {value['kind']} without its begin and end, or low and high")
    if kind == "effects" and len(value["values"]) != len(value["scores"]):
        raise ValueError(f"{schema}: has not as many scores as values")
    return kind


def _is_placed(value: Printed) -> bool:
    """Whether a part has the ends that its kind needs, and both of two."""
    needed = {"section": {"begin"}, "band": {"low"}, "block": {"begin", "low"}}.get(value["kind"], set())
    pairs = (("begin", "end"), ("low", "high"))
    return needed <= {*value} and all((first in value) == (second in value) for first, second in pairs)


def _values(file: IO[bytes], name: str, failed: Callable[[InputError], None]) -> Iterator[tuple[str, Any]]:
    """The JSON values of a file, and where each is."""
    for count, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), 1):
        if not line.strip():
            continue
        try:
            yield f"{name}, line {count}", printable_json(line)
        except ValueError as error:
            if count == 1:
                try:
                    yield name, printable_json(line + file.read(_LONGEST_LINE))
                    return
                except ValueError:
                    pass
            failed(InputError(f"{name}, line {count}: is no JSON ({error}); give what commands print with -f jsonl"))
            if len(line) >= _LONGEST_LINE or count == 1:
                return


def printable_json(data: bytes) -> Any:
    """JSON whose text holds nothing that cannot be printed. Raises ValueError."""
    try:
        return _printable(json.loads(data))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return shown(value.encode("utf-8", "replace").decode(), lines=False)
    if isinstance(value, list):
        return [_printable(each) for each in value]
    if isinstance(value, dict):
        return {_printable(key): _printable(each) for key, each in value.items()}
    return value


def songs_of(effects: Iterable[Printed]) -> dict[str, list[Printed]]:
    """Explained songs by path, their effects from the largest; blind ones last."""
    found: dict[str, list[Printed]] = {}
    for each in effects:
        found.setdefault(each["path"], []).append(each)
    return {path: sorted(own, key=lambda e: (e["blind"], -abs(e["largest_change"]))) for path, own in found.items()}
