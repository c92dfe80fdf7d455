"""`hitpredict models`: what models there are, and what they say of themselves."""

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.tables.cells import json_text, shown


def app(reported: Callable[..., Any]) -> typer.Typer:
    """The sub-commands, each wrapped by `reported`."""
    commands = typer.Typer(
        help="List models and show their cards.",
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    commands.command(
        "list",
        help="List the bundled models, one a line: name, then file.",
        epilog="Example: hitpredict models list",
    )(reported(list_models))
    commands.command(
        "show",
        help="Show a model's card: what it is, how good it is, what it is not for.",
        epilog="Examples: hitpredict models show · hitpredict models show --json model.onnx",
    )(reported(show))
    return commands


@options.spread
def list_models(messages: Messages) -> None:
    """Print name and path of each bundled model."""
    from hitpredict.scoring.session import bundled

    for name, path in bundled().items():
        sys.stdout.write(f"{name}\t{path}\n")


@options.spread
def show(
    *,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A bundled model's name or an .onnx file [default: bundled].",
            autocompletion=options.bundled_models,
        ),
    ] = None,
    metadata: Annotated[
        bool, typer.Option("--json", help="Print everything the file says of itself as one JSON object.")
    ] = False,
    messages: Messages,
) -> None:
    """Print the model card inside an ONNX file."""
    from hitpredict.scoring.session import ModelFile, Session

    session = Session(ModelFile.find(model), "cpu")
    if metadata:
        entries = {key: _decoded(text) for key, text in sorted(session.metadata.items())}
        sys.stdout.write(json_text(json.dumps({**entries, "sha256": session.file.sha256}, ensure_ascii=False)) + "\n")
    else:
        sys.stdout.write(shown(session.metadata.get("card", "").rstrip(), lines=True) + "\n")


def _decoded(text: str) -> Any:
    """The value of an entry's JSON; text where it cannot be written as JSON again (NaN, deeply nested lists)."""
    try:
        value = json.loads(text) if text[:1] in "{[" else text
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    return value
