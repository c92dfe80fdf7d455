"""`hitpredict report`: one page of what the other commands found."""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import cleared
from hitpredict.cli.streams import is_terminal
from hitpredict.errors import InputError, UsageError, needs
from hitpredict.files.owned import atomic

if TYPE_CHECKING:
    from hitpredict.report.records import Records

COMMAND: dict[str, Any] = {
    "help": "Make one page of records: scores, comparisons, explanations and evaluations, with their pictures.",
    "epilog": "Examples: hitpredict score --segments 10 music/ | hitpredict report - -o scores.html · "
    "hitpredict report song.jsonl corpus.jsonl -o page.html --png pictures/",
}


@options.spread
def report(
    *,
    records: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORDS",
            help="JSON Lines that score, compare, explain or evaluate -f json printed; - for standard input.",
        ),
    ],
    output: options.Output = None,
    png: Annotated[Path | None, typer.Option(metavar="DIR", help="Write each picture to DIR as well, as PNG.")] = None,
    audio: Annotated[
        bool, typer.Option("--audio", help="Make the changes of explain that matter again, to be heard on the page.")
    ] = False,
    sounds: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="The folder of the songs, or the song, if not where the records say."),
    ] = None,
    title: Annotated[str, typer.Option(metavar="TEXT", help="The page's heading.")] = "hitpredict report",
    model: options.Model = None,
    force: options.Force = False,
    messages: Messages,
) -> int:
    """Read all records; write one page, and pictures where asked for."""
    if output is None and png is None and is_terminal(sys.stdout):
        raise UsageError("the page would fill the terminal; name a file with -o, or redirect it")
    cleared({"-o": output}, [*records, model], force)
    with needs("report"):
        from hitpredict.report import page, sections
        from hitpredict.report.sounds import Sounds
    failed: list[InputError] = []
    found = _read(records, failed, messages)
    songs = Sounds(sounds, audio, failed.append)
    songs.check(found)
    count = len(failed)
    parts = sections.sections_of(found, model, songs)
    for problem in failed[count:]:
        messages.failure(problem)
    pictures = {png / f"{plot.slug}.png": plot for plot in page.pictures(parts)} if png else {}
    there = {f"--png {path.name}": path for path in pictures if path.exists()}
    cleared({"-o": output, **there}, [*records, model], force)
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


def _read(names: list[str], failed: list[InputError], messages: Messages) -> "Records":
    """The records of all files; what cannot be read is told and remembered. Raises `InputError` without any."""
    from hitpredict.audio.source import STDIN
    from hitpredict.report.records import Records, take

    if names.count(STDIN) > 1:
        raise UsageError("standard input (-) can be read only once")
    found = Records()
    for name in names:
        with ExitStack() as stack:
            try:
                file = sys.stdin.buffer if name == STDIN else stack.enter_context(Path(name).open("rb"))
                take(found, file, name, failed.append)
            except OSError as error:
                failed.append(InputError(f"{name}: {error.strerror or error}"))
    for problem in failed:
        messages.failure(problem)
    if not len(found):
        raise InputError("there are no records to make a page of; give what score, compare or explain printed")
    return found
