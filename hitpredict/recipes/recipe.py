"""What a recipe may say: its tables as types, read from TOML or JSON by msgspec, and written as they were given."""

import re
from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from hitpredict.errors import UsageError
from hitpredict.recipes.tasks import CLASS_KEYS, Task, check, turned

Count = Annotated[int, Meta(ge=1)]
Monitor = Literal["loss", "mae", "accuracy"]
Optimizer = Literal["adam", "adamw", "adadelta", "adagrad", "sgd"]
Rate = Annotated[float, Meta(ge=0, le=1e38)]
Share = Annotated[float, Meta(gt=0, lt=1)]
_FIELD = re.compile(r"Object (?:(contains unknown)|missing required) field `(.*)`")
_NOUNS = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", tuple: "a list"}


class _Table(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A table; None stands for an entry that was not given, and is not written."""


class TargetSpec(_Table, frozen=True):
    """How labels become what is learnt, see `tables.targets`.

    transforms: of each column, in order. combine: how several columns become one, `pca` where not given. learnt: how
    the network sees the target, `zscore` where not given. after: the weeks of a curve that are known. thresholds,
    quantiles, classes: one of them cuts classes, at values of the label, at shares of the songs or into equal parts.
    names: of the classes, lowest first; `low`, `medium` and `high` where not given.
    """

    transforms: tuple[str, ...] | None = None
    combine: Literal["pca", "first", "log-sum"] | None = None
    learnt: Literal["zscore", "minmax", "none"] | None = None
    after: int | None = None
    thresholds: Annotated[tuple[float, ...], Meta(min_length=1)] | None = None
    quantiles: Annotated[tuple[Share, ...], Meta(min_length=1)] | None = None
    classes: Annotated[int, Meta(ge=2)] | None = None
    names: Annotated[tuple[str, ...], Meta(min_length=2)] | None = None

    @property
    def cut_by(self) -> str | None:
        """The entry that cuts classes, if one does."""
        return next((key for key in CLASS_KEYS if getattr(self, key) is not None), None)


class WindowSpec(_Table, frozen=True):
    """How arrays are cut, see `scoring.windows`: `length` entries from `place`, all of them where not given; shorter
    ones filled with `pad`, `zero` where not given. Without `length`, they are not."""

    length: Count | None = None
    pad: Literal["least", "zero"] | float | None = None
    place: Literal["start", "middle"] | None = None

    def __post_init__(self) -> None:
        if self.length is None and (self.pad is not None or self.place is not None):
            raise ValueError("a window needs a whole number as its length")


class Scaling(_Table, frozen=True):
    """How inputs are scaled: `zscore` where not given. windows: of each input. leak: by the held-out songs too."""

    inputs: str | None = None
    windows: tuple[WindowSpec, ...] | None = None
    leak: bool | None = None


class Training(_Table, frozen=True):
    """How a network is fitted.

    monitor: what `patience` goes by, and checkpoint: by what the best weights are chosen, the loss where not given.
    patience: epochs without a better one before it ends; all are run where not given. factor: of `plateau`, by which
    the rate falls. warmup_epochs: of `cosine`. gradient_clip: the largest norm of gradients.
    """

    epochs: Count
    batch_size: Count
    learning_rate: Rate
    optimizer: Optimizer | None = None
    weight_decay: Rate | None = None
    betas: tuple[float, float] | None = None
    schedule: Literal["plateau", "cosine"] | None = None
    factor: Share | None = None
    warmup_epochs: Annotated[int, Meta(ge=0)] | None = None
    patience: Count | None = None
    monitor: Monitor | None = None
    checkpoint: Monitor | None = None
    gradient_clip: Rate | None = None


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """One system.

    name: what `--recipe` calls it. summary: one line. source: the paper or code.
    inputs: the kinds of features the published system took, in order; `vector` or `frames` stand for any.
    made_with: parameters of the first of them that are not its kind's defaults; `train` tells of other features.
    network or estimator, loss, augment: each a `name` and its parameters. training: of a network, None of estimators.
    """

    name: str
    summary: str
    source: str
    task: Task
    inputs: tuple[str, ...]
    made_with: dict[str, Any] = {}
    target: TargetSpec = TargetSpec()
    scaling: Scaling = Scaling()
    network: dict[str, Any] = {}
    estimator: dict[str, Any] = {}
    loss: dict[str, Any] = {}
    training: Training | None = None
    augment: tuple[dict[str, Any], ...] = ()
    published: dict[str, Any] = {}
    compat: dict[str, Any] = {}

    def to_json(self) -> dict[str, Any]:
        """The recipe as plain data, for a model's `config.json`: of each table what was given."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return plain | {"training": plain["training"] or {}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Recipe":
        """The recipe of `to_json`, or of a parsed TOML file. Raises `UsageError` for what no recipe may say."""
        recipe = cls.read(data)
        check(recipe)
        return recipe

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Recipe":
        """The same, whether or not its entries fit one another. Raises `UsageError`, naming the entry."""
        if data.get("estimator") and data.get("training"):
            raise UsageError(f"training: recipe {data.get('name')} is an estimator, without epochs")
        given = {key: value for key, value in data.items() if key != "training" or value != {}}
        try:
            return msgspec.convert(given, cls)
        except msgspec.ValidationError as error:
            raise UsageError(_explained(str(error))) from error

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
                if not isinstance(table.get(name), dict):
                    raise UsageError(f"`settings` {key}: recipe {self.name} has no such table")
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
        tables = {name: value for name, value in self.to_json().items() if isinstance(value, dict)}
        if key in ("augment", "inputs") or key in tables:
            return key
        if "." in key:
            table, _, leaf = key.partition(".")
            # New leaves are allowed below a table: networks take parameters that a recipe leaves at their defaults.
            if table in tables and leaf:
                return key
            raise UsageError(f"`settings` {key}: there is no table {table}; there are {', '.join(tables)}")
        found = [f"{name}.{key}" for name, table in tables.items() if key in table]
        if len(found) != 1:
            hint = f"is ambiguous: {' or '.join(found)}" if found else f"recipe {self.name} has no such entry"
            raise UsageError(f"`settings` {key}: {hint}; `hitpredict recipes {self.name}` shows them all")
        return found[0]


_TYPES: Mapping[str, type[Struct]] = {
    "": Recipe,
    "target": TargetSpec,
    "scaling": Scaling,
    "scaling.windows": WindowSpec,
    "training": Training,
}


def _explained(message: str) -> str:
    """msgspec's words with the entry first, `training.epochs: …`, and with what there could be instead."""
    reason, _, place = message.partition(" - at `$")
    entry = re.sub(r"\[[^]]*\]", "", place.strip("`.")) if not reason.endswith("`key`") else ""
    if field := _FIELD.fullmatch(reason):
        whole = f"{entry}.{field[2]}".strip(".")
        known = f"there is no such entry; there are {', '.join(sorted(_TYPES[entry].__struct_fields__))}"
        return f"{whole}: {known if field[1] else 'must be given'}"
    # Backquotes are for names of parameters.
    reason, (table, _, leaf) = reason.replace("`", ""), entry.rpartition(".")
    hint = get_type_hints(_TYPES[table])[leaf] if leaf and table in _TYPES else None
    words = [word for part in (hint, *get_args(hint)) if get_origin(part) is Literal for word in get_args(part)]
    return f"{entry or 'a recipe'}: {reason[0].lower()}{reason[1:]}" + (f"; use {', '.join(words)}" if words else "")


def _check_type(key: str, old: Any, new: Any) -> None:
    """A number takes the place of a number only, and so on; what was not set before takes anything."""
    noun = _NOUNS.get(type(old), "a table")
    if old is not None and noun != _NOUNS.get(type(new), "a table"):
        raise UsageError(f"`settings` {key}={new}: must be {noun}, such as {old!r}")
