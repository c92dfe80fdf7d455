"""Pictures of an evaluation: can the predictions be believed as they stand, and how far are they from the truth?

Scores and truth are on the model's target scale. Equal input gives equal bytes.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import EnvironmentProblem, UsageError, needs
from hitpredict.evaluation import metrics
from hitpredict.evaluation.paired import bins_of, error_by_band
from hitpredict.files.arrays import Floats
from hitpredict.files.owned import atomic
from hitpredict.model_folder.predictions import Predictions
from hitpredict.scoring.calibration import Calibration
from hitpredict.tables.join import TrainingData
from hitpredict.tables.targets import Target

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
# The palette of Okabe and Ito, which colour-blind people can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKERS = "os^Dv<>"
_GREY = "#767676"
_STYLE: Mapping[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "svg.hashsalt": "hitpredict",
}
_MANY = 1500


def write_plots(
    folder: Path, predictions: Predictions, data: TrainingData, target: Target, calibration: Calibration
) -> None:
    """Write `reliability` and `predicted-versus-true`, each as SVG and PNG, into a folder, which is made if needed.

    Raises `EnvironmentProblem` without matplotlib, or when the folder cannot be written.
    """
    with needs("train", "plots need"):
        import matplotlib
    truth = target.truth(data.labels)
    known = np.flatnonzero(np.isfinite(truth))
    if not len(known):
        raise UsageError(f"{folder}: of none of these rows the true value is known, so there is nothing to draw")
    truth, data, predictions = truth[known], data.take(known), predictions.take(known)
    style: Any = {**matplotlib.rcParamsDefault} | dict(_STYLE)
    with matplotlib.rc_context(style):
        if target.classes and predictions.probabilities is not None:
            figure = _probability_figure(predictions.probabilities, truth, data.groups, target)
        else:
            figure = _reliability_figure(predictions.score, truth, data.groups, target, calibration)
        _save(figure, folder, "reliability")
        _save(_scatter_figure(predictions.score, truth, target, calibration), folder, "predicted-versus-true")


def write_comparison(
    folder: Path, pair: Mapping[str, Predictions], truth: Floats, groups: NDArray[Any], target: Target
) -> None:
    """Write `comparison` as SVG and PNG: of two models by name their errors by band of the truth, and ROC curves.

    truth: (N,), all known.
    """
    import matplotlib

    style: Any = {**matplotlib.rcParamsDefault} | dict(_STYLE)
    with matplotlib.rc_context(style):
        figure = _figure(9.6)
        left, right = figure.subplots(1, 2)
        _band_axes(left, pair, truth, groups, target)
        _roc_axes(right, pair, truth, target)
        _save(figure, folder, "comparison")


def _band_axes(axes: Any, pair: Mapping[str, Predictions], truth: Floats, groups: NDArray[Any], target: Target) -> None:
    first, second = pair.values()
    bands = error_by_band(first, second, truth, groups, target.classes)
    for number, (name, key) in enumerate(zip(pair, ("first", "second"), strict=True)):
        found = [each[key] for each in bands]
        means = np.array([each["value"] for each in found])
        low, high = np.array([each["interval"] for each in found]).T
        reach = np.maximum([means - low, high - means], 0)
        places = np.arange(len(bands)) + 0.16 * (2 * number - 1)
        style = {"color": _COLOURS[number], "marker": _MARKERS[number], "capsize": 3, "linewidth": 1}
        axes.errorbar(places, means, reach, label=name, **style)
    names = [target.class_name(int(each["from"])) if target.classes else _band_name(each) for each in bands]
    axes.set_xticks(range(len(bands)), names, fontsize=8)
    axes.set(title="Where is which one wrong?", xlabel=f"true {target.name}", ylim=(0, None))
    axes.set(ylabel="mean absolute error, 95 % interval")
    axes.legend(loc="best", fontsize=9)


def _band_name(band: Mapping[str, Any]) -> str:
    low, high = f"{band['from']:.3g}", f"{band['to']:.3g}"
    return low if low == high else f"{low} to\n{high}"


def _roc_axes(axes: Any, pair: Mapping[str, Predictions], truth: Floats, target: Target) -> None:
    upper = truth > (0 if target.classes == 2 else np.median(truth))
    _diagonal(axes, np.array([0.0, 1.0]), "chance")
    for number, (name, predictions) in enumerate(pair.items()):
        if not upper.any() or upper.all():
            continue
        shares = np.stack(roc_curve(upper, predictions.score))
        area = metrics.auc(upper, predictions.score)
        axes.plot(*shares, color=_COLOURS[number], linewidth=1.6, label=f"{name}, area {area:.3f}")
    what = "the upper class" if target.classes == 2 else "the upper half"
    axes.set(title=f"Who tells {what} apart?", xlabel="share of the others taken along")
    axes.set(ylabel=f"share of {what} found", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.legend(loc="lower right", fontsize=9)


def roc_curve(positive: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats]:
    """Shares of the negative and of the positive rows that score at least each value, from none to all; equal scores
    are one step, so that the area below is `metrics.auc`."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    found = np.cumsum(positive[order])[last] / positive.sum()
    taken = np.cumsum(~positive[order])[last] / (~positive).sum()
    return np.append(0.0, taken), np.append(0.0, found)


def observed(truth: Floats, groups: NDArray[Any], bins: list[NDArray[np.intp]]) -> tuple[Floats, Floats]:
    """Mean truth of each bin (B,), and how far its 95 % interval (bootstrap over groups) reaches, (2, B)."""
    means = np.array([truth[rows].mean() for rows in bins])
    ends = [_mean_interval(truth[rows], groups[rows]) for rows in bins]
    low, high = np.array(ends).T
    return means, np.maximum([means - low, high - means], 0)


def _mean_interval(values: Floats, groups: NDArray[Any]) -> tuple[float, float]:
    return metrics.group_bootstrap(lambda rows: float(values[rows].mean()), groups, metrics.RESAMPLES)


def coverage_by_level(truth: Floats, score: Floats, groups: NDArray[Any]) -> Floats:
    """Share of rows within an interval of each of `LEVELS`, calibrated on one half of the groups, for the other half.

    Empty with fewer than eight groups.
    """
    names = np.random.default_rng(0).permutation(np.unique(groups))
    if len(names) < 8:
        return np.empty(0)
    first = np.isin(groups, names[: len(names) // 2])
    reach = float(np.ptp(np.concatenate([truth, score])))
    low, high = min(truth.min(), score.min()) - reach, max(truth.max(), score.max()) + reach
    inside = np.zeros((len(LEVELS), len(truth)))
    for known in (first, ~first):
        for row, level in zip(inside, LEVELS, strict=True):
            fitted = Calibration.fit(truth[known], score[known], groups[known], level, low, high)
            bottom, top = fitted.interval(score[~known])
            row[~known] = (truth[~known] >= bottom) & (truth[~known] <= top)
    return np.asarray(inside.mean(axis=1))


def _figure(width: float) -> Any:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, 4.6), layout="constrained")


def _reliability_figure(
    score: Floats, truth: Floats, groups: NDArray[Any], target: Target, calibration: Calibration
) -> Any:
    figure = _figure(9.6)
    left, right = figure.subplots(1, 2)
    bins = bins_of(score)
    means, reach = observed(truth, groups, bins)
    centres = np.array([score[rows].mean() for rows in bins])
    _diagonal(left, np.concatenate([centres, means]), "perfect")
    left.errorbar(centres, means, reach, fmt="o", color=_COLOURS[0], capsize=3, label="observed mean, 95 % interval")
    left.set(title="Are the scores right on average?", xlabel=f"predicted {target.name}, tenths of the tracks")
    left.set_ylabel(f"observed {target.name}")
    left.legend(loc="upper left", fontsize=9)
    _coverage_axes(right, score, truth, groups, calibration)
    return figure


def _coverage_axes(axes: Any, score: Floats, truth: Floats, groups: NDArray[Any], calibration: Calibration) -> None:
    _diagonal(axes, np.array([0.0, 100.0]), "perfect")
    shares = coverage_by_level(truth, score, groups)
    if shares.size:
        levels = 100 * np.array(LEVELS)
        label = "fitted on one half, seen on the other"
        axes.plot(levels, 100 * shares, "o-", color=_COLOURS[0], markersize=4, label=label)
    by_row, _ = metrics.coverage(truth, *calibration.interval(score), groups)
    label = f"the model's {calibration.level:.0%} interval".replace("%", " %")
    axes.plot(100 * calibration.level, 100 * by_row, "D", color=_COLOURS[1], markersize=9, label=label)
    axes.set(title="Do the intervals hold the truth?", xlabel="nominal level (%)", ylabel="observed coverage (%)")
    axes.set(xlim=(0, 102), ylim=(0, 102))
    axes.legend(loc="lower right", fontsize=9)


def _probability_figure(probabilities: Floats, truth: Floats, groups: NDArray[Any], target: Target) -> Any:
    figure = _figure(6.0)
    axes = figure.subplots()
    _diagonal(axes, np.array([0.0, 1.0]), "perfect")
    # Of two classes the second one says it all.
    for number in range(1 if target.classes == 2 else 0, target.classes):
        bins = bins_of(probabilities[:, number])
        means, reach = observed((truth == number).astype(np.float64), groups, bins)
        centres = np.array([probabilities[rows, number].mean() for rows in bins])
        style = {"color": _COLOURS[number % 7], "marker": _MARKERS[number % 7], "capsize": 3, "linewidth": 1}
        axes.errorbar(centres, means, reach, label=f"class {number}: {target.class_name(number)}", **style)
    axes.set(title="Are the probabilities right?", xlabel="predicted probability, tenths of the tracks")
    axes.set(ylabel="observed share, 95 % interval", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.legend(loc="upper left", fontsize=9)
    return figure


def _scatter_figure(score: Floats, truth: Floats, target: Target, calibration: Calibration) -> Any:
    figure = _figure(6.4)
    axes = figure.subplots()
    line = np.linspace(score.min(), score.max(), 200)
    label = f"{calibration.level:.0%} interval".replace("%", " %")
    low, high = calibration.interval(line)
    axes.fill_between(line, low, high, color=_COLOURS[4], alpha=0.22, linewidth=0, label=label)
    for end in (low, high):
        axes.plot(line, end, color=_COLOURS[4], linewidth=1.5, zorder=3)
    if len(score) > _MANY and not target.classes:
        cells = axes.hexbin(score, truth, gridsize=40, cmap="viridis", bins="log", mincnt=1, linewidths=0)
        figure.colorbar(cells, ax=axes, label="tracks", format="%d")
    else:
        spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(truth)) if target.classes else 0.0
        size, alpha = (14, 0.5) if len(score) < 500 else (8, 0.35)
        axes.scatter(score, truth + spread, s=size, alpha=alpha, color=_COLOURS[0], linewidths=0, label="tracks")
    _diagonal(axes, score, "prediction = truth", _COLOURS[1])
    rank = metrics.spearman(truth, score)
    axes.set_title(f"{len(score):,} tracks, rank correlation {rank:.2f}")
    if target.classes:
        axes.set_yticks(range(target.classes), [target.class_name(number) for number in range(target.classes)])
        axes.set(xlabel=f"predicted class of {target.name}, expected number", ylabel="true class, scattered to be seen")
    else:
        axes.set(xlabel=f"predicted {target.name}", ylabel=f"true {target.name}")
    figure.legend(loc="outside lower center", ncols=3, fontsize=9)
    return figure


def _diagonal(axes: Any, values: Floats, label: str, colour: str = _GREY) -> None:
    ends = [values.min(), values.max()]
    axes.plot(ends, ends, "--", color=colour, linewidth=1.2, label=label, zorder=3)


def _save(figure: Any, folder: Path, name: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for form in ("svg", "png"):
            buffer = io.BytesIO()
            # A date would make every picture differ from the last.
            metadata = {"Date": None} if form == "svg" else {}
            figure.savefig(buffer, format=form, dpi=150, metadata=metadata)
            with atomic(folder / f"{name}.{form}") as file:
                file.write(buffer.getvalue())
    except OSError as error:
        raise EnvironmentProblem(f"`plots` {folder}: cannot be written: {error.strerror or error}") from error
