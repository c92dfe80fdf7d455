"""What is taken away is gone, and what is left is as it was."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from hitpredict.audio.read import read_audio
from hitpredict.explanation.occlusion import Levelled, bands_up_to, cut_out, short_pieces
from hitpredict.scoring.scorer import Scorer
from tests.helpers.sectioned import RATE, levels, song_of
from tests.helpers.sounds import tune

PLAN = [("a", 6), ("b", 6), ("c", 6)]


@pytest.fixture(scope="module")
def song():
    return song_of(PLAN)


@pytest.fixture(scope="module")
def levelled(song):
    return Levelled.of(song, bands_up_to(RATE / 2))


def test_bands_are_octaves_without_gaps():
    bands = bands_up_to(22050)
    assert [each.low for each in bands[1:]] == [each.high for each in bands[:-1]]
    assert (bands[0].low, bands[-1].high) == (0, 22050)
    assert bands[3].label == "354–707 Hz"
    assert [each.high / each.low for each in bands[1:-1]] == pytest.approx([2] * 7, rel=2e-3)
    assert bands_up_to(40) == [type(bands[0])(0.0, 40)]


def test_nothing_taken_leaves_the_song(levelled, song):
    np.testing.assert_array_equal(levelled.sound({}, "x").clip().samples, song.samples)


def test_a_levelled_band_stands_still_and_the_others_do_not_change(levelled, song):
    place = 3
    band = bands_up_to(RATE / 2)[place]
    changed = levelled.sound({place: [(0, song.frames)]}, "x").clip().samples[0]
    before, after = (levels(each, RATE, 1.1 * band.low, band.high / 1.1) for each in (song.samples[0], changed))
    assert np.std(after) < 0.4 * np.std(before)
    assert before.min() < after.mean() < before.mean()
    above = [levels(each, RATE, 1.3 * band.high, 8000) for each in (song.samples[0], changed)]
    np.testing.assert_allclose(*above, atol=0.5)


def test_levelling_a_section_leaves_the_rest(levelled, song):
    start, stop = 6 * RATE, 12 * RATE
    changed = levelled.sound({place: [(start, stop)] for place in range(8)}, "x").clip().samples[0]
    away = RATE // 10
    np.testing.assert_array_equal(changed[: start - away], song.samples[0, : start - away])
    np.testing.assert_array_equal(changed[stop + away :], song.samples[0, stop + away :])
    assert np.abs(changed[start:stop] - song.samples[0, start:stop]).max() > 0.05


def test_neighbours_are_taken_as_one(levelled):
    first, second, third = 2 * RATE, 5 * RATE, 9 * RATE
    apart = levelled.sound({2: [(second, third), (first, second)]}, "x").clip().samples
    np.testing.assert_array_equal(apart, levelled.sound({2: [(first, third)]}, "x").clip().samples)


def test_a_cut_is_as_long_as_what_is_left_and_has_no_click(song):
    cut = cut_out(song, [(6 * RATE, 12 * RATE)])
    assert cut.frames == song.frames - 6 * RATE
    np.testing.assert_array_equal(cut.samples[:, : 5 * RATE], song.samples[:, : 5 * RATE])
    np.testing.assert_array_equal(cut.samples[:, 6 * RATE :], song.samples[:, 12 * RATE :])
    assert np.abs(np.diff(cut.samples)).max() <= 1.05 * np.abs(np.diff(song.samples)).max()
    assert cut_out(song, [(0, RATE), (song.frames - RATE, song.frames)]).frames == song.frames - 2 * RATE


@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_pieces_come_from_everywhere_and_make_up_the_share(share):
    frames = 60 * RATE
    found = short_pieces(frames, RATE, share, np.random.default_rng(0))
    assert sum(stop - start for start, stop in found) == pytest.approx(share * frames, rel=0.01)
    assert all(0 <= start < stop <= frames for start, stop in found)
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    middles = [(start + stop) / 2 / frames for start, stop in found]
    assert np.mean(middles) == pytest.approx(0.5, abs=0.15)


def test_what_is_left_is_as_much_like_the_training_songs_as_the_song(monkeypatch):
    scorer, whole = Scorer(), read_audio(Path(__file__).parents[2] / "examples" / "song.ogg")
    clip = replace(whole, samples=whole.samples[:, : 12 * whole.rate])
    asked = []
    distance = type(scorer.domain).distance
    monkeypatch.setattr(
        type(scorer.domain), "distance", lambda self, x: (asked.append(distance(self, x)[0]), distance(self, x))[1]
    )
    bands = bands_up_to(clip.rate / 2)
    analysed, quarter = Levelled.of(clip, bands), (clip.frames // 4, clip.frames // 2)
    scorer.score(clip)
    for place in range(len(bands)):
        scorer.score(analysed.sound({place: [(0, clip.frames)]}, "x"))
    scorer.score(analysed.sound({place: [quarter] for place in range(len(bands))}, "x"))
    scorer.score(cut_out(clip, [quarter]))
    assert max(asked[1:]) < 1.15 * asked[0]


def test_sound_shorter_than_a_frame_is_levelled():
    clip = tune(0.02)
    found = Levelled.of(clip, bands_up_to(clip.rate / 2)).sound({1: [(0, clip.frames)]}, "x").clip()
    assert found.samples.shape == (1, clip.frames)
    assert np.isfinite(found.samples).all()
