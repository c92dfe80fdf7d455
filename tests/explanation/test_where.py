"""Where scores come from, of models that hear one part of a song alone, or none."""

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.source import Source
from hitpredict.errors import InputError
from hitpredict.explanation import where
from hitpredict.explanation.where import Attribution, Locator
from hitpredict.explanation.where_records import WHERE_COLUMNS, flat_where
from tests.helpers.sectioned import Listener, levels, song_of
from tests.helpers.sounds import saved, tune

PLAN = [("a", 9), ("b", 9), ("a", 9), ("c", 9)]


@pytest.fixture(autouse=True)
def few_changes(monkeypatch):
    """Of those that nobody hears, without MP3."""
    monkeypatch.setattr(where, "NULL", {kind: where.NULL[kind][:4] for kind in ("timing", "level")})


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("songs"), "song.wav", song_of(PLAN))


@pytest.fixture(scope="module")
def small_song(tmp_path_factory):
    """Of two sections and seven bands, since blocks take many masks."""
    return saved(tmp_path_factory.mktemp("small"), "small.wav", song_of([("a", 5), ("b", 5)], rate=6000))


def located(path, kinds, listener, gradients=None, notes=None):
    notes = [] if notes is None else notes
    return Locator(kinds, listener, gradients).located(Source(str(path), str(path)), 2, 3600, notes.append)


def brightness(samples, rate):
    """For how many seconds a partial sounds, also between the beats, that section b alone has."""
    level = levels(samples, rate, 2060, 2120)
    return 30 + 0.4 * (np.median(level[: len(level) // 8 * 8].reshape(-1, 8), axis=1) > -12).sum()


def movement(samples, rate):
    """How much the octave around 1 kHz changes over time."""
    return 40 + 2 * np.std(levels(samples, rate, 750, 1350))


@pytest.mark.parametrize(("window", "how"), [(False, "cut out"), (True, "levelled")])
def test_the_section_that_a_model_hears_is_found_and_no_other(song, window, how):
    records = located(song, ["sections"], Listener(brightness, window))
    assert [(each.rank, each.label, each.how) for each in records[:1]] == [(1, "B", how)]
    assert [each.significant for each in records] == [True, False, False, False]
    assert records[0].change < -5
    assert (records[0].begin, records[0].end) == (pytest.approx(9, abs=0.6), pytest.approx(18, abs=0.6))


def test_the_band_that_a_model_hears_is_found_and_no_other(song):
    records = located(song, ["bands"], Listener(movement))
    assert (records[0].low, records[0].high) == (pytest.approx(707.1), pytest.approx(1414.2))
    assert [each.significant for each in records] == [True] + [False] * 7
    assert all(each.blind for each in records if each.high < 300)
    assert not any(each.unlike_training for each in records)


def test_the_block_that_a_model_hears_is_found_with_its_fit(small_song):
    records = located(small_song, ["blocks"], Listener(brightness, True))
    assert records[0].label == "B · 1.41k–2.83k Hz"
    assert [each.rank for each in records if each.significant] == [1]
    assert records[0].fit["trusted"]
    assert records[0].interval[0] < records[0].change < records[0].interval[1] < 0
    assert records[0].fit["masks"] == 120


def test_a_model_that_hears_nothing_has_no_places(small_song):
    records = located(small_song, ["sections", "bands", "blocks"], Listener(lambda samples, rate: 50.0))
    assert not any(each.significant for each in records)
    assert all(each.blind for each in records)
    assert records[-1].fit == {"r2": None, "masks": 120, "trusted": False}


def test_what_happens_everywhere_is_in_no_section(song):
    """Stationary noise, in this song, above all partials."""
    records = located(song, ["sections"], Listener(lambda x, rate: 50 + 5 * np.mean(levels(x, rate, 7000, 7900) > 0)))
    assert not any(each.significant for each in records)


def test_blocks_that_do_not_add_up_are_not_called_significant(small_song):
    answers = np.random.default_rng(0)
    records = located(small_song, ["blocks"], Listener(lambda samples, rate: 50 + 20 * answers.random()))
    assert not records[0].fit["trusted"]
    assert not any(each.significant for each in records)


def test_a_noise_floor_is_a_bound(song):
    assert not any(each.significant for each in located(song, ["sections"], Listener(brightness, noise_floor=50.0)))


def test_gradients_are_held_against_what_nobody_hears(song):
    def gradients(sound, sections, bands):
        assert len(sections) == 4
        return [Attribution("one", None, None, None, None, 7.0), Attribution("two", 0.0, 9.0, 20.0, 90.0, 0.0)], 0.001

    first, second = located(song, ["gradients"], Listener(movement), gradients)
    assert (first.label, first.change, first.significant, first.fit) == ("one", -7, True, {"completeness": 0.001})
    assert (second.significant, second.blind) == (False, True)


def test_records_and_rows(song):
    printed = [each.to_json() for each in located(song, ["sections", "bands"], Listener(brightness))]
    assert {each["schema"] for each in printed} == {"hitpredict.where/1"}
    section, band = printed[0], printed[-1]
    assert {"begin", "end", "change", "p_value", "noise"} <= set(section)
    assert "low" not in section
    assert "begin" not in band
    assert all(tuple(flat_where(each)) == WHERE_COLUMNS for each in printed)
    assert flat_where(band)["noise"] == band["noise"]["scale"]


def test_a_short_song_has_bands_alone_and_this_is_told(tmp_path):
    path, notes = saved(tmp_path, "short.wav", tune(1)), []
    records = located(path, ["sections", "bands"], Listener(movement), notes=notes)
    assert {each.kind for each in records} == {"band"}
    assert notes == [f"{path}: no boundary between sections was found (there are none below 8 s); it counts as one"]
    with pytest.raises(InputError, match=r"short\.wav: is one section, so there is none to be taken away"):
        located(path, ["sections"], Listener(movement))


def test_silence_and_what_is_too_long_have_one_answer(tmp_path, monkeypatch):
    silent = saved(tmp_path, "silent.wav", Clip(np.zeros((1, 16000), np.float32), 16000))
    with pytest.raises(InputError, match=r"silent\.wav: is silent"):
        located(silent, ["bands"], Listener(lambda samples, rate: 50.0))
    monkeypatch.setattr(where, "LONGEST", 1000)
    with pytest.raises(InputError, match=r"silent\.wav: is longer than the 0 minutes"):
        located(silent, ["bands"], Listener(lambda samples, rate: 50.0))
