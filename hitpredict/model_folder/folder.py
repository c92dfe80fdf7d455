"""A trained model on disk: `config.json`, its weights, and what was measured of it.

config.json         recipe, features, target, split, baselines: everything but the weights
model.safetensors   weights of a network       (or estimator.onnx for linear models and trees)
calibration.json    the conformal interval
outputs.json        what the model's other answers mean (targets, classes, curves)
metrics.json        the evaluation on held-out rows
MODEL_CARD.md       the same for people
training.csv        loss by epoch (networks)
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from hitpredict.errors import EnvironmentProblem, HitpredictError, InputError, UsageError
from hitpredict.model_folder.config import ModelConfig
from hitpredict.model_folder.predictions import (
    Loaded,
    Predictions,
    estimator_session,
    predict_estimator,
    predict_network,
)
from hitpredict.scoring import metadata
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.domain import Domain
from hitpredict.scoring.outputs import Outputs
from hitpredict.tables import label_inputs
from hitpredict.tables.join import TrainingData
from hitpredict.tables.label_inputs import REGION, named

if TYPE_CHECKING:
    from hitpredict.networks.model import NetworkModel


class ModelFolder:
    """A model folder opened for predicting. Raises `EnvironmentProblem` when it is not one.

    region: the one that it is held to, see `RegionFolder`.
    """

    region: dict[str, Any] | None = None

    def __init__(self, folder: Path):
        self.folder = folder
        self.config = ModelConfig.read(folder)
        self.recipe, self.target = self.config.recipe, self.config.target

    @cached_property
    def calibration(self) -> Calibration:
        """The conformal interval."""
        return self.read("calibration.json", lambda path: Calibration.from_json(_checked("calibration", path)))

    @cached_property
    def outputs(self) -> Outputs:
        """What it answers beside the score; of folders of earlier versions nothing is known of it."""
        if not (self.folder / "outputs.json").exists():
            return Outputs()
        return self.read("outputs.json", lambda path: Outputs.from_json(_checked("outputs", path)))

    @cached_property
    def domain(self) -> Domain:
        """The sounds it knows."""
        return self.read("domain.json", lambda path: Domain.from_json(_checked("domain", path)))

    def read(self, name: str, load: Callable[[Path], Loaded]) -> Loaded:
        """A file of the folder. Raises `EnvironmentProblem`, naming it, when it is not there or damaged."""
        path = self.folder / name
        if not path.exists():
            raise EnvironmentProblem(f"{path}: missing from this model folder; train the model again")
        try:
            return load(path)
        except Exception as error:
            raise EnvironmentProblem(f"{path}: damaged ({type(error).__name__}); train the model again") from error

    @property
    def windows(self) -> list[dict[str, Any] | None]:
        """How each input is cut, None where it is not."""
        return [each.window for each in self.config.features]

    @property
    def seen(self) -> frozenset[str]:
        """Ids of the tracks that the model was fitted on or chosen by, or its calibration fitted on."""
        split = self.config.split
        return frozenset((*split.train, *split.validation, *split.calibration))

    @property
    def from_labels(self) -> list[dict[str, Any]]:
        """The inputs that come with the labels, for `training_data.load`."""
        return [each.kind for each in self.config.features if each.kind and each.kind_name in label_inputs.NAMES]

    def check_inputs(self, data: TrainingData) -> None:
        """Raises `InputError` when tables are not of the features the model was trained on."""
        known = self.config.features
        if len(known) != len(data.inputs):
            raise InputError(f"{self.folder}: takes {len(known)} feature tables, {len(data.inputs)} were given")
        for expected, found in zip(known, data.inputs, strict=True):
            if expected.columns != (found.columns or None):
                raise InputError(f"{found.path}: not the columns that {self.folder} was trained on")
            if expected.kind and found.kind and expected.kind != dict(found.kind):
                raise InputError(f"{found.path}: {found.kind} is not {expected.kind}, which {self.folder} takes")

    def predict(self, data: TrainingData) -> Predictions:
        """Predictions for every track of `data`; of longer arrays the mean over their windows."""
        self.check_inputs(data)
        try:
            if (self.folder / "estimator.onnx").exists():
                return self._predict_estimator(data)
            return predict_network(self.network, data, self.windows)
        except HitpredictError:
            raise
        except Exception as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> EnvironmentProblem:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        return EnvironmentProblem(f"{self.folder}: damaged: its parts do not fit ({reason}); train the model again")

    def _predict_estimator(self, data: TrainingData) -> Predictions:
        session = self.read("estimator.onnx", lambda path: estimator_session(path.read_bytes()))
        return predict_estimator(session, data)

    @cached_property
    def network(self) -> "NetworkModel":
        """The network with its weights, ready to predict; of an estimator there is none."""
        from safetensors.torch import load_file

        from hitpredict.networks.model import NetworkModel, Scaler
        from hitpredict.networks.registry import build_network

        config = self.config
        try:
            spec = {**config.recipe.network, **(config.network_state or {})}
            shapes, kinds = zip(*((each.shape, each.kind_name) for each in config.features), strict=True)
            network = build_network(spec, shapes, config.outputs, kinds)
            scalers = [Scaler(each.scaling, each.width) for each in config.features]
            ranges = config.target_range, config.target_ranges
            model = NetworkModel(network, scalers, config.recipe.task, self.target.classes, *ranges)
        except Exception as error:
            raise self._damaged(error) from error
        self.read("model.safetensors", lambda path: model.load_state_dict(load_file(path)))
        return model.eval()


def _checked(key: str, path: Path) -> Any:
    return metadata.parsed_entry(key, path.read_text(encoding="utf-8"))


class RegionFolder(ModelFolder):
    """A model folder without its input `region`, which is always this one.

    Raises `UsageError` when the model has no regions, or not this one.
    """

    def __init__(self, folder: Path, region: str):
        super().__init__(folder)
        kind = named(self.from_labels, REGION)
        if kind is None:
            raise UsageError(f"`region` {region}: {folder} was trained without regions")
        if region not in kind["names"]:
            raise UsageError(f"`region` {region}: {folder} knows {', '.join(kind['names'])}")
        self.region: dict[str, Any] = {**kind, "only": region}
        self._place = next(place for place, each in enumerate(self.config.features) if each.kind == kind)
        features = tuple(each for each in self.config.features if each.kind != kind)
        everywhere = self.config.reference
        reference = everywhere.by_region.get(region, replace(everywhere, by_region={}))
        self.config = replace(self.config, features=features, reference=reference)

    @cached_property
    def network(self) -> Any:
        """The network, given the region with every song."""
        from hitpredict.networks.model import ForRegion

        one_hot = [float(name == self.region["only"]) for name in self.region["names"]]
        return ForRegion(ModelFolder(self.folder).network, one_hot, self._place).eval()
