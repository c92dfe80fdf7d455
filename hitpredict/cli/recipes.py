"""`hitpredict recipes`: the systems that can be trained."""

import sys
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.streams import is_terminal

COMMAND: dict[str, Any] = {
    "help": "List the recipes, in a pipe one a line: name, task, features, source, summary; or show one.",
    "epilog": "Examples: hitpredict recipes · hitpredict recipes hmn > mine.toml",
}


@options.spread
def recipes(
    *,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Show this recipe's TOML.", autocompletion=options.recipe_names),
    ] = None,
    messages: Messages,
) -> None:
    """List all recipes, or print one."""
    from hitpredict import recipes as module

    if name is not None:
        sys.stdout.write(module.text_of(name))
        return
    found = [module.load(each) for each in module.names()]
    if is_terminal(sys.stdout):
        from hitpredict.cli.pretty import print_table

        rows = [(each.name, each.task, ", ".join(each.inputs), each.summary) for each in found]
        print_table(("recipe", "task", "features", "what it is"), rows)
        return
    for each in found:
        fields = (each.name, each.task, ", ".join(each.inputs), each.source, each.summary)
        sys.stdout.write("\t".join(fields) + "\n")
