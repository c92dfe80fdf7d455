"""`hitpredict compare`: is one mix scored higher than another, and is that more than noise?"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.audio.source import Source
from hitpredict.cli import options
from hitpredict.cli.batch import Batch
from hitpredict.cli.formats import Format, Table, chosen_format, render, stream_to_stdout
from hitpredict.cli.score import as_file, loaded
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
    batch: Batch,
) -> int:
    """Compare each further input with the first; a record each."""
    if batch.helps(context, inputs or []):
        return 2
    form = chosen_format(form, output)
    if not batch.wanted(inputs or [], output, model):
        return 0
    with as_file(model, batch.messages) as file:
        scorer = loaded(file, device, batch)
        with batch.run(inputs or [], output, "compared") as run:
            records = (record for _, record in run.rows(_compared(run.found, scorer, segments, batch)))
            if output is not None:
                form = Format.jsonl if form is Format.pretty else form
                with atomic(output) as target:
                    render((record.to_json() for record in records), form, _TABLE, target)
            elif form is Format.pretty:
                _cards(records, scorer)
            else:
                with stream_to_stdout(form, _TABLE) as write:
                    for record in records:
                        write(record.to_json())
    return run.code


def _cards(records: Iterable[CompareRecord], scorer: "Scorer") -> None:
    from hitpredict.cli.pretty_comparison import ComparisonPrinter

    printer = ComparisonPrinter(scorer.target)
    for record in records:
        printer.card(record)
    printer.legend()


def _compared(
    found: Iterator[Source], scorer: "Scorer", seconds: float, batch: Batch
) -> Iterator[tuple[Source, CompareRecord | InputError]]:
    """Each further source against the first.

    Raises `InputError` when the first one is of no use, and `UsageError` when it is alone.
    """
    from hitpredict.engines import threads
    from hitpredict.engines.limits import Budget
    from hitpredict.explanation.compare import comparison, heard

    first, second = next(found, None), next(found, None)
    if first is None or second is None:
        raise UsageError("give at least two songs, the first to compare the others with")
    budget = Budget(first.path, batch.timeout)
    reference = budget.timed(partial(heard, first, scorer, budget))()

    def against(source: Source) -> CompareRecord:
        budget = Budget(source.path, batch.timeout)
        try:
            return budget.timed(lambda: comparison(reference, heard(source, scorer, budget), scorer, seconds))()
        finally:
            source.discard()

    try:
        yield from threads.run(((source, partial(against, source)) for source in chain([second], found)), batch.jobs)
    finally:
        first.discard()
