"""Does what is learnt in one country's charts, or in one year, hold in another? A matrix with intervals, as Markdown.

python3 examples/transfer.py CHARTS_DIR [REGIONS]      CHARTS_DIR: as `hitpredict fetch charts` writes it; 14 regions

A ridge regression takes the streams of a song's first four weeks on a region's chart (log10) and predicts the log10 of
its streams in the eight weeks after, 0 in weeks off the chart. Each cell trains on the histories of a row and is tested
on those of a column, in five folds that no group of artists is in two of: no song that is tested on, nor any other of
its artists, was trained on, in whichever region or year. Cells are Spearman's rank correlation with a 95 % bootstrap
over groups. A row `all others` is trained on every region but the column's: leaving one region out.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hitpredict.evaluation.metrics import group_bootstrap, r2, spearman
from hitpredict.tables.join import TrainingData, load
from hitpredict.tables.splits import group_folds

KNOWN, AHEAD, FOLDS, PENALTY = 4, 8, 5, 10.0
Rows = NDArray[np.intp]
Numbers = NDArray[np.float64]


def histories(folder: Path) -> TrainingData:
    """All histories that were on the chart in their first four weeks, and whose eight weeks after are known."""
    kinds = [{"name": "weeks", "count": KNOWN}, {"name": "region"}]
    data = load([], folder / "curves.parquet", ["curve"], from_labels=kinds)
    return data.take(np.flatnonzero(np.isfinite(data.labels[:, :AHEAD]).all(axis=1)))


def ridge(features: Numbers, values: Numbers) -> Callable[[Numbers], Numbers]:
    """A ridge regression on standardised features."""
    shift, scale = features.mean(axis=0), features.std(axis=0)
    design = (features - shift) / scale
    gram = design.T @ design + PENALTY * np.eye(design.shape[1])
    weights, mean = np.linalg.solve(gram, design.T @ (values - values.mean())), values.mean()
    return lambda given: (given - shift) / scale @ weights + mean


def predicted(features: Numbers, values: Numbers, fold: NDArray[np.intp], train: Rows, test: Rows) -> Numbers:
    """What models fitted on `train` say of `test`, each fold by one that has seen no group of it."""
    answers = np.empty(len(test))
    for number in range(FOLDS):
        inside = fold[test] == number
        known = train[fold[train] != number]
        answers[inside] = ridge(features[known], values[known])(features[test[inside]])
    return answers


def cell(truth: Numbers, answer: Numbers, groups: NDArray[np.str_]) -> str:
    low, high = group_bootstrap(lambda rows: spearman(truth[rows], answer[rows]), groups, 300)
    return f"{spearman(truth, answer):.2f} [{low:.2f}, {high:.2f}]"


def matrix(data: TrainingData, names: NDArray[np.str_], shown: list[str], rest: bool, title: str) -> None:
    """Print the matrix: rows trained on, columns tested on."""
    features = np.asarray(data.vectors(0), np.float64)
    weeks = np.where(data.labels[:, :AHEAD] > 0, 10.0 ** data.labels[:, :AHEAD], 0.0)
    values = np.log10(np.maximum(weeks.sum(axis=1), 1.0))
    fold = group_folds(data.groups, FOLDS)
    of = {name: np.flatnonzero(names == name) for name in shown}
    print(f"\n| trained on \\ {title} | {' | '.join(shown)} |\n|---|{'---|' * len(shown)}")
    print("| histories (groups) |", " | ".join(f"{len(r):,} ({len(set(data.groups[r])):,})" for r in of.values()), "|")
    sources = {name: dict.fromkeys(shown, of[name]) for name in shown}
    if rest:
        sources["all others"] = {name: np.flatnonzero((names != name) & np.isin(names, shown)) for name in shown}
    scores = {}
    for source, train in sources.items():
        found = {name: predicted(features, values, fold, train[name], of[name]) for name in shown}
        cells = [cell(values[of[name]], found[name], data.groups[of[name]]) for name in shown]
        scores[source] = [(spearman(values[of[n]], found[n]), r2(values[of[n]], found[n])) for n in shown]
        print(f"| {source} | {' | '.join(cells)} |", flush=True)
    last = [cell(values[of[name]], features[of[name], -1], data.groups[of[name]]) for name in shown]
    print(f"| the fourth week alone | {' | '.join(last)} |")
    table = np.array([scores[name] for name in shown])
    own, away = np.eye(len(shown), dtype=bool), ~np.eye(len(shown), dtype=bool)
    for number, what in enumerate(("Spearman", "R²")):
        print(
            f"\nmean {what}: trained and tested on the same {table[..., number][own].mean():.3f}, on another "
            f"{table[..., number][away].mean():.3f}"
            + (f", on all others {np.mean([each[number] for each in scores['all others']]):.3f}" if rest else "")
        )


def main() -> None:
    data = histories(Path(sys.argv[1]))
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 14
    regions = np.array([str(name) for name in data.table["region"]])
    names, sizes = np.unique(regions, return_counts=True)
    largest = [str(name) for name in names[np.argsort(-sizes)]][:count]
    print(
        f"{len(data):,} histories, {len(set(data.groups)):,} groups, the largest with "
        f"{np.unique(data.groups, return_counts=True)[1].max():,} histories"
    )
    matrix(data, regions, largest, True, "tested on")
    inside = data.take(np.flatnonzero(np.isin(regions, largest)))
    halves = np.array([f"{day.year} {'first' if day.month <= 6 else 'second'} half" for day in inside.table["start"]])
    periods, sizes = np.unique(halves, return_counts=True)
    matrix(
        inside,
        halves,
        [str(name) for name, size in zip(periods, sizes, strict=True) if size >= 300],
        False,
        "tested on",
    )


if __name__ == "__main__":
    main()
