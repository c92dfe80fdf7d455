"""Promise 12: files appear whole or not at all, nothing is overwritten unasked, a killed run can be taken up."""

import os
import signal
import tarfile

import numpy as np
import pytest
import soundfile

from hitpredict.audio.read import read_audio
from tests.helpers.commands import MUTATE, SCORE
from tests.helpers.folders import contents
from tests.helpers.marks import few_by_default
from tests.helpers.processes import finished, measured, run, start, until
from tests.helpers.sounds import encoded, saved, tune


@pytest.mark.parametrize(
    ("command", "output"), [(SCORE, "s.jsonl"), (MUTATE, "m.wav"), (MUTATE, "m.tar"), (MUTATE, "m.flac")], ids=str
)
def test_existing_files_are_safe(tmp_path, command, output):
    song, target = saved(tmp_path), tmp_path / output
    target.write_bytes(b"precious")
    refused = run(*command.call(song, "-o", target))
    assert refused.code == 2
    assert len(refused.complaints) == 1
    assert "--force" in refused.err
    assert target.read_bytes() == b"precious"
    kept = run(*command.call(song, "-o", target, "--skip-existing"))
    assert kept.code == 0
    assert target.read_bytes() == b"precious"
    forced = run(*command.call(song, "-o", target, "--force"))
    assert forced.code == 0
    assert target.read_bytes() != b"precious"
    assert set(contents(tmp_path)) == {"tune.wav", output}


def test_existing_variants_are_safe(tmp_path):
    song, folder = saved(tmp_path), tmp_path / "out"
    folder.mkdir()
    (folder / "tune.gain-2.wav").write_bytes(b"precious")
    asked = ("mutate", song, "--gain", "-1,-2,-3", "-o", folder)
    assert run(*asked).code == 2
    assert contents(folder) == {"tune.gain-2.wav": b"precious"}
    assert run(*asked, "--skip-existing").code == 0
    assert set(contents(folder)) == {f"tune.gain-{n}.wav" for n in (1, 2, 3)}
    assert contents(folder)["tune.gain-2.wav"] == b"precious"
    assert run(*asked, "--force").code == 0
    assert contents(folder)["tune.gain-2.wav"].startswith(b"RIFF")


@pytest.mark.parametrize("target", ["out", "out.tar"])
def test_collisions_are_found_before_work(tmp_path, target):
    songs = [saved(tmp_path, f"same.{suffix}", tune(seed=n)) for n, suffix in enumerate(("wav", "flac"))]
    outcome = run("mutate", *songs, "--gain", "-3", "-o", tmp_path / target)
    assert outcome.code == 2
    assert len(outcome.complaints) == 1
    assert str(songs[0]) in outcome.err
    assert str(songs[1]) in outcome.err
    assert set(contents(tmp_path)) == {"same.wav", "same.flac"}


def test_variants_mirror_the_folders_of_their_inputs(tmp_path):
    for folder in ("music/a", "music/b/deep"):
        saved(tmp_path / folder, "same.wav")
    mirrored = {"a/same.gain-3.wav", "b/deep/same.gain-3.wav"}
    for number, inputs in enumerate((["music"], ["music/a", "music/b"], ["music/a/same.wav", "music/b/deep/same.wav"])):
        assert run("mutate", *inputs, "--gain", "-3", "-o", f"out{number}", cwd=tmp_path).code == 0
        assert set(contents(tmp_path / f"out{number}")) == mirrored
    assert run("mutate", "music", "--gain", "-3", "-o", "out.tar", cwd=tmp_path).code == 0
    with tarfile.open(tmp_path / "out.tar") as tar:
        assert set(tar.getnames()) == mirrored
    unpacked = run(
        "mutate", "-", "--reverse", "-o", "from-tar", cwd=tmp_path, stdin=(tmp_path / "out.tar").read_bytes()
    )
    assert unpacked.code == 0
    assert set(contents(tmp_path / "from-tar")) == {name.replace(".wav", ".reverse.wav") for name in mirrored}


def test_a_dry_run_checks_the_inputs_and_names_the_outputs(tmp_path):
    song, bad = saved(tmp_path / "music", "song.wav"), tmp_path / "music" / "words.wav"
    asked = ("mutate", "music", "--gain", "-1,-2", "-o", "out", "-n")
    good = run(*asked, cwd=tmp_path)
    assert good.code == 0
    assert good.complaints == [f"hitpredict: would write out/song.gain-{n}.wav" for n in (1, 2)]
    assert [record["steps"][0]["db"] for record in good.records] == [-1, -2]
    bad.write_bytes(b"words, no sound")
    failed = run(*asked, "missing.wav", cwd=tmp_path)
    assert failed.code == 1
    assert [line.split(": ")[1] for line in failed.complaints[:2]] == ["music/words.wav", "missing.wav"]
    assert set(contents(tmp_path)) == {"music/song.wav", "music/words.wav"}
    song.unlink()
    assert run("mutate", "--gain", "-1", "-n", "-q", song).code == 1


def test_clipping_is_told_once_with_the_worst(tmp_path):
    song = saved(tmp_path)
    cut = run("mutate", song, "--gain", "20,10,-3", "-o", tmp_path / "out", "--bits", "16")
    assert (cut.code, len(cut.complaints)) == (0, 1)
    assert f"{song}: gain+20: " in cut.err
    assert "(2 variants were cut, this one the most)" in cut.err
    clip = tune()
    clip.samples[0, :40] = 0.99
    rarely = run("mutate", saved(tmp_path, "rare.wav", clip), "--gain", "1", "-o", tmp_path / "out", "--bits", "16")
    assert (rarely.code, rarely.err) == (0, "")


def test_nothing_is_cut_on_the_way_between_commands(tmp_path):
    song = saved(tmp_path, "song.wav")
    loud = run("mutate", song, "--gain", "30")
    assert (loud.code, loud.err) == (0, "")
    assert run("mutate", song, "--gain", "30", "-o", tmp_path / "loud.wav").code == 0
    assert (tmp_path / "loud.wav").read_bytes() == loud.out
    back, direct = run("mutate", "-", "--gain", "-30", stdin=loud.out), run("mutate", song, "--gain", "0")
    assert np.abs(read_audio(back.out).samples - read_audio(direct.out).samples).max() < 1e-6


@pytest.mark.slow
def test_half_an_hour_needs_no_more_memory_than_minutes(tmp_path):
    long = tmp_path / "long.wav"
    minute = np.zeros((60 * 44100, 2), np.int16)
    minute[::100] = 1000
    with soundfile.SoundFile(long, "w", 44100, 2) as file:
        for _ in range(30):
            file.write(minute)
    steps = ("--gain", "-3", "--loudness", "-20", "--eq", "1000:3", "--reverb", "0.2", "--noise", "40", "--limit", "-1")
    outcome, usage = measured("mutate", long, *steps, "--fade", "1:1", "-o", tmp_path / "changed.wav", "--bits", "16")
    assert (outcome.code, outcome.out) == (0, b"")
    assert soundfile.info(tmp_path / "changed.wav").frames == 1800 * 44100
    assert usage.peak < 300


@pytest.mark.parametrize("command", [SCORE, MUTATE], ids=str)
def test_a_folder_that_is_not_there(tmp_path, command):
    outcome = run(*command.call(saved(tmp_path), "-o", tmp_path / "missing" / "out.wav"))
    assert outcome.code == 2
    assert "missing" in outcome.err
    assert len(outcome.complaints) == 1


@pytest.mark.parametrize("output", ["s.jsonl", "s.csv", "s.tsv", "s.parquet"])
def test_formats_follow_the_suffix(tmp_path, output):
    song = saved(tmp_path)
    assert run("score", song, "-o", tmp_path / output).code == 0
    form = output.removeprefix("s.")
    assert (tmp_path / output).read_bytes() == run("score", song, "-f", form).out
    assert set(contents(tmp_path)) == {"tune.wav", output}


def test_files_of_failed_runs_hold_what_succeeded(tmp_path):
    outcome = run("score", saved(tmp_path), tmp_path / "missing.wav", "-o", tmp_path / "s.jsonl")
    assert outcome.code == 1
    assert len((tmp_path / "s.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("jobs", "end"),
    few_by_default([("2", signal.SIGKILL), ("1", signal.SIGTERM), ("1", signal.SIGKILL), ("2", signal.SIGINT)], 2),
    ids=lambda value: getattr(value, "name", value),
)
def test_a_killed_score_is_taken_up(tmp_path, jobs, end):
    music, out, whole = tmp_path / "music", tmp_path / "out.jsonl", tmp_path / "whole.jsonl"
    song = saved(music, "00.ogg", tune(20))
    for n in range(1, 10):
        os.link(song, music / f"{n:02}.ogg")
    asked = ("score", "-j", jobs, music, "-o")
    journal = tmp_path / ".out.jsonl.partial"
    process = start(*asked, out)
    until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 2, process)
    process.send_signal(end)
    assert finished(process).code == {signal.SIGKILL: -9, signal.SIGINT: 130, signal.SIGTERM: 143}[end]
    assert not out.exists()
    taken_up = run(*asked, out)
    assert taken_up.code == 0
    assert "taking up an interrupted run" in taken_up.err
    assert run(*asked, whole).code == 0
    assert out.read_bytes() == whole.read_bytes()
    assert not journal.exists()


@pytest.mark.parametrize("target", ["out", "out.tar"])
def test_a_killed_mutate_is_taken_up(tmp_path, target):
    song = saved(tmp_path, "song.wav", tune(5, channels=1))
    asked = ("mutate", song, "--pitch", "-3:3:0.5", "-j", "2", "--quality", "draft", "-o")
    output, whole = tmp_path / target, tmp_path / f"whole{target.removeprefix('out')}"
    process = start(*asked, output)
    if target == "out":
        until(lambda: output.exists() and len(list(output.glob("song*.wav"))) > 2, process)
    else:
        until(lambda: any(p.stat().st_size > 500_000 for p in tmp_path.glob(".out.tar.*.part")), process)
    process.kill()
    assert finished(process).code == -9
    assert run(*asked, output, "--skip-existing").code == 0
    assert run(*asked, whole).code == 0
    made = contents(output) if target == "out" else {"tar": output.read_bytes()}
    made = {name: data for name, data in made.items() if not name.endswith(".part")}
    assert made == (contents(whole) if target == "out" else {"tar": whole.read_bytes()})


def test_an_interrupted_mutate_leaves_nothing_half_made(tmp_path):
    song = saved(tmp_path, "song.wav", tune(8))
    process = start("mutate", song, "--pitch", "-4:4:1", "-j", "2", "-o", tmp_path / "out.tar")
    until(lambda: list(tmp_path.glob(".out.tar.*.part")), process)
    process.send_signal(signal.SIGINT)
    outcome = finished(process)
    assert outcome.code == 130
    assert outcome.complaints == ["hitpredict: interrupted"]
    assert set(contents(tmp_path)) == {"song.wav"}


@pytest.mark.parametrize("command", [SCORE, MUTATE], ids=str)
def test_pipes_and_devices_are_not_replaced(tmp_path, command):
    pipe = tmp_path / "pipe.wav"
    os.mkfifo(pipe)
    outcome = run(*command.call(saved(tmp_path), "-o", pipe, "--force"))
    assert outcome.code == 2
    assert len(outcome.complaints) == 1
    assert pipe.is_fifo()


def test_output_may_not_be_an_input(tmp_path):
    song = saved(tmp_path)
    before = song.read_bytes()
    outcome = run("mutate", song, "--gain", "-3", "-o", song)
    assert outcome.code == 2
    assert song.read_bytes() == before
    assert len(encoded(tune())) == len(before)


def test_rows_come_in_the_order_asked_for(tmp_path):
    songs = [saved(tmp_path / "songs", f"{n}.wav", tune(2, seed=n)) for n in range(5)]
    scores = {record["path"]: record["score"] for record in run("score", *songs).records}
    best = sorted(scores.values(), reverse=True)
    assert len(set(best)) == 5
    asked = ("--sort", "score", "--top", "3")
    for arguments in (asked, ("--top", "3")):
        assert [record["score"] for record in run("score", *arguments, *songs).records] == best[:3]
    assert run("score", *asked, *songs, "-o", tmp_path / "best.jsonl").code == 0
    assert (tmp_path / "best.jsonl").read_bytes() == run("score", *asked, *songs).out
    names = [record["name"] for record in run("score", "--sort", "name", *reversed(songs)).records]
    assert names == ["0", "1", "2", "3", "4"]
    shown = run("score", "-f", "pretty", "--sort", "score", *songs).out.decode().splitlines()
    assert [float(line.split()[0]) for line in shown[1:6]] == [round(score, 1) for score in best]


def test_sweeps_carry_their_steps_into_records(tmp_path):
    song = saved(tmp_path)
    sweep = run("mutate", song, "--with-original", "--gain", "-3,-6", "--mono").out
    records = run("score", "-", stdin=sweep).records
    assert [record["variant"] for record in records] == [{}, {"gain": -3, "mono": True}, {"gain": -6, "mono": True}]
    table = run("score", "-f", "tsv", "-", stdin=sweep).out.decode().splitlines()
    assert [line.split("\t")[-1] for line in table] == ["variant", "", "gain=-3; mono", "gain=-6; mono"]
    assert run("mutate", song, "--gain", "-3", "-o", tmp_path / "one.flac").code == 0
    assert run("score", tmp_path / "one.flac").records[0]["variant"] == {"gain": -3}
