"""Ray clusters of this machine, whose nodes and workers are killed in the middle of a run."""

import io
import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import pyarrow.parquet
import pytest

from hitpredict.audio.source import Source
from hitpredict.engines import local
from hitpredict.errors import EnvironmentProblem, InputError, UsageError
from hitpredict.scoring.scorer import scoring
from hitpredict.scoring.session import ModelFile, bundled
from tests.helpers.archives import tar_of
from tests.helpers.processes import finished, run, start
from tests.helpers.sounds import encoded, saved, tune

ray = pytest.importorskip("ray")
from hitpredict.engines import ray as engine  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")


def test_an_address_at_which_nothing_answers():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    done = run("score", "--engine", "ray", "--ray-address", f"127.0.0.1:{port}", "x.wav")
    assert (done.code, done.out, len(done.complaints)) == (3, b"", 1)
    assert f"--ray-address 127.0.0.1:{port}: no Ray cluster" in done.err


@pytest.mark.parametrize("address", ["nowhere.invalid:6379", "127.0.0.1:x", "127.0.0.1:99999"])
def test_an_address_that_is_none(address):
    with pytest.raises(EnvironmentProblem, match="no Ray cluster"), engine.connected(address):
        pass


def test_what_accepts_and_is_no_cluster_is_given_up(monkeypatch):
    monkeypatch.setattr(engine, "_TRIAL", "import time; time.sleep(3600)")
    monkeypatch.setattr(engine, "_CONNECT_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(EnvironmentProblem, match=r"within 0\.1 s"), engine.connected(address):
            pass


def test_why_a_cluster_does_not_answer_is_said(monkeypatch):
    monkeypatch.setattr(engine, "_TRIAL", "raise SystemExit('another version')")
    with pytest.raises(EnvironmentProblem, match=r"\(another version\)"), engine.connected("auto"):
        pass


def test_the_address_of_a_client():
    with pytest.raises(UsageError, match="HOST:PORT"), engine.connected("ray://head:10001"):
        pass


def test_the_address_alone_is_a_mistake():
    done = run("score", "--ray-address", "auto", "x.wav")
    assert (done.code, done.complaints) == (2, ["hitpredict: --ray-address: say --engine ray, too, or leave it out"])


@pytest.mark.parametrize(
    ("gpus", "asked", "found"), [(0, "auto", "cpu"), (2, "auto", "cuda"), (2, "cpu", "cpu"), (2, "cuda", "cuda")]
)
def test_the_device_is_the_clusters(gpus, asked, found):
    assert engine.Cluster(4, gpus).device(asked) == found


def test_a_gpu_that_no_node_has():
    with pytest.raises(EnvironmentProblem, match="`device` cuda: the Ray cluster has no GPU"):
        engine.Cluster(4, 0).device("cuda")


def test_other_threads_do_not_write_to_standard_output():
    with redirect_stdout(io.StringIO()) as out:
        stream = engine._OfOneThread(out)
        thread = threading.Thread(target=lambda: stream.write("of Ray"))
        thread.start()
        thread.join()
        stream.write("ours")
    assert out.getvalue() == "ours"


def test_what_was_spooled_is_sent(tmp_path):
    copy = tmp_path / "copy"
    copy.write_bytes(b"sound")
    sent = Source("-", file=str(copy), temporary=True).sent()
    assert (sent.data, sent.file, sent.temporary, sent.path) == (b"sound", None, False, "-")
    assert Source("a.wav", file="a.wav").sent() == Source("a.wav", file="a.wav")


def counting(folder):
    """Work that notes each loading and each item, so that both can be counted, and knows who did it."""
    (Path(folder) / f"loaded-{os.getpid()}").touch()

    def work(item):
        with (Path(folder) / "done").open("a") as file:
            file.write(f"{item}\n")
        if item % 10 == 3:
            raise InputError(f"{item}: is odd")
        return item * item, os.getppid()

    return work


def seeing():
    """Work that tells which GPUs there are for it."""
    return lambda item: os.environ["CUDA_VISIBLE_DEVICES"]


def deadly(folder):
    """Work during which the actor itself dies, when it is 7's turn."""

    def work(item):
        if item == 7:
            os.kill(os.getppid(), signal.SIGKILL)
        return item, 0

    return work


def plain(results):
    """What is to be the same everywhere: the items, and what came of them."""
    return [(item, str(result) if isinstance(result, InputError) else result[0]) for item, result in results]


def here(count):
    return [(item, f"{item}: is odd" if item % 10 == 3 else item * item) for item in range(count)]


@contextmanager
def two_nodes(monkeypatch, gpus=0):
    """A cluster of two nodes with a processor each, this process connected with it; gives it and the second node."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        yield nodes, nodes.add_node(num_cpus=1, num_gpus=gpus)
    finally:
        nodes.shutdown()


@pytest.mark.slow
def test_killed_workers_and_nodes(tmp_path, monkeypatch):
    with two_nodes(monkeypatch, gpus=2) as (nodes, second), engine.connected(nodes.address) as cluster:
        assert (cluster.cpus, cluster.gpus, cluster.device("auto")) == (2, 2, "cuda")
        asked = []

        def items(count):
            for item in range(count):
                asked.append(item)
                yield item

        # Undisturbed: each actor loads once, and no more is taken than a few blocks for each.
        results = cluster.run(counting, (tmp_path,), items(300))
        first = next(results)
        assert len(asked) <= 100
        assert plain([first, *results]) == here(300)
        assert len(list(tmp_path.glob("loaded-*"))) == 2
        assert sorted(map(int, (tmp_path / "done").read_text().split())) == list(range(300))

        # Each actor sees one GPU, as Ray counts them.
        results = list(cluster.run(seeing, (), range(100), device="cuda"))
        assert {gpus for _, gpus in results} <= {"0", "1"}

        # A worker is killed: what it had is done by others.
        results, seen = cluster.run(counting, (tmp_path,), range(300)), []
        for item, result in results:
            seen.append((item, result))
            if item == 50:
                os.kill(result[1], signal.SIGKILL)
        assert plain(seen) == here(300)

        # Whatever kills each that has it fails alone.
        results = list(cluster.run(deadly, (tmp_path,), range(30), 2))
        assert [item for item, result in results if isinstance(result, InputError)] == [7]
        assert "lost 3 times" in str(results[7][1])
        assert [item for item, _ in results] == list(range(30))

        # The model is sent: nobody has the file any more.
        model, sound = tmp_path / "model.onnx", saved(tmp_path)
        model.write_bytes(next(iter(bundled().values())).read_bytes())
        file, source = ModelFile.find(str(model)), Source(str(sound), file=str(sound))
        model.unlink()
        ((_, record),) = cluster.run(scoring, (file, "cpu", None, 60.0), [source])
        assert record == scoring(None, "cpu", None, 60.0)(source)

        # A node is killed, for good.
        results, seen = cluster.run(counting, (tmp_path,), range(300)), []
        for item, result in results:
            seen.append((item, result))
            if item == 50:
                nodes.remove_node(second, allow_graceful=False)
        assert plain(seen) == here(300)


@pytest.mark.slow
def test_scores_are_those_of_this_machine_though_a_node_is_lost(tmp_path, monkeypatch):
    music = tmp_path / "music"
    for number in range(60):
        saved(music, f"{number:03}.wav", tune(0.5, seed=number))
    (music / "030.wav").write_bytes(b"no sound")
    with two_nodes(monkeypatch) as (nodes, second):
        arguments = ("score", "--engine", "ray", "--failures", "failed", "music")
        process = start(*arguments, cwd=tmp_path, env={"RAY_ADDRESS": nodes.address})
        line = process.stdout.readline()
        nodes.remove_node(second, allow_graceful=False)
        done = finished(process)
    expected = run("score", "music", cwd=tmp_path)
    assert (done.code, done.err) == (1, expected.err)
    assert line + done.out == expected.out
    assert (tmp_path / "failed").read_text() == "music/030.wav\n"


def refusing():
    raise EnvironmentProblem("no GPU on this node")


@pytest.mark.slow
def test_why_a_worker_cannot_begin_is_said():
    with pytest.raises(EnvironmentProblem, match="no GPU on this node"):
        list(local.run(refusing, (), range(4), 2))


@pytest.mark.slow
def test_shards_at_addresses_are_read_by_workers(tmp_path):
    """Not through the driver: what it is given of a member is where it lies."""
    for shard in range(2):
        members = {f"{key}.{kind}": encoded(tune(0.3, seed=key)) for key in range(2) for kind in ("wav", "json")}
        (tmp_path / f"shard-{shard}.tar").write_bytes(tar_of({**members, "x.wav": b"no sound"}))
    inputs = (f"file://{tmp_path}/shard-{{0..1}}.tar", f"file://{tmp_path}/none.tar", tmp_path / "shard-1.tar")
    found = run("score", "-v", "--engine", "ray", "--parts", 4, "-o", tmp_path / "parts", *inputs)
    expected = run("score", "-v", "-j", 1, "-o", tmp_path / "whole.parquet", *inputs)
    said, wanted = ([line for line in each.complaints if line.startswith("hitpredict: ")] for each in (found, expected))
    assert (found.code, sorted(said)) == (1, sorted(wanted))
    assert said[0] == wanted[0]
    assert f"file://{tmp_path}/shard-0.tar: 2 of its members (2 .json): passed over" in found.err
    table = pyarrow.concat_tables(map(pyarrow.parquet.read_table, sorted((tmp_path / "parts").glob("*.parquet"))))
    assert table.equals(pyarrow.parquet.read_table(tmp_path / "whole.parquet"))
    assert table.num_rows == 6


def test_only_what_is_chosen_is_worked_on_ahead(monkeypatch):
    """With what Ray has here in its place: a task that is done at once."""
    made = []

    class Task:
        def __init__(self, work):
            self.work = work

        def remote(self, item):
            made.append(item)
            return self.work, item

    monkeypatch.setattr(ray, "remote", lambda **_: Task)
    monkeypatch.setattr(ray, "get", lambda answer: answer[0](answer[1]))
    found = engine.Cluster(1, 0).ahead(lambda item: -item, iter(range(100)), lambda item: item % 2)
    assert [next(found), next(found)] == [(0, None), (1, -1)]
    assert len(made) <= 20
    assert list(found) == [(item, -item if item % 2 else None) for item in range(2, 100)]
