"""What can be heard on a page: the passage, changed as the records say, at one loudness, and small."""

import io

import numpy as np
import pytest
import soundfile

from hitpredict.audio.sound import Sound
from hitpredict.mutations import Chain, parse
from hitpredict.mutations.loudness import integrated_loudness
from tests.helpers import reports
from tests.helpers.sounds import tune

players = pytest.importorskip("hitpredict.report.players")
sounds = pytest.importorskip("hitpredict.report.sounds")


def effect(op, text, **more):
    recipe = Chain((parse(op, text)[0],), quality="draft").to_json()
    return reports.effect(op, recipe=recipe, largest_change_at=float(text), **more)


def decoded(player):
    samples, rate = soundfile.read(io.BytesIO(player.data), dtype="float32", always_2d=True)
    return samples.T, rate


@pytest.fixture(scope="module")
def song():
    return sounds.found_song(Sound.of(tune(2)))


@pytest.mark.slow
def test_passages_are_changed_as_the_records_say_and_equally_loud():
    song = sounds.found_song(Sound.of(tune(14)))
    effects = [effect("pitch", "2"), effect("lowpass", "500", largest_change=-2), effect("gain", "-6")]
    made, said = players.Players().of(song, effects)
    assert [each.title for each in made] == [
        *("Unchanged", "Raising the pitch by 2 semitones", "Removing what is above 500 Hz", "Making it 6 dB quieter"),
    ]
    assert "loudest passage, 0:0" in said[0]
    assert "but for changes of level turned to one loudness" in said[0]
    heard = [decoded(each) for each in made]
    assert all(rate == 48_000 and abs(samples.shape[1] / rate - 10) < 0.1 for samples, rate in heard)
    loud = [
        integrated_loudness(Sound(48_000, len(samples), samples.shape[1], lambda s=samples: [s]))
        for samples, _ in heard
    ]
    assert loud[1:3] == pytest.approx([loud[0]] * 2, abs=0.5)
    assert loud[3] == pytest.approx(loud[0] - 6, abs=0.5)
    above = [np.abs(np.fft.rfft(samples.mean(axis=0)))[10 * 2000 :].sum() for samples, _ in heard]
    assert above[2] < above[0] / 4
    assert max(len(each.data) for each in made) < 130_000


def test_the_same_sound_gives_the_same_bytes(song):
    first, second = (players.as_opus(song.sound) for _ in range(2))
    assert first == second
    assert soundfile.info(io.BytesIO(first)).subtype == "OPUS"


def test_a_page_has_room_for_so_many(song, monkeypatch):
    monkeypatch.setattr(players, "as_opus", lambda sound: b"")
    monkeypatch.setattr(players, "passage", lambda sound, recipe, start: sound)
    one = [effect("gain", str(-by)) for by in range(1, 12)]
    several = players.Players()
    made = [several.of(song, one) for _ in range(4)]
    assert [len(found) for found, _ in made] == [8, 8, 8, 0]
    assert "Of 11 effects the 7 largest can be heard." in made[0][1]
    assert "room for 24 players" in made[3][1][0]


def test_what_cannot_be_made_again_is_told(song):
    impossible = effect("lowpass", "90000")
    made, said = players.Players().of(song, [reports.effect(), impossible])
    assert made == []
    assert "do not say how they were made" in said[0]
    assert "Removing what is above 90 kHz cannot be heard" in said[1]
