"""Records in Parquet: the same columns whatever is in them."""

import io
from functools import partial

import pyarrow.parquet
import pytest

from hitpredict.cli import formats
from hitpredict.cli.formats import Format, Table, render
from hitpredict.scoring.records import SCORE_COLUMNS, SCORE_TYPES, ModelReference, ScoreRecord, Segment, flat

MODEL = ModelReference("made", "1", "0" * 64)
PLAIN = ScoreRecord("a.wav", "a", 1.0, 50.0, 50.0, (0.0, 100.0), 0.8, "", (), MODEL, "cpu")
FULL = ScoreRecord(
    *("b\udcff.wav", "b", 2, 40.0, 30.0, (1.5, 90.0), 0.8, "songs", ("short: 2 s", "silent: all"), MODEL, "cuda"),
    segments=(Segment(0.0, 1.0, 40.0, 30.0),),
    artist="One",
    variant={"pitch": -2.0, "mono": True},
)


def parquet(*records: ScoreRecord) -> pyarrow.Table:
    file = io.BytesIO()
    table = Table(SCORE_COLUMNS, partial(flat, more=()), SCORE_TYPES)
    render((record.to_json() for record in records), Format.parquet, table, file)
    return pyarrow.parquet.read_table(file)


def test_columns_of_scores_have_the_same_types_whatever_is_in_them():
    """Parts of one data set, and rows of a later run, go together."""
    assert parquet(PLAIN).schema == parquet(FULL).schema == parquet().schema


def test_scores_in_parquet_are_what_was_scored():
    plain, full = parquet(PLAIN, FULL).to_pylist()
    assert (plain["segments"], plain["warnings"], plain["variant"], plain["artist"]) == ([], [], [], "")
    assert full["segments"] == [{"start": 0.0, "end": 1.0, "score": 40.0, "percentile": 30.0}]
    assert full["warnings"] == ["short: 2 s", "silent: all"]
    assert full["variant"] == ["pitch=-2", "mono"]
    assert (full["path"], full["interval_low"], full["duration"]) == ("b\\udcff.wav", 1.5, 2.0)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_many_scores_are_written_in_groups(monkeypatch, rows):
    monkeypatch.setattr(formats, "GROUP_ROWS", rows)
    assert parquet(*[PLAIN, FULL] * 2).column("name").to_pylist() == ["a", "b"] * 2
