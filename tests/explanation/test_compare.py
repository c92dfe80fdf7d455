"""The noise that a difference has to exceed, of models that say how large it is and of models that do not."""

from dataclasses import replace

import numpy as np
import pytest

from hitpredict import Scorer, mutate
from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.audio.source import Source
from hitpredict.engines.limits import Budget
from hitpredict.errors import InputError
from hitpredict.explanation import compare
from hitpredict.explanation.compare import Heard, comparison
from tests.explanation.test_align import piece
from tests.helpers.sounds import saved

SONG = piece(1, 12)


@pytest.fixture(scope="module")
def scorer():
    return Scorer(None, "cpu")


def heard(scorer, clip):
    return Heard(Sound.of(clip), scorer.score(clip), (), Budget("song", 3600))


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

    def nervous(sound, segments=None):
        record = plain(sound, segments)
        mean = (sound if isinstance(sound, Clip) else sound.clip()).samples.mean(axis=0)
        level = 20 * np.log10(np.abs(mean).max() / np.abs(SONG.samples.mean(axis=0)).max())
        return replace(record, score=record.score + 50 * level)

    monkeypatch.setattr(scorer, "score", nervous)
    record = comparison(song, heard(scorer, SONG), scorer, 5)
    # Of four changes of the level two are of 0.1 dB and two of 0.05 dB; each of the two scores moves.
    assert half_of(record) == pytest.approx(1.96 * np.sqrt(2 * (2 * 5**2 + 2 * 2.5**2) / 4), rel=0.02)


def test_the_first_song_s_noise_is_measured_once(scorer, monkeypatch):
    plain, scored = scorer.score, []
    monkeypatch.setattr(scorer, "score", lambda *given: (scored.append(1), plain(*given))[1])
    song, one, other = (
        heard(scorer, SONG),
        heard(scorer, mutate(SONG, gain=-3)),
        heard(scorer, mutate(SONG, lowpass=900)),
    )
    scored.clear()
    before = comparison(song, one, scorer, 5)
    # Both scores, and twelve changes of each that nobody hears.
    assert len(scored) == 2 * 13
    scored.clear()
    comparison(song, other, scorer, 5)
    assert len(scored) == 13 + 1
    assert comparison(heard(scorer, SONG), one, scorer, 5).interval == before.interval


def test_a_long_song_is_not_kept_in_memory(scorer, monkeypatch, tmp_path):
    from hitpredict.audio import read

    path = saved(tmp_path, "a.wav", SONG)
    source = Source(str(path), str(path))
    short, opened = compare.heard(source, scorer, Budget("a", 3600)), []
    monkeypatch.setattr(read, "_HELD_SAMPLES", 1000)
    monkeypatch.setattr(
        read, "open_audio", lambda *given, real=read.open_audio, **named: (opened.append(1), real(*given, **named))[1]
    )
    long = compare.heard(source, scorer, Budget("a", 3600))
    assert len(opened) > 2
    assert comparison(long, long, scorer, 5).to_json() == comparison(short, short, scorer, 5).to_json()


def test_no_time_is_one_line(scorer, tmp_path):
    path = saved(tmp_path, "a.wav", SONG)
    budget = Budget("a.wav", 0)
    with pytest.raises(InputError, match=r"a\.wav: given up after 0 s"):
        budget.timed(lambda: compare.heard(Source(str(path), str(path)), scorer, budget))()


def test_the_first_song_s_passes_cost_the_second_one_s_time(scorer):
    song = heard(scorer, SONG)
    late = Heard(Sound.of(SONG), song.record, (), Budget("second", 0))
    with pytest.raises(InputError, match="second: given up"):
        late.budget.timed(lambda: comparison(song, late, scorer, 5))()
