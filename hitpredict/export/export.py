"""From a model folder to one `.onnx` file that holds everything scoring needs, checked against the model itself."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
from hitpredict.export.graph import estimator_graph, half_precision, network_graph
from hitpredict.export.metadata import metadata_of, with_metadata
from hitpredict.export.parity import TOLERANCE, ParityError, difference_of
from hitpredict.model_folder.folder import ModelFolder


@dataclass(frozen=True)
class Exported:
    """The file's bytes, and the largest difference from the trained model, relative to the spread of its scores."""

    data: bytes
    difference: float


def export(folder: ModelFolder, samples: Sequence[NDArray[np.float32]] | None = None, fp16: bool = False) -> Exported:
    """Export a model folder.

    samples: real inputs (a batch for each input) to compare on besides random ones. fp16: half-precision weights.
    Raises `ParityError` when scores differ by more than 1e-4 of their size or spread (1e-2 with fp16).
    """
    if folder.recipe.estimator.get("name") == "random-normal":
        raise UsageError(f"{folder.folder}: random-normal draws anew for every song; there is no model to export")
    # First, for it tells what cannot be exported at all.
    metadata = metadata_of(folder)
    graph = estimator_graph(folder) if (folder.folder / "estimator.onnx").exists() else network_graph(folder)
    data = with_metadata(half_precision(graph) if fp16 else graph, metadata)
    difference = difference_of(folder, data, samples)
    limit = 100 * TOLERANCE if fp16 else TOLERANCE
    if not difference <= limit:
        raise ParityError(f"{folder.folder}: the ONNX model differs by {difference:.2g} (limit {limit:g}); not written")
    return Exported(data, difference)
