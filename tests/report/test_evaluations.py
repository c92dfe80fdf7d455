"""Does a page say what `evaluate --compare` and `--by` found?"""

import io
import json

import pytest

from hitpredict.report.evaluations import section
from hitpredict.report.records import Records, take
from tests.helpers.reports import evaluation

LESS = {"value": -0.4, "interval": [-0.6, -0.2]}
COMPARED = {
    "with": "trees",
    "mae": {**LESS, "verdict": "hmn is better", "better": "first"},
    "spearman": {"value": 0.1, "interval": [-0.1, 0.3], "verdict": "no clear difference", "better": None},
}
MORE = {
    "compared": COMPARED,
    "nearer": {"share": 0.415, "interval": [0.3, 0.48], "p_value": 0.04},
    "bands": [{"from": -3, "to": -3, "songs": 4, "difference": LESS}, {"from": 2, "to": 5, "difference": LESS}],
    "by": {
        "column": "genre",
        "values": [
            {
                "value": name,
                "rows": 45,
                "groups": 12,
                "metrics": {"mae": {"value": value, "interval": [value - 1, value + 1]}, "kendall": None},
                "differences": {"mae": {**LESS, "q": 0.01, "verdict": verdict}},
            }
            for name, value, verdict in (("folk", 3.0, "lower"), ("jazz", 4.0, "no clear difference"))
        ],
    },
}


def test_the_other_model_and_the_values_of_a_column_are_told():
    (page,) = section([evaluation(**MORE)]).parts
    compared, by = page.parts
    assert dict(compared.facts)["Nearer to the truth"] == "trees, on 41.5 % of the songs"
    assert compared.notes == ["hmn is better by mae."]
    assert "−3: −0.400; 2 to 5: −0.400" in str(compared.plots)
    assert compared.table[1:] == [
        ("mae", "−0.400 (−0.600 to −0.200)", "hmn is better"),
        ("spearman", "+0.100 (−0.100 to +0.300)", "no clear difference"),
    ]
    assert by.notes == ["folk: mae differs from the rest by −0.400."]
    assert by.table == [
        ("genre", "songs", "groups", "mae"),
        ("folk", "45", "12", "3.000 (2.000 to 4.000)"),
        ("jazz", "45", "12", "4.000 (3.000 to 5.000)"),
    ]


def test_without_them_nothing_is_said():
    (page,) = section([evaluation()]).parts
    assert not page.parts


@pytest.mark.parametrize("name", ["compared", "nearer", "bands", "by"])
def test_what_is_no_comparison_is_refused(name):
    records, failed = Records(), []
    line = json.dumps(evaluation(**{**MORE, name: {"with": 3, "share": 5, "column": 7}})).encode()
    take(records, io.BytesIO(line), "x.json", failed.append)
    assert len(failed) == 1
    assert not records.evaluations
