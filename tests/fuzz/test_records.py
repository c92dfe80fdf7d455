"""JSON and lines that pass for records, models' metadata and journals; what is read can be worked with."""

import io
import json
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from hitpredict import __version__
from hitpredict.audio.source import Source
from hitpredict.cli.journal import Journal, input_key, left_failures
from hitpredict.datasets.manifest import FIXED, Draft, Track, write_tracks
from hitpredict.errors import EnvironmentProblem
from hitpredict.report import page
from hitpredict.report.records import Records, take
from hitpredict.report.sections import sections_of
from hitpredict.scoring.calibration import Calibration
from hitpredict.scoring.domain import Domain
from hitpredict.scoring.inputs import model_inputs
from hitpredict.scoring.metadata import ENTRIES, parsed_entry
from hitpredict.scoring.records import SCORE_COLUMNS, ModelReference, ScoreRecord, Segment, flat
from hitpredict.scoring.session import ModelFile, Session
from hitpredict.tables.read import read_table
from tests.helpers import reports
from tests.helpers.fuzz import altered, anything, file_of, fuzzed, unless_refused

PRINTED = [
    *(reports.score(), reports.compare(), reports.effect(), reports.in_common(), reports.interaction()),
    *(reports.stem(), reports.suggestion(), reports.evaluation(), reports.place(), reports.place("band")),
]
LINES = st.one_of(
    st.sampled_from(PRINTED).flatmap(altered).map(json.dumps), anything.map(json.dumps), st.text(max_size=30)
)


def taken(data):
    """The records in some bytes, and what was said of the rest."""
    records, failures = Records(), []
    take(records, io.BytesIO(data), "r.jsonl", failures.append)
    return records, failures


@fuzzed(
    st.lists(LINES, max_size=3),
    examples=[([each],) for each in ('{"schema": []}', "[" * 100_000, "9" * 5000, "\ufeff{}")],
    few=5,
    many=60,
)
def test_whatever_passes_for_records_can_be_drawn(lines):
    records, failures = taken("\n".join(lines).encode(errors="surrogatepass"))
    assert all(str(error).strip() for error in failures)
    assert len(records) + len(failures) <= sum(line.count("\n") + 1 for line in lines) + 1
    if len(records):
        page.html(sections_of(records), "made")


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
NUMBERS = st.floats(-1e6, 1e6)
SEGMENTS = st.lists(st.builds(Segment, *[st.floats(0, 1e4)] * 2, NUMBERS, st.floats(0, 100)), max_size=3).map(tuple)
SCORES = st.builds(
    ScoreRecord, TEXTS, TEXTS, st.floats(0, 1e5), NUMBERS, st.floats(0, 100), st.tuples(NUMBERS, NUMBERS),
    st.floats(0, 1), TEXTS, st.lists(TEXTS, max_size=3).map(tuple), st.builds(ModelReference, TEXTS, TEXTS, TEXTS),
    st.sampled_from(["cpu", "cuda"]), st.none() | SEGMENTS, st.none() | TEXTS, st.none(), st.none() | st.floats(0, 10),
)  # fmt: skip


@fuzzed(st.lists(SCORES, max_size=3))
def test_score_records_come_back_as_they_were_printed(given):
    printed = [record.to_json() for record in given]
    records, failures = taken("".join(json.dumps(each) + "\n" for each in printed).encode())
    assert (records.scores, failures) == (printed, [])
    assert all(tuple(flat(each)) == SCORE_COLUMNS for each in records.scores)


SAID = {key: json.loads(text) for key, text in Session(ModelFile.find(None), "cpu").metadata.items() if key in ENTRIES}
WORKING = {
    "frontend": model_inputs,
    "calibration": lambda value: Calibration.from_json(value).interval([0.0, 50.0]),
    "domain": lambda value: Domain.from_json(value).distance(np.ones((1, len(value["centre"])))),
}


@fuzzed(
    st.sampled_from(sorted(SAID)).flatmap(lambda key: st.tuples(st.just(key), altered(SAID[key]).map(json.dumps)))
    | st.tuples(st.sampled_from(sorted(ENTRIES)), anything.map(json.dumps) | st.text(max_size=20)),
    examples=[(("domain", "[" * 100_000),), (("noise_floor", "9" * 5000),), (("noise_floor", "NaN"),)],
)
def test_what_a_model_says_of_itself_can_be_worked_with(said):
    key, text = said
    value = unless_refused(lambda: (parsed_entry(key, text),), ValueError)
    if value and key in WORKING:
        with np.errstate(all="ignore"):
            unless_refused(lambda: WORKING[key](*value))


def test_what_the_bundled_model_says_is_among_it():
    assert {"frontend", "calibration", "domain", "reference", "target"} <= set(SAID)
    for key, value in SAID.items():
        parsed_entry(key, json.dumps(value))


KEY = input_key(Source("a.wav", data=b"1"))
HEAD = {"schema": "hitpredict.journal/1", "failures": None, "version": __version__, "model": 1}
ENTRY = {"input": KEY, "record": {"score": 1.0}}
JOURNALS = st.builds(
    lambda head, lines, end: "\n".join([head, *lines]) + end,
    st.just(json.dumps(HEAD)) | altered(HEAD).map(json.dumps) | st.text(max_size=20),
    st.lists(st.just(json.dumps(ENTRY)) | altered(ENTRY).map(json.dumps) | st.text(max_size=20), max_size=4),
    st.sampled_from(["\n", "", "\0"]),
)


@fuzzed(
    JOURNALS,
    examples=[
        (json.dumps(HEAD)[:-1] + ', "x": ' + "[" * 100_000 + "\n",),
        (json.dumps(HEAD) + "\n" + "[" * 100_000 + "\n",),
        (json.dumps(HEAD) + "\n" + json.dumps({**ENTRY, "record": []}) + "\n",),
    ],
)
def test_journals_are_taken_up_as_far_as_they_are_whole(text):
    with file_of(text, ".out.jsonl.partial") as path:
        output, rows, notes = path.with_name("out.jsonl"), [], []
        left_failures(output, output)
        journal = Journal(output, {"model": 1}, None, False, notes.append)
        if unless_refused(lambda: journal.__enter__() and True, EnvironmentProblem) is None:
            return
        for source in journal.remaining(iter([Source("a.wav", data=b"1")]), list):
            journal.write(source, {"score": 2.0})
        journal.finish(lambda records, _: rows.extend(records), list)
        journal.__exit__(None, None, None)
        assert len(rows) == 1
        assert isinstance(rows[0], dict)


TRACK = Track("1", "made", "2020", path="a.wav", labels={"popularity": 1.0})
DRAFTS = st.lists(altered({"key": "a", "row": TRACK.to_json()}).map(json.dumps) | st.text(max_size=20), max_size=4)


@fuzzed(
    st.just(json.dumps({"n": 1})) | st.text(max_size=10), DRAFTS, examples=[(json.dumps({"n": 1}), ["[" * 100_000])]
)
def test_drafts_of_manifests_are_taken_up_as_far_as_they_are_whole(first, lines):
    with file_of("\n".join([first, *lines, ""]), ".tracks.jsonl.partial") as path:
        draft = Draft(path.parent, {"n": 1})
        draft.add("b", TRACK)
        table = read_table(draft.finish(list(draft.rows)))
        assert "1" in table["track_id"]


LABELS = st.dictionaries(TEXTS.filter(lambda name: name not in FIXED), st.none() | NUMBERS, max_size=3)
TRACKS = st.builds(
    Track, TEXTS, TEXTS, TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.none() | TEXTS, st.lists(TEXTS).map(tuple),
    duration=st.none() | NUMBERS, labels=LABELS,
)  # fmt: skip


@fuzzed(st.lists(TRACKS, max_size=3))
def test_manifests_come_back_as_tables(tracks):
    with tempfile.TemporaryDirectory() as folder:
        table = read_table(write_tracks(Path(folder), tracks))
    rows = [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]
    assert [{key: row[key] for key in track.to_json()} for row, track in zip(rows, tracks, strict=True)] == [
        json.loads(json.dumps(track.to_json())) for track in tracks
    ]
