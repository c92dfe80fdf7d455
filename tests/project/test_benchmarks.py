"""The benchmarks run, one section at a time, and count what they say they count."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.processes import run

HERE = Path(__file__).parents[2] / "benchmarks"
_spec = importlib.util.spec_from_file_location("measure", HERE / "measure.py")
measure = importlib.util.module_from_spec(_spec)
sys.modules["measure"] = measure
_spec.loader.exec_module(measure)
_spec = importlib.util.spec_from_file_location("soak", HERE / "soak.py")
soak = importlib.util.module_from_spec(_spec)
sys.modules["soak"] = soak
_spec.loader.exec_module(soak)

WORK = "sum(i * i for i in range(3_000_000))"


def test_a_cost_is_that_of_all_processes_of_a_command():
    work = [sys.executable, "-c", WORK]
    alone, twice = measure.process(work), measure.process(measure.piped(work, work))
    assert twice.cpu > 1.5 * alone.cpu
    assert twice.faults > 1.5 * alone.faults
    assert 5 < alone.peak_mb < 100
    large = measure.process(measure.piped([sys.executable, "-c", "x = b'1' * 200_000_000"], work))
    assert 190 < large.peak_mb < 300


@pytest.mark.parametrize("place", [0, 1])
def test_what_fails_is_not_measured(place):
    commands = [[sys.executable, "-c", "pass"], [sys.executable, "-c", "raise SystemExit('no such thing')"]]
    with pytest.raises(RuntimeError, match="no such thing"):
        measure.process(measure.piped(commands[place], commands[1 - place]))


def test_ratios_are_taken_pair_by_pair():
    costs = [measure.Cost(wall, 0, 0, 0) for wall in (1, 2, 4, 6, 12, 8)]
    pairs = measure.Pairs(costs[:3], costs[3:])
    assert pairs.ratios("wall") == (2, 6, 6)
    assert (pairs.median("ours", "wall"), pairs.median("peers", "wall")) == (2, 8)


def benchmark(*arguments):
    page = (HERE / "README.md").read_bytes()
    outcome = run(*arguments, program=(sys.executable, HERE / "run.py"))
    assert (HERE / "README.md").read_bytes() == page
    return outcome


@pytest.mark.slow
def test_a_batch_is_measured_beside_decoding():
    outcome = benchmark("--quick", "warm")
    assert outcome.code == 0, outcome.err
    rows = [line for line in outcome.out.decode().splitlines() if line.startswith("| `score")]
    assert len(rows) == 6
    assert all(float(row.split("|")[4].split()[0]) > 0 for row in rows)


def test_an_unknown_section_is_refused():
    assert benchmark("warmth").code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "section", ["cold", "mutate", "sweep", "explain", "memory", "featurize-memory", "descriptors", "parity"]
)
def test_every_section_runs(section):
    outcome = benchmark("--quick", section)
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith(b"## ")


@pytest.mark.parametrize("what", ["memory", "files", "threads", "temporary"])
def test_a_soak_sees_what_grows(what):
    even = [soak.Sample(10 * n, 100.0 + n % 3, 20 + n % 2, 3 + n % 2, n % 2) for n in range(200)]
    leaking = [replace(each, **{what: getattr(each, what) + each.songs / 50}) for each in even]
    assert soak.grown(even) == []
    assert soak.grown(leaking) == [what]
    assert abs(soak.slope(even)) < 1000
    if what == "memory":
        assert soak.slope(leaking) == pytest.approx(20_000, rel=0.05)


def test_a_soak_misses_no_answer():
    feed = soak.Feed("made", [["made"]], rows=7, failures=1, expected=8, codes=[1])
    feed.samples = [soak.Sample(n, 100.0, 20, 3, 0) for n in range(20)]
    assert soak.verdict(feed) == "nothing grows"
    assert soak.verdict(replace(feed, rows=6)) == "7 of 8 answers"
    assert soak.verdict(replace(feed, codes=[0])) == "exit codes [0]"


@pytest.mark.slow
def test_a_soak_runs_and_every_song_is_answered():
    outcome = run("--quick", program=(sys.executable, HERE / "soak.py"))
    rows = [line.split(" | ") for line in outcome.out.decode().splitlines() if line.startswith(("| `", "| an"))]
    assert len(rows) == 4, outcome.err
    assert all(
        int(row[1].replace(",", "")) > 0 and "answers" not in row[-1] and "exit codes" not in row[-1] for row in rows
    )


def attacks(*arguments):
    page = HERE / "hostile" / "RESULTS.md"
    before = page.read_bytes()
    outcome = run(*arguments, program=(sys.executable, HERE / "hostile" / "run.py"))
    assert page.read_bytes() == before
    return outcome


def test_an_unknown_attack_is_refused():
    assert attacks("charm").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["audio", "archives", "models", "tables", "kills", "downloads"])
def test_every_attack_runs_and_finds_nothing(name):
    outcome = attacks("--quick", name)
    assert outcome.code == 0, outcome.out + outcome.err.encode()
    assert f"| [{name}]".encode() in outcome.out


FAULTS = """
import os, sys
sys.path.insert(0, sys.argv[1])
from common import Ended, Tally, program
for code, out, err in ((0, b"", ""), (3, b"", ""), (0, b"", "Traceback"), (0, b"", "a defect: this is a defect"),
                       (0, b"", "unexpected KeyError"), (0, b"\\x1b[2J", "")):
    tally = Tally()
    tally.check(Ended(code, out, err, 1.0, 10.0), [0, 1], "command")
    print(len(tally.faults))
silent, _ = os.pipe()
ended = program("score", "-", stdin=open(silent, "rb"), seconds=2)
tally = Tally()
tally.check(ended, [0, 1], "command")
print(len(tally.faults), ended.hung)
"""


def test_attacks_see_what_must_not_happen():
    outcome = run("-c", FAULTS, HERE / "hostile", program=(sys.executable,))
    assert outcome.out.decode().split() == ["0", "1", "1", "1", "1", "1", "1", "True"], outcome.err


@pytest.mark.slow
def test_a_catalogue_is_measured_beside_decoding():
    outcome = benchmark("--quick", "throughput")
    assert outcome.code == 0, outcome.err
    text = outcome.out.decode()
    assert text.count("wall per song") == text.count("CPU per song") >= 1
    assert "Memory of all processes" in text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "told"), [("cost", "| AST-tiny |"), ("gpu", "| AST-tiny | 2 |"), ("limits", "| `evaluate` |")]
)
def test_cost_and_speed_of_networks_are_measured(script, told):
    device = ["--device", "cpu"] if script == "gpu" else []
    outcome = run(*device, "--quick", program=(sys.executable, HERE / f"{script}.py"))
    assert outcome.code == 0, outcome.err
    assert told in outcome.out.decode()


@pytest.mark.slow
def test_halves_answer_what_singles_do():
    sys.path.insert(0, str(HERE))
    try:
        import gpu
        import networks
    finally:
        sys.path.remove(str(HERE))
    spec, shape, _ = networks.SMALL["AST-tiny"]
    data = networks.graph(networks.network(spec, shape), shape)
    batch = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    single, half = (gpu.Onnx(each, "cpu").runner(batch)() for each in (data, networks.half(data)))
    assert 0 < np.abs(single - half).max() < 0.01 * np.abs(single).max() + 0.01
