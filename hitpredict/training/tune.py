"""The search for hyper-parameters: Optuna draws settings, training songs fit them, validation songs judge them.

A study sees training and validation rows alone: calibration and test rows are taken away before it begins. Settings
are drawn by the tree-structured Parzen estimator (Bergstra et al. 2011, NeurIPS 24), and a fit is given up after an
epoch in which it is below the median of the earlier ones (after five that ran to their end). Each draw is seeded by how
many trials are done, so that a search that was killed goes on as if it had not been.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import tomli_w
from optuna.trial import FrozenTrial, Trial, TrialState

from hitpredict import __version__
from hitpredict.errors import EnvironmentProblem, TrainingError, UsageError
from hitpredict.evaluation.evaluate import CLASSES, ERRORS, REGRESSION, statistics_of
from hitpredict.files.owned import atomic, locked, scratch_folder
from hitpredict.model_folder.predictions import Predictions, predict_network
from hitpredict.recipes import Recipe
from hitpredict.tables.splits import TRAIN, VALIDATION
from hitpredict.training.calibrated import fitted_to
from hitpredict.training.checks import check_collapse, split_of
from hitpredict.training.ranges import Range
from hitpredict.training.run import Prepared, TrainingRun, prepare
from hitpredict.training.train import request_of

STUDY, ASKED, TRIALS, BEST = "study.db", "search.json", "trials.tsv", "best.toml"
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)
_STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
_WHY = "why"
Told = Callable[[str], None] | None


@dataclass(frozen=True)
class Searched:
    """What is searched: a range for each entry of the recipe. trials: how many in all. timeout: seconds after which
    none is begun. metric: of `evaluate`, on the validation rows; by default Spearman's, of classifiers macro F1."""

    ranges: Mapping[str, Range]
    trials: int = 50
    timeout: float | None = None
    metric: str | None = None


@dataclass(frozen=True)
class SearchResult:
    """table: a head and rows, the best first. recipe: the best. summary: in one line."""

    table: tuple[list[str], list[list[str]]]
    recipe: Recipe
    summary: str


def search(run: TrainingRun, wanted: Searched, folder: Path, force: bool = False, told: Told = None) -> SearchResult:
    """Search, or go on with a search that is in the folder; write `trials.tsv` and `best.toml` there.

    run: the training that is to become better; its recipe has what is not searched for. force: begin anew. told: what
    is to be called with a line for each trial. Raises `UsageError` for ranges that the recipe cannot have and for a
    folder of anything else, and `TrainingError` where no settings can be fitted.
    """
    metric = _metric(run.recipe, wanted)
    _check_ranges(run.recipe, wanted.ranges)
    seen = _seen(run)
    prepare(replace(seen, recipe=run.recipe))
    with locked(folder.resolve()):
        _begin(folder, seen, wanted, metric, force)
        with _study(folder / STUDY, metric) as study:
            _check_done(folder, study, wanted)
            _run_trials(study, seen, wanted, metric, told)
            return _finished(folder, study, run.recipe, wanted, metric)


def _metric(recipe: Recipe, wanted: Searched) -> str:
    classes = recipe.task == "classification"
    known = [*REGRESSION, *(CLASSES if classes else ())]
    metric = wanted.metric or ("macro_f1" if classes else "spearman")
    if metric not in known:
        raise UsageError(f"`metric` {metric}: must be one of {', '.join(known)}")
    return metric


def _check_ranges(recipe: Recipe, ranges: Mapping[str, Range]) -> None:
    if not ranges:
        raise UsageError(
            "`settings`: name what to search for, such as network.dropout=0..0.5 or training.optimizer=adam|sgd"
        )
    for key, each in ranges.items():
        if key == "task":
            raise UsageError("`settings` task: results of different tasks cannot be compared; search for one of them")
        for value in each.examples:
            recipe.changed({key: value})


def _seen(run: TrainingRun) -> TrainingRun:
    """The run with training and validation rows alone."""
    parts = split_of(run.data, run.split, run.seed, shares=run.shares)
    keep = np.flatnonzero(np.isin(parts, (TRAIN, VALIDATION)))
    if not (parts == VALIDATION).any():
        raise UsageError(f"`split` {run.split}: leaves no rows for validation")
    return replace(run, data=run.data.take(keep), parts=parts[keep])


def _begin(folder: Path, run: TrainingRun, wanted: Searched, metric: str, force: bool) -> None:
    """Make the folder, or find it as an earlier run of the same search has left it."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder}: is no folder; name another")
    if not folder.parent.is_dir():
        raise UsageError(f"{folder}: the folder {folder.parent} does not exist; make it first")
    folder.mkdir(exist_ok=True)
    known = {STUDY, f"{STUDY}-journal", ASKED, TRIALS, BEST}
    if others := sorted(path.name for path in folder.iterdir() if path.name not in known and ".tmp-" not in path.name):
        raise UsageError(f"{folder}: also holds {others[0]}, which no search has left; name another folder")
    ranges = {key: [type(each).__name__, *map(str, each.examples)] for key, each in wanted.ranges.items()}
    request = json.dumps([request_of(run, [] if run.parts is None else run.parts), ranges, metric], indent=1)
    asked = folder / ASKED
    if force or not asked.exists():
        for path in folder.iterdir():
            path.unlink()
        with atomic(asked) as file:
            file.write(request.encode())
    elif asked.read_text(encoding="utf-8") != request:
        raise UsageError(
            f"{folder}: holds a search with another recipe, table, split, seed or range; name another folder, or use "
            "`force` to begin anew"
        )


@contextmanager
def _study(path: Path, metric: str) -> Iterator[optuna.Study]:
    """The study of a file. Raises `EnvironmentProblem` for one that is damaged."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        # Not by a URL, in which a folder's name may have a meaning.
        connect = {"creator": lambda: sqlite3.connect(path, check_same_thread=False)}
        storage = optuna.storages.RDBStorage("sqlite://", engine_kwargs=connect)
        study = optuna.create_study(
            storage=storage,
            study_name="hitpredict",
            direction="minimize" if metric in ERRORS else "maximize",
            pruner=optuna.pruners.MedianPruner(n_startup_trials=5),
            load_if_exists=True,
        )
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise EnvironmentProblem(
            f"{path}: not a study that can be taken up ({reason}); begin anew, by force"
        ) from error
    try:
        yield study
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _done(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False, states=_DONE)


def _check_done(folder: Path, study: optuna.Study, wanted: Searched) -> None:
    if len(done := _done(study)) >= wanted.trials and (folder / BEST).exists():
        raise UsageError(f"{folder}: exists already, with {len(done)} trials; ask for more `trials`, or use `force`")
    # What a killed run was at is drawn again.
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
        study.tell(trial.number, state=TrialState.FAIL)


def _run_trials(study: optuna.Study, run: TrainingRun, wanted: Searched, metric: str, told: Told) -> None:
    # Passing time ends a search, and what it has found by then is kept.
    begun = time.monotonic()
    while (count := len(_done(study))) < wanted.trials:
        if wanted.timeout is not None and count and time.monotonic() - begun > wanted.timeout:
            break
        study.sampler = optuna.samplers.TPESampler(seed=(run.seed * 1_000_003 + count) % 2**32)
        trial = study.ask()
        recipe = _drawn(run.recipe, wanted, trial)
        try:
            value = _judged(replace(run, recipe=recipe), metric, trial) if recipe else None
        except (TrainingError, UsageError) as error:
            trial.set_user_attr(_WHY, str(error))
            value = None
        except optuna.TrialPruned:
            trial.set_user_attr(_WHY, "below the median of the earlier trials")
            value = None
        study.tell(trial, value, TrialState.PRUNED if value is None else TrialState.COMPLETE)
        if told is not None:
            result = trial.user_attrs.get(_WHY, "") if value is None else f"{metric} {value:.4f}"
            told(f"trial {count + 1} of {wanted.trials}: {result}")


def _drawn(recipe: Recipe, wanted: Searched, trial: Trial) -> Recipe | None:
    """The recipe with the trial's settings; None where they do not fit one another."""
    values = {key: each.value(each.drawn(trial, key)) for key, each in wanted.ranges.items()}
    try:
        return recipe.changed(values)
    except UsageError as error:
        trial.set_user_attr(_WHY, str(error))
        return None


def _judged(run: TrainingRun, metric: str, trial: Trial) -> float:
    """Fit on the training rows; the metric on the validation rows."""
    prepared = prepare(run)
    rows = prepared.rows[VALIDATION]
    data, windows = run.data.take(rows), [each.window for each in prepared.features]

    def watch(epoch: int, model: Any) -> None:
        trial.report(_measured(predict_network(model, data, windows), prepared, metric), epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    with scratch_folder() as place:
        fitted = fitted_to(replace(prepared, run=replace(run, watch=watch)), Path(place))
    predictions = fitted.predictions.take(rows)
    check_collapse(run.recipe, predictions.score, prepared.values, prepared.target)
    return _measured(predictions, prepared, metric)


def _measured(predictions: Predictions, prepared: Prepared, metric: str) -> float:
    target, rows = prepared.target, prepared.rows[VALIDATION]
    truth = target.truth(prepared.run.data.labels[rows])
    known = np.flatnonzero(np.isfinite(truth))
    try:
        return statistics_of(predictions.take(known), truth[known], target.classes)[metric](np.arange(len(known)))
    except ValueError as error:
        raise TrainingError(f"{metric} is not defined on the validation songs: {error}") from error


def _finished(folder: Path, study: optuna.Study, recipe: Recipe, wanted: Searched, metric: str) -> SearchResult:
    done = _done(study)
    if not any(trial.state is TrialState.COMPLETE for trial in done):
        why = done[-1].user_attrs.get(_WHY, "") if done else "none was begun"
        raise TrainingError(f"{folder}: of {len(done)} trials none could be fitted; the last one: {why}")
    head = ["trial", "state", metric, *wanted.ranges, "why"]
    sign = 1 if metric in ERRORS else -1
    numbered = list(enumerate(done, 1))
    numbered.sort(key=lambda each: (each[1].state is not TrialState.COMPLETE, sign * (each[1].value or 0.0), each[0]))
    rows = [_row(number, trial, wanted) for number, trial in numbered]
    lines = "\n".join("\t".join(row) for row in [head, *rows]) + "\n"
    with atomic(folder / TRIALS) as file:
        file.write(lines.encode())
    number, best = numbered[0]
    values = {key: each.value(best.params[key]) for key, each in wanted.ranges.items()}
    found = recipe.changed(values)
    said = f"{metric} {best.value:.4f} on validation songs, trial {number} of {len(done)}"
    with atomic(folder / BEST) as file:
        file.write(_toml(found, f"{recipe.name}: {said}, by hitpredict {__version__} tune").encode())
    settings = ", ".join(f"{key}={value}" for key, value in values.items())
    return SearchResult((head, rows), found, f"{said}: {settings}; train with it: train -r {folder / BEST}")


def _row(number: int, trial: FrozenTrial, wanted: Searched) -> list[str]:
    complete = trial.state is TrialState.COMPLETE
    params = [str(trial.params.get(key, "")) for key in wanted.ranges]
    value = f"{trial.value:.6f}" if complete else ""
    why = " ".join(str(trial.user_attrs.get(_WHY, "")).split())
    return [str(number), _STATES[trial.state], value, *(f"{_short(each)}" for each in params), why]


def _short(text: str) -> str:
    try:
        return text if text.lstrip("-").isdigit() else f"{float(text):.6g}"
    except ValueError:
        return " ".join(text.split())


def _toml(recipe: Recipe, comment: str) -> str:
    plain = {key: value for key, value in recipe.to_json().items() if value not in ({}, [], ())}
    return f"# {comment}\n" + tomli_w.dumps({**plain, "name": f"{recipe.name}-tuned"})
