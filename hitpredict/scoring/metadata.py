"""What a model may say of itself: the one place where the JSON of models, which may come from anywhere, is checked.

A check takes a value and its place, and raises ValueError, naming the place, when the value is not what can be worked
with: of another type, not finite, out of range, too long, or with entries missing.
"""

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Check = Callable[[Any, str], None]

LONGEST_ENTRY = 32 * 2**20
"""Characters of JSON that are parsed at most."""
_FAR = 1e30
_LONGEST_WINDOW = 2**25
_COLUMNS = 100_000
_DIRECTIONS = 1000


def parsed_entry(key: str, content: str) -> Any:
    """The value of a model's entry `key`, from its JSON. Raises ValueError when it cannot be worked with."""
    if len(content) > LONGEST_ENTRY:
        raise ValueError(f"{key}: is of {len(content)} characters, more than {LONGEST_ENTRY}")
    try:
        value = json.loads(content)
    except ValueError as error:
        raise ValueError(f"{key}: is no JSON: {error}") from error
    except RecursionError as error:
        raise ValueError(f"{key}: is nested too deeply") from error
    ENTRIES.get(key, anything)(value, key)
    return value


def anything(value: Any, place: str) -> None:
    """A check that takes all there is: for what is only printed."""


def number(low: float = -_FAR, high: float = _FAR, whole: bool = False) -> Check:
    """A check for finite numbers (not truth values) from `low` to `high`."""

    def check(value: Any, place: str) -> None:
        right = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
        if not (right and low <= value <= high):
            kind = "a whole number" if whole else "a number"
            raise ValueError(f"{place}: {_shown(value)} is not {kind} from {low:g} to {high:g}")

    return check


def text(longest: int = 10_000) -> Check:
    """A check for text of at most so many characters."""

    def check(value: Any, place: str) -> None:
        if not (isinstance(value, str) and len(value) <= longest):
            raise ValueError(f"{place}: {_shown(value)} is not text of at most {longest} characters")

    return check


def one_of(*known: Any) -> Check:
    """A check for one of a few values."""

    def check(value: Any, place: str) -> None:
        if not any(value is each or (type(value) is type(each) and value == each) for each in known):
            raise ValueError(f"{place}: {_shown(value)} is not {' or '.join(map(str, known))}")

    return check


def either(*checks: Check) -> Check:
    """A check that one of several passes; it tells what the last of them does."""

    def check(value: Any, place: str) -> None:
        for each in checks[:-1]:
            try:
                each(value, place)
            except ValueError:
                continue
            return
        checks[-1](value, place)

    return check


def listed(item: Check, least: int = 0, most: int = 10_000_000) -> Check:
    """A check for a list, of `least` to `most` items that pass theirs."""

    def check(value: Any, place: str) -> None:
        if not (isinstance(value, list) and least <= len(value) <= most):
            raise ValueError(f"{place}: {_shown(value)} is not a list of {least} to {most} entries")
        for number_, each in enumerate(value):
            item(each, f"{place}[{number_}]")

    return check


def table(needed: Mapping[str, Check], more: Mapping[str, Check] | None = None, others: Check | None = None) -> Check:
    """A check for a table with the entries `needed`, perhaps some of `more`; `others` checks all else, None bars it."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{place}: {_shown(value)} is not a table")
        for key in needed:
            if key not in value:
                raise ValueError(f"{place}: lacks {key}")
        known = {**needed, **(more or {})}
        for key, each in value.items():
            found = known.get(key, others)
            if found is None:
                raise ValueError(f"{place}: has an unknown entry {_shown(key)}")
            found(each, f"{place}.{key[:40]}")

    return check


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return f"a {'table' if isinstance(value, dict) else 'list'} of {len(value)} entries"
    return repr(value if not isinstance(value, str) else value[:40])[:60]


def _numbers(most: int = _COLUMNS, least: int = 0) -> Check:
    return listed(number(), least, most)


def _scale(value: Any, place: str) -> None:
    """What has ends `low` and `high`."""
    if value["low"] >= value["high"]:
        raise ValueError(f"{place}: a scale from {value['low']:g} to {value['high']:g} has no length")


def _target(value: Any, place: str) -> None:
    words = dict.fromkeys(("name", "definition", "meaning"), text())
    table({"low": number(), "high": number(), "name": words["name"]}, words)(value, place)
    _scale(value, place)


def _calibration(value: Any, place: str) -> None:
    ends = {"below": number(0), "above": number(0), "low": number(), "high": number()}
    share = number(1e-6, 1 - 1e-6)
    spread = table({"centre": number(), "scale": number(1e-12), "coefficients": _numbers(3, 3)})
    more = {"method": text(), "spread": either(one_of(None), spread)}
    table({"level": share, **ends, "groups": number(0, whole=True)}, more)(value, place)
    _scale(value, place)


def _classes(value: Any, place: str) -> None:
    needed = {
        "names": listed(text(1000), 2, 1000),
        "edges": _numbers(1000, 1),
        "slope": number(0, 1e6),
        "biases": listed(number(-1e6, 1e6), 2, 1000),
    }
    table(needed, {"method": text()})(value, place)
    if not len(set(value["names"])) == len(value["biases"]) == len(value["edges"]) + 1 == len(value["names"]):
        raise ValueError(f"{place}: names, edges and biases are not of the same classes")


def _curve_band(value: Any, place: str) -> None:
    reach = listed(number(0), 1, 10_000)
    weeks = {"first_week": number(1, 10_000, whole=True), "below": reach, "above": reach, "high": number(0, 300)}
    table({**weeks, "level": number(1e-6, 1 - 1e-6), "groups": number(0, whole=True)})(value, place)
    if len(value["below"]) != len(value["above"]):
        raise ValueError(f"{place}: below and above are not of the same weeks")


def _outputs(value: Any, place: str) -> None:
    target = table({"name": text(1000), "unit": text(1000), "calibration": _calibration})
    known = {"targets": listed(target, 2, 1000), "classes": _classes, "curve": _curve_band}
    table({}, {**known, "foretold_error": number(0)})(value, place)
    names = [each["name"] for each in value.get("targets", ())]
    if len(set(names)) < len(names):
        raise ValueError(f"{place}.targets: two have one name")


def _domain(value: Any, place: str) -> None:
    # Of later versions there may be more.
    needed = {
        "log_from": number(0, _COLUMNS, whole=True),
        "floor": number(1e-30),
        "centre": _numbers(least=1),
        "scale": listed(number(1e-12), 1, _COLUMNS),
        "whitening": either(listed(_numbers(_DIRECTIONS), 1, _COLUMNS), text(LONGEST_ENTRY)),
        "duration": listed(number(0, 1e9), 2, 2),
    }
    bend = either(one_of(None), number(1e-6))
    table(needed, {"bend": bend, "rest": number(0), "method": text()}, anything)(value, place)
    size = len(value["centre"])
    if len(value["scale"]) != size or value["log_from"] > size:
        raise ValueError(f"{place}: centre, scale and log_from are of different sizes")
    if value["duration"][0] > value["duration"][1]:
        raise ValueError(f"{place}.duration: its ends are the wrong way round")
    _whitening(value["whitening"], size, f"{place}.whitening")


def _whitening(value: Any, size: int, place: str) -> None:
    if isinstance(value, list):
        if len(value) != size or len({len(row) for row in value}) != 1:
            raise ValueError(f"{place}: is no matrix of {size} rows")
        return
    data = base64.b64decode(value, validate=True)
    if not data or len(data) % (2 * size):
        raise ValueError(f"{place}: is no matrix of {size} rows")
    if not np.isfinite(np.frombuffer(data, "<f2")).all():
        raise ValueError(f"{place}: holds what is no number")


def _label_target(value: Any, place: str) -> None:
    numbers = _numbers()
    learnt = table({}, {"quantiles": _numbers(least=1)}, number())
    transform = one_of("none", "log1p", "log10", "minmax", "zscore", "quantile")
    needed = {
        "columns": listed(text(), 1, 1000),
        "transforms": listed(transform, 0, 20),
        "fitted": listed(listed(learnt, 1, 1000), 0, 20),
        "component": numbers,
        "centre": numbers,
        "edges": numbers,
        "scaled": table(dict.fromkeys(("mean", "deviation", "low", "high"), number())),
    }
    more = {"combine": one_of("pca", "first", "log-sum"), "names": listed(text(1000), 0, 10_000)}
    table(needed, more)(value, place)
    columns, entries = len(value["columns"]), {"minmax": ("low", "span"), "zscore": ("mean", "deviation")}
    if len(value["fitted"]) != len(value["transforms"]):
        raise ValueError(f"{place}.fitted: is not of as many transforms as there are")
    for name, by_column in zip(value["transforms"], value["fitted"], strict=True):
        known = entries.get(name, ("quantiles",) if name == "quantile" else ())
        if len(by_column) != columns or not all(set(known) <= set(each) for each in by_column):
            raise ValueError(f"{place}.fitted: does not say what {name} takes")
        if any(each[key] == 0 for each in by_column for key in ("span", "deviation") if key in known):
            raise ValueError(f"{place}.fitted: {name} would divide by 0")
    if {len(value[key]) for key in ("component", "centre")} not in ({0}, {columns}):
        raise ValueError(f"{place}: component and centre are not of its columns")
    if value["edges"] != sorted(value["edges"]):
        raise ValueError(f"{place}.edges: are not in order")


def _baselines(value: Any, place: str) -> None:
    columns = dict.fromkeys(("fill", "scale", "shift", "weights"), _numbers())
    rest = {"mean": number(), "deviation": number(0), "intercept": number(), "seed": number(0, 2**63, whole=True)}
    curves = listed(_numbers(), 1)
    forecasts = table(
        {"charted": curves, "every": curves},
        {"change": either(one_of(None), _numbers()), "rate": either(one_of(None), number())},
    )
    table({**columns, **rest}, {"curve": either(one_of(None), forecasts)})(value, place)
    if len({len(value[key]) for key in columns}) != 1 or 0 in value["scale"]:
        raise ValueError(f"{place}: fill, scale, shift and weights are not of the same columns, or a scale is 0")
    for name in ("charted", "every"):
        if value.get("curve") and len({len(row) for row in value["curve"][name]}) != 1:
            raise ValueError(f"{place}.curve.{name}: its curves have different lengths")


def check_folder(config: Any) -> None:
    """Raises ValueError, naming the place, when the `config.json` of a model folder cannot be worked with."""
    needed = {
        "recipe": table({"name": text(1000), "task": text(100), "published": anything}, others=anything),
        "features": listed(_FEATURES, 1, 100),
        "target": _label_target,
        "outputs": number(1, 10_000, whole=True),
        "split": table({"name": text(), "seed": number(0, 2**63, whole=True)}, others=listed(text(1000))),
        "target_range": SPREAD,
        "reference": table(REFERENCE, {"by_region": table({}, others=table(REFERENCE))}),
        "baselines": _baselines,
    }
    more = {
        "labels": text(),
        "input_note": either(one_of(None), text()),
        "network_state": table({}, others=anything),
        "target_ranges": listed(SPREAD, 0, 1000),
    }
    table(needed, more, anything)(config, "config.json")


WINDOW = either(
    one_of(None),
    table(
        {"length": number(1, _LONGEST_WINDOW, whole=True)},
        {"pad": either(one_of("least", "zero"), number()), "place": one_of("start", "middle")},
    ),
)
KIND = table({"name": text(100)}, others=anything)
_NAMES = listed(text(1000), 1, 10_000)
REFERENCE = {"name": text(), "scores": _numbers(least=1)}
SPREAD = _numbers(2, 2)
_FEATURES = table(
    {
        "kind": either(one_of(None), KIND),
        "columns": either(one_of(None), listed(text(1000), 1)),
        "shape": listed(number(1, _LONGEST_WINDOW, whole=True), 1, 8),
        "window": WINDOW,
        "scaling": one_of("zscore", "minmax", "full-scale", "none"),
        "width": number(1, 1e7, whole=True),
    }
)
ENTRIES: Mapping[str, Check] = {
    "frontend": either(listed(KIND, 1, 100), KIND),
    "windows": listed(WINDOW, 1, 100),
    "target": _target,
    "calibration": _calibration,
    "outputs": _outputs,
    "domain": _domain,
    "reference": table(REFERENCE),
    "noise_floor": number(0),
    "label_target": _label_target,
    "baselines": _baselines,
    "published": table({}, others=either(text(), number())),
    "trained_on": listed(text(1000)),
    "region": table({"name": one_of("region"), "names": _NAMES, "only": text(1000)}),
}
"""The check of each JSON entry of a model file; parts of a model folder are checked by them too."""
