"""What one look at this machine found."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

SCHEMA = "hitpredict.doctor/1"
FINDING_COLUMNS = ("area", "name", "state", "found", "advice")


class State(StrEnum):
    """ok: as it should be. missing: only what can be left out does without it. broken: `score` does not work."""

    ok = "ok"
    missing = "missing"
    broken = "broken"


@dataclass(frozen=True)
class Finding:
    """area: what it belongs to. name: what was looked at. found: what is there. advice: what mends it, else empty."""

    area: str
    name: str
    found: str
    state: State = State.ok
    advice: str = ""

    def to_json(self) -> Mapping[str, Any]:
        """As a printed record."""
        return {"schema": SCHEMA, **self.row()}

    def row(self) -> Mapping[str, Any]:
        """As a row of a table."""
        return {name: str(getattr(self, name)) for name in FINDING_COLUMNS}
