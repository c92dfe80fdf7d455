"""`doctor` in real processes: a machine that works, and machines on which something does not."""

import pytest

from hitpredict.diagnosis.finding import FINDING_COLUMNS
from tests.helpers.processes import in_terminal, python, run

WITHOUT = """
import sys
for name in sys.argv.pop(1).split():
    sys.modules[name] = None
from hitpredict.cli.app import main
main()
"""


def test_a_machine_that_works():
    outcome = run("doctor", "-f", "jsonl")
    assert (outcome.code, outcome.err) == (0, "")
    records = {(each["area"], each["name"]): each for each in outcome.records}
    assert len(records) == len(outcome.records)
    assert {each["schema"] for each in outcome.records} == {"hitpredict.doctor/1"}
    assert {each["state"] for each in outcome.records} <= {"ok", "missing"}
    assert "gives a made sound" in records["scoring", "score"]["found"]
    assert {("packages", "numpy"), ("extras", "report"), ("folders", "cache"), ("codecs", "mp3")} <= {*records}
    assert "--engine rubberband" in records["extras", "rubberband"]["found"]
    assert all(each["advice"] for each in outcome.records if each["state"] != "ok")


@pytest.mark.parametrize(
    ("hidden", "broken"),
    [
        ("soundfile", {"libsndfile", "wav", "score"}),
        ("onnxruntime", {"onnxruntime", "score"}),
        ("soxr", {"resample"}),
    ],
)
def test_what_scoring_needs_and_has_not_is_told(hidden, broken):
    outcome = python(WITHOUT, hidden, "doctor")
    assert outcome.code == 3
    found = {each["name"] for each in outcome.records if each["state"] == "broken"}
    assert broken <= found
    assert len(outcome.complaints) == len(found)
    assert all(hidden in line and "pip install" in line for line in outcome.complaints)


def test_what_other_commands_need_is_missing_alone():
    outcome = python(WITHOUT, "av pedalboard platformdirs", "doctor")
    assert (outcome.code, outcome.err) == (0, "")
    missing = {each["name"]: each for each in outcome.records if each["state"] == "missing"}
    assert missing["m4a"]["advice"] == "pip install 'hitpredict[m4a]'"
    assert missing["mutate"]["advice"] == "pip uninstall -y pedalboard && pip install pedalboard"
    assert missing["cache"]["advice"] == "pip install 'hitpredict[fetch]'"


def test_a_table():
    lines = run("doctor", "-f", "tsv").out.decode().splitlines()
    assert lines[0].split("\t") == [*FINDING_COLUMNS]
    assert {len(line.split("\t")) for line in lines} == {len(FINDING_COLUMNS)}


def test_a_person_sees_areas_marks_and_advice():
    outcome = in_terminal("doctor", env={"PATH": "", "TERM": "dumb"})
    lines = outcome.out.decode().splitlines()
    assert outcome.code == 0
    assert [line for line in lines if line.strip() in ("system", "codecs", "scoring")]
    assert any(line.startswith(" – ffmpeg") for line in lines)
    assert any(line.strip() == "apt install ffmpeg" for line in lines)
