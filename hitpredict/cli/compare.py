"""`hitpredict compare`: is one mix scored higher than another, and is that more than noise?"""

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.formats import Format, Table, chosen_format, render, stream_to_stdout
from hitpredict.cli.inputs import Sources, nothing_given, sources
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import cleared
from hitpredict.cli.score import as_file
from hitpredict.errors import InputError, UsageError
from hitpredict.files.owned import atomic
from hitpredict.scoring.records import COMPARE_COLUMNS, CompareRecord, flat_comparison

if TYPE_CHECKING:
    from hitpredict.scoring.scorer import Scorer

COMMAND: dict[str, Any] = {
    "help": "Compare the scores of mixes or songs with that of the first, at one loudness and, where they are mixes "
    "of one song, from the same moment on; says when the difference is no more than noise.",
    "epilog": "Examples: hitpredict compare old.wav new.wav · hitpredict mutate song.mp3 --eq 3000:4 | "
    "hitpredict compare song.mp3 -",
}
_TABLE = Table(COMPARE_COLUMNS, flat_comparison)


@options.spread
def compare(
    *,
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="The song to compare with, then one or more others; - once for stdin."),
    ] = None,
    model: options.Model = None,
    segments: Annotated[
        float, typer.Option(min=1, max=86_400, metavar="SECONDS", help="Length of the segments.", show_default=False)
    ] = 10.0,
    form: options.RecordFormat = None,
    output: options.Output = None,
    device: options.ScoredOn = None,
    max_bytes: options.MaxBytes = None,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    messages: Messages,
) -> int:
    """Compare each further input with the first; a record each."""
    inputs = inputs or []
    if nothing_given(inputs, None):
        typer.echo(context.get_help(), err=True)
        return 2
    form = chosen_format(form, output)
    if not cleared({"-o": output}, [*inputs, model], force, skip_existing):
        messages.note(f"{output}: exists already, left as it is")
        return 0
    with as_file(model, messages) as file, sources(inputs, None, False, messages, max_bytes, [output]) as found:
        from hitpredict.scoring.scorer import Scorer

        scorer = Scorer(file, device.value if device else "auto", seconds=options.TIMEOUT)
        failed: list[InputError] = []
        records = _compared(found, scorer, segments, failed, messages)
        if output is not None:
            form = Format.jsonl if form is Format.pretty else form
            with atomic(output) as target:
                render((record.to_json() for record in records), form, _TABLE, target)
        elif form is Format.pretty:
            from hitpredict.cli.pretty_comparison import ComparisonPrinter

            printer = ComparisonPrinter(scorer.target)
            for record in records:
                printer.card(record)
            printer.legend()
        else:
            with stream_to_stdout(form, _TABLE) as write:
                for record in records:
                    write(record.to_json())
    return 1 if failed else 0


def _compared(
    found: Sources, scorer: "Scorer", seconds: float, failed: list[InputError], messages: Messages
) -> Iterator[CompareRecord]:
    """Each further source against the first; those that cannot be compared are told and remembered.

    Raises `InputError` when the first one is of no use, and `UsageError` when it is alone.
    """
    from hitpredict.explanation.compare import comparison, heard

    first, second = next(found, None), next(found, None)
    if first is None or second is None:
        raise UsageError("give at least two songs, the first to compare the others with")
    reference = heard(first, scorer)
    for source in chain([second], found):
        try:
            yield comparison(reference, heard(source, scorer), scorer, seconds)
        except InputError as error:
            messages.failure(error)
            failed.append(error)
