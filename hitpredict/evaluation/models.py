"""What `evaluate` needs of a model, whether it is a model folder or an exported `.onnx` file."""

from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict.errors import EnvironmentProblem, InputError
from hitpredict.evaluation.baselines import Baselines
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.model_folder.predictions import Predictions, batches_of, by_owner, in_parts
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.inputs import BESIDE
from hitpredict.scoring.outputs import Outputs
from hitpredict.scoring.session import ModelFile, Session, bundled
from hitpredict.tables.join import TrainingData
from hitpredict.tables.targets import Target


class FolderModel(ModelFolder):
    """A model folder."""

    @property
    def name(self) -> str:
        """The recipe's name."""
        return self.recipe.name

    def predict(self, data: TrainingData) -> Predictions:
        """Predictions for every track of `data`, held to the target's scale as scores are."""
        return super().predict(data).cut(self.calibration.low, self.calibration.high)

    @cached_property
    def baselines(self) -> Baselines:
        """The baselines, fitted on its training part."""
        return Baselines.from_json(self.config.baselines)

    @property
    def every_column(self) -> tuple[bool, ...]:
        """Of each feature table whether it is one of columns that are of no known kind of features."""
        return tuple(bool(each.columns) and each.kind is None for each in self.config.features)

    @property
    def tables(self) -> int:
        """How many feature tables it takes."""
        return len(self.config.features) - len(self.from_labels)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of features that it takes, where they are known."""
        return tuple(each.kind_name for each in self.config.features if each.kind_name)

    @property
    def published(self) -> dict[str, Any]:
        """What the system's authors report."""
        return self.recipe.published

    @property
    def input_note(self) -> str | None:
        """What there is to say where it was not trained on the published input."""
        return self.config.input_note


class OnnxModel:
    """An exported model. Raises `EnvironmentProblem` when the file lacks what evaluation needs."""

    every_column: tuple[bool, ...] = ()
    kinds: tuple[str, ...] = ()

    def __init__(self, model: str):
        self._session = Session(ModelFile.find(model), "cpu")
        self.name = self._session.metadata.get("name", Path(model).stem)
        if "label_target" not in self._session.metadata:
            raise EnvironmentProblem(f"{model}: was not made by `hitpredict export-onnx`; it cannot be evaluated here")
        self.target = Target.from_json(self._session.json("label_target"))
        self.calibration = Calibration.from_json(self._session.json("calibration"))
        self.baselines = Baselines.from_json(self._session.json("baselines"))
        known = "outputs" in self._session.metadata
        self.outputs = Outputs.from_json(self._session.json("outputs") if known else {})
        self.published: dict[str, Any] = self._session.json("published")
        self.input_note: str | None = self._session.metadata.get("input_note")
        self.seen: frozenset[str] = frozenset(self._session.json("trained_on"))
        self._windows: list[dict[str, Any] | None] = self._session.json("windows")
        region = self._session.json("region") if "region" in self._session.metadata else None
        kinds = self._session.json("frontend")
        beside = [kind for kind in kinds if kind["name"] in BESIDE] if isinstance(kinds, list) else []
        # The file is for one region, which it does not take any more.
        self._region = [region] if region else []
        self.from_labels: list[dict[str, Any]] = [*beside, *self._region]

    @property
    def tables(self) -> int:
        """How many feature tables it takes."""
        return len(self._windows)

    def predict(self, data: TrainingData) -> Predictions:
        """Predictions for every track of `data`, as `FolderModel.predict` gives them."""
        count = len(data.inputs) - len(self._region)
        if count != len(self._windows):
            raise InputError(f"{self.name}: takes {len(self._windows)} feature tables, {count} were given")
        data = replace(data, inputs=data.inputs[:count], rows=data.rows[:count])
        clips, owners_of_clips = data.by_clip()
        found: list[list[Any]] = []
        for part in in_parts(clips):
            inputs, owners = batches_of(part, self._windows)
            outputs = self._session.outputs(inputs)
            found.append([by_owner(np.asarray(output, np.float64), owners, len(part)) for output in outputs])
        parts = (np.concatenate(each) for each in zip(*found, strict=True))
        answers = Predictions.of(dict(zip(self._session.names, parts, strict=True))).over(owners_of_clips, len(data))
        return answers.cut(self.calibration.low, self.calibration.high)


def opened_model(model: str) -> "FolderModel | OnnxModel":
    """A model to evaluate: a bundled one by name, a model folder, or an `.onnx` file. Raises `EnvironmentProblem`."""
    return OnnxModel(model) if model in bundled() or not Path(model).is_dir() else FolderModel(Path(model))
