"""What takes too long, too much memory or too many workers, or answers no number, costs its own input alone."""

import gc
import os
import signal
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

from hitpredict.engines import local, ray, threads
from hitpredict.engines.limits import Limits
from hitpredict.errors import InputError
from hitpredict.scoring.session import bundled
from tests.helpers.marks import few_by_default
from tests.helpers.processes import finished, python, run, start
from tests.helpers.sounds import saved, tune


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


@pytest.mark.parametrize("jobs", few_by_default([2, 1]))
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


@pytest.mark.parametrize(("prepare", "jobs"), few_by_default([(deaf, 2), (dawdling, 1), (dawdling, 2)]))
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
    with ray.connected(jobs=1) as cluster:
        results = list(cluster.run(prepare, (), [0.1, 300.0, 0.1], 1, limits=Limits(seconds=3)))
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


@pytest.mark.parametrize("frames", few_by_default([10**6, 10**8]), ids=["in a thread", "in its turn"])
@pytest.mark.parametrize("steps", few_by_default(["--pitch 1 --gain -1,-2", "--gain -1,-2", "--pitch 1"]))
def test_a_sound_whose_variants_take_too_long_is_given_up(tmp_path, frames, steps):
    for name in ("a.wav", "slow.wav", "z.wav"):
        saved(tmp_path, name, tune(1, channels=1))
    asked = ("a.wav", "slow.wav", "z.wav", "--timeout", 4, "-j", "2", "-o", "out")
    outcome = python(WITHOUT_END, frames, "mutate", *steps.split(), *asked, cwd=tmp_path)
    assert outcome.code == 1
    assert outcome.complaints == ["hitpredict: slow.wav: given up after 4 s; a higher timeout allows more"]
    made = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert {name.split(".")[0] for name in made} == {"a", "z"}
    assert len(made) == 2 * (2 if "-1,-2" in steps else 1)


def dying():
    """Work during which a process dies with what all of them need to hand over results; they wait for it for 2 s."""
    from pebble.common import CONSTS

    CONSTS.channel_lock_timeout = 2
    return _die


def _die(item: int) -> int:
    if item < 0:
        held = next(each for each in gc.get_objects() if type(each).__name__ == "ChannelMutex")
        held.acquire()
        os.kill(os.getpid(), signal.SIGKILL)
    return item


@pytest.mark.slow
def test_a_worker_that_dies_with_the_way_to_hand_over_costs_its_item_alone():
    results = list(local.run(dying, (), [1, 2, 3, -1, *range(4, 20), -2, 20, 21], 2))
    failures = [str(result) for _, result in results if isinstance(result, InputError)]
    assert [item for item, _ in results] == [1, 2, 3, -1, *range(4, 20), -2, 20, 21]
    assert [result for _, result in results if not isinstance(result, InputError)] == list(range(1, 22))
    assert [failure.split(": ")[0] for failure in failures] == ["-1", "-2"]
    assert all("SIGKILL" in failure for failure in failures)


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
