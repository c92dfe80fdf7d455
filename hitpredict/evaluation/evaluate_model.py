"""A model on tables, from one call: read, leave out what it was fitted on, measure, compare, draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict.errors import UsageError
from hitpredict.evaluation.evaluate import compared, evaluate, warn
from hitpredict.evaluation.models import FolderModel, OnnxModel, opened_model
from hitpredict.evaluation.outputs import measured_outputs
from hitpredict.tables.join import TrainingData, load


@dataclass(frozen=True)
class Evaluation:
    """result: plain data, see `evaluate`, with the `model`'s name, and `compared` where it was. notes: what there is to
    say of rows that were left out."""

    result: dict[str, Any]
    notes: tuple[str, ...]


def evaluate_model(
    model: str,
    features: Sequence[Path],
    labels: Path,
    group: str | None = None,
    everything: bool = False,
    compare: str | None = None,
    plots: Path | None = None,
) -> Evaluation:
    """Measure a model on the tracks of these tables that it was not fitted on.

    model: a bundled one's name, a model folder or an `.onnx` file; compare: another, to take the paired difference to.
    features, labels, group: see `load`. everything: count the tracks that it was fitted on as well. plots: a folder to
    draw in. Raises `UsageError` where there is nothing to measure on, or no comparing.
    """
    first = opened_model(model)
    data = load(features, labels, first.target.columns, group, first.every_column, first.from_labels, first.kinds)
    second = opened_model(compare) if compare else None
    if second is not None and not first.target.same_scale(second.target):
        own, other = (f"{each.name}, {each.classes or 'no'} classes" for each in (first.target, second.target))
        raise UsageError(f"`compare` {compare}: predicts another thing ({other}) than {model} ({own})")
    notes = data.notes
    if not everything:
        rows, data = len(data), _unseen(data, [first, second] if second else [first])
        left_out = f"{rows - len(data):,} rows that the model was fitted on are left out"
        notes += (left_out,) if len(data) < rows else ()
    predictions = first.predict(data)
    measured_on = "all tracks" if everything else "held out"
    known = first.target, first.calibration, first.baselines
    result = evaluate(predictions, data, *known, first.published, measured_on) | {"model": first.name}
    result |= measured_outputs(predictions, data, first.target, first.outputs)
    inflated = "tracks that the model was fitted on are counted; these numbers are inflated" if everything else None
    for text in filter(None, (first.input_note, inflated)):
        warn(result, text)
    if second is not None:
        truth, classes = first.target.truth(data.labels), first.target.classes
        differences = compared(predictions, second.predict(data), truth, data.groups, classes)
        result["compared"] = {"with": second.name} | differences
    if plots is not None:
        from hitpredict.evaluation.plots import write_plots

        write_plots(plots, predictions, data, first.target, first.calibration)
    return Evaluation(result, notes)


def _unseen(data: TrainingData, models: Sequence[FolderModel | OnnxModel]) -> TrainingData:
    seen = frozenset[str]().union(*(each.seen for each in models))
    keep = np.array([row for row, track in enumerate(data.track_ids) if track not in seen], int)
    if not len(keep):
        raise UsageError("the model was fitted on all of these tracks; give others, or `everything` to count them")
    return data.take(keep)
