"""How often the 80 % interval of each recipe holds the truth, on songs that training has never seen.

coverage.py run OUT.jsonl [SEEDS] [RECIPE...]     a line for each recipe and seed
coverage.py table BEFORE.jsonl AFTER.jsonl        both as Markdown
coverage.py widths [FEATURES LABELS]              one width for all songs beside a width by score, as Markdown

Planted data: 300 songs in 100 groups to train on, as small as tables get, with six latent drivers that the features
hold besides noise; 600 more songs in 200 other groups to measure on. A group shares part of what the features do not
tell, as artists do. Networks are cut to sizes that a CPU trains in seconds.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict import recipes
from hitpredict.errors import HitpredictError
from hitpredict.evaluation.metrics import coverage
from hitpredict.model_folder.folder import ModelFolder
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.spread import Spread, interval_score
from hitpredict.tables.join import TrainingData, load
from hitpredict.tables.read import Arrays, Features
from hitpredict.tables.splits import group_folds, group_split, train_and_held_out
from hitpredict.training.calibrate import fit_spread
from hitpredict.training.run import TrainingRun
from hitpredict.training.train import train

SONGS, FRESH, GROUP, WEEKS = 300, 600, 3, 12
Shape = tuple[int, ...]
_CHORDER = {
    "training.batch_size": 32,
    "training.patience": 15,
    "training.epochs": 60,
    "training.learning_rate": 3e-3,
    "scaling.windows": [{}, {"length": 12, "pad": "zero"}],
}
_SHORT = _CHORDER | {"network.layers": 3, "network.autoencoder_epochs": 15}
_HMN = {"training.batch_size": 32, "training.patience": 15}
_HMN |= {"network.compression": 2, "network.alpha": 2.0, "network.beta": 1.0, "network.initialiser": "he"}
_CS230 = {"network.width": 0.125, "network.hidden": 32, "training.epochs": 12, "training.learning_rate": 1e-3}
_HIPHOP = {"scaling.windows": [{"length": 128, "pad": "least"}], "training.batch_size": 20}
_FILTERS = _HIPHOP | {"network.filters": [8, 16, 16, 32]}
_KKBOX = {"scaling.windows": [{"length": 64, "pad": "least"}], "training.epochs": 15}
_MP = {
    "scaling.windows": [{"length": 64, "pad": "zero"}],
    "network.dim": 32,
    "network.depth": 2,
    "network.heads": 4,
    "training.epochs": 20,
    "training.batch_size": 16,
    "training.learning_rate": 2e-3,
    "augment": [],
}
VECTOR, SEQUENCE, MEL, LONG_MEL, BANKS = (60,), (12, 16), (64, 64), (128, 64), (64, 128)
SYSTEMS: dict[str, tuple[Sequence[Shape], dict[str, Any]]] = {
    **dict.fromkeys(("constant", "majority", "random-normal", "linear", "linear-ols", "boosted-trees"), ([VECTOR], {})),
    "mlp": ([VECTOR], {}),
    **dict.fromkeys(("hmn", "hmn-a", "hmn-c", "hmn-d"), ([VECTOR], _HMN)),
    "hmn-classify": ([VECTOR], _HMN | {"target.thresholds": [35, 65]}),
    "wide-deep": ([VECTOR], {"training.batch_size": 32, "network.groups": [20, 20, 20]}),
    "ordinal-pairwise": ([VECTOR], {"training.batch_size": 32, "training.learning_rate": 1e-3}),
    **dict.fromkeys(("autoen-chorder", "single-autoencoder", "lossnet"), ([VECTOR, SEQUENCE], _SHORT)),
    "hmn-vggish": ([VECTOR, SEQUENCE], _CHORDER | {"network.compression": 4}),
    "rnn": ([VECTOR, SEQUENCE], _CHORDER | {"network.layers": 3}),
    **dict.fromkeys(("cs230-2conv", "cs230-4conv"), ([(102, 159)], _CS230)),
    **dict.fromkeys(("cs230-4conv-rgb", "cs230-6conv-rgb"), ([(102, 159, 3)], _CS230)),
    "mlp-hiphop": ([LONG_MEL], _HIPHOP | {"training.learning_rate": 3e-4}),
    **dict.fromkeys(("hiphop-cnn", "hiphop-cnn2"), ([LONG_MEL], _FILTERS)),
    "hiphop-crnn": ([LONG_MEL], _FILTERS | {"network.pools": [[2, 2], [4, 2], [4, 2], [2, 2]]}),
    **dict.fromkeys(("hsp-cnn", "hsp-inception"), ([(64, 128)], _KKBOX)),
    "hsp-siamese": ([VECTOR], {"training.epochs": 50}),
    "mp2": ([BANKS], _MP),
    "mp3": ([BANKS], _MP),
}


def planted(shapes: Sequence[Shape], curves: bool, count: int, seed: int) -> TrainingData:
    """Songs whose popularity, about 50 ± 17, follows drivers that each input holds in noise."""
    random = np.random.default_rng([7, seed])
    groups = np.arange(count) // GROUP
    drivers = random.normal(size=(count, 6))
    shared = random.normal(size=count // GROUP)[groups]
    hidden = 5 * shared + 7 * random.normal(size=count)
    popularity = np.clip(50 + 10 * drivers[:, 0] + 7 * drivers[:, 1] + 5 * np.abs(drivers[:, 2]) + hidden, 0, 100)
    ids = tuple(f"{seed}-{row}" for row in range(count))
    inputs = tuple(_table(shape, drivers, ids, random) for shape in shapes)
    labels, targets = popularity[:, None], ("popularity",)
    if curves:
        weeks = np.arange(WEEKS)
        labels = 4 + popularity[:, None] / 50 - weeks / 40 + 0.02 * random.normal(size=(count, WEEKS))
        targets = ("curve",)
    places = tuple(np.arange(count) for _ in shapes)
    return TrainingData(ids, inputs, places, targets, labels, np.array([f"{seed}-{each}" for each in groups]), {})


def _table(shape: Shape, drivers: NDArray[np.float64], ids: tuple[str, ...], random: np.random.Generator) -> Features:
    """Vectors of mixed drivers, or arrays whose last axis holds them in each frame."""
    mixing = np.random.default_rng(shape).normal(size=(drivers.shape[1], shape[-1]))
    mixed = drivers @ mixing / 2
    noise = random.normal(size=(len(drivers), *shape))
    values = (mixed.reshape(len(drivers), *(1,) * (len(shape) - 1), shape[-1]) + noise).astype(np.float32)
    if len(shape) == 1:
        return Features("planted", None, ids, tuple(f"x{place}" for place in range(shape[0])), values)
    return Features("planted", None, ids, None, Arrays(values.ravel(), [shape] * len(drivers)))


def measured(name: str, seed: int) -> dict[str, Any]:
    """Coverage and width of a recipe's interval on fresh songs, in deviations of the target."""
    shapes, settings = SYSTEMS[name]
    recipe = recipes.load(name).changed(settings)
    curves = recipe.task == "curve"
    data, fresh = planted(shapes, curves, SONGS, seed), planted(shapes, curves, FRESH, 1000 + seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model"
        train(TrainingRun(recipe, data, seed=seed), path)
        model = ModelFolder(path)
        predicted, calibration = model.predict(fresh).score, model.calibration
    values = model.target.values(fresh.labels)
    truth = model.target.class_of(values).astype(float) if model.target.classes else values
    low, high = calibration.interval(predicted)
    return {
        "recipe": name,
        "seed": seed,
        "coverage": coverage(truth, low, high, fresh.groups)[0],
        "width": float((high - low).mean() / truth.std()),
        "groups": calibration.groups,
    }


def run(out: Path, seeds: int, names: Sequence[str]) -> None:
    """A line for each recipe and seed; those that are there already are passed over."""
    done = {(row["recipe"], row["seed"]) for row in _rows(out)} if out.exists() else set()
    for seed in range(seeds):
        for name in names or SYSTEMS:
            if (name, seed) in done:
                continue
            try:
                row = measured(name, seed)
            except HitpredictError as error:
                row = {"recipe": name, "seed": seed, "failed": str(error)}
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")


def table(before: Path, after: Path) -> str:
    """Mean coverage, its standard error over seeds, and mean width, before and after."""
    lines = ["| recipe | seeds | coverage before | after | width before | after |", "|---|---|---|---|---|---|"]
    old, new = _rows(before), _rows(after)
    for name in [*SYSTEMS, None]:
        pairs = [[row for row in rows if name in (None, row["recipe"]) and "failed" not in row] for rows in (old, new)]
        both = {(row["recipe"], row["seed"]) for row in pairs[0]} & {(row["recipe"], row["seed"]) for row in pairs[1]}
        pairs = [[row for row in rows if (row["recipe"], row["seed"]) in both] for rows in pairs]
        if both:
            cells = [_cell([row["coverage"] for row in rows]) for rows in pairs]
            cells += [f"{np.mean([row['width'] for row in rows]):.2f}" for rows in pairs]
            lines.append(f"| {name or 'all'} | {len(both)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def widths(features: Path | None = None, labels: Path | None = None, seeds: int = 10) -> str:
    """Intervals of one width beside those that follow a spread fitted on the score, of ridge regression, on planted
    songs whose errors are alike or grow with the score, and on a table of songs such as Zalo's.

    By seed: 70 % of the groups train, of which a spread sees out-of-fold errors, 15 % calibrate and 15 % are measured.
    `tenths` is the mean difference of the coverage of each tenth of the scores from 80 %; kept: how often the rule of
    training kept the spread.
    """
    tables = {name: [_uneven(seed, grows) for seed in range(seeds)] for name, grows in (("alike", 0.0), ("grow", 1.0))}
    if features and labels:
        data = load([features], labels, ["-chart_rank"], "group")
        low, span = data.labels.min(), np.ptp(data.labels)
        tables[labels.parent.name] = [(data.summary, 100 * (low + span - data.labels[:, 0]) / span, data.groups)] * 4
    head = "| songs | width | coverage | least tenth | tenths | mean width | interval score | kept |"
    lines = [head, "|" + "---|" * 8]
    for name, drawn in tables.items():
        rows = np.array([_widths_of(*each, seed) for seed, each in enumerate(drawn)])
        for place, kind in enumerate(("one", "by score")):
            share, least, off, wide, score, kept = rows[:, place].mean(axis=0)
            cells = f"{share:.1%} | {least:.1%} | {off:.1%} | {wide:.1f} | {score:.1f}"
            lines.append(f"| {name} | {kind} | {cells} | {f'{kept:.0%}' if place else ''} |")
    return "\n".join(lines)


def _uneven(seed: int, grows: float) -> tuple[Any, Any, Any]:
    random = np.random.default_rng([9, seed])
    groups, table = np.arange(3000) // 3, random.normal(size=(3000, 5))
    place = table @ np.array([1.0, 0.5, 0.5, 0.0, 0.0])
    noise = random.normal(size=1000)[groups] + random.normal(size=3000)
    return table, np.clip(50 + 8 * place + 6 * np.exp(grows * place / 3) * noise, 0, 100), groups.astype(str)


def _widths_of(table: Any, truth: Any, groups: Any, seed: int) -> list[list[float]]:
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    split = group_split(groups, seed, ("calibration", "test"))
    train_, calibrate, test = (np.flatnonzero(split == name) for name in ("train", "calibration", "test"))
    made = partial(make_pipeline, StandardScaler(), Ridge(100))
    score = made().fit(table[train_], truth[train_]).predict(table)
    held_out = score[train_].copy()
    for seen, other in train_and_held_out(group_folds(groups[train_], 3, seed)):
        held_out[other] = made().fit(table[train_][seen], truth[train_][seen]).predict(table[train_][other])
    spread = Spread.fit(held_out, np.abs(truth[train_] - held_out))
    kept = fit_spread(truth[train_], held_out, groups[train_]) is not None
    found = []
    for each in (None, spread):
        calibration = Calibration.fit(truth[calibrate], score[calibrate], groups[calibrate], spread=each)
        low, high = calibration.interval(score[test])
        held = (low <= truth[test]) & (truth[test] <= high)
        tenths = np.array([part.mean() for part in np.array_split(held[np.argsort(score[test], kind="stable")], 10)])
        worth = interval_score(truth[test], low, high, calibration.level).mean()
        found.append([held.mean(), tenths.min(), np.abs(tenths - 0.8).mean(), (high - low).mean(), worth, float(kept)])
    return found


def _cell(shares: Sequence[float]) -> str:
    error = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else float("nan")
    return f"{100 * np.mean(shares):.1f} ± {100 * error:.1f} %"


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    if sys.argv[1] == "widths":
        print(widths(*map(Path, sys.argv[2:])))
    elif sys.argv[1] == "run":
        run(Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 5, sys.argv[4:])
    else:
        print(table(Path(sys.argv[2]), Path(sys.argv[3])))
