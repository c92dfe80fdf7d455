"""What each further kind of input is worth: models on growing inputs, judged on the same songs.

The first model takes the first feature tables, each later one those and more: sound, the artist's level, metadata,
first weeks. The gain of a step is the paired difference to the step before, its interval a 95 % bootstrap over groups.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from hitpredict.errors import UsageError
from hitpredict.evaluation.evaluate import statistics_of
from hitpredict.evaluation.evaluate_model import AnyModel, Evaluation, check_pair, evaluate_model, held_out
from hitpredict.evaluation.metrics import Statistic, with_interval
from hitpredict.evaluation.models import opened_model
from hitpredict.tables.join import TrainingData, load

_METRICS = ("r2", "spearman")


def evaluate_nested(
    models: Sequence[str], features: Sequence[Path], labels: Path, group: str | None = None, **more: Any
) -> Evaluation:
    """The evaluation of the last model, see `evaluate_model`, with the `nested` steps to it.

    models: the first takes the first of the `features` tables, each next one as many or more of them. Of each step,
    `nested` has the `model` as it was named, its number of `tables`, `r2` and `spearman` on the songs that none of the
    models was fitted on, and from the second on the `gain` of both. more: of `evaluate_model`. Raises `UsageError`
    where the models do not follow each other.
    """
    opened = [opened_model(model) for model in models]
    _check(models, opened, features)
    found = evaluate_model(models[-1], features, labels, group, **more)
    last = opened[-1]
    data = load(features, labels, last.target.columns, group, last.every_column, last.from_labels, last.kinds)
    data, _ = held_out(data, opened, more.get("everything", False))
    statistics = [_statistics(model, data) for model in opened]
    steps = []
    for number, (name, model) in enumerate(zip(models, opened, strict=True)):
        step: dict[str, Any] = {"model": name, "tables": model.tables, "rows": len(data)}
        step |= {metric: with_interval(statistics[number][metric], data.groups) for metric in _METRICS}
        if number:
            step["gain"] = {
                metric: _gain(statistics[number][metric], statistics[number - 1][metric], data) for metric in _METRICS
            }
        steps.append(step)
    return replace(found, result=found.result | {"nested": steps})


def _check(names: Sequence[str], opened: Sequence[AnyModel], features: Sequence[Path]) -> None:
    for name, model in zip(names[1:], opened[1:], strict=True):
        check_pair(opened[0], model, f"`nested` {name}", names[0])
    for name, model in zip(names, opened, strict=True):
        if model.from_labels or model.target.classes or model.target.combine == "log-sum":
            raise UsageError(f"`nested` {name}: steps are regressions on feature tables alone, of one number")
    counts = [model.tables for model in opened]
    if counts != sorted(counts) or counts[-1] != len(features):
        taken = ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=True))
        raise UsageError(
            f"`nested`: each model takes the `features` of the one before and more, and the last one all "
            f"{len(features)}; these take {taken}"
        )


def _statistics(model: AnyModel, data: TrainingData) -> dict[str, Statistic]:
    own = replace(data, inputs=data.inputs[: model.tables], rows=data.rows[: model.tables])
    return statistics_of(model.predict(own), np.asarray(model.target.truth(data.labels)), 0)


def _gain(now: Statistic, before: Statistic, data: TrainingData) -> dict[str, Any]:
    found = with_interval(lambda rows: now(rows) - before(rows), data.groups)
    low, high = found["interval"]
    return found | {"verdict": "no clear gain" if low <= 0 <= high else ("gain" if low > 0 else "loss")}
