"""Outputs that are kept up to date, read in whatever format they are."""

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet

TABLES = ("jsonl", "csv", "tsv", "parquet")
EVERY_FORM = (*TABLES, "db")


def rows_of(output: Path) -> list[dict[str, Any]]:
    """The rows, in their order; what is not there is None."""
    form = output.suffix.removeprefix(".")
    if form == "parquet":
        rows = pyarrow.parquet.read_table(output).to_pylist()
    elif form == "jsonl":
        rows = [json.loads(line) for line in output.read_text().splitlines()]
    elif form == "db":
        with closing(sqlite3.connect(output)) as base:
            base.row_factory = sqlite3.Row
            joined = "SELECT * FROM scores s JOIN inputs i ON i.id = s.input_id ORDER BY s.id"
            rows = [dict(row) for row in base.execute(joined)]
    else:
        with output.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t" if form == "tsv" else ","))
    return [{name: None if value == "" else value for name, value in row.items()} for row in rows]


def by_name(output: Path) -> dict[str, dict[str, Any]]:
    """The rows by the names of their files."""
    rows = {Path(row["path"]).name: row for row in rows_of(output)}
    assert len(rows) == len(rows_of(output))
    return rows


def score_of(row: dict[str, Any]) -> float | None:
    return None if row.get("score") is None else float(row["score"])
