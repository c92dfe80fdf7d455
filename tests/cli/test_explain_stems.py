"""`explain --stems` as its users call it."""

import re

import numpy as np
import pytest

from tests.helpers.processes import in_terminal, run
from tests.helpers.sounds import encoded, saved, tune


@pytest.fixture
def folder(tmp_path):
    """Two stems of one second, one that is silent, and their mix beside them."""
    one, two = tune(1, channels=1), tune(1, channels=1, seed=3)
    saved(tmp_path / "stems", "drums.wav", one)
    saved(tmp_path / "stems", "bass.flac", two)
    saved(tmp_path / "stems", "vocals.wav", type(one)(np.zeros_like(one.samples), one.rate))
    saved(tmp_path, "song.wav", type(one)(one.samples + two.samples, one.rate))
    return tmp_path / "stems"


def test_one_object_a_stem_change_and_section(folder, tmp_path):
    song = tmp_path / "song.wav"
    outcome = run("explain", song, "--stems", folder)
    assert outcome.code == 0
    assert outcome.complaints == [f"hitpredict: {song}: vocals: is silent"]
    assert {record["schema"] for record in outcome.records} == {"hitpredict.stem/1"}
    assert {record["stem"] for record in outcome.records if not record["silent"]} == {"drums", "bass"}
    assert {record["change"] for record in outcome.records} == {"mute", "+3 dB", "-3 dB", "pan left", "pan right"}
    (plain,) = run("score", song).records
    assert {record["base_score"] for record in outcome.records} == {plain["score"]}
    assert all(record["blind"] for record in outcome.records if "pan" in record["change"] and not record["silent"])
    assert outcome.records[0]["residual"] < -60
    streamed = run("explain", "-", "--stems", folder, stdin=song.read_bytes())
    assert [each["effect"] for each in streamed.records] == [each["effect"] for each in outcome.records]


def test_without_a_mix_it_is_the_sum(folder, tmp_path):
    out = tmp_path / "out.tsv"
    assert run("explain", "--stems", folder, "-o", out).code == 0
    header, row, *_ = out.read_text().splitlines()
    found = dict(zip(header.split("\t"), row.split("\t"), strict=True))
    assert (found["path"], found["residual"]) == (str(folder), "")
    outcome = in_terminal("explain", "--stems", folder)
    shown = " ".join(re.sub(r"\x1b\[[0-9;]*m|\s+", " ", outcome.out.decode()).split())
    assert "whole song 0:00 to 0:01" in shown
    assert "the model is blind to pan left, pan right" in shown
    assert "no advice, and no cause" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.wav", "b.wav", "--stems", "."), "--stems: takes one song, the mix of the stems, or none for their sum"),
        (("--stems", "missing"), "--stems missing: is no folder"),
        (("--stems", ".", "--interactions"), "--interactions and --stems exclude each other"),
        (("--stems", ".", "--params", "eq"), "--params and --grid have no meaning for it"),
    ],
)
def test_misuse_is_a_line(tmp_path, arguments, message):
    outcome = run("explain", *arguments, cwd=tmp_path, stdin=encoded(tune(1)))
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
    assert message in outcome.err
