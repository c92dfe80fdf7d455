"""`hitpredict report`: one page that loads nothing, and shows what records hold whatever they hold."""

import html.parser
import json
import re

import pytest

from tests.helpers import reports
from tests.helpers.marks import few_by_default
from tests.helpers.processes import in_terminal, python, run
from tests.helpers.sounds import saved, tune

draw = pytest.importorskip("hitpredict.report.draw")
UP, DOWN, QUIET = draw.UP, draw.DOWN, draw.QUIET
RECORDS = [
    *(reports.score(f"song {n}", score=40 + n, warnings=["short: 40 s"]) for n in range(2)),
    *(reports.compare(f"mix {n}") for n in range(2)),
    *(reports.effect(each, song) for song in ("one", "two") for each in ("pitch", "tempo")),
    reports.effect("gain", "one", scores=[42, 42, 42], largest_change=0, significant=False, blind=True),
    *(reports.in_common(each, rank) for rank, each in enumerate(("pitch", "tempo"), 1)),
    reports.evaluation(),
]
PICTURES = {
    *("scores", "score-01", "score-02", "timeline-01", "timeline-02", "differences", "comparison-01", "comparison-02"),
    *("corpus", "songs-by-parameters", "correlations", "effects-01", "effects-02", "metric-01-01", "metric-01-02"),
    *(f"curve-{song}-{place}" for song in ("01", "02") for place in ("01", "02")),
}
NASTY = [
    "<script>alert(1)</script>",
    "</style></svg><img src=https://example.com/x.png onerror=alert(1)>",
    "\"' onload='alert(1)",
    "{{ 7 * 7 }}{% include 'style.css' %}",
    "\x1b[31m\x00\x9b\u202e𝄞",
    "datum.value; https://example.com/ &amp; &lt;",
]


def lines(records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def made(page_of, folder, *more):
    outcome = run("report", "-", "-o", folder / "page.html", *more, stdin=lines(page_of))
    assert (outcome.code, outcome.out, outcome.err) == (0, b"", "")
    return (folder / "page.html").read_text(encoding="utf-8")


class Elements(html.parser.HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.words = [], [], ""
        self.feed(page)
        self.text = " ".join(self.words.split())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_data(self, data):
        self.words += data

    def handle_entityref(self, name):
        raise AssertionError(name)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return folder, made(RECORDS, folder, "--png", folder / "pictures")


def test_every_record_is_drawn_and_told(written):
    folder, page = written
    found = Elements(page)
    files = list((folder / "pictures").iterdir())
    assert {each.stem for each in files} == PICTURES
    assert all(each.read_bytes().startswith(b"\x89PNG") and each.stat().st_size > 1000 for each in files)
    assert found.tags.count("svg") == found.tags.count("figure") == len(PICTURES)
    drawings = re.findall(r"<svg .*?</svg>", page, flags=re.DOTALL)
    assert all(re.search(rf'<(path|rect|line)[^>]* (fill|stroke)="({UP}|{DOWN}|{QUIET})"', each) for each in drawings)
    for told in ("song 1", "mix 0", "loudness", "The model is blind to gain.", "constant", "42.5", "+2.5", "clear"):
        assert told in found.text or told == "42.5"


def test_nothing_is_loaded_from_anywhere(written):
    _, page = written
    found = Elements(page)
    assert not re.search(r"https?://|@import|url\((?!#)|//[a-z]", page)
    assert not {"script", "iframe", "object", "embed", "img", "image", "use", "base"} & set(found.tags)
    links = {value for _, name, value in found.attributes if name in ("href", "src", "xlink:href")}
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert ("meta", "content", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; media-src data:") in (
        found.attributes
    )


def test_it_can_be_read_without_seeing_it(written):
    _, page = written
    found = Elements(page)
    told = [value for tag, name, value in found.attributes if (tag, name) == ("div", "aria-label")]
    pictures = [each for each in told if not each.endswith("the numbers")]
    assert len(pictures) == len(PICTURES)
    assert all(re.search(r"\d|parameters", each) and len(each) > 25 for each in pictures), pictures
    assert ("html", "lang", "en") in found.attributes
    names = [value for _, name, value in found.attributes if name == "id"]
    anchors = set(names)
    assert len(names) == len(anchors)
    named = {value for _, name, value in found.attributes if name == "aria-labelledby"}
    linked = {value[1:] for _, name, value in found.attributes if name == "href" and value.startswith("#")}
    assert named | linked <= anchors
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page


def contrast(first, second):
    def light(colour):
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((light(first), light(second)))
    return (high + 0.05) / (low + 0.05)


def test_text_and_marks_stand_out_in_both_schemes(written):
    _, page = written
    schemes = re.findall(r":root \{(.*?)\}", page, flags=re.DOTALL)
    assert len(schemes) == 3
    for scheme in schemes:
        colour = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", scheme))
        for ground in ("paper", "raised"):
            assert all(contrast(colour[each], colour[ground]) >= 4.5 for each in ("ink", "muted", "up"))
            assert all(contrast(colour[each], colour[ground]) >= 2.4 for each in ("down", "quiet"))


@pytest.mark.parametrize("nasty", few_by_default(NASTY, 2), ids=range(len(NASTY)))
def test_hostile_text_is_shown(tmp_path, written, nasty):
    named = {"name": nasty, "path": nasty, "warnings": [nasty], "artist": nasty}
    sides = [{**reports.compare()["songs"][0], **named}] * 2
    hostile = [
        reports.score(**named, reference=nasty, model={"name": nasty, "version": nasty, "sha256": nasty}),
        reports.score(**named),
        reports.compare(
            songs=sides, descriptors=[{**reports.compare()["descriptors"][0], "name": nasty, "unit": nasty}]
        ),
        reports.effect(nasty, nasty, unit=nasty, artist=nasty),
        reports.in_common(nasty, unit=nasty, correlations={nasty: 0.1}),
        reports.evaluation(
            model=nasty, warning=nasty, target=nasty, baselines={nasty: reports.evaluation()["metrics"]}
        ),
    ]
    page = made(hostile, tmp_path, "--title", nasty.replace("\x00", ""))
    found, plain = Elements(page), Elements(written[1])
    assert set(found.tags) <= set(plain.tags)
    assert {(tag, name) for tag, name, _ in found.attributes} <= {(tag, name) for tag, name, _ in plain.attributes}
    links = {value for _, name, value in found.attributes if name in ("href", "src")}
    assert all(link.startswith("#") or link == "data:," for link in links)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)
    if nasty.isprintable():
        assert " ".join(nasty.split()) in found.text


def test_bad_input_costs_a_line_each(tmp_path):
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_bytes(lines([reports.score()]))
    wrong = [
        "words", "{}", "[1, 2]", json.dumps({"schema": "hitpredict.track/1"}), json.dumps(reports.score(score="high")),
        json.dumps(reports.score(interval=[1])), json.dumps(reports.score(score=float("nan"))),
        json.dumps(reports.effect(values=[1])), "[" * 100_000, json.dumps(reports.score("fine")),
    ]  # fmt: skip
    bad.write_text("\n".join([json.dumps(reports.score("first")), *wrong]) + "\n")
    outcome = run("report", good, bad, tmp_path / "missing.jsonl", tmp_path)
    assert outcome.code == 1
    assert len(outcome.complaints) == 9 + 2
    assert [f"{bad}, line {n}: " in line for n, line in enumerate(outcome.complaints[:9], 2)] == [True] * 9
    assert "missing.jsonl: No such file" in outcome.complaints[9]
    told = Elements(outcome.out.decode()).text
    assert "fine" in told
    assert "first" in told
    nothing = run("report", "-", stdin=b"")
    assert (nothing.code, nothing.out, len(nothing.complaints)) == (1, b"", 1)


def test_numbers_in_records_may_be_extreme(tmp_path):
    extreme = [
        reports.score(score=0, interval=[0, 0], segments=[]),
        reports.score(score=-1e29, interval=[-1e29, 1e29]),
        reports.effect(scores=[42, 42, 42], largest_change=0.0),
        reports.effect("lowpass", values=[0, 0, 0], unit="Hz"),
        reports.effect("one", values=[1], scores=[1e29], base_score=-1e29),
        reports.compare(segments=[], descriptors=[], difference=0, interval=[0, 0]),
        reports.evaluation(metrics={}, baselines={}),
    ]
    assert made(extreme, tmp_path).count("<svg ") > 5


@pytest.mark.slow
def test_a_corpus_without_clear_effects_says_so(tmp_path):
    said = "no effect is clearly more than noise"
    assert said in made([reports.in_common(significant=False)], tmp_path)
    assert said not in made([reports.in_common()], tmp_path, "--force")


def test_an_indented_evaluation_is_one_record(tmp_path):
    (tmp_path / "e.json").write_text(json.dumps(reports.evaluation(), indent=2))
    outcome = run("report", tmp_path / "e.json")
    assert (outcome.code, outcome.err) == (0, "")
    assert "spearman (higher is better)" in outcome.out.decode()


def test_nothing_is_overwritten_unasked(tmp_path):
    records, page = tmp_path / "r.jsonl", tmp_path / "page.html"
    records.write_bytes(lines([reports.score()]))
    asked = ("report", records, "-o", page, "--png", tmp_path / "pictures")
    assert run(*asked).code == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    refused = run(*asked)
    assert (refused.code, len(refused.complaints)) == (2, 1)
    page.unlink()
    again = run(*asked)
    assert (again.code, len(again.complaints)) == (2, 1)
    assert "--png score-01.png" in again.err or "score-01.png" in again.err
    assert not page.exists()
    assert run(*asked, "--force").code == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == before
    assert run("report", records, "-o", records, "--force").code == 2
    assert records.read_bytes() == lines([reports.score()])


def test_a_terminal_is_not_filled_with_a_page(tmp_path):
    (tmp_path / "r.jsonl").write_bytes(lines([reports.score()]))
    shown = in_terminal("report", tmp_path / "r.jsonl", terminals="1")
    assert (shown.code, shown.out) == (2, b"")
    assert "-o" in shown.err


def test_the_bundled_model_gives_the_reference_songs(tmp_path):
    scored = run("score", "--segments", "2", saved(tmp_path, "tune.wav", tune(6)))
    page = run("report", "-", stdin=scored.out)
    assert page.code == 0
    assert "on a scale of 0 to 100" in page.out.decode()
    assert "other songs&#39; scores above" in page.out.decode()
    other = run("report", "-", "-m", "zalo2019-mfcc", stdin=lines([reports.score()]))
    assert (other.code, other.out, len(other.complaints)) == (3, b"", 1)
    assert "is not the one that made these records" in other.err


def test_what_explain_and_compare_print_is_drawn(tmp_path):
    song, other = saved(tmp_path, "song.wav", tune(4)), saved(tmp_path, "other.wav", tune(4, seed=1))
    explained = run("explain", song, "--params", "lowpass,gain", "-f", "jsonl")
    compared = run("compare", song, other, "--segments", "2")
    page = run("report", "-", stdin=explained.out + compared.out)
    assert (page.code, page.err) == (0, "")
    told = Elements(page.out.decode()).text
    assert "lowpass" in told
    assert "blind to gain" in told
    assert "other against song" in told


def test_the_extra_that_is_missing_is_named(tmp_path):
    (tmp_path / "r.jsonl").write_bytes(lines([reports.score()]))
    code = """
import sys
sys.modules[sys.argv.pop(1)] = None
from hitpredict.cli.app import main
main()
"""
    for package in ("altair", "vl_convert", "jinja2"):
        outcome = python(code, package, "report", tmp_path / "r.jsonl")
        assert (outcome.code, outcome.out, len(outcome.complaints)) == (3, b"", 1)
        assert "pip install 'hitpredict[report]'" in outcome.err


@pytest.mark.slow
def test_songs_are_heard_where_they_are_found(tmp_path):
    song = saved(tmp_path, "song.wav", tune(4))
    explained = run("explain", song, "--params", "lowpass", "-f", "jsonl").out
    record = {**json.loads(explained), "significant": True, "largest_change": 3.0, "blind": False}
    moved = lines([{**record, "path": "/elsewhere/song.wav"}])
    page = run("report", "-", "--audio", "--sounds", tmp_path, stdin=moved)
    assert (page.code, page.err) == (0, "")
    assert page.out.count(b'src="data:audio/ogg;base64,T2dnUw') == 2
    assert "Removing what is above" in Elements(page.out.decode()).text
    gone = run("report", "-", "--audio", stdin=moved)
    assert (gone.code, len(gone.complaints)) == (1, 1)
    assert "/elsewhere/song.wav: no such file; name its folder with --sounds" in gone.err
    assert b"<audio" not in gone.out
    assert b"What moves the score" in gone.out
    other = run("report", "-", "--sounds", saved(tmp_path, "other.wav", tune(2)), "--audio", stdin=moved)
    assert (other.code, len(other.complaints)) == (1, 1)
    assert "it is another song" in other.err
    assert run("report", "-", "--sounds", tmp_path / "missing", stdin=moved).code == 2


@pytest.mark.slow
def test_a_waveform_is_drawn_where_the_song_is(tmp_path):
    scored = run("score", "--segments", "2", saved(tmp_path, "tune.wav", tune(6)))
    with_it = run("report", "-", stdin=scored.out)
    (tmp_path / "tune.wav").unlink()
    without = run("report", "-", stdin=scored.out)
    assert [(each.code, each.err) for each in (with_it, without)] == [(0, "")] * 2
    assert b"the waveform below" in with_it.out
    assert b"the waveform below" not in without.out
    assert len(with_it.out) > len(without.out) + 10_000
