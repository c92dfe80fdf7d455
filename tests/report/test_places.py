"""Where a score comes from, on a page."""

import io
import json

import pytest

from hitpredict.report.page import html, pictures
from hitpredict.report.records import Records, take
from hitpredict.report.sections import sections_of
from tests.helpers.reports import place

FIT = {"r2": 0.8, "masks": 120, "trusted": True}
SECTIONS = [
    place(),
    place(label="B", begin=30.0, end=60.0, change=0.2, significant=False),
]
BANDS = [place("band", "88–177 Hz"), place("band", "177–354 Hz", low=176.8, high=353.6, change=0.0, blind=True)]
BLOCKS = [place("block", "A · 88–177 Hz", fit=FIT), place("block", "B · 88–177 Hz", fit=FIT, begin=30.0, end=60.0)]
GRADIENTS = [place("gradient", f"mfcc_mean_{n}", change=n - 5.0, fit={"completeness": 0.004}) for n in range(30)]


def read(*records):
    found, failed = Records(), []
    take(found, io.BytesIO("\n".join(map(json.dumps, records)).encode()), "records", failed.append)
    return found, [str(each) for each in failed]


def test_each_kind_of_part_has_a_picture_and_a_row():
    found, failed = read(*SECTIONS, *BANDS, *BLOCKS, *GRADIENTS)
    assert failed == []
    parts = sections_of(found)
    made = list(pictures(parts))
    assert [each.slug for each in made] == ["sections-01", "bands-01", "blocks-01", "gradients-01"]
    assert "A at 0:00 -3.0" in made[0].shown
    page = html(parts, "page")
    for text in (
        "Where the score comes from",
        "explains 80% on masks held out",
        "leave 0.40%",
        "sensitivity",
        "B at 0:30",
    ):
        assert text in page
    assert all(each.svg.startswith("<svg") for each in made)


def test_sections_have_their_colours_and_letters():
    (chart,) = pictures(sections_of(read(*SECTIONS)[0]))
    shown = chart.chart.to_dict(validate=False)
    rows = next(layer["data"]["values"] for layer in shown["layer"] if "label" in layer["data"]["values"][0])
    assert [(each["label"], each["begin"], each["change"]) for each in rows] == [("A", 0, -3), ("B", 30, 0.2)]
    assert rows[0]["colour"] != rows[1]["colour"]


def test_blocks_that_do_not_add_up_have_no_picture():
    (part,) = sections_of(read(*(place("block", fit={**FIT, "r2": 0.1, "trusted": False}) for _ in range(2)))[0])
    assert list(pictures([part])) == []
    assert "is not the sum of what each does" in part.parts[0].notes[0]


@pytest.mark.parametrize("lacking", ["begin", "end"])
def test_a_section_without_ends_is_refused(lacking):
    broken = {key: value for key, value in place().items() if key != lacking}
    found, failed = read(broken)
    assert len(found) == 0
    assert "a section without its begin and end, or low and high" in failed[0]
