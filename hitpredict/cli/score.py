"""`hitpredict score`: predict the popularity of songs."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from itertools import chain, islice
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hitpredict.audio.source import Source
from hitpredict.cli import options
from hitpredict.cli.inputs import Failed, failures_in, nothing_given, sources
from hitpredict.cli.journal import Journal, left_failures
from hitpredict.cli.messages import Messages
from hitpredict.cli.output import Format, Table, chosen_format, render, stream_to_stdout
from hitpredict.cli.output_paths import cleared
from hitpredict.cli.progress import Progress, sum_up, watched
from hitpredict.engines.limits import Limits
from hitpredict.errors import UsageError, needs
from hitpredict.files.owned import scratch_folder
from hitpredict.scoring.records import SCORE_COLUMNS, ScoreRecord, flat

if TYPE_CHECKING:
    from hitpredict.scoring.scorer import Scorer

COMMAND: dict[str, Any] = {
    "help": "Predict how popular songs are from their sound: a score, its place, its interval, and warnings.",
    "epilog": "Examples: hitpredict score song.mp3 · hitpredict score -f tsv -o scores.tsv music/ · "
    "hitpredict mutate song.mp3 --pitch +2 | hitpredict score -",
}
_SPARKLINE_SECONDS = 10.0
T = TypeVar("T")


class Sort(StrEnum):
    """What rows can be ordered by."""

    score = "score"
    percentile = "percentile"
    duration = "duration"
    name = "name"
    path = "path"


_TABLE = Table(SCORE_COLUMNS, flat)


def score(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Audio files, folders, tar archives, or - for standard input."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="MODEL",
            help="A bundled model's name, an .onnx file, or a model folder [default: bundled].",
            autocompletion=options.bundled_models,
        ),
    ] = None,
    segments: Annotated[
        float | None,
        typer.Option(min=1, max=86_400, metavar="SECONDS", help="Also score windows of this length over time."),
    ] = None,
    form: Annotated[
        Format | None,
        typer.Option("-f", "--format", help="[default: by the output's suffix; pretty on a terminal, else jsonl]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to FILE instead of standard output.")
    ] = None,
    sort: Annotated[
        Sort | None,
        typer.Option(help="Order the rows: numbers from the highest, names from A; they come when all are scored."),
    ] = None,
    top: Annotated[
        int | None, typer.Option(min=1, max=10**9, metavar="N", help="Only the first N rows of that order [by score].")
    ] = None,
    device: Annotated[options.Device | None, typer.Option(help="Where the model runs [default: auto].")] = None,
    jobs: options.Jobs = None,
    files_from: options.FilesFrom = None,
    null: options.Null = False,
    failures: options.Failures = None,
    max_bytes: options.MaxBytes = None,
    timeout: options.Timeout = options.TIMEOUT,
    memory: options.Memory = None,
    force: options.Force = False,
    skip_existing: options.SkipExisting = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> int:
    """Score every input; rows on standard output or in FILE, failures on standard error."""
    inputs = inputs or []
    if nothing_given(inputs, files_from):
        typer.echo(context.get_help(), err=True)
        return 2
    if str(output) == "-":
        output = None
    messages = Messages(quiet, verbose)
    form = chosen_format(form, output)
    written = {"-o": output, "--failures": failures}
    resumed = failures if left_failures(output, failures) else None
    if not cleared(written, [*inputs, files_from, model], force, skip_existing, [resumed]):
        messages.note(f"{output}: exists already, left as it is")
        return 0
    with _as_file(model, messages) as file:
        scorer, limits = _loaded(file, device, timeout, messages), Limits(timeout, memory)
        if memory and scorer.session.device == "cuda":
            raise UsageError("--memory: CUDA takes far more addresses than memory; leave it out, or say --device cpu")
        visible = watched(quiet, rows_elsewhere=output is not None)
        with (
            failures_in(failures, null) as failed,
            sources(inputs, files_from, null, messages, max_bytes, [output, failures]) as found,
            Progress("scored", visible, found.count() if visible else None) as bar,
        ):
            run = _Run(
                scorer, (file, scorer.session.device, segments), jobs, messages, failed, _Order(sort, top), limits
            )
            if output is not None:
                run.to_file(found, output, form, bar, failures, force)
            elif form is Format.pretty:
                run.to_terminal(found, bar)
            else:
                with stream_to_stdout(form, _TABLE) as write:
                    run.in_order(found, lambda record: write(record.to_json()), bar)
    sum_up(messages, bar, {"scored": run.scored, "failed": len(failed)}, output, failures)
    return 1 if failed else 0


@contextmanager
def _as_file(model: str | None, messages: Messages) -> Iterator[str | None]:
    """A model folder as an `.onnx` file, for this run; any other model as it is."""
    from hitpredict.scoring.session import bundled

    if model is None or model in bundled() or not Path(model).is_dir():
        yield model
        return
    otherwise = ", or let `hitpredict export-onnx` make a file of it where that is"
    with needs("train", f"model {model}: a folder needs", otherwise):
        from hitpredict.export.export import export
        from hitpredict.model_folder.folder import ModelFolder
    with scratch_folder() as scratch:
        file = Path(scratch, "model.onnx")
        file.write_bytes(export(ModelFolder(Path(model))).data)
        messages.note(f"model {model}: a folder, exported for this run; `hitpredict export-onnx` makes a file to keep")
        yield str(file)


def _loaded(model: str | None, device: options.Device | None, timeout: float, messages: Messages) -> "Scorer":
    from hitpredict.scoring.scorer import Scorer

    scorer = Scorer(model, device.value if device else "auto", seconds=timeout)
    # Without a GPU nobody expects one; who asks for `auto`, or has a GPU that does not work, is told.
    if scorer.session.note and (device or "NVIDIA driver is installed" not in scorer.session.note):
        messages.note(scorer.session.note)
    return scorer


def scoring(
    model: str | None, device: Any, segments: float | None, timeout: float | None
) -> Callable[[Source], ScoreRecord]:
    """The function that scores one source, with its own loaded model: what each process of a batch runs."""
    from hitpredict.scoring.scorer import Scorer

    return _scoring_with(Scorer(model, device, seconds=timeout), segments)


def _scoring_with(scorer: "Scorer", segments: float | None) -> Callable[[Source], ScoreRecord]:
    return lambda source: scorer.score(source, segments)


class _Order:
    """The order in which rows are printed, and how many of them: all as they come, without `sort`."""

    def __init__(self, sort: Sort | None, top: int | None):
        self._sort, self._top = sort or (Sort.score if top else None), top

    @property
    def as_they_come(self) -> bool:
        return self._sort is None

    def of(self, records: Iterable[T], field: Callable[[T, str], Any]) -> Iterable[T]:
        """Records in order: numbers from the highest, names from A; equals in the order of the inputs.

        field: gives a record's entry by name.
        """
        if self._sort is None:
            return records
        name = self._sort.value
        if self._sort in (Sort.name, Sort.path):
            return sorted(records, key=lambda record: field(record, name).casefold())[: self._top]
        return sorted(records, key=lambda record: field(record, name), reverse=True)[: self._top]


class _Run:
    """One invocation: the work, what failed in it, and the ways its records can go."""

    def __init__(
        self,
        scorer: "Scorer",
        arguments: tuple[Any, ...],
        jobs: int | None,
        messages: Messages,
        failed: Failed,
        order: _Order,
        limits: Limits,
    ):
        self._order, self._limits = order, limits
        self._scorer, self._arguments, self._jobs, self._messages = scorer, arguments, jobs, messages
        self._failed, self.scored = failed, 0

    def rows(self, found: Iterable[Source], write: Callable[[Source, ScoreRecord], None], bar: Progress) -> None:
        """Score each source; write what succeeds in order, report and remember what fails."""
        from hitpredict.engines import local
        from hitpredict.errors import InputError

        here = _scoring_with(self._scorer, self._arguments[2])
        arguments = (*self._arguments, self._limits.seconds)
        results = local.run(scoring, arguments, found, self._jobs, _path, here, self._limits)
        for source, result in bar.over(results):
            if isinstance(result, InputError):
                self._failed.append(source.path)
                self._messages.failure(result)
            else:
                write(source, result)
                self.scored += 1

    def to_file(
        self, found: Iterator[Source], output: Path, form: Format, bar: Progress, failures: Path | None, force: bool
    ) -> None:
        """Write a file through a journal, so that a killed run can be taken up again."""
        _, device, segments = self._arguments
        model = self._scorer.session.reference.to_json()
        settings = {"model": model, "device": device, "segments": segments}
        form = Format.jsonl if form is Format.pretty else form
        with Journal(output, settings, failures, force, self._messages.note) as journal:
            remaining = journal.remaining(found, bar.skip)
            self.rows(remaining, lambda source, record: journal.write(source, record.to_json()), bar)
            journal.finish(
                lambda records, file: render(self._order.of(records, getitem), form, _TABLE, file), self._failed.put
            )
        self.scored += journal.taken_up

    def in_order(self, found: Iterable[Source], write: Callable[[ScoreRecord], None], bar: Progress) -> None:
        """Write rows as they come or, where an order was asked for, when all are there."""
        if self._order.as_they_come:
            self.rows(found, lambda _, record: write(record), bar)
            return
        records: list[ScoreRecord] = []
        self.rows(found, lambda _, record: records.append(record), bar)
        for record in self._order.of(records, getattr):
            write(record)

    def to_terminal(self, found: Iterator[Source], bar: Progress) -> None:
        """A card for one song, with a sparkline; a line each for several."""
        from hitpredict.cli.pretty import ScorePrinter

        printer = ScorePrinter(self._scorer.target)
        first = list(islice(found, 2))
        one = len(first) == 1
        if one and self._arguments[2] is None:
            self._arguments = (*self._arguments[:2], _SPARKLINE_SECONDS)
        self.in_order(chain(first, found), printer.card if one else printer.line, bar)
        printer.legend()
        sys.stdout.flush()


def _path(source: Source) -> str:
    return source.path
