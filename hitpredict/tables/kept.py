"""What tables that are kept up to date hold besides: of each row, the input that it was made from."""

from collections.abc import Mapping, Sequence
from typing import Any

INPUT_COLUMNS = ("size", "modified", "sha256", "scored", "vanished", "error", "settings")
"""Columns after all others; `error` where nothing could be made of the input as it was last."""


def of_sound(table: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    """A table by columns without these, and without the rows of which nothing was ever made; others as they are."""
    if not set(INPUT_COLUMNS) <= set(table):
        return {name: list(column) for name, column in table.items()}
    made = [number for number, scored in enumerate(table["scored"]) if scored]
    return {name: [column[row] for row in made] for name, column in table.items() if name not in INPUT_COLUMNS}
