"""What a page is made of, and how all kinds of records are worded."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from hitpredict.report.draw import Plot
from hitpredict.report.records import Printed

SONGS, ROWS, PARAMETERS = 24, 60, 40
"""Songs with pictures of their own, rows of a ranking, parameters of a song: what one reads of a page."""


@dataclass(frozen=True)
class Player:
    """A passage to be heard. title: what was changed; told: what that does to the score. data: an Ogg file of Opus."""

    title: str
    told: str
    data: bytes

    @property
    def address(self) -> str:
        """The sound itself, for a page that loads nothing."""
        return "data:audio/ogg;base64," + base64.b64encode(self.data).decode("ascii")


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it. facts: name and value, a row each. table: a header, then rows.

    notes: sentences; warnings: those to be seen first. small: pictures that stand beside each other. players: passages
    to be heard, and heard: sentences on them.
    """

    anchor: str
    title: str
    lead: str = ""
    facts: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()
    warnings: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    small: Sequence[Plot] = ()
    table: Sequence[Sequence[str]] = ()
    players: Sequence[Player] = ()
    heard: Sequence[str] = ()
    parts: Sequence["Section"] = ()


def origin(record: Printed) -> list[tuple[str, str]]:
    """What file and model a record is of."""
    facts = [("File", record["path"])] if "path" in record else []
    if "duration" in record:
        facts.append(("Length", minutes(record["duration"])))
    if found := record.get("model"):
        facts.append(("Model", f"{found['name']} {found['version']} ({found['sha256'][:12]})"))
    return facts


def called(record: Printed) -> str:
    """A song's artist and name."""
    return f"{record['artist']} – {record['name']}" if record.get("artist") else str(record["name"])


def figure(value: float, form: str = ".1f") -> str:
    """A number with a minus sign as wide as a plus."""
    return f"{value:{form}}".replace("-", "−")


def change(value: float, digits: int = 1) -> str:
    """A difference, with its sign."""
    return figure(value, f"+.{digits}f")


def between(interval: Sequence[float], form: str = ".1f") -> str:
    """An interval in words."""
    return f"{figure(interval[0], form)} to {figure(interval[1], form)}"


def minutes(seconds: float) -> str:
    """A time, `1:05`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def left_out(count: int, most: int, what: str) -> list[str]:
    """A sentence on what a page has no room for, if there is any."""
    return [f"Of {count} {what} the first {most} have pictures of their own."] if count > most else []


def listing(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
