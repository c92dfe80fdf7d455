"""Pairs of changes, stems and suggestions on a page."""

import pytest

from tests.helpers import reports

records = pytest.importorskip("hitpredict.report.records")
questions = pytest.importorskip("hitpredict.report.questions")


def told(section):
    """All that a section says in words."""
    (part,) = section.parts
    pictures = [plot.shown for plot in part.plots]
    assert all(plot.svg.startswith("<svg") for plot in part.plots)
    return " ".join([*part.notes, *pictures, *(" ".join(row) for row in part.table)])


def test_pairs_of_changes_are_told():
    blind = reports.interaction(parameters=["gain", "pitch"], blind=True, significant=False)
    text = told(questions.interactions_section([reports.interaction(), blind]))
    assert "pitch + eq-250: +3.5" in text
    assert "gain + pitch" in text
    assert "blind" in text


def test_stems_are_told_by_section():
    verse = {"section": "1 A", "start": 0.0, "end": 20.0}
    made = [
        reports.stem(),
        reports.stem("bass", effect=-1.0),
        reports.stem("bass", effect=0.4, significant=False, **verse),
        reports.stem(change="pan left", blind=True, significant=False, effect=0.0),
        reports.stem("vocals", silent=True, significant=False, effect=0.0),
    ]
    section = questions.stems_section(made)
    assert [plot.slug for plot in section.parts[0].plots] == ["stems-01-01", "stems-01-02"]
    text = told(section)
    assert "drums: -3.2; bass: -1.0" in text
    assert "What the stems lack of the mix is -31.0 dB of it" in text
    assert "The model is blind to drums (pan left)." in text
    assert "vocals mute whole song +0.00 0.01 silent" in text


def test_suggestions_are_told_with_their_commands():
    text = told(questions.suggestions_section([reports.suggestion()]))
    assert "eq 4000 3: +2.8" in text
    assert "2 models agree hitpredict mutate song.wav --eq 4000:+3 -o out.wav" in text
    nothing = {key: value for key, value in reports.suggestion(found=False).items() if key not in ("effect", "steps")}
    assert "Nothing small helps" in told(questions.suggestions_section([nothing]))


@pytest.mark.parametrize(
    "broken",
    [
        reports.interaction(alone=[1]),
        reports.stem(effect="much"),
        reports.suggestion(steps=[]),
        reports.suggestion(found="maybe"),
    ],
    ids=["one alone", "words", "no steps", "maybe"],
)
def test_what_is_no_such_record_is_told(broken):
    import io
    import json

    found, failed = records.Records(), []
    records.take(found, io.BytesIO(json.dumps(broken).encode()), "records", failed.append)
    assert (len(found), len(failed)) == (0, 1)
