"""`hitpredict score`: predict the popularity of songs."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from operator import getitem
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hitpredict.audio.source import Source
from hitpredict.cli import options
from hitpredict.cli.batch import Batch, Run
from hitpredict.cli.engine import Spreading, list_shards, spread_over
from hitpredict.cli.formats import Format, Record, Table, chosen_format, render, stream_to_stdout
from hitpredict.cli.messages import Messages
from hitpredict.cli.parts import check_parts
from hitpredict.cli.update import Update, brought_up_to_date, is_database
from hitpredict.engines.limits import Limits
from hitpredict.errors import InputError, UsageError, needs
from hitpredict.files.owned import scratch_folder
from hitpredict.scoring.records import SCORE_COLUMNS, SCORE_SCHEMA, SCORE_TYPES, ScoreRecord, flat

if TYPE_CHECKING:
    from hitpredict.engines.ray import Cluster
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


@dataclass(frozen=True)
class Order:
    """The order in which rows are printed, and how many of them: all as they come, without both."""

    sort: Annotated[
        Sort | None,
        typer.Option(help="Order the rows: numbers from the highest, names from A; they come when all are scored."),
    ] = None
    top: Annotated[
        int | None, typer.Option(min=1, max=10**9, metavar="N", help="Only the first N rows of that order [by score].")
    ] = None

    @property
    def asked(self) -> bool:
        """Whether there is one."""
        return bool(self.sort or self.top)

    def of(self, records: Iterable[T], field: Callable[[T, str], Any]) -> Iterable[T]:
        """Records in order; equals in the order of the inputs. field: gives a record's entry by name."""
        name = self.sort or (Sort.score if self.top else None)
        if name is None:
            return records
        if name in (Sort.name, Sort.path):
            return sorted(records, key=lambda record: field(record, name).casefold())[: self.top]
        return sorted(records, key=lambda record: field(record, name), reverse=True)[: self.top]


@options.spread
def score(
    *,
    context: typer.Context,
    inputs: options.Inputs = None,
    model: options.Model = None,
    segments: Annotated[
        float | None,
        typer.Option(min=1, max=86_400, metavar="SECONDS", help="Also score windows of this length over time."),
    ] = None,
    weeks: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE",
            help="Table with what some models take beside the sound: first weeks (curve), date (start).",
        ),
    ] = None,
    form: options.RecordFormat = None,
    output: options.Output = None,
    parts: options.InParts = None,
    order: Order,
    update: Update,
    device: options.ScoredOn = None,
    spread: Spreading,
    memory: options.Memory = None,
    batch: Batch,
) -> int:
    """Score every input; rows on standard output or in FILE, failures on standard error."""
    if batch.helps(context, inputs or []):
        return 2
    update.check(batch, inputs or [], output, {"--weeks": weeks, "--parts": parts, **vars(order)})
    check_parts(parts, output, form, order.asked)
    form = _form_of(output, form, parts, order)
    wanted = batch.wanted_parts if parts else partial(batch.wanted, update=update.update)
    if not wanted(inputs or [], output, model):
        return 0
    with as_file(model, batch.messages) as file, spread.cluster(batch.jobs) as cluster:
        scorer = loaded(file, options.Device.cpu if cluster else device, batch)
        where = cluster.device(device.value if device else "auto") if cluster else scorer.session.device
        if memory and where == "cuda":
            raise UsageError("--memory: CUDA takes far more addresses than memory; leave it out, or say --device cpu")
        with batch.run(inputs or [], output, "scored") as run:
            list_shards(cluster, run.found, batch.max_bytes, batch.timeout)
            limits, beside = Limits(batch.timeout, memory), beside_sound(scorer, weeks)
            rows = _Rows(run, scorer, (file, where), segments, batch.jobs, limits, beside, cluster)
            if output is not None and parts:
                rows.to_parts(output, parts)
            elif output is not None and (form is None or update.update):
                rows.to_catalogue(output, form, update)
            elif form is not None:
                rows.to_file(output, form, order) if output is not None else rows.to_stdout(form, order)
    return run.code


def _form_of(output: Path | None, form: Format | None, parts: int | None, order: Order) -> Format | None:
    """How rows are written; None for a database."""
    if form is None and not parts and is_database(output):
        if order.asked:
            raise UsageError(f"{output}: rows of a database are ordered when they are read; leave out --sort and --top")
        return None
    return Format.parquet if parts else chosen_format(form, output)


@contextmanager
def as_file(model: str | None, messages: Messages) -> Iterator[str | None]:
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


def beside_sound(scorer: "Scorer", table: Path | None) -> dict[str, Any] | None:
    """What the model takes beside the sound, by track. Raises `UsageError` for a table that is missing or idle."""
    kinds = [each.kind for each in scorer.beside]
    if not kinds and table is None:
        return None
    what = " and ".join(each.told for each in scorer.beside)
    if table is None:
        raise UsageError(
            f"model {scorer.session.file.path}: takes {what} beside the sound; give --weeks TABLE, with a row for each "
            "track_id, such as the curves.parquet of `hitpredict fetch charts`"
        )
    if not kinds:
        raise UsageError(f"--weeks {table}: model {scorer.session.file.path} takes the sound alone; leave it out")
    from hitpredict.tables.beside import read_beside

    return read_beside(table, kinds)


def loaded(model: str | None, device: options.Device | None, batch: Batch) -> "Scorer":
    """The model, and a word on where it runs, if that is not what was expected."""
    from hitpredict.scoring.scorer import Scorer

    scorer = Scorer(model, device.value if device else "auto", seconds=batch.timeout)
    # Without a GPU nobody expects one; who asks for `auto`, or has a GPU that does not work, is told.
    if scorer.session.note and (device or "NVIDIA driver is installed" not in scorer.session.note):
        batch.messages.note(scorer.session.note)
    return scorer


@dataclass(frozen=True)
class _Rows:
    """The records of one invocation, and the ways they can go. model: file and device, for each process."""

    run: Run
    scorer: "Scorer"
    model: tuple[str | None, Any]
    segments: float | None
    jobs: int | None
    limits: Limits
    beside: dict[str, Any] | None = None
    cluster: "Cluster | None" = None

    @property
    def table(self) -> Table:
        """The columns of a table of these records, and how a record becomes a row of it."""
        more = self.scorer.outputs.columns
        return Table((*SCORE_COLUMNS, *more), partial(flat, more=more), SCORE_TYPES)

    def results(self, found: Iterable[Source]) -> Iterator[tuple[Source, ScoreRecord]]:
        """Score each source."""
        from hitpredict.scoring.scorer import scored_with, scoring

        if self._feeds:
            return self.run.rows(self._fed(found))
        here = scored_with(self.scorer, self.segments, self.beside)
        return self.run.rows(self._spread(scoring, self._arguments, found, here))

    def hashed_results(self, found: Iterable[Source]) -> Iterator[tuple[Source, tuple[str | None, ScoreRecord]]]:
        """The same with the hash of each source's bytes."""
        from hitpredict.catalogue.states import hashed, hashed_before, hashing
        from hitpredict.scoring.scorer import scored_with, scoring

        if self._feeds:
            return self.run.rows(hashed_before(found, self._fed))
        here = hashed(scored_with(self.scorer, self.segments, self.beside))
        return self.run.rows(self._spread(hashing, (scoring, self._arguments), found, here))

    @property
    def _feeds(self) -> bool:
        """Whether one model in this process judges all songs; on a cluster each actor has its own."""
        return self.scorer.session.device != "cpu" and not self.cluster

    def _fed(self, found: Iterable[Source]) -> Iterator[tuple[Source, ScoreRecord | InputError]]:
        """One model on the device, which all processes feed; each with its own would share it badly."""
        from hitpredict.scoring import feeding

        return feeding.run(found, self.scorer, self.segments, self.beside, self.jobs, self.limits)

    @property
    def _arguments(self) -> tuple[Any, ...]:
        file, device = self.model
        # Another machine need not have the file.
        model = self.scorer.session.file if self.cluster else file
        return model, device, self.segments, self.limits.seconds, self.beside

    def _spread(
        self,
        prepare: Callable[..., Callable[[Source], T]],
        arguments: tuple[Any, ...],
        found: Iterable[Source],
        here: Any,
    ) -> Iterator[tuple[Source, T | InputError]]:
        device = self.model[1]
        return spread_over(self.cluster, prepare, arguments, found, self.jobs, self.limits, here, device)

    def made(self, found: Iterable[Source]) -> Iterator[ScoreRecord]:
        """The records alone."""
        return (record for _, record in self.results(found))

    @property
    def settings(self) -> Record:
        """What all rows of a file have in common."""
        reference = self.scorer.session.reference.to_json()
        settings = {"model": reference, "device": self.model[1], "segments": self.segments}
        return settings | ({"beside": self.beside} if self.beside else {})

    def to_parts(self, folder: Path, size: int) -> None:
        """Write a folder of parts."""

        def write(rows: Iterator[ScoreRecord], file: IO[bytes]) -> None:
            render((row.to_json() for row in rows), Format.parquet, self.table, file)

        self.run.to_parts(folder, size, {"schema": SCORE_SCHEMA, **self.settings}, self.results, write)

    def to_file(self, output: Path, form: Format, order: Order) -> None:
        """Write a file, in the order asked for."""
        form = Format.jsonl if form is Format.pretty else form
        self.run.to_file(
            output,
            self.settings,
            lambda found, _: self.results(found),
            ScoreRecord.to_json,
            lambda records, _, file: render(order.of(records, getitem), form, self.table, file),
        )

    def to_catalogue(self, output: Path, form: Format | None, update: Update) -> None:
        """Write a database (form None), or bring what is there up to date."""
        from hitpredict.cli.score_catalogue import open_scores, packer

        form = Format.jsonl if form is Format.pretty else form
        model, note = self.scorer.session.reference, self.run.messages.note
        opened = partial(open_scores, output, form, self.table, model, self.segments, update.update, note)
        brought_up_to_date(self.run, opened, output, self.hashed_results, packer(form, self.table), update)

    def to_stdout(self, form: Format, order: Order) -> None:
        """Show rows to a person, or write them as they come, or in the order asked for."""
        if form is Format.pretty:
            self.to_terminal(order)
            return
        with stream_to_stdout(form, self.table) as write:
            for record in order.of(self.made(self.run.found), getattr):
                write(record.to_json())

    def to_terminal(self, order: Order) -> None:
        """A card for one song, with a sparkline; a line each for several."""
        from hitpredict.cli.pretty import ScorePrinter

        printer = ScorePrinter(self.scorer.target)
        first = list(islice(self.run.found, 2))
        one = len(first) == 1
        rows = replace(self, segments=self.segments or _SPARKLINE_SECONDS) if one else self
        for record in order.of(rows.made(chain(first, self.run.found)), getattr):
            (printer.card if one else printer.line)(record)
        printer.legend()
        sys.stdout.flush()
