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


@pytest.mark.slow
def test_planted_causes_are_found_as_the_model_learnt_them(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(_PATH.parents[1]))
    found = planted_truth.run(tmp_path, 1, 300, 12, 6.0)
    # What moves the model's answer to songs rendered anew moves it, in the same direction, when the sound is changed.
    for name in ("pitch", "lowpass"):
        assert found.effect[name] * found.own[name] > 0, name
        assert found.planted[name] * found.own[name] > 0, name
    assert found.significant["lowpass"]
    assert not any(found.significant[name] for name in ("gain", "roll", "mp3", "bitcrush"))
    assert abs(found.effect["lowpass"]) > 3 * max(abs(found.effect[name]) for name in ("gain", "roll"))
