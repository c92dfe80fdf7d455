"""`hitpredict compare`: mixes, other songs, and what is no song."""

import numpy as np
import pytest

from hitpredict import mutate
from hitpredict.audio.clip import Clip
from tests.explanation.test_align import piece
from tests.helpers.archives import tar_of
from tests.helpers.processes import in_terminal, run
from tests.helpers.sounds import encoded, saved

SONG = piece(1, 26)


@pytest.fixture(scope="module")
def mixes(tmp_path_factory):
    """Songs to compare, by name."""
    folder = tmp_path_factory.mktemp("mixes")
    dull = mutate(SONG, lowpass=500, gain=6)
    clips = {
        "song": SONG,
        "same": SONG,
        "loud": mutate(SONG, gain=6),
        "late": Clip(np.pad(SONG.samples, ((0, 0), (22050, 0))), 22050),
        "dull": dull,
        "other": piece(2, 20),
        "silent": Clip(np.zeros((1, 44100), np.float32), 22050),
        "second": Clip(SONG.samples[:, 22050:44100], 22050),
        "blip": Clip(SONG.samples[:, :2000], 22050),
    }
    return {name: saved(folder, f"{name}.wav", clip) for name, clip in clips.items()}


def against(mixes, *names):
    return run("compare", mixes["song"], *(mixes[name] for name in names))


def test_the_same_sound_makes_no_difference(mixes):
    (record,) = against(mixes, "same").records
    assert (record["schema"], record["difference"]) == ("hitpredict.compare/1", 0)
    assert record["verdict"] == "no clear difference"
    assert record["alignment"] == {"lag": 0.0, "correlation": 1.0}
    assert [each["difference"] for each in record["segments"]] == [0, 0, 0]
    (alone,) = run("score", mixes["song"]).records
    assert [side["score"] for side in record["songs"]] == [alone["score"]] * 2


def test_loudness_and_silence_before_it_are_taken_out(mixes):
    loud, late = against(mixes, "loud", "late").records
    assert [side["gain"] for side in loud["songs"]] == [0, pytest.approx(-6, abs=0.01)]
    assert loud["descriptors"][0]["name"] == "loudness"
    assert late["alignment"]["lag"] == pytest.approx(1, abs=0.001)
    for record in (loud, late):
        assert abs(record["difference"]) < record["noise_floor"]
        assert record["verdict"] == "no clear difference"


def test_a_clear_difference_is_more_than_the_noise(mixes):
    (record,) = against(mixes, "dull").records
    low, high = record["interval"]
    assert record["verdict"] == "clear"
    assert low < record["difference"] < high
    assert low > 0 or high < 0
    assert (high - low) / 2 >= record["noise_floor"]
    assert "clear" in {each["verdict"] for each in record["segments"]}
    assert record["same_song"]
    assert [each["start"] for each in record["segments"]] == [0, 10, 20]


def test_other_songs_are_compared_as_wholes(mixes):
    (record,) = against(mixes, "other").records
    assert (record["same_song"], record["alignment"], record["segments"]) == (False, None, [])


def test_what_is_no_song_costs_one_line(mixes):
    outcome = run("compare", mixes["song"], mixes["silent"], mixes["blip"], "missing.wav", mixes["second"])
    assert outcome.code == 1
    (record,) = outcome.records
    assert record["songs"][1]["path"] == str(mixes["second"])
    assert record["songs"][1]["warnings"][0].startswith("short: 1.0 s")
    assert record["alignment"]["lag"] == pytest.approx(-1, abs=0.001)
    silent, blip, missing = outcome.complaints
    assert silent.startswith(f"hitpredict: {mixes['silent']}: cannot be compared: the clip is silent")
    assert "needs at least 400 ms" in blip
    assert missing == "hitpredict: missing.wav: no such file or folder"


@pytest.mark.parametrize("first", ["silent", "missing"])
def test_without_the_first_there_is_nothing_to_compare(mixes, first):
    outcome = run("compare", mixes.get(first, "missing.wav"), mixes["song"])
    assert (outcome.code, outcome.out, len(outcome.complaints)) == (1, b"", 1)


def test_one_song_is_a_mistake(mixes):
    outcome = run("compare", mixes["song"])
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
    assert "give at least two songs" in outcome.err


def test_variants_come_through_a_pipe(mixes):
    tar = tar_of({"a.wav": encoded(SONG), "b.wav": encoded(mutate(SONG, gain=-3))})
    outcome = run("compare", mixes["song"], "-", stdin=tar)
    assert [record["songs"][1]["path"] for record in outcome.records] == ["-/a.wav", "-/b.wav"]


@pytest.mark.slow
def test_tables_and_files(mixes, tmp_path):
    assert run("compare", mixes["song"], mixes["dull"], "-o", tmp_path / "c.tsv").code == 0
    header, row = (line.split("\t") for line in (tmp_path / "c.tsv").read_text().splitlines())
    table = dict(zip(header, row, strict=True))
    (record,) = against(mixes, "dull").records
    assert float(table["difference"]) == record["difference"]
    assert (table["verdict"], table["same_song"]) == ("clear", "True")
    refused = run("compare", mixes["song"], mixes["dull"], "-o", tmp_path / "c.tsv")
    assert refused.code == 2
    assert run("compare", mixes["song"], mixes["dull"], "-o", mixes["dull"], "--force").code == 2


def test_people_see_what_differs_and_whether_it_means_anything(mixes):
    shown = in_terminal("compare", mixes["song"], mixes["same"], mixes["dull"], mixes["other"]).out.decode()
    words = " ".join(shown.split())
    assert shown.count("no clear difference") >= 1
    assert "at their own loudness, which is one" in words
    assert "r, clearly" in words
    assert "not mixes of one song" in words
    assert words.count("it says nothing of causes") == 1


@pytest.mark.slow
def test_jobs_change_nothing_and_failures_are_listed(mixes, tmp_path):
    names = [mixes[name] for name in ("song", "dull", "silent", "late", "other")]
    one = run("compare", "-j", "1", *names)
    listed = tmp_path / "failed.txt"
    four = run("compare", "-j", "4", "--failures", listed, *names)
    assert one.records == four.records
    assert len(four.records) == 3
    assert listed.read_text().splitlines() == [str(mixes["silent"])]


def test_a_song_that_takes_too_long_is_given_up(mixes):
    outcome = run("compare", "--timeout", "0.1", mixes["song"], mixes["same"])
    assert (outcome.code, outcome.out, len(outcome.complaints)) == (1, b"", 1)
    assert "given up after 0.1 s" in outcome.err
