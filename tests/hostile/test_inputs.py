"""Inputs that mean harm: odd rows, long names and lines, and threads that the environment asks for."""

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from hitpredict.audio.expand import Scratch, expand, read_list
from tests.helpers.processes import measured, run
from tests.helpers.sounds import saved, tune

MANY_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "8")


@pytest.mark.slow
def test_numbers_do_not_depend_on_threads_that_the_environment_asks_for(tmp_path):
    song = saved(tmp_path)
    kinds = ("fma518", "hmn207", "logmel")
    rows = [[run("featurize", "-k", kind, song, env=env).out for kind in kinds] for env in ({}, MANY_THREADS)]
    assert rows[0] == rows[1]
    code = "import hitpredict.cli, numpy, threadpoolctl as t; print(*(p['num_threads'] for p in t.threadpool_info()))"
    pools = run("-c", code, env=MANY_THREADS, program=(sys.executable,)).out.split()
    assert set(pools) == {b"1"}


ROWS = [
    {"path": 123},
    {"path": ["a"]},
    5,
    None,
    {"path": "\ud800.wav"},
    {"path": "a\0b.wav"},
    {"path": "n" * 300 + ".wav"},
    {"path": "missing.wav"},
    {"path": "pipe.wav"},
    {"path": "."},
    {"title": "no path"},
]


@pytest.mark.parametrize("command", ["score", "mutate", "featurize"])
def test_odd_rows_of_a_manifest_cost_themselves(tmp_path, command):
    saved(tmp_path, "good.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    deep = "[" * 100_000
    lines = [json.dumps({"path": "good.wav"}), deep, *map(json.dumps, ROWS), '{"path": "last.wav"}']
    saved(tmp_path, "last.wav")
    (tmp_path / "tracks.jsonl").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe\n")
    made = ("--gain", "-3", "-o", tmp_path / "out.tar") if command == "mutate" else ("-k", "mfcc_stats")
    failed = tmp_path / "failed"
    outcome = run(command, tmp_path / "tracks.jsonl", "--failures", failed, *(made if command != "score" else ()))
    assert outcome.code == 1
    assert "Traceback" not in outcome.err
    assert "unexpected" not in outcome.err
    # The deep line, the rows but for the one that names nothing, and the last line.
    assert len([line for line in outcome.complaints if "variants" not in line]) == len(ROWS) + 1, outcome.err
    assert len(failed.read_bytes().splitlines()) > 3
    if command != "mutate":
        assert [Path(record["path"]).name for record in outcome.records] == ["good.wav", "last.wav"]


def test_names_too_long_cost_themselves(tmp_path):
    good = saved(tmp_path, "good.wav")
    outcome = run("score", tmp_path / ("n" * 300), good, tmp_path / "d" / ("e" * 5000), good)
    assert outcome.code == 1
    assert len(outcome.records) == 2
    assert len(outcome.complaints) == 2


def test_a_variant_with_too_long_a_name_costs_itself(tmp_path):
    songs = [saved(tmp_path, f"{'n' * 245}.wav"), saved(tmp_path, "good.wav")]
    outcome = run("mutate", *songs, "--gain", "-3", "--pitch", "+1", "-o", tmp_path / "out")
    assert outcome.code == 1
    assert [path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith(".")] == [
        "good.gain-3.pitch+1.wav"
    ]
    assert "File name too long" in outcome.err
    assert "Traceback" not in outcome.err


def test_a_long_line_of_a_list_is_not_kept(tmp_path):
    class Line(io.RawIOBase):
        left = 200

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            return b"x" * size if self.left >= 0 else b""

    (name,) = read_list(Line())
    assert len(name) < 10_000
    (source,) = expand([name], Scratch(str(tmp_path)))
    assert "is this a list of names" in (source.problem or "")
    assert len(source.path) < 100


def test_a_long_line_of_a_list_takes_little_memory(tmp_path):
    good = saved(tmp_path, "good.wav")
    (tmp_path / "list").write_bytes(b"x" * 200_000_000 + f"\n{good}\n".encode())
    outcome, used = measured("score", "--files-from", tmp_path / "list")
    assert [record["path"] for record in outcome.records] == [str(good)]
    assert len(outcome.complaints) == 2  # and the usage that `measured` adds
    assert used.peak < 200


def test_tags_that_are_not_unicode_are_read(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "x.m4a"
    with av.open(str(path), "w", format="ipod") as container:
        container.metadata["title"] = "MARKED TITLE"
        stream = container.add_stream("aac", rate=44100)
        clip = tune(3, 44100)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(clip.samples), "fltp", "stereo")
        frame.sample_rate = 44100
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    data = path.read_bytes()
    assert b"MARKED TITLE" in data
    path.write_bytes(data.replace(b"MARKED TITLE", b"M\xff\xfeKED TITLE"))
    assert len(run("score", path).records) == 1
    assert run("mutate", path, "--gain", "-3", "-o", tmp_path / "out.wav").code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may read everything")
def test_what_may_not_be_entered_costs_itself(tmp_path):
    good = saved(tmp_path, "good.wav")
    closed = saved(tmp_path / "closed", "x.wav")
    closed.parent.chmod(0)
    try:
        outcome = run("score", closed, closed.parent, good)
    finally:
        closed.parent.chmod(0o700)
    assert (outcome.code, len(outcome.records), len(outcome.complaints)) == (1, 1, 2)


def test_whatever_goes_wrong_in_naming_costs_one_input(tmp_path, monkeypatch):
    names = [str(saved(tmp_path, f"{number}.wav")) for number in range(3)]
    opened = "hitpredict.audio.expand.open_regular"
    import hitpredict.audio.expand as module

    real = module.open_regular

    def trapped(path: str):
        if path == names[1]:
            raise PermissionError(13, "Permission denied")
        if path == names[2]:
            raise RecursionError("deep")
        return real(path)

    monkeypatch.setattr(opened, trapped)
    found = list(expand([str(tmp_path), *names], Scratch(str(tmp_path))))
    assert [source.problem for source in found] == [
        None,
        "cannot be read: Permission denied",
        "cannot be read: deep",
    ] * 2
