"""One run that brings an output up to date: what is looked at, worked on, recorded, and told in the end."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from hitpredict.audio.source import STDIN, Source
from hitpredict.errors import InputError, UsageError
from hitpredict.files.owned import locked

if TYPE_CHECKING:
    from hitpredict.catalogue.states import Look
    from hitpredict.catalogue.store import Catalogue
    from hitpredict.cli.batch import Batch, Run

Row = TypeVar("Row")
SUFFIXES_OF_DATABASES = (".db", ".sqlite", ".sqlite3")
Work = Callable[[Iterator[Source]], Iterable[tuple[Source, tuple[str | None, Row]]]]


@dataclass(frozen=True)
class Update:
    """Whether an output is brought up to date, and what is tried again for that."""

    update: Annotated[
        bool, typer.Option("--update", help="Bring FILE up to date: work only on inputs that are new or have changed.")
    ] = False
    retry: Annotated[
        bool, typer.Option("--retry", help="With --update: try again what failed before and has not changed.")
    ] = False

    def check(self, batch: "Batch", inputs: list[str], output: Path | None, others: Mapping[str, object]) -> None:
        """Raises `UsageError` for what has no meaning together. others: options that have none here."""
        if self.retry and not self.update:
            raise UsageError("--retry: goes with --update; failed inputs are tried again in every other run")
        if not self.update:
            return
        if output is None:
            raise UsageError("--update: name the file to bring up to date with -o")
        found = {"--force": batch.force, "--skip-existing": batch.skip_existing, **others}
        if wrong := [f"--{option.removeprefix('--')}" for option, value in found.items() if value]:
            raise UsageError(f"--update: adds to what is in {output} and keeps its order; leave out {wrong[0]}")
        if STDIN in inputs or not (inputs or batch.files_from):
            raise UsageError("--update: standard input (-) has no name by which a later run would know it; give files")


def is_database(output: Path | None) -> bool:
    """Whether an output is an SQLite database by its suffix."""
    return output is not None and output.suffix.lower() in SUFFIXES_OF_DATABASES


def brought_up_to_date(
    run: "Run",
    catalogue: Callable[[], "Catalogue"],
    output: Path,
    work: "Work[Row]",
    packed: Callable[[Row], Mapping[str, Any]],
    update: Update,
) -> None:
    """Work on what is new or has changed, and tell what came of it.

    catalogue: opens the inputs of the output. work: makes rows of sources, with the hash of what they were made from.
    packed: a row as the catalogue takes it.
    """
    with ExitStack() as stack:
        # Several runs may write into a database at a time.
        if not (update.update and is_database(output)):
            stack.enter_context(locked(output))
        if not (update.update or run.force) and output.exists():
            raise UsageError(f"{output}: another run has written it in the meantime; --force replaces it")
        home = stack.enter_context(catalogue())
        done = _Updated(run, home, update)
        try:
            run.on_failure = done.missed
            for source, (sha256, row) in work(done.remaining(run.found)):
                done.took(source, sha256, packed(row))
            vanished = done.vanish() if update.update else []
        except KeyboardInterrupt as stop:
            stop.add_note("all results so far are kept, and the same command does the rest")
            raise
        for path in vanished:
            run.messages.detail(f"{path}: has vanished; its row stays")
        if done.failed:
            again = f"{done.failed:,}; --retry tries them"
            run.messages.note(f"not tried again, since they failed before and have not changed: {again}")
        home.finish(run.failed.put)
        run.summary = (
            f"{output}: {done.new:,} new, {done.changed:,} changed, {done.unchanged:,} unchanged, "
            f"{len(vanished):,} vanished, {len(run.failed):,} failed"
        )


class _Updated:
    def __init__(self, run: "Run", home: "Catalogue", update: Update):
        self._run, self._home, self._update = run, home, update
        self.new, self.changed, self.unchanged, self.failed = 0, 0, 0, 0
        self._pending: dict[str, Look] = {}
        self._gone: list[str] = []

    def remaining(self, found: Iterator[Source]) -> Iterator[Source]:
        """The sources to be worked on; the others are settled."""
        from hitpredict.engines import threads

        work = ((look, self._hash_if_it_tells(look)) for look in self._looks(found))
        # One at a time, each is recorded before the next is asked for.
        alone = ((look, threads.attempted(call, look, _name_of)) for look, call in work)
        for look, told in alone if self._run.jobs == 1 else threads.run(work, self._run.jobs, _name_of):
            sha256 = told if isinstance(told, str) else None
            if sha256 and self._is_settled(look, sha256):
                look.source.discard()
                self._run.skip()
            else:
                self._pending[look.source.path] = look
                yield look.source

    def _looks(self, found: Iterator[Source]) -> Iterator["Look"]:
        """Inputs that are new, or not as they were, each once."""
        from hitpredict.catalogue import states

        for each in found:
            source = states.lasting(each)
            if self._update.update and states.is_nameless(source):
                source.discard()
                source = Source(source.path, problem=states.NAMELESS)
            key = states.key_of(source.path)
            if not self._home.is_first(key):
                self._run.messages.detail(f"{source.path}: was given before, and has one row")
                source.discard()
                continue
            look = states.Look(source, key, states.state_of(source), self._home.known(key))
            if look.state is None:
                self._leave(look, states.is_gone(source.path))
            if not self._is_as_before(look):
                yield look
            else:
                self._run.skip()

    def _leave(self, look: "Look", gone: bool) -> None:
        if look.known is None:
            self._home.leave_unread(look.key)
        elif gone:
            self._gone.append(look.key)
            self._home.forget(look.key)

    def _is_as_before(self, look: "Look") -> bool:
        known, state = look.known, look.state
        if known is None or state is None:
            return False
        if known.vanished:
            self._home.is_back(known)
        if not known.row or not state.is_as(known.state):
            return False
        if known.error is None:
            self.unchanged += 1
        elif self._update.retry:
            return False
        else:
            self.failed += 1
            self._run.failed.append(look.source.path)
        return True

    def _hash_if_it_tells(self, look: "Look") -> Callable[[], str | None]:
        """What gives the hash of an input, where its bytes may be known by it. For a thread."""
        from hitpredict.catalogue.states import digest

        known, state = look.known, look.state
        if state is None or look.source.url is not None:
            return lambda: None
        failed = known is not None and known.error is not None and known.sha256 is not None
        return partial(digest, look.source) if failed or self._home.has_size(state.size) else lambda: None

    def _is_settled(self, look: "Look", sha256: str) -> bool:
        """Whether nothing is to be made of these bytes, since that has been made."""
        known, state = look.known, look.state
        assert state is not None
        if known and known.row and known.sha256 == sha256:
            if state != known.state or known.error:
                self._home.touch(known.row, state)
            self.unchanged += 1
            return True
        if (twin := self._home.twin(state.size, sha256)) is None:
            return False
        self._count(look)
        self._home.copy(look, twin, sha256)
        return True

    def _count(self, look: "Look") -> None:
        if look.known and look.known.row:
            self.changed += 1
        else:
            self.new += 1

    def took(self, source: Source, sha256: str | None, row: Mapping[str, Any]) -> None:
        """Record what was made of a source."""
        look = self._pending.pop(source.path)
        known = look.known
        if sha256 and known and known.row and known.sha256 == sha256 and look.state == known.state and not known.error:
            # Only having it all again could tell.
            self.unchanged += 1
            return
        self._count(look)
        self._home.put(look, sha256, {**row, "path": source.path, "track_id": source.track_id})

    def missed(self, source: Source, error: InputError) -> None:
        """Record what failed, where there was something."""
        look = self._pending.pop(source.path)
        if look.state is not None:
            self._home.fail(look, str(error).removeprefix(f"{source.path}: "))

    def vanish(self) -> list[str]:
        """Mark what is no longer there of what was asked for."""
        from hitpredict.catalogue.states import absolute, this_moment

        return self._home.vanish([*map(absolute, self._run.found.given), *self._gone], this_moment())


def _name_of(look: "Look") -> str:
    return look.source.path
