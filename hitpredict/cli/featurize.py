"""`hitpredict featurize`: turn sound into the tables that models train on."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from hitpredict.audio.source import Source
from hitpredict.cli import options
from hitpredict.cli.batch import Batch, Run
from hitpredict.cli.engine import Spreading, list_shards, spread_over
from hitpredict.cli.formats import Record
from hitpredict.cli.parts import check_parts
from hitpredict.cli.streams import binary_stdout, is_terminal
from hitpredict.cli.update import Update, brought_up_to_date, is_database
from hitpredict.engines.limits import Limits
from hitpredict.errors import UsageError
from hitpredict.files.owned import scratch_folder

if TYPE_CHECKING:
    from hitpredict.engines.ray import Cluster

COMMAND: dict[str, Any] = {
    "help": "Turn sound into feature tables: one row a track, `path`, `track_id`, `duration`, then the features.",
    "epilog": "Examples: hitpredict featurize --kind fma518 -o features.parquet music/ · "
    "hitpredict featurize --kind logmel --set n_mels=64 -o mel.parquet songs/tracks.jsonl · "
    "hitpredict featurize --kind mfcc_stats -f csv song.mp3",
}


class TableFormat(StrEnum):
    """How tables are written."""

    parquet = "parquet"
    arrow = "arrow"
    npz = "npz"
    jsonl = "jsonl"
    tsv = "tsv"
    csv = "csv"


class Precision(StrEnum):
    """Numbers in Parquet, Arrow and NPZ."""

    float32 = "float32"
    float16 = "float16"


@options.spread
def featurize(
    *,
    context: typer.Context,
    inputs: options.Inputs = None,
    kind: Annotated[
        str,
        typer.Option(
            "-k",
            "--kind",
            metavar="KIND",
            help="Kind of features; see --list-kinds.",
            autocompletion=options.kinds,
        ),
    ] = "fma518",
    setting: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a parameter of the kind.")
    ] = None,
    compat: Annotated[
        bool, typer.Option("--compat", help="Reproduce the defects of the original (same as --set compat=true).")
    ] = False,
    list_kinds: Annotated[bool, typer.Option("--list-kinds", help="List the kinds with their parameters.")] = False,
    output: options.Output = None,
    parts: options.InParts = None,
    form: Annotated[
        TableFormat | None, typer.Option("-f", "--format", help="[default: by the output's suffix, else jsonl]")
    ] = None,
    dtype: Annotated[Precision, typer.Option(help="Precision of Parquet, Arrow and NPZ.")] = Precision.float32,
    update: Update,
    spread: Spreading,
    memory: options.Memory = None,
    batch: Batch,
) -> int:
    """Describe every input; rows on standard output or in FILE, failures on standard error."""
    if list_kinds:
        _print_kinds()
        return 0
    if batch.helps(context, inputs or []):
        return 2
    update.check(batch, inputs or [], output, {"--parts": parts})
    check_parts(parts, output, form)
    if form is None and is_database(output):
        raise UsageError(f"{output}: databases are of scores; write features to .parquet, .jsonl, .tsv or .csv")
    if not (batch.wanted_parts if parts else partial(batch.wanted, update=update.update))(inputs or [], output):
        return 0
    with spread.cluster(batch.jobs) as cluster, batch.run(inputs or [], output, "described") as run:
        list_shards(cluster, run.found, batch.max_bytes, batch.timeout)
        settings = {**({"compat": "true"} if compat else {}), **options.assigned(setting)}
        rows = _Rows(run, (kind, settings), cluster, Limits(batch.timeout, memory), batch)
        if output is not None and parts:
            rows.to_parts(output, parts, dtype)
        elif output is not None and update.update:
            rows.to_catalogue(output, form or _format_of(output), dtype, update)
        else:
            (rows.to_stdout if output is None else partial(rows.to_file, output))(form or _format_of(output), dtype)
    return run.code


class _Rows:
    """The rows of one invocation, and the ways they can go. kind: its name and its settings."""

    def __init__(
        self, run: Run, kind: tuple[str, dict[str, str]], cluster: "Cluster | None", limits: Limits, batch: Batch
    ):
        from hitpredict.features.kinds import described, make_kind

        made = make_kind(*kind)
        self._columns, self._made = made.columns, described(made)
        self._run, self._kind, self._cluster, self._limits = run, kind, cluster, limits
        self._jobs, self._note, self._ids = batch.jobs, batch.messages.note, Counter[str]()
        # Rows may be larger than memory, but what another machine writes into a file stays there.
        self._has_large_rows = made.columns is None and cluster is None

    def results(self, found: Iterable[Source], folder: Path | None) -> Iterator[tuple[Source, Any]]:
        """Describe each source. folder: where large arrays are put, for the taker of the row to remove."""
        from hitpredict.features.kinds import featuring

        made = spread_over(self._cluster, featuring, (*self._kind, folder), found, self._jobs, self._limits)
        for source, row in self._run.rows(made):
            self._tell(source, row)
            yield source, row
        self._warn_of_equal_ids()

    def hashed_results(self, found: Iterable[Source]) -> Iterator[tuple[Source, tuple[str | None, Any]]]:
        """The same with the hash of each source's bytes, for vectors."""
        from hitpredict.catalogue.states import hashing
        from hitpredict.features.kinds import featuring

        arguments = (featuring, (*self._kind, None))
        made = spread_over(self._cluster, hashing, arguments, found, self._jobs, self._limits)
        for source, (sha256, row) in self._run.rows(made):
            self._tell(source, row)
            yield source, (sha256, row)
        self._warn_of_equal_ids()

    def _tell(self, source: Source, row: Any) -> None:
        for warning in row.warnings:
            self._note(f"{source.path}: {warning}")
        self._ids[row.track_id] += 1

    def _warn_of_equal_ids(self) -> None:
        equal = [name for name, count in self._ids.items() if count > 1]
        if equal:
            self._note(
                f"{len(equal)} track ids occur more than once (such as {equal[0]}): training takes their rows as clips "
                "of one track; ids are file names without folder and suffix, so rename other files or use a manifest"
            )

    def to_file(self, output: Path, form: TableFormat, dtype: Precision) -> None:
        """Write a file."""
        from hitpredict.features.kinds import FeatureRow
        from hitpredict.tables.write import write_table

        def render(records: Iterator[Record], folder: Path | None, file: IO[bytes]) -> None:
            rows = (FeatureRow.from_json(record, folder) for record in records)
            write_table(self._warning_of_large(rows, form), self._columns, form.value, file, dtype.value, self._made)

        settings = {"kind": self._made}
        self._run.to_file(output, settings, self.results, FeatureRow.to_json, render, self._has_large_rows)

    def to_catalogue(self, output: Path, form: TableFormat, dtype: Precision, update: Update) -> None:
        """Bring a table of vectors up to date."""
        from hitpredict.cli.feature_catalogue import open_features, pack_features

        opened = partial(open_features, output, form.value, self._columns, self._made, dtype.value, self._note)
        packed = partial(pack_features, self._columns or ())
        brought_up_to_date(self._run, opened, output, self.hashed_results, packed, update)

    def to_parts(self, output: Path, size: int, dtype: Precision) -> None:
        """Write a folder of parts."""
        from hitpredict.files.arrays import StoredArray
        from hitpredict.tables.write import write_table

        def write(rows: Iterator[Any], file: IO[bytes]) -> None:
            held = list(rows)
            noted = self._warning_of_large(iter(held), TableFormat.parquet)
            write_table(noted, self._columns, "parquet", file, dtype.value, self._made)
            for row in held:
                if isinstance(row.values, StoredArray):
                    row.values.remove()

        with scratch_folder() as scratch:
            folder = Path(scratch) if self._has_large_rows else None
            settings = {"kind": self._made, "dtype": dtype.value}
            self._run.to_parts(output, size, settings, lambda found: self.results(found, folder), write)

    def to_stdout(self, form: TableFormat, dtype: Precision) -> None:
        """Write lines as they come; binary formats only into a pipe."""
        from hitpredict.tables.write import line_writer, write_table

        binary = form in (TableFormat.parquet, TableFormat.arrow, TableFormat.npz)
        if binary and is_terminal(sys.stdout):
            raise UsageError(f"{form.value} is binary and would garble the terminal; use -o FILE or a pipe")
        with scratch_folder() as scratch:
            rows = self._passing(Path(scratch) if self._has_large_rows else None)
            rows = self._warning_of_large(rows, form)
            if binary:
                write_table(rows, self._columns, form.value, binary_stdout(), dtype.value, self._made)
                return
            write = line_writer(self._columns, form.value, sys.stdout)
            for row in rows:
                write(row)
                sys.stdout.flush()

    def _warning_of_large(self, rows: Iterator[Any], form: TableFormat) -> Iterator[Any]:
        """The rows, with a note before the first that takes much memory to write."""
        from hitpredict.tables.write import is_costly_cell

        noted = form is not TableFormat.parquet
        for row in rows:
            if not noted and is_costly_cell(row.values):
                noted = True
                self._note(
                    f"{row.path}: an array of {row.values.nbytes / 1e6:.0f} MB takes about 6 times its size of memory "
                    "as a cell of Parquet, with pyarrow before 23 once its size; Arrow and NPZ (-f) take none"
                )
            yield row

    def _passing(self, folder: Path | None) -> Iterator[Any]:
        """Rows whose files go when the next one is asked for."""
        from hitpredict.files.arrays import StoredArray

        for _, row in self.results(self._run.found, folder):
            yield row
            if isinstance(row.values, StoredArray):
                row.values.remove()


def _format_of(output: Path | None) -> TableFormat:
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    return TableFormat(suffix) if suffix in (*TableFormat,) else TableFormat.jsonl


def _print_kinds() -> None:
    from hitpredict.features.kinds import KINDS, kind_class

    for name in KINDS:
        cls = kind_class(name)
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        sys.stdout.write(f"{name}\t{summary}\n")
        for field in fields(cls):
            sys.stdout.write(f"\t{field.name}={field.default}\n")
