"""`hitpredict report`: one page of what the other commands found."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.output_paths import cleared
from hitpredict.cli.streams import is_terminal
from hitpredict.errors import InputError, UsageError, needs
from hitpredict.files.owned import atomic

COMMAND: dict[str, Any] = {
    "help": "Make one page of records: scores, comparisons, explanations and evaluations, with their pictures.",
    "epilog": "Examples: hitpredict score --segments 10 music/ | hitpredict report - -o scores.html · "
    "hitpredict report song.jsonl corpus.jsonl -o page.html --png pictures/",
}


def report(
    records: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORDS",
            help="JSON Lines that score, compare, explain or evaluate -f json printed; - for standard input.",
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PAGE", help="Write the page to PAGE instead of stdout.")
    ] = None,
    png: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each picture to DIR as well, as PNG.")] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="The page's heading.")] = "hitpredict report",
    model: options.Model = None,
    force: options.Force = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Read all records; write one page, and pictures where asked for."""
    messages, failed = Messages(quiet, verbose), list[InputError]()
    output = None if str(output) == "-" else output
    if output is None and png is None and is_terminal(sys.stdout):
        raise UsageError("the page would fill the terminal; name a file with -o, or redirect it")
    cleared({"-o": output}, [*records, model], force)
    with needs("report"):
        from hitpredict.report import page
    found = _read(records, failed)
    for error in failed:
        messages.failure(error)
    if not len(found):
        raise InputError("there are no records to make a page of; give what score, compare or explain printed")
    parts = page.parts_of(found, model)
    pictures = {png / f"{plot.slug}.png": plot for plot in page.pictures(parts)} if png else {}
    cleared({"-o": output} | {f"--png {path.name}": path for path in pictures if path.exists()}, records, force)
    if output is not None:
        with atomic(output) as file:
            file.write(page.html(parts, title).encode())
    elif png is None or not is_terminal(sys.stdout):
        sys.stdout.write(page.html(parts, title))
    for path, plot in pictures.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as file:
            file.write(plot.png)
    return 1 if failed else 0


def _read(names: list[str], failed: list[InputError]) -> Any:
    """The records of all files; those that cannot be read are remembered."""
    from hitpredict.audio.source import STDIN
    from hitpredict.report.records import Records, take

    found = Records()
    if names.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    for name in names:
        with ExitStack() as stack:
            try:
                file = sys.stdin.buffer if name == STDIN else stack.enter_context(Path(name).open("rb"))
                take(found, file, name, failed.append)
            except OSError as error:
                failed.append(InputError(f"{name}: {error.strerror or error}"))
    return found
