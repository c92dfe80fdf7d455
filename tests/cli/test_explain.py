"""`explain` as its users call it."""

import re

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from tests.helpers.archives import tar_of
from tests.helpers.processes import in_terminal, run
from tests.helpers.sounds import encoded, saved, tune

FIELDS = {
    "schema", "path", "name", "parameter", "unit", "values", "scores", "base_score", "slope", "largest_change",
    "largest_change_at", "monotonicity", "p_value", "significant", "blind", "quality", "model", "rank",
}  # fmt: skip


def test_one_object_a_parameter(tmp_path):
    song = saved(tmp_path, "song.wav", tune(3))
    outcome = run("explain", song, "--params", "pitch,tempo,gain", "-f", "jsonl")
    assert (outcome.code, outcome.err) == (0, "")
    found = {record["parameter"]: record for record in outcome.records}
    assert set(found) == {"pitch", "tempo", "gain"}
    assert set(found["pitch"]) >= FIELDS
    assert found["pitch"]["schema"] == "hitpredict.explain/1"
    assert (found["gain"]["blind"], found["gain"]["significant"]) == (True, False)
    (score,) = run("score", song).records
    assert found["pitch"]["base_score"] == score["score"]
    variants = run("mutate", song, "--noise", "10", "--seed", "0")
    (noisy,) = run("score", "-", stdin=variants.out).records
    (record,) = run("explain", song, "--params", "noise-white").records
    assert record["scores"][0] == pytest.approx(noisy["score"], abs=0.01)


def test_what_a_sound_has_no_room_for_is_left_out_and_told(tmp_path):
    mono = saved(tmp_path, "mono.wav", tune(2, channels=1))
    outcome = run("explain", mono, "--params", "eq-16000,eq-250,width")
    assert outcome.code == 0
    assert [record["parameter"] for record in outcome.records] == ["eq-250"]
    (told,) = outcome.complaints
    assert told.endswith(
        "left out, as the sound has no room for them: eq16000_-6, eq16000_+6, width0, width0.5, width1.5"
    )
    alone = run("explain", mono, "--params", "width")
    assert alone.code == 1
    assert "nothing of what is asked for can be done to this sound: --width needs a stereo clip" in alone.err


def test_variants_asked_for_in_a_grid_that_fail_are_listed_and_the_rest_goes_on(tmp_path):
    grid = tmp_path / "grid.toml"
    grid.write_text('lowpass = "1k,20k"\nreverb = "0.3"\n', "utf-8")
    song, failures = saved(tmp_path, "song.wav", tune(2)), tmp_path / "failed"
    outcome = run("explain", song, "--grid", grid, "--failures", failures)
    assert outcome.code == 1
    assert {record["parameter"]: record["values"] for record in outcome.records} == {"lowpass": [1000], "reverb": [0.3]}
    assert "lowpass20000: --lowpass 20000: must be below half" in outcome.err
    assert failures.read_text("utf-8") == f"{song}\n"


def test_silence_and_damage_are_one_line_each(tmp_path):
    silent = saved(tmp_path, "silent.wav", Clip(np.zeros((1, 44100), np.float32), 22050))
    text = tmp_path / "text.wav"
    text.write_text("no music", "utf-8")
    outcome = run("explain", silent, text, saved(tmp_path, "good.wav", tune(1)), "--params", "gain,noise")
    assert outcome.code == 1
    assert len({record["path"] for record in outcome.records}) == 1
    assert len(outcome.complaints) == 2
    assert "silent.wav: is silent, so no change to it can be heard; give a song with sound" in outcome.err


def test_a_corpus_is_one_object_a_parameter(tmp_path):
    for seed in range(4):
        saved(tmp_path / "songs", f"{seed}.wav", tune(1, seed=seed))
    outcome = run("explain", tmp_path / "songs", "--corpus", "--params", "noise,gain,reverb")
    assert (outcome.code, outcome.err) == (0, "")
    assert {"parameter", "mean_effect", "interval", "share_same_sign", "rank"} <= set(outcome.records[0])
    assert {record["schema"] for record in outcome.records} == {"hitpredict.explain-corpus/1"}
    assert [record["rank"] for record in outcome.records] == [1, 2, 3, 4, 5]
    assert outcome.records[-1]["parameter"] == "gain"
    few = run("explain", tmp_path / "songs" / "0.wav", "--corpus", "--params", "gain")
    assert few.code == 1
    assert "1 songs with a score are too few for a corpus" in few.err


@pytest.mark.slow
def test_streams_tables_and_files_agree(tmp_path):
    wav = encoded(tune(1))
    tar = tar_of({"a.wav": wav, "b.wav": encoded(tune(1, seed=1))})
    options = ("--params", "noise-white,eq-250")
    lines = run("explain", "-", *options, stdin=tar)
    assert [record["path"] for record in lines.records] == ["-/a.wav", "-/a.wav", "-/b.wav", "-/b.wav"]
    (tmp_path / "songs.tar").write_bytes(tar)
    for suffix in ("jsonl", "tsv", "csv"):
        out = tmp_path / f"out.{suffix}"
        assert run("explain", tmp_path / "songs.tar", *options, "-o", out).code == 0
        streamed = run("explain", tmp_path / "songs.tar", *options, "-f", suffix)
        assert out.read_bytes() == streamed.out
    assert (
        run("explain", "-", *options, "-j", "1", stdin=tar).out
        == run("explain", "-", *options, "-j", "4", stdin=tar).out
    )


def test_people_get_a_ranking_that_says_what_it_is(tmp_path):
    outcome = in_terminal("explain", saved(tmp_path, "song.wav", tune(2)), "--params", "gain,noise-white")
    shown = re.sub(r"\x1b\[[0-9;]*m|\s+", " ", outcome.out.decode())
    shown = " ".join(shown.split())
    assert outcome.code == 0
    assert "noise-white" in shown
    assert "the model is blind to it" in shown
    assert "how sensitive the model is" in shown
    assert "no advice, and no cause" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--params", "pich"), "parameter pich: unknown; did you mean pitch?"),
        (("--grid", "missing.toml"), "grid missing.toml: No such file or directory"),
        (("--quality", "good"), "--quality good: must be best or draft"),
    ],
)
def test_misuse_is_a_line(tmp_path, arguments, message):
    outcome = run("explain", saved(tmp_path), *arguments, cwd=tmp_path)
    assert (outcome.code, len(outcome.complaints)) == (2, 1)
    assert message in outcome.err


@pytest.mark.slow
def test_groups_of_a_corpus_come_from_a_table(tmp_path):
    for number in range(4):
        saved(tmp_path, f"songs/{number}.wav", tune(1 + number / 4))
    table = tmp_path / "labels.jsonl"
    table.write_text("".join(f'{{"track_id": "{n}", "album": "{a}"}}\n' for n, a in enumerate(["x", "x", "y"])))
    asked = ("explain", "--corpus", "--params", "reverb", tmp_path / "songs")
    plain, grouped = run(*asked), run(*asked, "--labels", table, "--group", "album")
    assert [outcome.records[0]["groups"] for outcome in (plain, grouped)] == [4, 3]
    assert "1 songs have no album in" in grouped.err
    assert run(*asked, "--labels", table, "--group", "label").code == 2
    assert run(*asked, "--group", "album").code == 2
    assert run("explain", tmp_path / "songs", "--labels", table, "--group", "album").code == 2
