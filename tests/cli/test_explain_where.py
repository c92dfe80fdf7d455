"""`explain --where` as its users call it."""

import io
import re

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.cli.explain_where import PlacePrinter
from tests.helpers.processes import forked, in_terminal, run
from tests.helpers.sectioned import song_of
from tests.helpers.sounds import encoded, saved, tune


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("songs"), "song.wav", song_of([("a", 5), ("b", 5)], rate=8000))


def test_one_object_a_part(song):
    outcome = run("explain", song, "--where", "bands,sections")
    assert (outcome.code, outcome.err) == (0, "")
    assert {each["schema"] for each in outcome.records} == {"hitpredict.where/1"}
    assert [each["kind"] for each in outcome.records] == ["band"] * 7 + ["section"] * 2
    assert {each["label"] for each in outcome.records[7:]} == {"A", "B"}
    assert {each["how"] for each in outcome.records} == {"cut out", "levelled"}
    (score,) = run("score", song).records
    assert outcome.records[0]["base_score"] == score["score"]


@pytest.mark.slow
def test_files_tables_and_streams_of_parts_agree(song, tmp_path):
    outcome = run("explain", song, "--where", "bands,sections")
    out = tmp_path / "out.jsonl"
    assert run("explain", song, "--where", "bands,sections", "-o", out).code == 0
    assert out.read_bytes() == outcome.out
    table = run("explain", "-", "--where", "bands,sections", "-f", "tsv", stdin=song.read_bytes()).out.decode()
    header, *rows = table.splitlines()
    assert header.split("\t")[:4] == ["path", "name", "kind", "rank"]
    assert len(rows) == 9
    assert rows[0].startswith("-\t")


@pytest.mark.slow
def test_people_get_a_timeline_that_says_what_it_is(song):
    outcome = in_terminal("explain", song, "--where", "sections,bands")
    shown = " ".join(re.sub(r"\x1b\[[0-9;]*m", " ", outcome.out.decode()).split())
    assert outcome.code == 0
    assert "sections cut out" in shown
    assert re.search(r"B at 0:0[45]–0:10 \(loudest\)", shown)
    assert "707–1.41k Hz" in shown
    assert "no advice, and no cause" in shown


@pytest.mark.slow
def test_what_has_no_answer_is_a_line(tmp_path):
    silent = saved(tmp_path, "silent.wav", Clip(np.zeros((1, 44100), np.float32), 22050))
    short = saved(tmp_path, "short.wav", tune(1))
    outcome = run("explain", silent, short, "--where", "sections")
    assert (outcome.code, outcome.out, len(outcome.complaints)) == (1, b"", 3)
    assert "silent.wav: is silent, so nothing can be taken away; give a song with sound" in outcome.err
    assert "short.wav: is one section, so there is none to be taken away; ask for bands" in outcome.err
    both = run("explain", "-", "--where", "sections,bands", stdin=encoded(tune(1)))
    assert (both.code, {each["kind"] for each in both.records}) == (0, {"band"})
    assert "-: no boundary between sections was found" in both.err


def part(kind, label, change, significant=False, **more):
    return {
        "path": "song.wav", "name": "song", "kind": kind, "label": label, "remark": "", "base_score": 50.0,
        "change": change, "how": "levelled", "p_value": 0.01, "significant": significant, "blind": change == 0,
        "noise": {"scale": 0.5}, "unlike_training": False, "warnings": [], **more,
    }  # fmt: skip


def told(records):
    stream = io.StringIO()
    printer = PlacePrinter(stream)
    printer.song(records)
    printer.legend()
    return stream.getvalue()


def test_a_timeline_has_letters_where_sections_begin():
    sections = [
        part("section", "A", 0.1, begin=30.0, end=60.0),
        part("section", "B", -3.0, True, begin=0.0, end=30.0, remark="loudest"),
    ]
    lines = told([*sections, part("band", "0–88 Hz", 0.0, low=0.0, high=88.0)]).splitlines()
    assert any(line.rstrip() == f"B{' ' * 35}A" for line in lines)
    assert any(re.match(r"B at 0:00–0:30 \(loudest\) .*█│ .* -3.0 .* p 0.01", line) for line in lines)
    assert any(re.match(r"A at 0:30–1:00 .* noise", line) for line in lines)
    assert any(re.match(r"0–88 Hz .* does not move it", line) for line in lines)


def test_a_bad_fit_has_no_ranking():
    fit = {"r2": 0.2, "masks": 120, "trusted": False}
    shown = told([part("block", "A · 0–88 Hz", 4.0, begin=0.0, end=30.0, low=0.0, high=88.0, fit=fit)])
    assert "R² 0.20 on held-out masks; 120 masks" in shown
    assert "no ranking is shown" in shown
    assert "4.0" not in shown
    good = told([part("block", "A · 0–88 Hz", 4.0, begin=0.0, end=9.0, fit={**fit, "r2": 0.9, "trusted": True})])
    assert "+4.0" in good


MISUSE = (
    (("--where", "section"), "--where section: unknown; did you mean sections?"),
    (("--where", ","), "--where: give some of sections, bands, blocks, gradients"),
    (("--where", "gradients"), "--where gradients: needs the network itself; name its folder with -m FOLDER"),
    (("--where", "bands", "--corpus"), "--corpus and --where exclude each other"),
    (("--where", "bands", "--params", "eq"), "--where: takes parts of the song away"),
)


def test_misuse_of_where_is_a_line(song, tmp_path):
    outcomes = forked([("explain", str(song), *arguments) for arguments, _ in MISUSE], tmp_path)
    for outcome, (_, message) in zip(outcomes, MISUSE, strict=True):
        assert (outcome.code, len(outcome.complaints)) == (2, 1)
        assert message in outcome.err
