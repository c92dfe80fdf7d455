"""The songs of records: found where they are, refused where they are others, and looked at."""

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.errors import UsageError
from tests.helpers import reports
from tests.helpers.sounds import saved, tune

sounds = pytest.importorskip("hitpredict.report.sounds")
records = pytest.importorskip("hitpredict.report.records")


def test_the_waveform_and_the_loudest_passage_are_those_of_the_sound():
    quiet = np.full((2, 40 * 4000), 0.1, np.float32)
    quiet[0, 22 * 4000 : 32 * 4000] = 0.5
    quiet[1, 35 * 4000] = -0.9
    found = sounds.found_song(Sound.of(Clip(quiet, 4000)))
    assert len(found.lows) == len(found.highs) == 1000
    assert (found.lows.min(), found.lows.argmin()) == (np.float32(-0.9), 875)
    assert (found.highs[:549] == np.float32(0.1)).all()
    assert (found.highs[550:800] == np.float32(0.5)).all()
    assert found.loudest == pytest.approx(22, abs=0.05)
    short = sounds.found_song(Sound.of(Clip(quiet[:, :300], 4000)))
    assert (len(short.lows), short.loudest) == (300, 0)


def test_a_song_is_looked_for_in_the_folder_and_has_to_be_as_long(tmp_path):
    path, failed = saved(tmp_path, "song.wav", tune(2)), []
    there = {**reports.score(), "path": "elsewhere/song.wav", "duration": 2.0}
    looked = sounds.Sounds(tmp_path, failed=failed.append)
    assert looked.of(there).sound.duration == pytest.approx(2)
    assert sounds.Sounds(path).of(there) is not None
    assert failed == []
    assert sounds.Sounds(tmp_path, failed=failed.append).of({**there, "duration": 9.0}) is None
    assert "lasts 2.0 s, and that of the records 9.0 s" in str(failed.pop())
    assert sounds.Sounds(audio=True, failed=failed.append).of(there) is None
    assert "elsewhere/song.wav: no such file; name its folder with `sounds`" in str(failed.pop())
    # Waveforms that nobody asked for are left out without a word.
    assert sounds.Sounds(failed=failed.append).of(there) is None
    assert sounds.Sounds(failed=failed.append).of({**there, "path": "-"}) is None
    assert failed == []


def test_one_file_is_not_several_songs(tmp_path):
    path = saved(tmp_path, "song.wav", tune(1))
    two = records.Records(scores=[reports.score("one"), reports.score("two")])
    with pytest.raises(UsageError, match="is one sound, and the records are of 2"):
        sounds.Sounds(path).check(two)
    sounds.Sounds(tmp_path).check(two)
    with pytest.raises(UsageError, match="no such file or folder"):
        sounds.Sounds(tmp_path / "missing").check(two)
