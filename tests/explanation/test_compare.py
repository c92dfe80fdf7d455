"""The noise that a difference has to exceed, of models that say how large it is and of models that do not."""

from dataclasses import replace

import numpy as np
import pytest

from hitpredict import Scorer, mutate
from hitpredict.explanation.compare import Heard, comparison
from tests.explanation.test_align import piece

SONG = piece(1, 12)


@pytest.fixture(scope="module")
def scorer():
    return Scorer(None, "cpu")


def heard(scorer, clip):
    return Heard(clip, scorer.score(clip), ())


def half_of(record):
    return (record.interval[1] - record.interval[0]) / 2


def test_the_noise_floor_is_the_least_there_is(scorer, monkeypatch):
    song, same = heard(scorer, SONG), heard(scorer, SONG)
    for floor in (1.2, 7.0):
        monkeypatch.setattr(scorer, "noise_floor", floor)
        record = comparison(song, same, scorer, 5)
        assert half_of(record) == pytest.approx(floor)
        assert {each.clear for each in record.segments} == {False}


def test_without_a_noise_floor_it_is_measured_with_coding(scorer, monkeypatch):
    monkeypatch.setattr(scorer, "noise_floor", None)
    song = heard(scorer, SONG)
    coded = comparison(song, heard(scorer, mutate(SONG, mp3=320)), scorer, 5)
    assert coded.difference != 0
    assert not coded.clear
    assert half_of(coded) > abs(coded.difference)


def test_noise_that_moves_a_score_widens_the_interval(scorer, monkeypatch):
    """A model that hears the level as nobody does."""
    song = heard(scorer, SONG)
    plain = scorer.score

    def nervous(clip, segments=None):
        record = plain(clip, segments)
        mean = clip.samples.mean(axis=0)
        level = 20 * np.log10(np.abs(mean).max() / np.abs(SONG.samples.mean(axis=0)).max())
        return replace(record, score=record.score + 50 * level)

    monkeypatch.setattr(scorer, "score", nervous)
    record = comparison(song, heard(scorer, SONG), scorer, 5)
    # Of four changes of the level two are of 0.1 dB and two of 0.05 dB; each of the two scores moves.
    assert half_of(record) == pytest.approx(1.96 * np.sqrt(2 * (2 * 5**2 + 2 * 2.5**2) / 4), rel=0.02)
