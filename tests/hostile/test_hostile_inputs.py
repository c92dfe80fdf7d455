"""Inputs, models and surroundings that mean harm: one input never ends a batch, none takes more than its share."""

import io
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import onnx
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper
from processes import finished, measured, python, run, start
from sounds import saved, tune

from hitpredict.audio.expand import Scratch, expand, read_list
from hitpredict.engines import local, ray, threads
from hitpredict.engines.limits import Limits
from hitpredict.errors import InputError
from hitpredict.runtime import bundled

MANY_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "8")


def test_numbers_do_not_depend_on_threads_that_the_environment_asks_for(tmp_path):
    song = saved(tmp_path)
    kinds = ("fma518", "hmn207", "logmel")
    rows = [[run("featurize", "-k", kind, song, env=env).out for kind in kinds] for env in ({}, MANY_THREADS)]
    assert rows[0] == rows[1]
    code = "import hitpredict.cli, numpy, threadpoolctl as t; print(*(p['num_threads'] for p in t.threadpool_info()))"
    pools = run("-c", code, env=MANY_THREADS, program=(sys.executable,)).out.split()
    assert set(pools) == {b"1"}


def tampered(path: Path, how: str) -> Path:
    """The bundled model, whose answer is NaN, or comes after a loop that never ends."""
    model = onnx.load(next(iter(bundled().values())))
    graph = model.graph
    answer = graph.output[0].name
    for node in graph.node:
        node.output[:] = ["honest" if name == answer else name for name in node.output]
    if how == "nan":
        graph.initializer.append(numpy_helper.from_array(np.array(np.nan, np.float32), "nan"))
        graph.node.append(helper.make_node("Add", ["honest", "nan"], [answer]))
    else:
        flag = helper.make_tensor_value_info
        body = helper.make_graph(
            [helper.make_node("Identity", ["go_on"], ["still"]), helper.make_node("Identity", ["held"], ["kept"])],
            "endless",
            [
                flag("turn", TensorProto.INT64, []),
                flag("go_on", TensorProto.BOOL, []),
                flag("held", TensorProto.FLOAT, None),
            ],
            [flag("still", TensorProto.BOOL, []), flag("kept", TensorProto.FLOAT, None)],
        )
        graph.initializer.append(numpy_helper.from_array(np.array(2**62), "turns"))
        graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
        graph.node.append(helper.make_node("Loop", ["turns", "yes", "honest"], [answer], body=body))
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_an_answer_that_is_no_number_is_a_failure(tmp_path, form):
    song = saved(tmp_path)
    model = tampered(tmp_path / "x.onnx", "nan")
    outcome = run("score", "-m", model, "-f", form, song)
    assert outcome.code == 1
    assert outcome.complaints == [f"hitpredict: {song}: model {model}: answers nan, which is no score"]
    assert b"nan" not in outcome.out


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_model_without_end_is_given_up_and_the_input_named(tmp_path, jobs):
    songs = [saved(tmp_path, f"{number}.wav") for number in range(2)]
    outcome = run("score", "-m", tampered(tmp_path / "x.onnx", "loop"), "-j", jobs, "--timeout", 2, *songs)
    assert outcome.code == 1
    assert [line.split(": ")[1] for line in outcome.complaints] == [str(song) for song in songs]
    assert all("a higher timeout allows more" in line for line in outcome.complaints)


def dawdling():
    return _dawdle


def _dawdle(seconds: float) -> float:
    deadline = time.monotonic() + abs(seconds)
    while time.monotonic() < deadline:
        try:
            time.sleep(abs(seconds) if seconds < 0 else 0.01)
        except Exception:
            continue
    return seconds


def deaf():
    """Work that hears no alarm, as in foreign code."""
    import signal

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    return _dawdle


@pytest.mark.parametrize(("prepare", "jobs"), [(dawdling, 1), (dawdling, 2), (deaf, 2)])
def test_what_takes_too_long_is_given_up(prepare, jobs, monkeypatch):
    monkeypatch.setattr(local, "_GRACE_SECONDS", 0.2)
    results = list(local.run(prepare, (), [0.1, 300.0, 0.1], jobs, limits=Limits(seconds=3)))
    assert [isinstance(result, InputError) for _, result in results] == [False, True, False]
    assert str(results[1][1]) == "300.0: given up after 3 s; a higher timeout allows more"


def _workers(mark: str) -> list[int]:
    """The processes for work that have a mark in their environment."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error):
            if each.environ().get("HITPREDICT_ON_RAY") == mark and "spawn_main" in " ".join(each.cmdline()):
                found.append(each.pid)
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("prepare", [dawdling, deaf])
def test_what_takes_too_long_on_ray_is_given_up(prepare, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.setenv("HITPREDICT_ON_RAY", mark := uuid4().hex)
    results = list(ray.run(prepare, (), [0.1, 300.0, 0.1], 1, limits=Limits(seconds=3)))
    assert [isinstance(result, InputError) for _, result in results] == [False, True, False]
    assert str(results[1][1]) == "300.0: given up after 3 s; a higher timeout allows more"
    deadline = time.monotonic() + 60
    while _workers(mark):
        assert time.monotonic() < deadline
        time.sleep(0.1)


WITHOUT_END = """
import sys, time
from dataclasses import replace
import numpy as np
from hitpredict.audio import read
from hitpredict.cli.app import main
whole, frames = read.read_sound, int(sys.argv.pop(1))
def dripping():
    while True:
        time.sleep(0.02)
        yield np.zeros((1, 100), np.float32)
def read_sound(source, note):
    sound = whole(source, note)
    return replace(sound, frames=frames, parts=dripping) if "slow" in source.path else sound
read.read_sound = read_sound
main()
"""


@pytest.mark.parametrize("frames", [10**6, 10**8], ids=["in a thread", "in its turn"])
@pytest.mark.parametrize("steps", [("--gain", "-1,-2"), ("--pitch", "1"), ("--pitch", "1", "--gain", "-1,-2")], ids=str)
def test_a_sound_whose_variants_take_too_long_is_given_up(tmp_path, frames, steps):
    for name in ("a.wav", "slow.wav", "z.wav"):
        saved(tmp_path, name, tune(1, channels=1))
    asked = ("a.wav", "slow.wav", "z.wav", "--timeout", 4, "-j", "2", "-o", "out")
    outcome = python(WITHOUT_END, frames, "mutate", *steps, *asked, cwd=tmp_path)
    assert outcome.code == 1
    assert outcome.complaints == ["hitpredict: slow.wav: given up after 4 s; a higher timeout allows more"]
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {name.split(".")[0] for name in made} == {"a", "z"}
    assert len(made) == 2 * (2 if "-1,-2" in steps else 1)


def hoarding():
    return _hoard


def _hoard(size: int) -> int:
    return len(bytearray(size))


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_takes_too_much_memory_fails_alone(jobs):
    import resource

    before = resource.getrlimit(resource.RLIMIT_AS)
    allowed = psutil.Process().memory_info().vms + 500_000_000
    results = list(local.run(hoarding, (), [1, allowed, 2], jobs, limits=Limits(memory=allowed)))
    assert [result for _, result in results if not isinstance(result, InputError)] == [1, 2]
    assert "needs more memory than there is, or than the limit allows" in str(results[1][1])
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_workers_that_cannot_start_are_one_line(tmp_path):
    songs = [saved(tmp_path, f"{number}.wav") for number in range(2)]
    outcome = run("score", "-j", 2, "--memory", "120M", *songs)
    assert outcome.code in (1, 3)
    assert "Traceback" not in outcome.err
    assert "defect" not in outcome.err


def test_no_more_workers_than_inputs(tmp_path):
    songs = [saved(tmp_path, f"{number}.wav", tune(20)) for number in range(2)]
    process, most = start("score", "-j", "60", *songs), 0
    while process.poll() is None:
        try:
            children = psutil.Process(process.pid).children(recursive=True)
            most = max(most, sum("spawn_main" in " ".join(child.cmdline()) for child in children))
        except psutil.Error:
            continue
    assert len(finished(process).records) == 2
    assert most == 2


def test_a_call_that_fails_in_any_way_costs_itself():
    def call(error: BaseException | None) -> int:
        if error:
            raise error
        return 1

    work = [
        (str(number), lambda error=error: call(error)) for number, error in enumerate([None, RecursionError("x"), None])
    ]
    results = dict(threads.run(work, 2))
    assert [isinstance(result, InputError) for result in results.values()] == [False, True, False]
    with pytest.raises(BrokenPipeError):
        list(threads.run([("x", lambda: call(BrokenPipeError(32, "gone")))], 1))


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
