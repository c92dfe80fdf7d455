"""What a trained model says of itself, for people."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hitpredict.model_folder.config import ModelConfig
from hitpredict.tables.splits import SPLITS


def card_of(config: ModelConfig, evaluation: Mapping[str, Any]) -> str:
    """MODEL_CARD.md of a model folder: source, data, target, measured numbers beside baselines, limits."""
    recipe, split = config.recipe, config.split
    sizes = ", ".join(f"{len(ids):,} {name}" for name in SPLITS if (ids := getattr(split, name)))
    kinds = ", ".join(each.kind_name or "a table" for each in config.features)
    coverage = evaluation["coverage"]
    lines = [
        f"# {recipe.name}",
        "",
        f"{recipe.summary} Source: {recipe.source}.",
        "",
        "## What it takes and gives",
        f"- Input: {kinds}.",
        f"- Output: {evaluation['target']}, from the labels in {config.labels}.",
        "",
        "## How good it is",
        f"{sizes} rows, split by {split.name} (seed {split.seed}); the table is of the "
        f"{evaluation['rows']:,} test rows in {evaluation['groups']:,} groups, with 95 % intervals from a "
        "bootstrap over groups.",
        "",
        table_of(evaluation, recipe.name),
        "",
        _held(coverage),
        *(line for part in answers_of(evaluation) for line in ("", part)),
    ]
    if "cross_validation" in evaluation:
        lines += _cross_validation(evaluation["cross_validation"], recipe.name)
    if "scored_rows" in evaluation:
        lines += [
            "",
            f"The data hold {evaluation['scored_rows']:,} of the test rows' curves to their end; the score, of "
            "the whole curve, is measured on these alone.",
        ]
    if warning := evaluation.get("warning"):
        lines += ["", f"**Beware:** {warning}."]
    if published := evaluation["published"]:
        lines += ["", "Published of this system: " + "; ".join(f"{k}: {v}" for k, v in published.items()) + "."]
    lines += [
        "",
        "## What it must not be used for",
        "Deciding about people or money; markets, years or labels other than those it learnt from; single scores "
        "without their interval. A difference between two versions of a song says what moves this model, not what "
        "listeners would do.",
        "",
    ]
    return "\n".join(lines)


def _cross_validation(found: Mapping[str, Any], name: str) -> list[str]:
    said = (
        f"Cross-validated: {found['folds']} folds, groups kept together, all {found['rows']:,} rows of "
        f"{found['groups']:,} groups predicted by models that had seen none of their group; means over the folds."
    )
    return ["", said, "", table_of(found, name), "", _held(found["coverage"])]


def _held(coverage: Mapping[str, Any]) -> str:
    interval = f"The {coverage['level'] * 100:g} % interval"
    if coverage["rows"] is None:
        return f"{interval} could not be tested: the true value is not known for any test row."
    return (
        f"{interval} held the true value for {coverage['rows'] * 100:.1f} % of the test rows "
        f"({coverage['groups'] * 100:.1f} % as a mean over groups)."
    )


def answers_of(evaluation: Mapping[str, Any]) -> list[str]:
    """Sentences on a model's other answers: its calibrated probabilities, its curve's band, the error it foretells."""
    found = []
    if shares := evaluation.get("probabilities"):
        pairs = ((name, shares["before"][name], shares["after"][name]) for name in ("ece", "brier"))
        told = (f"{_WORDS[name]} {_cell(before)} before and {_cell(after)} after" for name, before, after in pairs)
        found.append(f"Probabilities are calibrated on the calibration rows ({shares['method']}): {'; '.join(told)}.")
    if band := evaluation.get("band"):
        found.append(
            f"The {band['level'] * 100:g} % band of the curve held {band['coverage'] * 100:.1f} % of the known weeks "
            "of the test rows."
        )
    if foretold := evaluation.get("foretold_error"):
        least, most = foretold["true_by_tenth"][0], foretold["true_by_tenth"][-1]
        found.append(
            f"The error it foretells has a rank correlation of {_cell(foretold['spearman'])} with the error there was, "
            f"which was {least:g} on average for the tenth of the songs with the least foretold and {most:g} for the "
            "tenth with the most."
        )
    return found


_WORDS = {"ece": "expected calibration error", "brier": "Brier score"}


def table_of(evaluation: Mapping[str, Any], name: str) -> str:
    """The tables of `tables_of` in Markdown."""
    return "\n\n".join(markdown(*table) for table in tables_of(evaluation, name))


Cell = Callable[[Mapping[str, Any] | None], str]
_Table = tuple[Sequence[str], Sequence[Sequence[str]]]


def tables_of(evaluation: Mapping[str, Any], name: str, cell: Cell | None = None) -> list[_Table]:
    """The model's metrics beside the baselines', as a head and rows; of forecasts of curves also their errors by week
    and those of the popularity measures. cell: how an entry is written, by default in one line with three decimals."""
    cell = cell or _cell
    columns = {name: evaluation["metrics"], **evaluation["baselines"]}
    cells = [[metric, *(cell(found.get(metric)) for found in columns.values())] for metric in evaluation["metrics"]]
    more = _target_table(evaluation["targets"], cell) if "targets" in evaluation else []
    return [
        (["", *columns], cells),
        *more,
        *(_curve_tables(evaluation["curve"], name, cell) if "curve" in evaluation else []),
    ]


def _target_table(targets: Mapping[str, Any], cell: Cell) -> list[_Table]:
    """Each of several targets beside the others, and what its interval held."""
    metrics = next(iter(targets.values()))["metrics"]
    rows = [[metric, *(cell(each["metrics"].get(metric)) for each in targets.values())] for metric in metrics]
    held = (f"{each['coverage']['rows']:.1%} for {each['coverage']['level']:.0%}" for each in targets.values())
    return [(["", *targets], [*rows, ["coverage", *held]])]


def _curve_tables(curve: Mapping[str, Any], name: str, cell: Cell) -> list[_Table]:
    errors = [
        [
            name if forecast == "model" else forecast,
            *(cell(curve[weeks][forecast][metric]) for weeks in ("charted", "all") for metric in ("mae", "rmse")),
        ]
        for forecast in curve["charted"]
    ]
    head = ["error of log10 weekly streams", "on the charts: mae", "rmse", "all weeks, 0 off the charts: mae", "rmse"]
    measures = [
        [measure, f"{found['songs']:,}", cell(found["spearman"]), cell(found["mae"])]
        for measure, found in curve["measures"].items()
    ]
    return [(head, errors), (["measure of the curve", "songs", "spearman", "mae"], measures)]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(entry: Mapping[str, Any] | None) -> str:
    if entry is None:
        return "–"
    low, high = entry["interval"]
    return f"{entry['value']:.3f} [{low:.3f}, {high:.3f}]"
