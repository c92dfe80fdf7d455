"""The catalogues that `score` keeps: tables and databases."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from hitpredict.catalogue.database import NewScoreDatabase, ScoreDatabase
from hitpredict.catalogue.files import table_file
from hitpredict.catalogue.store import Catalogue
from hitpredict.catalogue.work import TableCatalogue, claimed
from hitpredict.cli.formats import Format, Table, arrow_schema
from hitpredict.scoring.records import ModelReference, ScoreRecord
from hitpredict.tables.kept import INPUT_COLUMNS

_TYPES = {"track_id": "text", **dict.fromkeys(INPUT_COLUMNS, "text"), "size": "whole"}


def open_scores(
    output: Path,
    form: Format | None,
    table: Table,
    model: ModelReference,
    segments: float | None,
    update: bool,
    note: Callable[[str], None],
) -> Catalogue:
    """The catalogue of an output. form: None for a database. update: it is brought up to date, not made."""
    settings = [] if segments is None else [f"segments={segments:g}"]
    about = (model.name, model.version, model.sha256)
    if form is None:
        told = (*about, "; ".join(settings))
        return ScoreDatabase(output, output, told) if update else NewScoreDatabase(_place_for(output), output, told)
    named = (
        {"model": model.to_json()}
        if form is Format.jsonl
        else dict(zip(("model_name", "model_version", "model_sha256"), about, strict=True))
    )
    first, *others = table.columns
    columns = (first, "track_id", *others, *INPUT_COLUMNS)
    file = table_file(form, columns, partial(arrow_schema, columns, {**(table.types or {}), **_TYPES}), named)
    told = (*about, "; ".join([f"model={model.name} {model.version} {model.sha256[:12]}", *settings]))
    return TableCatalogue(output, file, told, note)


def _place_for(output: Path) -> Path:
    return claimed(output, ScoreDatabase.application)


def packer(form: Format | None, table: Table) -> Callable[[ScoreRecord], Mapping[str, Any]]:
    """How a record is kept: as it is printed, or as a row of the table."""
    as_printed = form in (None, Format.jsonl)
    return ScoreRecord.to_json if as_printed else lambda record: table.flat(record.to_json())
