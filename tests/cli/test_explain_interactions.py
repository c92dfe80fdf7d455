"""`explain --interactions` as its users call it."""

import re

from tests.helpers.processes import in_terminal, run
from tests.helpers.sounds import saved, tune


def test_one_object_a_pair(tmp_path):
    song = saved(tmp_path, "song.wav", tune(1))
    outcome = run("explain", song, "--interactions", "--params", "noise-white,reverb,eq-250")
    assert (outcome.code, outcome.err) == (0, "")
    assert {record["schema"] for record in outcome.records} == {"hitpredict.interaction/1"}
    assert sorted(map(sorted, (record["parameters"] for record in outcome.records))) == [
        ["eq-250", "noise-white"],
        ["eq-250", "reverb"],
        ["noise-white", "reverb"],
    ]
    for record in outcome.records:
        assert abs(record["together"] - sum(record["alone"]) - record["interaction"]) < 1e-3
    table = run("explain", song, "--interactions", "--params", "noise-white,reverb", "-f", "tsv").out.decode()
    assert table.splitlines()[1].split("\t")[3] == "noise-white; reverb"


def test_people_are_told_how_many_pairs_and_what_it_is_not(tmp_path):
    outcome = in_terminal(
        "explain", saved(tmp_path, "a.wav", tune(1)), "--interactions", "--params", "noise-white,reverb"
    )
    shown = " ".join(re.sub(r"\x1b\[[0-9;]*m|\s+", " ", outcome.out.decode()).split())
    assert "1 pair of the 2 parameters" in shown
    assert "no advice, and no cause" in shown


def test_modes_exclude_each_other(tmp_path):
    outcome = run("explain", saved(tmp_path), "--interactions", "--corpus")
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
    assert "--corpus and --interactions exclude each other; ask for one at a time" in outcome.err
