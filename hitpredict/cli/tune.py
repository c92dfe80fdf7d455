"""`hitpredict tune`."""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.streams import is_terminal
from hitpredict.cli.train import Learning
from hitpredict.errors import InputError, UsageError, needs

COMMAND: dict[str, Any] = {
    "help": "Search for the best hyper-parameters of a recipe, on validation songs alone; the test songs stay unseen.",
    "epilog": "Example: hitpredict tune --recipe mlp --features hmn207.parquet --labels tracks.jsonl "
    "--target popularity --set network.dropout=0..0.5 --set training.learning_rate=1e-4..1e-2 -o search/",
}


@options.spread
def tune(
    *,
    learning: Learning,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="The folder for study.db, trials.tsv and best.toml."),
    ],
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=RANGE",
            help="An entry of the recipe and its range LOW..HIGH (by factors where HIGH is 10 times LOW), its choices "
            "A|B|C, or a value.",
        ),
    ] = None,
    ranges: Annotated[
        Path | None, typer.Option(metavar="TOML", help="A file with such entries, those of --set going first.")
    ] = None,
    trials: Annotated[int, typer.Option(min=1, max=10**6, help="How many settings to try in all.")] = 50,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, max=10**9, help="Begin no trial after this long.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="What is to be best [default: spearman, of classifiers macro_f1]."),
    ] = None,
    force: options.Force = False,
    messages: Messages,
) -> None:
    """Try settings, and write the table of trials and the best recipe; a second call goes on."""
    with needs("tune", "tuning needs"):
        import optuna  # noqa: F401
    from hitpredict.training.ranges import parsed_range
    from hitpredict.training.tune import Searched, search

    assignments = _entries(ranges) | options.assigned(setting)
    found = {key: parsed_range(key, text) for key, text in assignments.items()}
    fixed = {key: text for key, text in assignments.items() if found[key] is None}
    run = learning.run(fixed, messages)
    spaces = {key: each for key, each in found.items() if each is not None}
    told = None if messages.quiet else messages.note
    result = search(run, Searched(spaces, trials, timeout, metric), output, force, told)
    messages.note(f"{output}: {result.summary}")
    if is_terminal(sys.stdout):
        from hitpredict.cli.pretty import print_table

        print_table(*result.table)


def _entries(path: Path | None) -> dict[str, str]:
    """The entries of a file of ranges, `network.dropout` by the table it is in, each as `--set` has it."""
    if path is None:
        return {}
    try:
        return dict(_flat(tomllib.loads(path.read_text(encoding="utf-8"))))
    except OSError as error:
        raise InputError(f"--ranges {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--ranges {path}: {error}") from error


def _flat(table: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{place}{key}.")
        elif isinstance(value, str | int | float):
            yield f"{place}{key}", str(value).lower() if isinstance(value, bool) else str(value)
        else:
            raise UsageError(
                f"--ranges {place}{key}: write a range such as '0..0.5', choices such as 'a|b', or a value"
            )
