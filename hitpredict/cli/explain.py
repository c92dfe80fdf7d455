"""`hitpredict explain`: which properties of the sound move the score of a song, or of many."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.audio.source import Source
from hitpredict.cli import options
from hitpredict.cli.inputs import Failed, failures_in, nothing_given, sources
from hitpredict.cli.journal import Journal, left_failures
from hitpredict.cli.messages import Messages
from hitpredict.cli.mutate import Quality
from hitpredict.cli.output import Format, Record, Table, chosen_format, render, stream_to_stdout
from hitpredict.cli.output_paths import cleared
from hitpredict.cli.progress import Progress, sum_up, watched
from hitpredict.cli.score import _as_file, _loaded
from hitpredict.errors import InputError
from hitpredict.scoring.records import CORPUS_COLUMNS, EXPLAIN_COLUMNS, flat_explanation

if TYPE_CHECKING:
    from hitpredict.explanation.sweep import Sweep
    from hitpredict.scoring.scorer import Scorer

COMMAND: dict[str, Any] = {
    "help": "Show which changes to the sound of a song move its score, by how much, and whether that is more than "
    "noise; with --corpus, what many songs have in common. It is the model's sensitivity: no advice, and no cause.",
    "epilog": "Examples: hitpredict explain song.mp3 · hitpredict explain song.mp3 --params pitch,tempo,eq -f jsonl · "
    "hitpredict explain --corpus music/ -o effects.tsv",
}


def explain(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Audio files, folders, tar archives, or - for standard input."),
    ] = None,
    params: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Only these parameters, such as pitch,tempo,eq [default: all of the grid]."),
    ] = None,
    grid: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help='TOML of parameters and values, such as pitch = "-4:4:1" [default: built in].'
        ),
    ] = None,
    corpus: Annotated[
        bool, typer.Option("--corpus", help="One row for each parameter: its mean effect on all songs.")
    ] = False,
    quality: Annotated[Quality, typer.Option(help="Of pitch and tempo; draft is about three times as fast.")] = (
        Quality.draft
    ),
    model: options.Model = None,
    form: Annotated[
        Format | None,
        typer.Option("-f", "--format", help="[default: by the output's suffix; pretty on a terminal, else jsonl]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to FILE instead of standard output.")
    ] = None,
    device: Annotated[options.Device | None, typer.Option(help="Where the model runs [default: auto].")] = None,
    jobs: options.Jobs = None,
    files_from: options.FilesFrom = None,
    null: options.Null = False,
    failures: options.Failures = None,
    max_bytes: options.MaxBytes = None,
    timeout: options.Timeout = options.TIMEOUT,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Sweep every input; rows on standard output or in FILE, failures on standard error."""
    inputs = inputs or []
    if nothing_given(inputs, files_from):
        typer.echo(context.get_help(), err=True)
        return 2
    from hitpredict.explanation.grid import chosen
    from hitpredict.explanation.sweep import Sweep

    output = None if str(output) == "-" else output
    messages, form = Messages(quiet, verbose), chosen_format(form, output)
    sweep = Sweep(tuple(chosen(params, grid)), quality.value)
    resumed = failures if left_failures(output, failures) else None
    written = {"-o": output, "--failures": failures}
    read = [*inputs, files_from, model, None if grid is None else str(grid)]
    if not cleared(written, read, force, skip_existing, [resumed]):
        messages.note(f"{output}: exists already, left as it is")
        return 0
    with _as_file(model, messages) as file:
        scorer = _loaded(file, device, timeout, messages)
        visible = watched(quiet, rows_elsewhere=output is not None)
        with (
            failures_in(failures, null) as failed,
            sources(inputs, files_from, null, messages, max_bytes, [output, failures]) as found,
            Progress("explained", visible, found.count() if visible else None) as bar,
        ):
            run = _Run(sweep, scorer, jobs, timeout, grid is not None, messages, failed, bar)
            if output is not None:
                run.to_file(found, output, form, corpus, failures, force)
            else:
                run.to_stdout(found, form, corpus)
    sum_up(messages, bar, {"explained": run.done, "failed": len(failed)}, output, failures)
    return 1 if failed else 0


@dataclass
class _Run:
    """One invocation. strict: whether values that a sound has no room for are failures, as those asked for are."""

    sweep: "Sweep"
    scorer: "Scorer"
    jobs: int | None
    seconds: float
    strict: bool
    messages: Messages
    failed: Failed
    bar: Progress
    done: int = 0
    told: set[str] = field(default_factory=set)

    def rows(self, found: Iterable[Source]) -> Iterator[tuple[Source, list[Record]]]:
        """Each source with its printed records; what fails is reported and remembered."""
        from hitpredict.explanation.sweep import run

        tried_on = run(found, self.sweep, self.scorer, self.jobs, self.seconds, self.messages.note)
        for source, tried in self.bar.over(tried_on):
            try:
                records = self.sweep.explained(source.path, tried, self.scorer)
            except InputError as error:
                self.failed.append(source.path)
                self.messages.failure(error)
            else:
                self._tell(source, self.sweep.failed(tried))
                self.done += 1
                yield source, [record.to_json() for record in records]

    def _tell(self, source: Source, failed: dict[str, InputError]) -> None:
        """What could not be tried: failures where they were asked for, else one line for all, once."""
        if self.strict:
            for label, error in failed.items():
                self.messages.failure(InputError(f"{source.path}: {label}: {error}"))
            self.failed.extend([source.path] if failed else [])
        elif failed and (names := ", ".join(failed)) not in self.told:
            self.told.add(names)
            self.messages.note(f"{source.path}: left out, as the sound has no room for them: {names}")

    def to_file(
        self, found: Iterator[Source], output: Path, form: Format, corpus: bool, failures: Path | None, force: bool
    ) -> None:
        """Write a file through a journal, so that a killed run can be taken up again."""
        session = self.scorer.session
        chains = [each.to_json() for each in self.sweep.chains]
        settings = {"model": session.reference.to_json(), "device": session.device, "chains": chains}
        form = Format.jsonl if form is Format.pretty else form
        with Journal(output, settings, failures, force, self.messages.note) as journal:
            for source, records in self.rows(journal.remaining(found, self.bar.skip)):
                journal.write(source, {"records": records})
            journal.finish(
                lambda lines, file: render(
                    _printed(chain.from_iterable(line["records"] for line in lines), corpus), form, _table(corpus), file
                ),
                self.failed.put,
            )
        self.done += journal.taken_up

    def to_stdout(self, found: Iterator[Source], form: Format, corpus: bool) -> None:
        """Write rows as they come; those of a corpus when all are there."""
        songs = (records for _, records in self.rows(found))
        if form is Format.pretty:
            from hitpredict.cli.pretty_effects import EffectPrinter

            printer = EffectPrinter()
            if corpus:
                printer.corpus(list(_printed(chain.from_iterable(songs), corpus)))
            for records in songs:
                printer.song(records)
            printer.legend()
            sys.stdout.flush()
            return
        with stream_to_stdout(form, _table(corpus)) as write:
            for record in _printed(chain.from_iterable(songs), corpus):
                write(record)


def _printed(records: Iterable[Record], corpus: bool) -> Iterable[Record]:
    """The records themselves, or what they have in common."""
    if not corpus:
        return records
    from hitpredict.explanation.corpus import in_common

    return [each.to_json() for each in in_common(records)]


def _table(corpus: bool) -> Table:
    return Table(CORPUS_COLUMNS if corpus else EXPLAIN_COLUMNS, flat_explanation)
