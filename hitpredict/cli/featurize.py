"""`hitpredict featurize`: turn sound into the tables that models train on."""

import base64
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields
from enum import StrEnum
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from hitpredict.audio.source import Source
from hitpredict.cli import options
from hitpredict.cli.inputs import Failed, failures_in, nothing_given, sources
from hitpredict.cli.journal import Journal, left_failures
from hitpredict.cli.messages import Messages
from hitpredict.cli.output import Record
from hitpredict.cli.outputs import cleared
from hitpredict.cli.progress import Progress, sum_up, watched
from hitpredict.cli.streams import binary_stdout, is_terminal
from hitpredict.engines.limits import Limits
from hitpredict.errors import InputError, UsageError
from hitpredict.owned import scratch_folder

COMMAND: dict[str, Any] = {
    "help": "Turn sound into feature tables: one row a track, `path`, `track_id`, `duration`, then the features.",
    "epilog": "Examples: hitpredict featurize --kind fma518 -o features.parquet music/ · "
    "hitpredict featurize --kind logmel --set n_mels=64 -o mel.parquet songs/tracks.jsonl · "
    "hitpredict featurize --kind mfcc_stats -f csv song.mp3",
}


class Engine(StrEnum):
    """What spreads the work."""

    local = "local"
    ray = "ray"


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


def featurize(
    context: typer.Context,
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT",
            help="Audio files, folders, tar archives, WebDataset shards, manifests (tracks.jsonl), URLs, or -.",
        ),
    ] = None,
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
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to FILE instead of standard output.")
    ] = None,
    form: Annotated[
        TableFormat | None, typer.Option("-f", "--format", help="[default: by the output's suffix, else jsonl]")
    ] = None,
    dtype: Annotated[Precision, typer.Option(help="Precision of Parquet, Arrow and NPZ.")] = Precision.float32,
    engine: Annotated[Engine, typer.Option(help="Spread the work over this machine, or a Ray cluster.")] = Engine.local,
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
    """Describe every input; rows on standard output or in FILE, failures on standard error."""
    inputs = inputs or []
    if list_kinds:
        _print_kinds()
        return 0
    if nothing_given(inputs, files_from):
        typer.echo(context.get_help(), err=True)
        return 2
    if str(output) == "-":
        output = None
    messages = Messages(quiet, verbose)
    form = form or _format_of(output)
    written = {"-o": output, "--failures": failures}
    resumed = failures if left_failures(output, failures) else None
    if not cleared(written, [*inputs, files_from], force, skip_existing, [resumed]):
        messages.note(f"{output}: exists already, left as it is")
        return 0
    visible = watched(quiet, rows_elsewhere=output is not None)
    with (
        failures_in(failures, null) as failed,
        sources(inputs, files_from, null, messages, max_bytes, [output, failures]) as found,
        Progress("described", visible, found.count() if visible else None) as bar,
    ):
        run = _Run(kind, _settings(setting or [], compat), engine, jobs, messages, bar, failed, Limits(timeout, memory))
        if output is not None:
            run.to_file(found, output, form, dtype, failures, force)
        else:
            run.to_stdout(found, form, dtype)
    sum_up(messages, bar, {"described": run.described, "failed": len(failed)}, output, failures)
    return 1 if failed else 0


class _Run:
    """One invocation: the work, what failed in it, and the ways its rows can go."""

    def __init__(
        self,
        kind: str,
        settings: dict[str, str],
        engine: Engine,
        jobs: int | None,
        messages: Messages,
        bar: Progress,
        failed: Failed,
        limits: Limits,
    ):
        from hitpredict.featurizing import described, make_kind

        made = make_kind(kind, settings)
        self._columns, self._made = made.columns, described(made)
        self._kind, self._settings, self._engine, self._jobs = kind, settings, engine, jobs
        self._messages, self._ids = messages, Counter[str]()
        self._bar, self._failed, self.described, self._limits = bar, failed, 0, limits

    @property
    def _has_large_rows(self) -> bool:
        """Whether rows may be larger than memory. What another machine writes into a file stays there."""
        return self._columns is None and self._engine is Engine.local

    def rows(self, found: Iterable[Source], folder: Path | None) -> Iterator[tuple[Source, Any]]:
        """The sources that succeed with their rows, in order; what fails is reported and remembered.

        folder: where large arrays are put, for the taker of the row to remove.
        """
        from hitpredict.featurizing import featuring

        arguments = (self._kind, self._settings, folder)
        for source, result in self._bar.over(self._engine_run(featuring, arguments, found)):
            if isinstance(result, InputError):
                self._failed.append(source.path)
                self._messages.failure(result)
            else:
                for warning in result.warnings:
                    self._messages.note(f"{source.path}: {warning}")
                self._ids[result.track_id] += 1
                self.described += 1
                yield source, result
        self._warn_of_equal_ids()

    def _engine_run(self, prepare: Any, arguments: tuple[Any, ...], found: Iterable[Source]) -> Iterator[Any]:
        if self._engine is Engine.ray:
            from hitpredict.engines import ray

            return ray.run(prepare, arguments, found, self._jobs, _path, self._limits)
        from hitpredict.engines import local

        return local.run(prepare, arguments, found, self._jobs, _path, limits=self._limits)

    def _warn_of_equal_ids(self) -> None:
        equal = [name for name, count in self._ids.items() if count > 1]
        if equal:
            self._messages.note(
                f"{len(equal)} track ids occur more than once (such as {equal[0]}); ids are file names without "
                "folder and suffix, and labels are joined on them: rename files or use a manifest"
            )

    def to_file(
        self,
        found: Iterator[Source],
        output: Path,
        form: TableFormat,
        dtype: Precision,
        failures: Path | None,
        force: bool,
    ) -> None:
        """Write a file through a journal, so that a killed run can be taken up again."""
        from hitpredict.tables import write_table

        def render(records: Iterator[Record], file: IO[bytes]) -> None:
            rows = (_unpacked(record, folder) for record in records)
            write_table(self._warning_of_large(rows, form), self._columns, form.value, file, dtype.value, self._made)

        with Journal(output, {"kind": self._made}, failures, force, self._messages.note) as journal:
            folder = journal.arrays() if self._has_large_rows else None
            for source, row in self.rows(journal.remaining(found, self._bar.skip), folder):
                journal.write(source, _packed(row))
            journal.finish(render, self._failed.put)
        self.described += journal.taken_up

    def to_stdout(self, found: Iterator[Source], form: TableFormat, dtype: Precision) -> None:
        """Write lines as they come; binary formats only into a pipe."""
        from hitpredict.tables import line_writer, write_table

        binary = form in (TableFormat.parquet, TableFormat.arrow, TableFormat.npz)
        if binary and is_terminal(sys.stdout):
            raise UsageError(f"{form.value} is binary and would garble the terminal; use -o FILE or a pipe")
        with scratch_folder() as scratch:
            rows = self._passing(found, Path(scratch) if self._has_large_rows else None)
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
        from hitpredict.tables import is_costly_cell

        noted = form is not TableFormat.parquet
        for row in rows:
            if not noted and is_costly_cell(row.values):
                noted = True
                self._messages.note(
                    f"{row.path}: an array of {row.values.nbytes / 1e6:.0f} MB takes about 6 times its size of memory "
                    "as a cell of Parquet, with pyarrow before 23 once its size; Arrow and NPZ (-f) take none"
                )
            yield row

    def _passing(self, found: Iterator[Source], folder: Path | None) -> Iterator[Any]:
        """Rows whose files go when the next one is asked for."""
        from hitpredict.arrays import StoredArray

        for _, row in self.rows(found, folder):
            yield row
            if isinstance(row.values, StoredArray):
                row.values.remove()


def _packed(row: Any) -> Record:
    """A row as a line of the journal, its numbers exact."""
    from hitpredict.arrays import StoredArray

    values = row.values
    about = {"path": row.path, "track_id": row.track_id, "duration": row.duration}
    about |= {"shape": list(values.shape), "dtype": values.dtype.str}
    if isinstance(values, StoredArray):
        return {**about, "file": values.path.name, "bytes": values.nbytes}
    return {**about, "values": base64.b64encode(values.tobytes()).decode()}


def _unpacked(record: Record, folder: Path | None) -> Any:
    """The row of such a line. folder: where the files are."""
    import numpy as np

    from hitpredict.arrays import StoredArray
    from hitpredict.featurizing import FeatureRow

    shape, dtype = tuple(record["shape"]), np.dtype(record["dtype"])
    if "file" in record:
        assert folder is not None
        values: Any = StoredArray(folder / record["file"], 0, shape, dtype)
    else:
        values = np.frombuffer(base64.b64decode(record["values"]), dtype).reshape(shape)
    return FeatureRow(record["path"], record["track_id"], values, record.get("duration"))


def _format_of(output: Path | None) -> TableFormat:
    suffix = output.suffix.lower().removeprefix(".") if output else ""
    return TableFormat(suffix) if suffix in (*TableFormat,) else TableFormat.jsonl


def _settings(assignments: list[str], compat: bool) -> dict[str, str]:
    settings = {"compat": "true"} if compat else {}
    for assignment in assignments:
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(f"--set {assignment}: expected KEY=VALUE")
        settings[key.strip()] = value.strip()
    return settings


def _print_kinds() -> None:
    from hitpredict.featurizing import KINDS, kind_class

    for name in KINDS:
        cls = kind_class(name)
        summary = (cls.__doc__ or "").strip().splitlines()[0]
        sys.stdout.write(f"{name}\t{summary}\n")
        for field in fields(cls):
            sys.stdout.write(f"\t{field.name}={field.default}\n")


def _path(source: Source) -> str:
    return source.path
