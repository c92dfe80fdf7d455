"""Which songs of a corpus belong together: the options, and the group of each song."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from hitpredict.audio.source import Source
from hitpredict.cli.messages import Messages
from hitpredict.errors import UsageError, unknown

GroupOf = Mapping[str, str]
"""Groups by a track's canonical id."""


@dataclass(frozen=True, kw_only=True)
class Grouping:
    """Where groups of songs come from, other than the tags."""

    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="TABLE", help="Table with groups of songs for --corpus, joined on track_id."),
    ] = None
    group: Annotated[
        str | None,
        typer.Option("--group", metavar="COLUMN", help="Its column of groups [default: artists, as the tags have it]."),
    ] = None

    def check(self, corpus: bool) -> None:
        """Raise `UsageError` for options that do not go together."""
        if (self.labels is None) != (self.group is None):
            raise UsageError("--labels and --group: give both, a table and its column of groups")
        if self.group and not corpus:
            raise UsageError("--group: is for --corpus, where songs of one group count as one")

    @contextmanager
    def read(self, messages: Messages) -> Iterator["Groups"]:
        """The groups; songs without one are told at the end. Raises `UsageError` for what the table lacks."""
        if self.labels is None or self.group is None:
            yield Groups({}, False)
            return
        groups = Groups(_by_track(self.labels, self.group), True)
        yield groups
        if groups.without:
            messages.note(
                f"{len(groups.without)} songs have no {self.group} in {self.labels}, such as {groups.without[0]}; "
                "they go by the artists in their tags, or each for itself"
            )


class Groups:
    """The groups of songs by track. without: the paths of those asked for that have none, if there is a table."""

    def __init__(self, by_track: GroupOf, given: bool):
        self._by_track, self._given, self.without = by_track, given, list[str]()

    def of(self, source: Source) -> str | None:
        """The group of a song."""
        if not self._given:
            return None
        from hitpredict.tables.read import canonical_id

        found = self._by_track.get(canonical_id(source.track_id))
        if found is None:
            self.without.append(source.path)
        return found


def _by_track(path: Path, column: str) -> GroupOf:
    from hitpredict.tables.read import ids_of, read_table

    table = read_table(path)
    if column not in table:
        raise UsageError(f"{path}: {unknown('column', column, table)}")
    values: Sequence[Any] = table[column]
    named = zip(ids_of(table, path), values, strict=True)
    return {track: str(value) for track, value in named if value not in (None, "")}
