"""`hitpredict evaluate`: how good a model is on tracks it has not seen."""

import json
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import cleared
from hitpredict.cli.streams import is_terminal
from hitpredict.cli.train import FeatureTables, Group, Labels
from hitpredict.errors import needs
from hitpredict.tables.cells import json_text, shown

COMMAND: dict[str, Any] = {
    "help": "Measure a model on tracks it was not fitted on, beside baselines, with intervals over groups.",
    "epilog": "Example: hitpredict evaluate model/ --features hmn207.parquet --labels tracks.jsonl -f json",
}


_WIDE = 110
_PLOTS = ("reliability.svg", "reliability.png", "predicted-versus-true.svg", "predicted-versus-true.png")


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
            help="Also measure this model, and the paired difference.",
            autocompletion=options.bundled_models,
        ),
    ] = None,
    form: Annotated[
        Report | None,
        typer.Option("-f", "--format", help="How to print it [default: table on a terminal, else markdown]."),
    ] = None,
    plots: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write reliability.svg and predicted-versus-true.svg to DIR.")
    ] = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Print one table or one JSON object."""
    messages = Messages(quiet, verbose)
    there = plots if plots and plots.is_dir() else None
    cleared({f"--plots {name}": there and there / name for name in _PLOTS}, [*(features or []), labels, model], force)
    with needs("train", "evaluating needs"):
        from hitpredict.evaluation.evaluate_model import evaluate_model
    found = evaluate_model(model, features or [], labels, group, everything, compare, plots)
    for note in found.notes:
        messages.note(note)
    if form is Report.json:
        sys.stdout.write(json_text(json.dumps(found.result, ensure_ascii=False)) + "\n")
        return
    _print(found.result, form is Report.table or (form is None and is_terminal(sys.stdout)))
    if compare is not None:
        names = found.result["model"], found.result["compared"]["with"]
        _print_compared(found.result["compared"], *((model, compare) if names[0] == names[1] else names))
    for key, value in found.result["published"].items():
        _say(f"published {key}: {value}\n")


def _print(result: Mapping[str, Any], aligned: bool) -> None:
    from hitpredict.evaluation.card import answers_of, table_of, tables_of

    name, coverage = result["model"], result["coverage"]
    _say(f"{name}: {result['rows']:,} rows in {result['groups']:,} groups, {result['target']}\n\n")
    if aligned:
        _print_tables(tables_of(result, name, _cell))
    else:
        _say(table_of(result, name) + "\n\n")
    share = "not known" if coverage["rows"] is None else f"{coverage['rows']:.1%} of rows"
    _say(f"coverage of the {coverage['level']:.0%} interval: {share}\n")
    for text in answers_of(result):
        _say(f"{text}\n")
    if "scored_rows" in result:
        _say(f"the score is measured on the {result['scored_rows']:,} rows whose whole curve is known\n")
    if "warning" in result:
        _say(f"beware: {result['warning']}\n")


def _say(text: str) -> None:
    sys.stdout.write(shown(text, lines=True))


def _print_tables(tables: list[Any]) -> None:
    from hitpredict.cli.pretty import print_table

    for table in tables:
        print_table(*table)
        _say("\n")


def _cell(entry: Mapping[str, Any] | None) -> str:
    """A value and its interval, on a narrow screen below it; large numbers with fewer decimals."""
    if entry is None:
        return "–"
    numbers = entry["value"], *entry["interval"]
    value, low, high = (f"{each:,.{3 if abs(each) < 10 else 1 if abs(each) < 1000 else 0}f}" for each in numbers)
    return f"{value}{' ' if get_terminal_size().columns >= _WIDE else chr(10)}[{low}, {high}]"


def _print_compared(compared: dict[str, Any], first: str, second: str) -> None:
    _say(f"\npaired differences, {first} minus {second}:\n")
    for metric, entry in compared.items():
        if isinstance(entry, dict):
            low, high = entry["interval"]
            better = {"first": f"{first} is better", "second": f"{second} is better", None: "no clear difference"}
            _say(f"{metric}: {entry['value']:+.4f} [{low:+.4f}, {high:+.4f}]  {better[entry['better']]}\n")
