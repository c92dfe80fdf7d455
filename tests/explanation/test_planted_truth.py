"""Songs whose popularity has known causes: what is explained of a model of them is what was planted."""

import importlib.util
import sys
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[2] / "benchmarks" / "planted_truth.py"
_spec = importlib.util.spec_from_file_location("planted_truth", _PATH)
planted_truth = importlib.util.module_from_spec(_spec)
sys.modules["planted_truth"] = planted_truth
_spec.loader.exec_module(planted_truth)


NOT_PLANTED = ("tempo", "gain", "roll", "mp3", "bitcrush")


@pytest.mark.slow
def test_planted_causes_are_found_in_their_order_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(_PATH.parents[1]))
    found = planted_truth.run(tmp_path, 0, 240, 12, 5.0)
    assert set(found.effect) == {*planted_truth.PLANTED, *NOT_PLANTED}
    for name in planted_truth.PLANTED:
        assert found.effect[name] * found.planted[name] > 0, name
        assert found.effect[name] * found.own[name] > 0, name
    assert found.tau >= 0.8
    assert found.significant["pitch"]
    assert not any(found.significant[name] for name in NOT_PLANTED)


def found(signs=1, significant=()):
    """What a run has found that is right, or with all signs turned round."""
    planted = {name: place - 2.5 for place, name in enumerate(planted_truth.PLANTED)}
    effect = {name: signs * 10 * value for name, value in planted.items()} | dict.fromkeys(NOT_PLANTED, 0.1)
    return planted_truth.Found(planted, planted, effect, {name: name in significant for name in effect})


def test_what_is_wrong_shows_in_the_table():
    right, wrong = found(significant=("pitch",)), found(-1, ("gain",))
    assert (right.tau, wrong.tau) == (pytest.approx(1), pytest.approx(-1))
    told = planted_truth.table([right, right, wrong])
    pitch, gain = (
        next(line for line in told.splitlines() if line.startswith(f"| {name} |")) for name in ("pitch", "gain")
    )
    assert pitch.endswith("| 2 of 3 | 2 of 3 | 2 of 3 |")
    assert gain.endswith("| 1 of 3 |")
    assert "significant in 1 of 3 runs" in told
    assert "median 1.00 (-1.00 to 1.00)" in told
