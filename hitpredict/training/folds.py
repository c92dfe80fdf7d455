"""Cross-validation: every song is predicted once, by a model that has seen no song of its group.

Each fold's model has validation and calibration rows of its own among the other folds, chosen as in any training.
Models of different folds do not answer on quite one scale, so a figure is taken within each fold, and what is given is
the mean over the folds, weighted by songs; its interval is a 95 % bootstrap over groups.
"""

import csv
import io
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import TrainingError, UsageError
from hitpredict.evaluation.evaluate import statistics_of, with_intervals
from hitpredict.evaluation.metrics import Statistic
from hitpredict.files.arrays import Floats
from hitpredict.files.owned import atomic
from hitpredict.model_folder.predictions import Predictions
from hitpredict.model_folder.replace import FOLDS, OUT_OF_FOLD
from hitpredict.tables.join import TrainingData
from hitpredict.tables.splits import (
    CALIBRATION,
    TEST,
    USUAL_SHARES,
    VALIDATION,
    Shares,
    group_folds,
    group_split,
)
from hitpredict.training.calibrated import calibrated
from hitpredict.training.run import TrainingRun, prepare

_COLUMNS = ("track_id", "fold", "target", "prediction", "low", "high")


@dataclass(frozen=True)
class _Fold:
    """What one fold's model said of its held-out rows (M,), and the baselines that were fitted with it."""

    rows: NDArray[np.intp]
    truth: Floats
    predictions: Predictions
    low: Floats
    high: Floats
    baselines: Mapping[str, Floats]
    classes: int
    level: float


def cross_validated(run: TrainingRun, folder: Path) -> dict[str, Any]:
    """Train a model for each of `run.folds` folds, and write what they say of their held-out rows to `out_of_fold.csv`.

    folder: where that goes, and in `folds` what a killed run has done; a fold that is done is not done again. Returns
    `folds`, `rows`, `groups`, and `metrics`, `baselines` and `coverage` as `evaluate` does, with their values in each
    fold, `by_fold`. Raises `UsageError` where groups are too few, and `TrainingError` for a fold that collapses.
    """
    places = fold_numbers(run.data, run.folds, run.seed)
    (folder / FOLDS).mkdir(exist_ok=True)
    found = [_fold(run, places, number, folder / FOLDS / str(number + 1)) for number in range(run.folds)]
    with atomic(folder / OUT_OF_FOLD) as file:
        file.write(_table(run.data, found).encode())
    systems = {name: [_in_place(each, name) for each in found] for name in ("", *found[0].baselines)}
    measured = {name: with_intervals(over_folds(each), run.data.groups) for name, each in systems.items()}
    return {
        "folds": run.folds,
        "rows": len(run.data),
        "groups": len(np.unique(run.data.groups)),
        "metrics": measured.pop(""),
        "baselines": measured,
        "coverage": {"level": found[0].level, **_coverage(found, run.data.groups)},
        "by_fold": [_of_fold(each, number) for number, each in enumerate(found, 1)],
    }


def fold_numbers(data: TrainingData, folds: int, seed: int) -> NDArray[np.intp]:
    """The fold of each row, (N,), no group in two. Raises `UsageError` where there are too few groups."""
    try:
        return group_folds(data.groups, folds, seed)
    except ValueError as error:
        raise UsageError(f"`folds` {folds}: {error}") from error


def fold_parts(
    groups: NDArray[Any], held_out: NDArray[np.bool_], seed: int, chooses: bool, shares: Shares = USUAL_SHARES
) -> NDArray[np.str_]:
    """The part of each row, (N,), where some rows are tested on: of the others as large shares choose the epoch and
    calibrate as without folds, by groups."""
    parts = np.full(len(groups), TEST, "U11")
    train, validation, calibration, _ = (share / (1 - shares[3]) for share in shares)
    inner = (train, validation, calibration, 0.0) if chooses else (train, 0.0, calibration, 0.0)
    splits = (VALIDATION, CALIBRATION) if chooses else (CALIBRATION,)
    parts[~held_out] = group_split(groups[~held_out], seed, splits, inner)
    return parts


def _fold(run: TrainingRun, places: NDArray[np.intp], number: int, folder: Path) -> _Fold:
    done = folder.with_suffix(".json")
    if done.exists():
        return _read(done)
    recipe, data = run.recipe, run.data
    shares = run.shares or USUAL_SHARES
    try:
        parts = fold_parts(data.groups, places == number, run.seed, not recipe.estimator, shares)
    except ValueError as error:
        raise UsageError(f"`folds` {run.folds}: {error}") from error
    prepared = prepare(replace(run, folds=0, parts=parts))
    folder.mkdir(exist_ok=True)
    try:
        model = calibrated(prepared, folder)
    except TrainingError as error:
        raise TrainingError(f"fold {number + 1} of {run.folds}: {error}") from error
    rows = prepared.rows[TEST]
    answers = model.fitted.predictions.take(rows)
    low, high = model.calibration.interval(answers.score)
    others = model.baselines.predict(data.summary[rows])
    cut = {name: model.calibration.cut(scores) for name, scores in others.items()}
    fold = _Fold(rows, model.truth[rows], answers, low, high, cut, prepared.target.classes, model.calibration.level)
    with atomic(done) as file:
        file.write(json.dumps(_plain(fold)).encode())
    shutil.rmtree(folder)
    return fold


def _plain(fold: _Fold) -> dict[str, Any]:
    answers = fold.predictions
    return {
        "rows": fold.rows.tolist(),
        "truth": fold.truth.tolist(),
        "score": answers.score.tolist(),
        "probabilities": None if answers.probabilities is None else answers.probabilities.tolist(),
        "low": fold.low.tolist(),
        "high": fold.high.tolist(),
        "baselines": {name: scores.tolist() for name, scores in fold.baselines.items()},
        "classes": fold.classes,
        "level": fold.level,
    }


def _read(path: Path) -> _Fold:
    plain = json.loads(path.read_text(encoding="utf-8"))
    probabilities = None if plain["probabilities"] is None else np.array(plain["probabilities"])
    truth, score, low, high = (np.array(plain[key], np.float64) for key in ("truth", "score", "low", "high"))
    others = {name: np.array(scores, np.float64) for name, scores in plain["baselines"].items()}
    rows, answers = np.array(plain["rows"], np.intp), Predictions(score, probabilities)
    return _Fold(rows, truth, answers, low, high, others, plain["classes"], plain["level"])


def _in_place(fold: _Fold, baseline: str) -> _Fold:
    """The fold with a baseline's answers in place of the model's; with no name, as it is."""
    return replace(fold, predictions=Predictions(fold.baselines[baseline])) if baseline else fold


def over_folds(folds: Sequence[_Fold]) -> dict[str, Statistic]:
    """Each metric as the mean over the folds, weighted by rows of which the truth is known."""
    known = [np.flatnonzero(np.isfinite(fold.truth)) for fold in folds]
    each = [
        statistics_of(fold.predictions.take(rows), fold.truth[rows], fold.classes)
        for fold, rows in zip(folds, known, strict=True)
    ]
    # Of each row of the table its fold, and its place among the rows of that fold.
    home = np.full(sum(len(fold.rows) for fold in folds), -1)
    place = np.zeros(len(home), np.intp)
    for number, (fold, rows) in enumerate(zip(folds, known, strict=True)):
        home[fold.rows[rows]], place[fold.rows[rows]] = number, np.arange(len(rows))

    def mean_of(name: str) -> Statistic:
        def statistic(rows: NDArray[np.intp]) -> float:
            values, weights = [], []
            for number, statistics in enumerate(each):
                inside = rows[home[rows] == number]
                if len(inside):
                    values.append(statistics[name](place[inside]))
                    weights.append(len(inside))
            if not values:
                raise ValueError(f"{name} is not defined in any fold")
            return float(np.average(values, weights=weights))

        return statistic

    return {name: mean_of(name) for name in each[0]}


def _coverage(folds: Sequence[_Fold], groups: NDArray[Any]) -> dict[str, Any]:
    from hitpredict.evaluation.metrics import coverage

    truth, low, high = (np.concatenate([getattr(each, key) for each in folds]) for key in ("truth", "low", "high"))
    rows = np.concatenate([each.rows for each in folds])
    known = np.isfinite(truth)
    if not known.any():
        return {"rows": None, "groups": None}
    by_row, by_group = coverage(truth[known], low[known], high[known], groups[rows[known]])
    return {"rows": round(by_row, 4), "groups": round(by_group, 4)}


def _of_fold(fold: _Fold, number: int) -> dict[str, Any]:
    values: dict[str, Any] = {"fold": number, "rows": len(fold.rows)}
    known = np.flatnonzero(np.isfinite(fold.truth))
    for name, statistic in statistics_of(fold.predictions, fold.truth, fold.classes).items():
        try:
            values[name] = round(statistic(known), 5)
        except ValueError:
            continue
    return values


def _table(data: TrainingData, folds: Sequence[_Fold]) -> str:
    """The out-of-fold predictions as CSV, rows in the order of the tables; the truth is empty where not known."""
    lines = {
        int(row): [data.track_ids[row], number, *(f"{value:.6g}" if np.isfinite(value) else "" for value in numbers)]
        for number, fold in enumerate(folds, 1)
        for row, *numbers in zip(fold.rows, fold.truth, fold.predictions.score, fold.low, fold.high, strict=True)
    }
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(lines[row] for row in sorted(lines))
    return text.getvalue()
