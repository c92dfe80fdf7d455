"""A trained model of several regions, held to one of them: from then on it takes the sound alone."""

from functools import cached_property
from pathlib import Path
from typing import Any

from hitpredict.errors import UsageError
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.tables.label_inputs import REGION, named


class RegionFolder(ModelFolder):
    """A model folder without its input `region`, which is always this one.

    Raises `UsageError` when the model has no regions, or not this one.
    """

    def __init__(self, folder: Path, region: str):
        super().__init__(folder)
        kind = named(self.from_labels, REGION)
        if kind is None:
            raise UsageError(f"--region {region}: {folder} was trained without regions")
        if region not in kind["names"]:
            raise UsageError(f"--region {region}: {folder} knows {', '.join(kind['names'])}")
        self.region: dict[str, Any] = {**kind, "only": region}
        features = [each for each in self.config["features"] if each["kind"] != kind]
        reference = self.config["reference"]
        everywhere = {key: reference[key] for key in ("name", "scores")}
        self.config |= {"features": features, "reference": reference["by_region"].get(region, everywhere)}

    @cached_property
    def network(self) -> Any:
        """The network, given the region with every song."""
        from hitpredict.networks.model import ForRegion

        # Inputs from the labels come last.
        one_hot = [float(name == self.region["only"]) for name in self.region["names"]]
        return ForRegion(ModelFolder(self.folder).network, one_hot).eval()
