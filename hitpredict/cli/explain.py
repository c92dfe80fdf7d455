"""`hitpredict explain`: which properties of the sound move the score of a song, or of many."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.audio.source import Source
from hitpredict.cli import options
from hitpredict.cli.answers import Asked
from hitpredict.cli.batch import Batch, Run
from hitpredict.cli.explain_modes import Modes, asked
from hitpredict.cli.formats import Format, Record, Table, chosen_format, render, stream_to_stdout
from hitpredict.cli.grouping import Grouping, Groups
from hitpredict.cli.mutate import Quality
from hitpredict.cli.score import as_file, loaded
from hitpredict.errors import InputError
from hitpredict.scoring.records import CORPUS_COLUMNS, EXPLAIN_COLUMNS, ExplainRecord, flat_explanation

if TYPE_CHECKING:
    from hitpredict.explanation.sweep import Sweep
    from hitpredict.scoring.scorer import Scorer

COMMAND: dict[str, Any] = {
    "help": "Show which changes to the sound of a song move its score, by how much, and whether that is more than "
    "noise; with --corpus, what many songs have in common. It is the model's sensitivity: no advice, and no cause.",
    "epilog": "Examples: hitpredict explain song.mp3 · hitpredict explain song.mp3 --params pitch,tempo,eq -f jsonl · "
    "hitpredict explain --corpus music/ -o effects.tsv",
}


@options.spread
def explain(
    *,
    context: typer.Context,
    inputs: options.Inputs = None,
    params: Annotated[
        str | None,
        typer.Option(metavar="NAMES", help="Only these parameters, such as pitch,tempo,eq [default: all of the grid]."),
    ] = None,
    grid: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help='TOML of parameters and values: pitch = "-4:4:1" [default: a grid of all].'),
    ] = None,
    corpus: Annotated[
        bool, typer.Option("--corpus", help="One row for each parameter: its mean effect on all songs.")
    ] = False,
    grouping: Grouping,
    quality: Annotated[
        Quality, typer.Option(help="Of pitch and tempo; draft is about three times as fast.")
    ] = Quality.draft,
    modes: Modes,
    model: options.Models = None,
    form: options.RecordFormat = None,
    output: options.Output = None,
    device: options.ScoredOn = None,
    batch: Batch,
) -> int:
    """Sweep every input; rows on standard output or in FILE, failures on standard error."""
    if not modes.stems and batch.helps(context, inputs or []):
        return 2
    from hitpredict.explanation.grid import chosen_parameters
    from hitpredict.explanation.sweep import Sweep

    form = chosen_format(form, output)
    models = modes.checked(corpus, params, grid, model)
    grouping.check(corpus)
    if modes.given:
        return asked(modes, Asked(inputs or [], params, grid, quality.value, models, form, output, device, batch))
    sweep = Sweep(tuple(chosen_parameters(params, grid)), quality.value)
    if not batch.wanted(inputs or [], output, models[0], *(str(file) for file in (grid, grouping.labels) if file)):
        return 0
    with as_file(models[0], batch.messages) as file:
        scorer = loaded(file, device, batch)
        with grouping.read(batch.messages) as groups, batch.run(inputs or [], output, "explained") as run:
            rows = _Rows(run, batch, scorer, sweep, corpus, groups, strict=grid is not None)
            if output is not None:
                rows.to_file(output, form)
            elif form is Format.pretty:
                rows.to_terminal()
            else:
                with stream_to_stdout(form, rows.table) as write:
                    for record in rows.shown(chain.from_iterable(rows.songs(run.found))):
                        write(record)
    return run.code


@dataclass(frozen=True)
class _Rows:
    """The records of one invocation, and the ways they can go.

    strict: whether values that a sound has no room for are failures, as those asked for are.
    """

    run: Run
    batch: Batch
    scorer: "Scorer"
    sweep: "Sweep"
    corpus: bool
    groups: Groups
    strict: bool
    told: set[str] = field(default_factory=set)

    @property
    def table(self) -> Table:
        """The columns of what is shown."""
        return Table(CORPUS_COLUMNS if self.corpus else EXPLAIN_COLUMNS, flat_explanation)

    def shown(self, records: Iterable[Record]) -> Iterable[Record]:
        """Printed records of songs themselves, or what they have in common."""
        if not self.corpus:
            return records
        from hitpredict.explanation.corpus import in_common

        return (each.to_json() for each in in_common(records))

    def songs(self, found: Iterable[Source]) -> Iterator[list[Record]]:
        """The printed records of each song."""
        return ([record.to_json() for record in records] for _, records in self.results(found))

    def results(self, found: Iterable[Source]) -> Iterator[tuple[Source, list[ExplainRecord]]]:
        """Each source with its records."""
        return self.run.rows(self._explained(found))

    def _explained(self, found: Iterable[Source]) -> Iterator[tuple[Source, list[ExplainRecord] | InputError]]:
        from hitpredict.explanation.sweep import run

        batch = self.batch
        for source, tried in run(found, self.sweep, self.scorer, batch.jobs, batch.timeout, batch.messages.note):
            try:
                records = self.sweep.explained(source.path, tried, self.scorer)
                group = self.groups.of(source)
                yield source, [replace(record, group=group) for record in records]
            except InputError as error:
                yield source, error
            else:
                self._tell(source, self.sweep.failed(tried))

    def _tell(self, source: Source, failed: dict[str, InputError]) -> None:
        """What could not be tried: failures where they were asked for, else one line for all, once."""
        if self.strict and failed:
            self.run.failed.append(source.path)
            for label, error in failed.items():
                self.batch.messages.failure(InputError(f"{source.path}: {label}: {error}"))
        elif failed and (names := ", ".join(failed)) not in self.told:
            self.told.add(names)
            self.batch.messages.note(f"{source.path}: left out, as the sound has no room for them: {names}")

    def to_file(self, output: Path, form: Format) -> None:
        """Write a file; a run that was killed goes on where it was."""
        session = self.scorer.session
        chains = [each.to_json() for each in self.sweep.chains]
        settings = {"model": session.reference.to_json(), "device": session.device, "chains": chains}
        form = Format.jsonl if form is Format.pretty else form
        self.run.to_file(
            output,
            settings,
            lambda found, _: self.results(found),
            lambda records: {"records": [record.to_json() for record in records]},
            lambda lines, _, file: render(
                self.shown(record for line in lines for record in line["records"]), form, self.table, file
            ),
        )

    def to_terminal(self) -> None:
        """A ranking with bars for each song, or for all."""
        from hitpredict.cli.pretty_effects import EffectPrinter

        printer, songs = EffectPrinter(), self.songs(self.run.found)
        if self.corpus:
            printer.corpus(list(self.shown(chain.from_iterable(songs))))
        for records in songs:
            printer.song(records)
        printer.legend()
        sys.stdout.flush()
