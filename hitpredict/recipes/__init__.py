"""Named systems as data: one TOML file each, every hyper-parameter in plain sight.

Tables of a recipe: the top level says what the system is and where it comes from (`summary`, `source`, `task`,
`inputs`, `made_with`); `[target]` how labels become what is learnt; `[scaling]` how inputs are scaled; `[network]` or
`[estimator]` the model and its parameters; `[loss]`, `[training]` and `[[augment]]` how it is fitted;
`[published]` the figures its authors report, with their caveats; `[compat]` what `--compat` sets to repeat mistakes of
the original.
"""

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hitpredict.errors import UsageError, unknown
from hitpredict.recipes.tasks import CLASS_KEYS, TASKS, check, turned

FOLDER = Path(__file__).parent
_ENTRIES = {
    "target": {"transforms", "combine", "learnt", "after", "thresholds", "quantiles", "classes"},
    "scaling": {"inputs", "windows", "leak"},
    "training": {
        *("optimizer", "learning_rate", "weight_decay", "betas", "batch_size", "epochs", "patience"),
        *("schedule", "factor", "warmup_epochs", "gradient_clip", "monitor", "checkpoint"),
    },
}
_METRICS = {"regression": "mae", "classification": "accuracy"}
_CHOICES = {
    "schedule": ("plateau", "cosine"),
    "combine": ("pca", "first", "log-sum"),
    "learnt": ("zscore", "minmax", "none"),
    "monitor": ("loss", "mae", "accuracy"),
    "checkpoint": ("loss", "mae", "accuracy"),
}


@dataclass(frozen=True)
class Recipe:
    """One system.

    name: what `--recipe` calls it. summary: one line. source: the paper or code. task: one of `TASKS`.
    inputs: the kinds of features the published system took, in order; `vector` or `frames` stand for any.
    made_with: parameters of the first of them that are not its kind's defaults; `train` tells of other features.
    The other fields are the recipe's tables, as plain data.
    """

    name: str
    summary: str
    source: str
    task: str
    inputs: tuple[str, ...]
    made_with: Mapping[str, Any] = field(default_factory=dict)
    target: Mapping[str, Any] = field(default_factory=dict)
    scaling: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    estimator: Mapping[str, Any] = field(default_factory=dict)
    loss: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    augment: tuple[Mapping[str, Any], ...] = ()
    published: Mapping[str, Any] = field(default_factory=dict)
    compat: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain data, for a model's `config.json`."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Recipe":
        """The recipe of `to_json`, or of a parsed TOML file. Raises `UsageError` for fields it does not know."""
        if strange := sorted(set(data) - set(cls.__dataclass_fields__)):
            raise UsageError(f"recipe {data.get('name')}: unknown entries {', '.join(strange)}")
        _check_shape(data)
        if data["task"] not in TASKS:
            raise UsageError(f"recipe {data.get('name')}: task {data['task']!r} must be one of {', '.join(TASKS)}")
        _check_entries(data)
        check(data)
        tuples = {key: tuple(data[key]) for key in ("inputs", "augment") if key in data}
        return cls(**{**data, **tuples})

    def changed(self, assignments: Mapping[str, Any]) -> "Recipe":
        """The recipe with some entries set: `training.epochs`, `epochs` where that is unambiguous, or a whole table.

        `task` turns it into a recipe of another task (see `tasks.turned`); the other entries are set after that.
        Raises `UsageError` for an entry that does not exist or exists more than once.
        """
        data = deepcopy(self.to_json())
        if "task" in assignments:
            data = turned(data, assignments["task"])
        # A loss is named before its parameters are set: another one has others.
        for key, value in sorted(assignments.items(), key=lambda each: each[0] != "loss.name"):
            if key == "task":
                continue
            *tables, leaf = self._full_key(key).split(".")
            table = data
            for name in tables:
                table = table[name]
            _check_type(key, table.get(leaf), value)
            if key == "loss.name" and value != table.get(leaf):
                data["loss"] = table = {}
            if leaf in CLASS_KEYS and tables == ["target"]:
                # One way to cut classes takes the place of another.
                table = data["target"] = {name: table[name] for name in table if name not in CLASS_KEYS}
            table[leaf] = value
        return Recipe.from_json(data)

    def _full_key(self, key: str) -> str:
        tables = {name: value for name, value in vars(self).items() if isinstance(value, Mapping)}
        if key in ("augment", "inputs") or key in tables:
            return key
        if "." in key:
            table, _, leaf = key.partition(".")
            # New leaves are allowed below a table: networks take parameters that a recipe leaves at their defaults.
            if table in tables and leaf:
                return key
            raise UsageError(f"--set {key}: there is no table {table}; there are {', '.join(tables)}")
        found = [f"{name}.{key}" for name, table in tables.items() if key in table]
        if len(found) != 1:
            hint = f"is ambiguous: {' or '.join(found)}" if found else f"recipe {self.name} has no such entry"
            raise UsageError(f"--set {key}: {hint}; `hitpredict recipes {self.name}` shows them all")
        return found[0]


def _check_shape(data: Mapping[str, Any]) -> None:
    """Raises `UsageError` where an entry is not text, a list or a table, as it must be."""
    for key, value in data.items():
        tables = (
            key == "augment" and isinstance(value, list | tuple) and all(isinstance(each, Mapping) for each in value)
        )
        texts = key == "inputs" and isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        text = key in ("name", "summary", "source", "task") and isinstance(value, str)
        single = key not in ("augment", "inputs", "name", "summary", "source", "task") and isinstance(value, Mapping)
        if not (tables or texts or text or single):
            noun = {"augment": "a list of tables", "inputs": "a list of names"}.get(key)
            plain = "text" if key in ("name", "summary", "source", "task") else "a table"
            raise UsageError(f"recipe {data.get('name')}: {key} must be {noun or plain}")


def _check_entries(data: Mapping[str, Any]) -> None:
    """Raises `UsageError` for entries of the common tables that nothing reads, and values that cannot be."""
    for table, known in _ENTRIES.items():
        found = data.get(table, {})
        if strange := sorted(set(found) - known):
            raise UsageError(f"{table}.{strange[0]}: there is no such entry; there are {', '.join(sorted(known))}")
        for key, choices in _CHOICES.items():
            if key in found and found[key] not in choices:
                raise UsageError(f"{table}.{key}={found[key]}: must be one of {', '.join(choices)}")
    training, target = data.get("training", {}), data.get("target", {})
    if training and data.get("estimator"):
        raise UsageError(f"training.{next(iter(training))}: recipe {data.get('name')} is an estimator, without epochs")
    for key in ("monitor", "checkpoint"):
        if training.get(key, "loss") not in ("loss", _METRICS.get(data["task"])):
            raise UsageError(f"training.{key}={training[key]}: is not a metric of {data['task']}")
    for window in data.get("scaling", {}).get("windows", []):
        _check_window(window)
    _check_given(data)
    for key in ("epochs", "batch_size", "patience"):
        value = training.get(key, 1)
        if not (isinstance(value, int) and value >= 1) or isinstance(value, bool):
            raise UsageError(f"training.{key}={value}: must be a whole number from 1")
    rate = training.get("learning_rate", 1.0)
    if not (isinstance(rate, int | float) and 0 <= rate < float("inf")):
        raise UsageError(f"training.learning_rate={rate}: must be a number from 0")
    shares = target.get("quantiles", [0.5])
    if not (isinstance(shares, list) and shares and all(isinstance(each, float) and 0 < each < 1 for each in shares)):
        raise UsageError(f"target.quantiles={shares}: must be a list of shares between 0 and 1")


def _check_given(data: Mapping[str, Any]) -> None:
    """Raises `UsageError` where an entry is missing that nothing stands in for."""
    for table in ("estimator",) if data.get("estimator") else ("network", "loss"):
        if not isinstance(data.get(table, {}).get("name"), str):
            raise UsageError(f"{table}.name: recipe {data.get('name')} must name its {table}")
    for key in () if data.get("estimator") else ("epochs", "batch_size", "learning_rate"):
        if key not in data.get("training", {}):
            raise UsageError(f"training.{key}: recipe {data.get('name')} must give it")


def _check_window(window: Any) -> None:
    """Raises `UsageError` for a window that cannot be cut; an empty one stands for no windows."""
    if not isinstance(window, dict) or (window and not isinstance(window.get("length"), int)):
        raise UsageError(f"scaling.windows: {window} must be a table with a whole number `length`")
    if unknown := sorted(set(window) - {"length", "pad", "place"}):
        raise UsageError(f"scaling.windows.{unknown[0]}: there is no such entry; there are length, pad, place")
    pad, place = window.get("pad", "zero"), window.get("place", "middle")
    if pad not in ("least", "zero") and not (isinstance(pad, int | float) and not isinstance(pad, bool)):
        raise UsageError(f"scaling.windows: pad={pad} must be least, zero or a number")
    if place not in ("start", "middle"):
        raise UsageError(f"scaling.windows: place={place} must be start or middle")


def _check_type(key: str, old: Any, new: Any) -> None:
    """A number takes the place of a number only, and so on; what was not set before takes anything."""
    numbers = all(isinstance(each, int | float) and not isinstance(each, bool) for each in (old, new))
    if old is not None and not numbers and type(old) is not type(new):
        nouns = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}
        raise UsageError(f"--set {key}={new}: must be {nouns.get(type(old), 'a table')}, such as {old!r}")


def names() -> list[str]:
    """The names of all recipes, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Recipe:
    """A recipe by name, or from the path of a TOML file. Raises `UsageError`."""
    path = FOLDER / f"{name}.toml"
    if not path.exists():
        path = Path(name)
        if path.suffix != ".toml" or not path.exists():
            raise UsageError(unknown("recipe", name, names()))
    try:
        return Recipe.from_json({"name": path.stem, **tomllib.loads(path.read_text(encoding="utf-8"))})
    except OSError as error:
        raise UsageError(f"recipe {path}: {error.strerror or error}") from error
    except KeyError as error:
        raise UsageError(f"recipe {path}: lacks the entry {error}") from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"recipe {path}: {error}") from error


def text_of(name: str) -> str:
    """The TOML text of a recipe, comments and all."""
    load(name)
    path = FOLDER / f"{name}.toml"
    return (path if path.exists() else Path(name)).read_text(encoding="utf-8")


def parsed(text: str) -> Any:
    """The value of a `--set KEY=VALUE`, in TOML's syntax; bare words are text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
