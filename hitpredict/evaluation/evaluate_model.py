"""A model on tables, from one call: read, leave out what it was fitted on, measure, compare, draw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import UsageError
from hitpredict.evaluation.classes import by_class, cut_statistics
from hitpredict.evaluation.evaluate import evaluate, evaluate_by_rank, statistics_of, warn, with_intervals
from hitpredict.evaluation.metrics import Statistic
from hitpredict.evaluation.models import FolderModel, OnnxModel, opened_model
from hitpredict.evaluation.outputs import measured_outputs
from hitpredict.evaluation.paired import compared, error_by_band, nearer
from hitpredict.evaluation.same_rows import SameRows
from hitpredict.files.arrays import Floats
from hitpredict.model_folder.predictions import Predictions
from hitpredict.scoring.inputs import WEEKS
from hitpredict.tables.join import TrainingData, load
from hitpredict.tables.label_inputs import named

AnyModel = FolderModel | OnnxModel


@dataclass(frozen=True)
class Evaluation:
    """result: plain data, see `evaluate`, with the `model`'s name, and `compared` where it was. notes: what there is to
    say of rows that were left out."""

    result: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Judged:
    """What one model said of the rows whose truth is known. by_rank: the truth has other units than the scores."""

    predictions: Predictions
    truth: Floats
    data: TrainingData
    model: AnyModel
    by_rank: bool

    @classmethod
    def of(
        cls, predictions: Predictions, truth: Floats, data: TrainingData, model: AnyModel, by_rank: bool
    ) -> "_Judged":
        known = np.flatnonzero(np.isfinite(truth))
        return cls(predictions.take(known), truth[known], data.take(known), model, by_rank)

    @property
    def classes(self) -> int:
        return 0 if self.by_rank else self.model.target.classes

    def statistics(self, threshold: float | None) -> dict[str, Statistic]:
        """Every figure, of any rows: metrics, coverage of the interval, and where cut, those of the decisions."""
        found = statistics_of(self.predictions, self.truth, self.classes, self.by_rank)
        if not self.by_rank:
            low, high = self.model.calibration.interval(self.predictions.score)
            inside = (self.truth >= low) & (self.truth <= high)
            found["coverage"] = lambda rows: float(inside[rows].mean())
        if threshold is None:
            return found
        cut = cut_statistics(self.truth, self.predictions.score, threshold, self.by_rank)
        return found | {f"{name} at {threshold:g}": statistic for name, statistic in cut.items()}

    def cut_at(self, threshold: float) -> dict[str, Any]:
        if self.classes:
            raise UsageError(f"`threshold` {threshold:g}: cuts scores; this model is a classifier and has its classes")
        others = self.model.baselines.predict(self.data.summary)
        scores = {"": self.predictions.score, **others}
        found = {
            name: with_intervals(cut_statistics(self.truth, score, threshold, self.by_rank), self.data.groups)
            for name, score in scores.items()
        }
        positive = int((self.truth >= threshold).sum())
        return {"at": threshold, "positive": positive, "metrics": found.pop(""), "baselines": found}


def evaluate_model(
    model: str,
    features: Sequence[Path],
    labels: Path,
    group: str | None = None,
    everything: bool = False,
    compare: str | None = None,
    plots: Path | None = None,
    *,
    threshold: float | None = None,
    target: str | None = None,
    by: str | None = None,
    compare_features: Sequence[Path] = (),
) -> Evaluation:
    """Measure a model on the tracks of these tables that it was not fitted on.

    model: a bundled one's name, a model folder or an `.onnx` file; compare: another, to take the paired difference to.
    compare_features: what that takes instead of `features`; counted are the tracks that both have.
    features, labels, group: see `load`. everything: count the tracks that it was fitted on as well. plots: a folder to
    draw in. threshold: a value of the target scale at which scores and truth are cut as well. target: a label column to
    measure against instead of the model's own, by rank unless it is that. by: a label column by whose values every
    figure is given too. Raises `UsageError` where there is nothing to measure on, or no comparing.
    """
    first = opened_model(model)
    by_rank = target is not None and (target,) != first.target.columns
    columns = (target,) if by_rank and target else first.target.columns
    _check_target(first, by_rank)
    second = opened_model(compare) if compare else None
    if second is not None and not by_rank:
        check_pair(first, second, f"`compare` {compare}", model)
    given = len(compare_features or features)
    if second is not None and second.tables != given:
        raise UsageError(
            f"`compare` {compare}: takes {second.tables} feature tables, {given} were given; "
            "name its own by `compare_features`"
        )
    data = load(features, labels, columns, group, first.every_column, first.from_labels, first.kinds)
    models = [first, second] if second else [first]
    same = None
    if second is not None and compare_features:
        others = load(compare_features, labels, columns, group, second.every_column, second.from_labels, second.kinds)
        same = SameRows.of(data, others, (first.from_labels, second.from_labels))
        data = same.first
    data, notes = held_out(data, models, everything)
    own = held_out(same.second, models, everything)[0] if same else data
    predictions = first.predict(data)
    measured_on = "all tracks" if everything else "held out"
    truth = _turned(data) if by_rank else first.target.truth(data.labels)
    if by_rank:
        result = evaluate_by_rank(predictions, data, truth, first.target, first.baselines, measured_on)
    else:
        known = first.target, first.calibration, first.baselines
        result = evaluate(predictions, data, *known, first.published, measured_on)
        result |= measured_outputs(predictions, data, first.target, first.outputs)
    result["model"] = first.name
    inflated = "tracks that the model was fitted on are counted; these numbers are inflated" if everything else None
    for text in filter(None, (first.input_note, inflated)):
        warn(result, text)
    judged = _Judged.of(predictions, truth, data, first, by_rank)
    other = _Judged.of(second.predict(own), truth, own, second, by_rank) if second else None
    result |= _more(judged, other, threshold, by) | ({"unpaired": same.only} if same else {})
    if plots is not None:
        _draw(plots, judged, other)
    return Evaluation(result, (*notes, *same.notes) if same else notes)


def _check_target(model: AnyModel, by_rank: bool) -> None:
    if by_rank and named(model.from_labels, WEEKS):
        raise UsageError("`target`: the model takes the first weeks of its own target, so it can be judged by no other")


def check_pair(first: AnyModel, second: AnyModel, option: str, name: str) -> None:
    """Raises `UsageError`, naming the option, for a model whose target is another than that of the model `name`."""
    if not first.target.same_scale(second.target):
        own, other = (f"{each.name}, {each.classes or 'no'} classes" for each in (first.target, second.target))
        raise UsageError(f"{option}: predicts another thing ({other}) than {name} ({own})")


def _turned(data: TrainingData) -> Floats:
    """The single target column, turned round where a minus says so."""
    if data.labels.shape[1] > 1:
        raise UsageError(f"`target` {data.targets[0]}: holds lists (curves); name a column of numbers")
    return np.asarray(data.labels[:, 0] * (-1.0 if data.targets[0].startswith("-") else 1.0))


def _more(judged: _Judged, other: _Judged | None, threshold: float | None, by: str | None) -> dict[str, Any]:
    """What was asked for besides: the other model, classes, the cut, and all figures by the values of a column."""
    found: dict[str, Any] = {}
    predictions, truth, data, classes = judged.predictions, judged.truth, judged.data, judged.classes
    if other is not None:
        pair = predictions, other.predictions, truth, data.groups
        found["compared"] = {"with": other.model.name} | compared(*pair, classes, judged.by_rank)
        if not judged.by_rank:
            found["nearer"], found["bands"] = nearer(*pair), error_by_band(*pair, classes)
    if classes:
        found["by_class"] = by_class(predictions, truth, data.groups, judged.model.target)
    if threshold is not None:
        found["threshold"] = judged.cut_at(threshold)
    if by is not None:
        found["by"] = _by(judged, by, judged.statistics(threshold))
    return found


def _by(judged: _Judged, name: str, statistics: Mapping[str, Statistic]) -> dict[str, Any]:
    from hitpredict.evaluation.breakdown import broken_down

    if name not in judged.data.table:
        raise UsageError(f"`by` {name}: the label table has no such column; it has {', '.join(judged.data.table)}")
    return broken_down(judged.data.table[name], name, statistics, judged.data.groups)


def _draw(folder: Path, judged: _Judged, other: _Judged | None) -> None:
    from hitpredict.evaluation.plots import write_comparison, write_plots

    if judged.by_rank:
        raise UsageError("`plots`: pictures are of scores and truth on one scale, and this target has another")
    target = judged.model.target
    write_plots(folder, judged.predictions, judged.data, target, judged.model.calibration)
    if other is not None:
        names = judged.model.name, other.model.name
        names = names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")
        pair = {names[0]: judged.predictions, names[1]: other.predictions}
        write_comparison(folder, pair, judged.truth, judged.data.groups, target)


def held_out(
    data: TrainingData, models: Sequence[AnyModel], everything: bool = False
) -> tuple[TrainingData, tuple[str, ...]]:
    """The tracks that none of the models was fitted on, and what there is to say of the others. everything: all."""
    if everything:
        return data, data.notes
    seen = frozenset[str]().union(*(each.seen for each in models))
    keep: NDArray[Any] = np.array([row for row, track in enumerate(data.track_ids) if track not in seen], int)
    if not len(keep):
        raise UsageError("the model was fitted on all of these tracks; give others, or `everything` to count them")
    left_out = f"{len(data) - len(keep):,} rows that the model was fitted on are left out"
    return data.take(keep), data.notes + ((left_out,) if len(keep) < len(data) else ())
