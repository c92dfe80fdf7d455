"""Promises 4, 6, 9 and 15: what people type into a shell."""

import json
import select
import shutil
import subprocess

import numpy as np
import pytest
import soundfile

from tests.helpers.marks import few_by_default
from tests.helpers.processes import finished, shell, start
from tests.helpers.sounds import saved, tune

SAME = ("name", "duration", "score", "percentile", "interval", "warnings", "model", "device")


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def judged(line: str) -> dict[str, object]:
    record = json.loads(line)
    return {key: record[key] for key in SAME}


@pytest.mark.parametrize("bits", ["16", "24", "float"])
def test_one_variant_through_a_pipe_equals_a_file(tmp_path, bits):
    saved(tmp_path, "song.flac", tune(6))
    asked = f"hitpredict mutate song.flac --pitch +2 --quality draft --bits {bits}"
    piped = shell(f"set -o pipefail; {asked} | hitpredict score -", tmp_path)
    filed = shell(f"{asked} -o changed.wav && hitpredict score changed.wav", tmp_path)
    assert (piped.code, piped.err) == (0, "")
    assert judged(piped.out.decode()) == judged(filed.out.decode())
    assert piped.records[0]["name"] == "song [pitch+2]"


@pytest.mark.parametrize("name", few_by_default(["song.mp3", "song.wav"]))
def test_several_variants_through_a_pipe_equal_files(tmp_path, name):
    saved(tmp_path, name, tune(6, 44100))
    asked = f"hitpredict mutate {name} --with-original --gain=-6,-3 --lowpass 4000,8000"
    piped = shell(f"{asked} | hitpredict score -", tmp_path)
    shell(f"{asked} -o out/", tmp_path)
    assert len(piped.records) == 5
    for line in piped.out.decode().splitlines():
        member = json.loads(line)["path"].removeprefix("-/")
        filed = shell(f"hitpredict score 'out/{member}'", tmp_path)
        assert judged(line) == judged(filed.out.decode())


def test_a_tar_file_equals_its_stream(tmp_path):
    saved(tmp_path, "song.wav")
    script = "hitpredict mutate song.wav --gain=-6,-3 | tee piped.tar | hitpredict score - > piped.jsonl"
    assert shell(f"{script}; hitpredict mutate song.wav --gain=-6,-3 -o filed.tar", tmp_path).code == 0
    assert (tmp_path / "piped.tar").read_bytes() == (tmp_path / "filed.tar").read_bytes()
    filed = shell("hitpredict score filed.tar", tmp_path).records
    piped = [json.loads(line) for line in (tmp_path / "piped.jsonl").read_text().splitlines()]
    assert [judged(json.dumps(r)) for r in piped] == [judged(json.dumps(r)) for r in filed]
    listed = shell("tar -tf piped.tar", tmp_path)
    assert listed.out.decode().split() == ["song.gain-6.wav", "song.gain-3.wav"]


def test_an_unchanged_song_scores_as_itself(tmp_path):
    saved(tmp_path, "song.wav", tune(5))
    piped = shell("hitpredict mutate song.wav --with-original --gain -3 | hitpredict score -", tmp_path)
    direct = shell("hitpredict score song.wav", tmp_path)
    assert judged(piped.out.decode().splitlines()[0]) == judged(direct.out.decode())


def test_mutations_chain(tmp_path):
    saved(tmp_path, "song.wav")
    chained = shell(
        "hitpredict mutate song.wav --gain -3 | hitpredict mutate - --reverse | hitpredict score -", tmp_path
    )
    assert chained.code == 0
    assert chained.records[0]["name"] == "song [gain-3] [reverse]"


@needs("ffmpeg")
@pytest.mark.parametrize("bits", ["16", "24", "float"])
def test_ffmpeg_reads_the_stream(tmp_path, bits):
    saved(tmp_path, "song.wav")
    script = (
        f"set -o pipefail; hitpredict mutate song.wav --reverse --bits {bits}"
        " | ffmpeg -v error -i - -c:a pcm_s24le -f wav read.wav"
    )
    outcome = shell(script, tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    expected = soundfile.read(tmp_path / "song.wav")[0][::-1]
    assert np.abs(soundfile.read(tmp_path / "read.wav")[0] - expected).max() < 2**-14


@needs("sox")
@pytest.mark.parametrize("bits", ["16", "24", "float"])
def test_sox_reads_the_stream(tmp_path, bits):
    saved(tmp_path, "song.wav")
    script = f"set -o pipefail; hitpredict mutate song.wav --reverse --bits {bits} | sox -t wav - -D -b 24 read.wav"
    outcome = shell(script, tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    expected = soundfile.read(tmp_path / "song.wav")[0][::-1]
    assert np.abs(soundfile.read(tmp_path / "read.wav")[0] - expected).max() < 2**-14


@needs("ffmpeg")
@pytest.mark.parametrize("form", ["wav", "flac", "ogg", "mp3"])
def test_streams_of_ffmpeg_are_read(tmp_path, form):
    saved(tmp_path, "song.wav", tune(4))
    outcome = shell(f"ffmpeg -v error -i song.wav -f {form} - | hitpredict score -", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.records[0]["duration"] == pytest.approx(4, abs=0.1)
    assert not [w for w in outcome.records[0]["warnings"] if w.startswith("truncated")]


@needs("sox")
def test_streams_of_sox_are_read(tmp_path):
    saved(tmp_path, "song.wav", tune(4))
    outcome = shell("sox song.wav -t wav - | hitpredict score -", tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert outcome.records[0]["duration"] == 4.0


@pytest.mark.parametrize(
    "script",
    [
        "hitpredict score $(yes song.wav | head -60) | head -1",
        "hitpredict score -j 2 $(yes song.wav | head -60) | head -1",
        "hitpredict score -f tsv -j 1 $(yes song.wav | head -60) | head -2",
        "hitpredict mutate song.wav --gain=-30:-1:0.5 | head -c 3000",
        "hitpredict mutate long.wav --gain -3 | head -c 3000",
        "(sleep 1; hitpredict mutate song.wav --gain=-30:-1:0.5 -n) | true",
    ],
)
def test_a_reader_that_leaves_is_no_error(tmp_path, script):
    saved(tmp_path, "song.wav")
    saved(tmp_path, "long.wav", tune(60))
    outcome = shell(f"{script}; echo ${{PIPESTATUS[0]}} >status", tmp_path)
    assert (tmp_path / "status").read_text() == "141\n"
    assert outcome.err == ""


def test_names_are_taken_as_they_come(tmp_path):
    song = saved(tmp_path, "song.wav", tune(2))
    scoring = start("score", "-j", "1", "--files-from", "-", stdin=subprocess.PIPE)
    with scoring.stdin:
        for _ in range(2):
            scoring.stdin.write(f"{song}\n".encode())
            scoring.stdin.flush()
            assert select.select([scoring.stdout], [], [], 60)[0], "the end of the list is waited for"
            assert json.loads(scoring.stdout.readline())["path"] == str(song)
    scoring.stdin = None
    assert finished(scoring).code == 0


def test_help_into_a_closed_pipe_is_silent(tmp_path):
    outcome = shell("(sleep 1; hitpredict score --help) | true", tmp_path)
    assert (outcome.out, outcome.err) == (b"", "")


@pytest.mark.parametrize(
    "command",
    few_by_default(["hitpredict score -j 1", "hitpredict mutate --gain=-3 -o out --force", "hitpredict score -j 2"], 2),
)
def test_while_read_loops_survive(tmp_path, command):
    for n in range(3):
        saved(tmp_path, f"{n}.wav")
    script = f'ls [0-9].wav | while read -r file; do {command} "$file" "$file.missing" 2>>errors; echo "$file"; done'
    outcome = shell(script, tmp_path)
    assert [line for line in outcome.out.decode().splitlines() if not line.startswith("{")] == [
        f"{n}.wav" for n in range(3)
    ]
    assert (tmp_path / "errors").read_text().count("missing") == 3


@needs("rubberband")
def test_programs_started_do_not_eat_the_loop(tmp_path):
    for n in range(2):
        saved(tmp_path, f"{n}.wav")
    script = (
        'ls [0-9].wav | while read -r file; do hitpredict mutate "$file" --pitch 1 --engine rubberband -o "new$file";'
        " done"
    )
    outcome = shell(script, tmp_path)
    assert (outcome.code, outcome.err) == (0, "")
    assert sorted(path.name for path in tmp_path.glob("new*")) == ["new0.wav", "new1.wav"]
