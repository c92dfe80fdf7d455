"""`hitpredict evaluate`: how good a model is on tracks it has not seen."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import cleared
from hitpredict.cli.pretty_evaluation import printed_evaluation
from hitpredict.cli.streams import is_terminal
from hitpredict.cli.train import FeatureTables, Group, Labels
from hitpredict.errors import UsageError, needs
from hitpredict.tables.cells import json_text

COMMAND: dict[str, Any] = {
    "help": "Measure a model on tracks it was not fitted on, beside baselines, with intervals over groups.",
    "epilog": "Example: hitpredict evaluate model/ --features hmn207.parquet --labels tracks.jsonl -f json",
}


_PLOTS = ("reliability", "predicted-versus-true")


class Report(StrEnum):
    """How the evaluation is printed."""

    table = "table"
    markdown = "markdown"
    json = "json"


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A model folder, an .onnx file made from one, or a bundled model's name.",
            autocompletion=options.bundled_models,
        ),
    ],
    labels: Labels,
    features: FeatureTables = None,
    group: Group = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also count the tracks that the model was fitted on (inflates results).")
    ] = False,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Also measure this model: paired differences, on which share of songs it is nearer, errors by band.",
            autocompletion=options.bundled_models,
        ),
    ] = None,
    compare_features: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="TABLE",
            help="Feature table of the model of --compare, once for each input [default: those of --features].",
        ),
    ] = None,
    nested: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="Also measure this model, which takes further --features, and what they gain; again for each step.",
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="VALUE",
            min=-(10**9),
            max=10**9,
            help="Also cut scores and truth at this value: precision, recall, F1, AUC.",
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Judge by this label column, by rank [default: the model's own target]."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Also give every figure by the values of this label column."),
    ] = None,
    form: Annotated[
        Report | None,
        typer.Option("-f", "--format", help="How to print it [default: table on a terminal, else markdown]."),
    ] = None,
    plots: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Draw reliability, predicted-versus-true and, of two, comparison into DIR."),
    ] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Print one table or one JSON object."""
    messages = Messages(quiet, verbose)
    models = [model, *(nested or [])]
    if compare_features and compare is None:
        raise UsageError("--compare-features: are the tables of another model; name it with --compare")
    inputs = [*(features or []), *(compare_features or []), labels, *models, compare]
    _check_plots(plots, inputs, compare is not None, force)
    with needs("train", "evaluating needs"):
        from hitpredict.evaluation.evaluate_model import evaluate_model
        from hitpredict.evaluation.nested import evaluate_nested
    asked: dict[str, Any] = {"everything": everything, "compare": compare, "plots": plots}
    asked |= {"threshold": threshold, "target": target, "by": by, "compare_features": compare_features or []}
    tables = features or [], labels, group
    found = evaluate_nested(models, *tables, **asked) if nested else evaluate_model(model, *tables, **asked)
    for note in found.notes:
        messages.note(note)
    if form is Report.json:
        sys.stdout.write(json_text(json.dumps(found.result, ensure_ascii=False)) + "\n")
        return
    printed_evaluation(
        found.result, form is Report.table or (form is None and is_terminal(sys.stdout)), models[-1], compare
    )


def _check_plots(folder: Path | None, inputs: list[Any], pair: bool, force: bool) -> None:
    there = folder if folder and folder.is_dir() else None
    names = [f"{name}.{form}" for name in (*_PLOTS, *(["comparison"] if pair else [])) for form in ("svg", "png")]
    cleared({f"--plots {name}": there and there / name for name in names}, inputs, force)
