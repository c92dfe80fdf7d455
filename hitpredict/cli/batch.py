"""How a command goes over many inputs: its options, what stands in its way, and where its rows go."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import typer

from hitpredict.audio.source import Source
from hitpredict.cli import options
from hitpredict.cli.formats import Record
from hitpredict.cli.inputs import Failed, Sources, failures_in, nothing_given, sources
from hitpredict.cli.journal import Journal, left_failures
from hitpredict.cli.messages import Messages
from hitpredict.cli.outputs import cleared
from hitpredict.cli.parts import Parts, Render, parts_failures, parts_wanted
from hitpredict.cli.progress import Progress, watched
from hitpredict.cli.streams import is_terminal
from hitpredict.errors import InputError

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What every command over INPUT… is told."""

    jobs: options.Jobs = None
    files_from: options.FilesFrom = None
    null: options.Null = False
    failures: options.Failures = None
    max_bytes: options.MaxBytes = None
    timeout: options.Timeout = options.TIMEOUT
    force: options.Force = False
    skip_existing: options.SkipExisting = False
    messages: Messages

    def helps(self, context: typer.Context, inputs: list[str]) -> bool:
        """Show the help to a person at a terminal who gave no input; False where there may be some."""
        if nothing_given(inputs, self.files_from):
            typer.echo(context.get_help(), err=True)
            return True
        return False

    def wanted(self, inputs: list[str], output: Path | None, *read: str | None, update: bool = False) -> bool:
        """Whether there is work: False when the output is there and is to be kept. read: what else is no output.

        update: what is there is brought up to date.
        """
        outputs = {"-o": output, "--failures": self.failures}
        resumed = self.failures if left_failures(output, self.failures) else None
        own = [output, self.failures] if update else [resumed]
        if cleared(outputs, [*inputs, self.files_from, *read], self.force, self.skip_existing, own):
            return True
        self.messages.note(f"{output}: exists already, left as it is")
        return False

    def wanted_parts(self, inputs: list[str], folder: Path | None, *read: str | None) -> bool:
        """The same for output in parts."""
        assert folder is not None
        resumed = self.failures if parts_failures(folder, self.failures) else None
        cleared({"--failures": self.failures}, [*inputs, self.files_from, *read], self.force, own=[resumed])
        if parts_wanted(folder, self.force, self.skip_existing):
            return True
        self.messages.note(f"{folder}: is complete already, left as it is")
        return False

    @contextmanager
    def opened(self, inputs: list[str], output: Path | None) -> Iterator[tuple[Sources, Failed]]:
        """The sources, and the list of those that failed, put into its place at the end."""
        with (
            failures_in(self.failures, self.null) as failed,
            sources(
                inputs,
                self.files_from,
                self.null,
                self.messages,
                self.max_bytes,
                [output, self.failures],
                self.timeout,
            ) as found,
        ):
            yield found, failed

    @contextmanager
    def run(self, inputs: list[str], output: Path | None, verb: str) -> Iterator["Run"]:
        """A run with its progress, summed up at the end. verb: what is done, such as `scored`."""
        visible = watched(self.messages.quiet, rows_elsewhere=output is not None)
        with (
            self.opened(inputs, output) as (found, failed),
            Progress(verb, visible, found.count() if visible else None) as bar,
        ):
            run = Run(self, found, failed, bar)
            yield run
        if run.summary:
            self.messages.note(run.summary)
        else:
            self.sum_up(bar, {verb: run.done, "failed": len(failed)}, output)

    def sum_up(self, bar: Progress, counts: Mapping[str, int], output: Path | None) -> None:
        """One line at the end of work for a person who could not see it: how many, how many failed, where they are.

        counts: how many by what was done with them, such as `scored`; those of 0 are left out.
        """
        if self.messages.quiet or not is_terminal(sys.stderr) or not (output or bar.shown):
            return
        told = ", ".join(f"{count:,} {verb}" for verb, count in counts.items() if count) or "nothing to do"
        listed = f" (listed in {self.failures})" if self.failures and counts.get("failed") else ""
        self.messages.note(f"{told}{listed}{f'; {output}' if output else ''}")


class Run:
    """The sources of one invocation, what failed among them, and how many are done.

    on_failure: is told what fails. summary: what is told in the end, in place of those numbers.
    """

    def __init__(self, batch: Batch, found: Sources, failed: Failed, bar: Progress):
        self.found, self.failed, self.done = found, failed, 0
        self.messages, self.jobs, self.force, self.skip = batch.messages, batch.jobs, batch.force, bar.skip
        self.summary: str | None = None
        self._batch, self._bar = batch, bar
        self.on_failure: Callable[[Source, InputError], None] = lambda source, error: None

    @property
    def code(self) -> int:
        """How the command ends."""
        return 1 if self.failed else 0

    def rows(self, results: Iterable[tuple[Source, Row | InputError]]) -> Iterator[tuple[Source, Row]]:
        """The sources that succeed with their rows, in order; what fails is reported and remembered."""
        for source, result in self._bar.over(results):
            if isinstance(result, InputError):
                self._fail(source.path, result)
                self.on_failure(source, result)
            else:
                self.done += 1
                yield source, result

    def _fail(self, name: str, error: InputError) -> None:
        self.failed.append(name)
        self._batch.messages.failure(error)

    def to_parts(
        self,
        folder: Path,
        size: int,
        settings: Record,
        work: Callable[[Iterator[Source]], Iterable[tuple[Source, Row]]],
        render: Render,
    ) -> None:
        """Write a folder of Parquet files of `size` inputs each, with a manifest; see `Parts`.

        settings: what all parts have in common. work: makes rows of sources. render: writes rows into a file.
        """
        batch = self._batch
        note, seconds = batch.messages.note, batch.timeout
        with Parts(folder, size, settings, batch.failures, batch.force, note, seconds) as parts:
            self.on_failure = lambda source, error: parts.fail(source, error, render)
            for _, row in work(parts.remaining(self.found, self._bar.skip, self._fail)):
                parts.add(row, render)
            parts.finish(self.failed.put)
        self.done += parts.taken_up

    def to_file(
        self,
        output: Path,
        settings: Record,
        work: Callable[[Iterator[Source], Path | None], Iterable[tuple[Source, Row]]],
        packed: Callable[[Row], Record],
        render: Callable[[Iterator[Record], Path | None, IO[bytes]], None],
        arrays: bool = False,
    ) -> None:
        """Write a file through a journal, so that a killed run can be taken up again.

        settings: what a run must have in common with one that it takes up. work: makes rows of sources. packed: a row
        as a line of the journal. render: writes such lines into the file. arrays: whether the two get a folder for
        what is too large for a line.
        """
        batch = self._batch
        with Journal(output, settings, batch.failures, batch.force, batch.messages.note, batch.timeout) as journal:
            folder = journal.arrays() if arrays else None
            for source, row in work(journal.remaining(self.found, self._bar.skip), folder):
                journal.write(source, packed(row))
            journal.finish(lambda records, file: render(records, folder, file), self.failed.put)
        self.done += journal.taken_up
