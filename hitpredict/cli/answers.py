"""Answers of `explain` to one question about each song: what was asked, and where the records go."""

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from hitpredict.audio.expand import Scratch
from hitpredict.audio.source import Source
from hitpredict.cli.batch import Batch, Run
from hitpredict.cli.formats import Format, Record, Table, render, stream_to_stdout
from hitpredict.cli.inputs import Sources
from hitpredict.cli.options import Device
from hitpredict.cli.score import as_file, loaded
from hitpredict.errors import InputError

if TYPE_CHECKING:
    from hitpredict.scoring.scorer import Scorer


@dataclass(frozen=True)
class Asked:
    """What the options say, for every mode."""

    inputs: list[str]
    params: str | None
    grid: Path | None
    quality: str
    models: list[str | None]
    form: Format
    output: Path | None
    device: Device | None
    batch: Batch


class Printer(Protocol):
    """How a person reads the answers."""

    def song(self, records: Sequence[Record]) -> None:
        """Print the answer for one song."""

    def legend(self) -> None:
        """What it means; called once, after the last."""


@dataclass(frozen=True)
class Question:
    """A mode with its options read. settings: what makes it another question, besides the models.

    answer: the printed records of a source, given the models; raises `InputError`. source: what it is asked of, where
    that is not in the inputs.
    """

    table: Table
    settings: Record
    answer: "Callable[[Source, tuple[Scorer, ...]], list[Record]]"
    printer: Callable[[], Printer]
    source: Source | None = None


def answered(found: Question, options: Asked) -> int:
    """Answer a question for every input; how the command ends."""
    batch = options.batch
    read = [*options.models, str(options.grid) if options.grid else None]
    if not batch.wanted(options.inputs, options.output, *read):
        return 0
    with ExitStack() as stack:
        files = [stack.enter_context(as_file(model, batch.messages)) for model in options.models]
        scorers = tuple(loaded(file, options.device, batch) for file in files)
        run = stack.enter_context(batch.run(options.inputs, options.output, "explained"))
        if found.source:
            run.found = Sources(iter([found.source]), Scratch(""), [], [])
        _Answers(run, found, scorers).put(options.form, options.output)
    return run.code


@dataclass(frozen=True)
class _Answers:
    """The records of one invocation, and the ways they can go."""

    run: Run
    question: Question
    scorers: "tuple[Scorer, ...]"

    def put(self, form: Format, output: Path | None) -> None:
        """Into a file, onto a terminal, or down a pipe."""
        if output is not None:
            self._to_file(output, Format.jsonl if form is Format.pretty else form)
        elif form is Format.pretty:
            printer = self.question.printer()
            for _, records in self._results(self.run.found):
                printer.song(records)
            printer.legend()
            sys.stdout.flush()
        else:
            with stream_to_stdout(form, self.question.table) as write:
                for _, records in self._results(self.run.found):
                    for record in records:
                        write(record)

    def _results(self, found: Iterable[Source]) -> Iterator[tuple[Source, list[Record]]]:
        return self.run.rows(map(self._answered, found))

    def _answered(self, source: Source) -> tuple[Source, list[Record] | InputError]:
        try:
            return source, self.question.answer(source, self.scorers)
        except InputError as error:
            return source, error if source.path in str(error) else InputError(f"{source}: {error}")
        finally:
            source.discard()

    def _to_file(self, output: Path, form: Format) -> None:
        models = [each.session.reference.to_json() for each in self.scorers]
        settings = {"models": models, "device": self.scorers[0].session.device, **self.question.settings}
        self.run.to_file(
            output,
            settings,
            lambda found, _: self._results(found),
            lambda records: {"records": records},
            lambda lines, _, file: render(
                (record for line in lines for record in line["records"]), form, self.question.table, file
            ),
        )
