"""What a person reads: cards and lines that do not say more than is known."""

import io
from dataclasses import replace

import pytest

from hitpredict.cli.pretty import ScorePrinter, sparkline
from hitpredict.scoring.records import ModelReference, ScoreRecord, Segment
from hitpredict.scoring.scorer import ScoreScale

TARGET = ScoreScale("popularity", 0, 100, "listens", "a guess")
RECORD = ScoreRecord(
    path="music/one.mp3",
    name="Intro",
    duration=200.0,
    score=48.2,
    percentile=43.0,
    interval=(8.0, 90.0),
    interval_level=0.8,
    reference="chart tracks (Vietnam, 7,748), out of fold",
    warnings=(),
    model=ModelReference("m", "1", "0"),
    device="cpu",
)
DOUBT = "unlike-training: this does not sound like the songs (distance 2, limit 1); do not rely on the score"


def parts(*scores):
    return tuple(Segment(10.0 * n, 10.0 * n + 10, score, 50) for n, score in enumerate(scores))


def card(record, width=100):
    return printed(lambda printer: printer.card(record), width)


def printed(write, width=100):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", str(width))
        stream = io.StringIO()
        write(ScorePrinter(TARGET, stream))
    return " ".join(stream.getvalue().split())


def lines(*records):
    def write(printer):
        for record in records:
            printer.line(record)
        printer.legend()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "80")
        stream = io.StringIO()
        write(ScorePrinter(TARGET, stream))
    return stream.getvalue().splitlines()


def test_equal_titles_are_told_apart_by_their_files():
    shown = lines(RECORD, replace(RECORD, path="music/two.mp3"))
    assert shown[1].endswith("Intro  one.mp3")
    assert shown[2].endswith("two.mp3  Intro")
    long = replace(RECORD, name="A title that needs all the room which a line of eighty columns has to give")
    assert "two.mp3" in lines(long, replace(long, path="music/two.mp3"))[2]


def test_variants_are_told_apart_on_a_narrow_screen():
    title = "A title that needs all the room which a line of eighty columns has to give"
    variants = [replace(RECORD, name=f"{title} [{n}]", variant={"pitch": float(n), "mono": True}) for n in (-2, 2)]
    shown = lines(*(replace(each, warnings=("short: 3 s", DOUBT)) for each in variants))
    assert "! pitch=-2 mono  A title" in shown[1]
    assert "! pitch=2 mono  A title" in shown[2]


def test_the_artist_is_named():
    record = replace(RECORD, artist="Somebody [x]")
    assert "Somebody [x] – Intro" in card(record)
    assert "Somebody [x] – Intro" in lines(record)[1]


@pytest.mark.parametrize("warnings", [(), ("short: 3 s of sound",), (DOUBT,)], ids=["none", "short", "unlike"])
def test_a_score_not_to_rely_on_is_grey(monkeypatch, warnings):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    grey = warnings == (DOUBT,)
    for shown in (card(replace(RECORD, warnings=warnings)), lines(replace(RECORD, warnings=warnings))[1]):
        assert ("\x1b[90m" in shown) == grey
        assert ("\x1b[1;36m" in shown) != grey


@pytest.mark.parametrize(
    ("percentile", "words"),
    [
        (0.0, "lower than nearly all of chart tracks (Vietnam, 7,748)"),
        (43.4, "higher than 43 in 100 of chart tracks (Vietnam, 7,748)"),
        (100.0, "higher than nearly all of chart tracks (Vietnam, 7,748)"),
    ],
)
def test_places_are_told_in_plain_words(percentile, words):
    shown = card(replace(RECORD, percentile=percentile))
    assert words in shown
    assert "out of fold" not in shown


def test_noise_is_no_mountain():
    assert len({*sparkline(parts(52.0, 52.6, 51.8, 53.9, 51.1), 0, 100)}) == 1
    assert sparkline(parts(0, 50, 100), 0, 100)[0] == "▁"
    assert sparkline(parts(0, 50, 100, 130), 0, 100)[2:] == "██"


def test_the_course_says_what_it_is_worth():
    shown = card(replace(RECORD, segments=parts(40, 60)))
    assert "of 100" in shown.split("Over time")[1]
    assert "scored by a model of whole songs" in shown
