"""What `config.json` of a model folder says, as types: read, checked and written here alone."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from hitpredict import __version__
from hitpredict.errors import EnvironmentProblem, UsageError
from hitpredict.model_folder.replace import CONFIG
from hitpredict.recipes.recipe import Recipe
from hitpredict.scoring import metadata
from hitpredict.tables.targets import Target

SCHEMA = "hitpredict.model-folder/1"


class InputSpec(Struct, frozen=True):
    """One input of a model.

    kind: what made it, None of a table of any columns. columns: of vectors, None of arrays. shape: of a row or, where
    arrays are cut, of a window. window: how, see `scoring.windows`, None where they are not. scaling, width: as
    `networks.model.Scaler` takes them.
    """

    kind: dict[str, Any] | None
    columns: tuple[str, ...] | None
    shape: tuple[int, ...]
    window: dict[str, Any] | None
    scaling: str
    width: int

    @property
    def kind_name(self) -> str | None:
        """The name of its kind."""
        return self.kind["name"] if self.kind else None


class Split(Struct, frozen=True):
    """How rows were split, and the track ids of each split. name: as `train --split` takes it."""

    name: str
    seed: int
    train: tuple[str, ...] = ()
    validation: tuple[str, ...] = ()
    calibration: tuple[str, ...] = ()
    test: tuple[str, ...] = ()


class ScoreReference(Struct, frozen=True, omit_defaults=True):
    """What percentiles are of: quantiles of the scores of known songs. by_region: the same in each region."""

    name: str
    scores: tuple[float, ...]
    by_region: dict[str, "ScoreReference"] = {}


class ModelConfig(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A trained model, all but its weights.

    outputs: how many numbers its network gives. target_range: shift and scale from what it learnt to the target scale.
    baselines: as `Baselines.to_json` gives them. labels: name of the label table. input_note: what there is to say
    where it did not learn from the published input. notes: what an estimator says of itself. network_state: parameters
    that a network found out in training; parameters: how many weights it has. target_ranges: of several targets the
    shift and scale of each.
    """

    recipe: Recipe
    features: tuple[InputSpec, ...]
    target: Target
    outputs: int
    split: Split
    target_range: tuple[float, float]
    reference: ScoreReference
    baselines: dict[str, Any]
    labels: str = ""
    input_note: str | None = None
    notes: dict[str, Any] | None = None
    network_state: dict[str, Any] | None = None
    parameters: int | None = None
    target_ranges: tuple[tuple[float, float], ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "ModelConfig":
        """The `config.json` of a folder. Raises `EnvironmentProblem` for one that is not there or damaged."""
        try:
            plain = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise EnvironmentProblem(f"{folder}: not a model folder (its config.json cannot be read)") from error
        except RecursionError as error:
            raise EnvironmentProblem(f"{folder}: its config.json is nested too deeply") from error
        if not isinstance(plain, dict):
            raise EnvironmentProblem(f"{folder}: config.json holds no object")
        if plain.get("schema") != SCHEMA:
            raise EnvironmentProblem(f"{folder}: config.json has schema {plain.get('schema')!r}, not {SCHEMA!r}")
        try:
            metadata.check_folder(plain)
            return msgspec.convert(plain | {"recipe": Recipe.read(plain["recipe"])}, cls)
        except (ValueError, UsageError) as error:
            raise EnvironmentProblem(f"{folder}: damaged: {error}; train the model again") from error

    def to_json(self) -> Mapping[str, Any]:
        """Plain data, for `config.json`."""
        head = {"schema": SCHEMA, "hitpredict": __version__, "input_note": self.input_note}
        plain: dict[str, Any] = msgspec.to_builtins(self)
        return head | plain | {"recipe": self.recipe.to_json()}
