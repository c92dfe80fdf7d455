"""Boundaries and letters of songs whose structure is known."""

from itertools import pairwise

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.explanation.sections import MOST_SECTIONS, sections_in
from tests.helpers.sectioned import song_of
from tests.helpers.sounds import tune


@pytest.mark.parametrize(
    "plan",
    [
        [("a", 12), ("b", 10), ("a", 12), ("c", 8)],
        [("a", 9), ("b", 14), ("c", 9), ("b", 14)],
        [("c", 8), ("a", 8)],
    ],
)
def test_boundaries_are_found_to_a_second_and_repeats_have_one_letter(plan):
    found = sections_in(song_of(plan))
    assert [each.end for each in found] == pytest.approx(list(np.cumsum([seconds for _, seconds in plan])), abs=0.6)
    letters = {letter: "ABC"[place] for place, letter in enumerate(dict.fromkeys(letter for letter, _ in plan))}
    assert [each.label for each in found] == [letters[letter] for letter, _ in plan]
    assert [(each.begin, each.end) for each in found[1:]] == [
        (before.end, after.end) for before, after in pairwise(found)
    ]


def test_what_is_most_repeated_and_loudest_is_told():
    found = sections_in(song_of([("a", 10), ("b", 10), ("a", 10), ("c", 8)]))
    assert [each.remark for each in found] == ["most repeated", "loudest", "most repeated", ""]


@pytest.mark.parametrize("seconds", [0.3, 5, 12, 40])
def test_one_piece_is_one_section(seconds):
    (found,) = sections_in(tune(seconds))
    assert (found.begin, found.end, found.label, found.remark) == (0, pytest.approx(seconds), "A", "")


def test_noise_and_silence_have_no_sections():
    random = np.random.default_rng(0).normal(size=(1, 20 * 16000)).astype(np.float32)
    assert len(sections_in(Clip(0.1 * random, 16000))) == 1
    assert len(sections_in(Clip(0 * random, 16000))) == 1


def test_pauses_do_not_hide_sections():
    song = song_of([("a", 10), ("b", 10)])
    silence = np.zeros((1, 4 * song.rate), np.float32)
    ends = Clip(np.concatenate([silence, song.samples, silence], axis=1), song.rate)
    assert any(abs(each.begin - 14) < 1 for each in sections_in(ends))


def test_there_are_never_too_many():
    found = sections_in(song_of([("abc"[place % 3], 9) for place in range(16)], rate=8000))
    assert len(found) == MOST_SECTIONS
