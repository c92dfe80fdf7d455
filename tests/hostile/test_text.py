"""Text from tags, file names and models: no escape reaches a terminal, no formula a spreadsheet."""

import csv
import io
import json
import re

import numpy as np
import onnx
import pytest
from onnx import helper

from hitpredict import Clip, write_audio
from hitpredict.scoring.session import bundled
from hitpredict.tables.cells import cell, json_text, original, shown
from hitpredict.tables.read import read_table
from tests.helpers.processes import run

ESCAPE = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f"
CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "＝1", '=HYPERLINK("http://x")']


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The bundled model with escapes in every text of its metadata."""
    proto = onnx.load(next(iter(bundled().values())))
    texts = {each.key: each.value for each in proto.metadata_props}
    for key in ("name", "version", "card", "input_note"):
        texts[f"hitpredict.{key}"] = f"=1+1{ESCAPE}"
    for key, part in (("target", "meaning"), ("target", "name"), ("reference", "name")):
        entry = json.loads(texts[f"hitpredict.{key}"])
        texts[f"hitpredict.{key}"] = json.dumps({**entry, part: f"=1+1{ESCAPE}"})
    texts["hitpredict.published"] = json.dumps({f"a{ESCAPE}": f"b{ESCAPE}"})
    del proto.metadata_props[:]
    helper.set_model_props(proto, texts)
    path = tmp_path_factory.mktemp("model") / "m.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    samples = np.random.default_rng(0).normal(0, 0.1, (1, 22050)).astype(np.float32)
    path = tmp_path_factory.mktemp("song") / f"=1+1{ESCAPE.replace('/', '')}.wav"
    write_audio(Clip(samples, 22050), path)
    return path


@pytest.mark.parametrize("form", ["jsonl", "tsv", "csv", "pretty"])
def test_scores_hold_no_controls_and_no_formulas(model, song, form):
    outcome = run("score", "-m", model, "-f", form, song.name, song.parent / "none\x1b[2J.wav", cwd=song.parent)
    assert outcome.code == 1
    assert not CONTROLS.search(outcome.out.decode() + outcome.err)
    assert "none\\x1b[2J.wav" in outcome.err
    if form in ("tsv", "csv"):
        (row,) = csv.DictReader(io.StringIO(outcome.out.decode()), delimiter="\t" if form == "tsv" else ",")
        for key in ("path", "name", "reference", "model_name", "model_version"):
            assert row[key].startswith("'=1+1\\x1b]0;owned"), key
    if form == "jsonl":
        assert outcome.records[0]["model"]["name"] == f"=1+1{ESCAPE}"


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_cards_hold_no_controls(model, options):
    outcome = run("models", "show", model, *options)
    assert outcome.code == 0
    assert "owned" in outcome.out.decode()
    assert not CONTROLS.search(outcome.out.decode())
    if options:
        assert outcome.records[0]["name"] == f"=1+1{ESCAPE}"


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl"])
def test_feature_tables_hold_no_formulas_and_come_back(song, tmp_path, form):
    (song.parent / "@SUM(A1).wav").write_bytes(song.read_bytes())
    outcome = run("featurize", "-k", "mfcc_stats", "-f", form, "@SUM(A1).wav", song.name, cwd=song.parent)
    assert outcome.code == 0
    assert not CONTROLS.search(outcome.out.decode())
    table = tmp_path / f"t.{form}"
    table.write_bytes(outcome.out)
    assert read_table(table)["track_id"][0] == "@SUM(A1)"
    if form != "jsonl":
        assert outcome.out.decode().splitlines()[1].startswith("'@SUM")


@pytest.mark.parametrize("text", FORMULAS)
def test_formulas_are_defused_and_come_back(text):
    for one_line in (True, False):
        assert cell(text, one_line) == f"'{text}"
        assert original(cell(text, one_line)) == text


@pytest.mark.parametrize("text", ["-", "-/mix.wav", "=", "song", "'tis", "don't", "a=b", "漢字　仮名", "é ñ \u200d"])
def test_other_text_stays(text):
    assert cell(text, True) == cell(text, False) == original(text) == text


def test_lines_and_tabs():
    assert cell("a\tb\r\nc", True) == "a\\tb\\r\\nc"
    assert cell("a\tb\nc", False) == "a\tb\nc"
    assert shown("a\x1bb\nc") == "a\\x1bb\\nc"
    assert json.loads(json_text(json.dumps("\x9b\x7fé", ensure_ascii=False))) == "\x9b\x7fé"


def test_an_unexpected_error_told_at_length_holds_no_controls(song):
    outcome = run("score", "-v", song.parent / "none\x1b[2J.wav")
    assert not CONTROLS.search(outcome.err)
