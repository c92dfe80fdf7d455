"""The plain librosa features that the descriptor tables are compared with."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np

from hitpredict.audio.clip import Clip

_FILE = Path(__file__).parents[2] / "benchmarks" / "peers" / "features_librosa.py"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("features_librosa", _FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


plain = _load()


def disagreeing(kind, sounds: list[Clip]) -> list[str]:
    """`sound: column: ours, theirs` for every value that does not agree."""
    ours = np.array([kind([sound.samples], sound.rate) for sound in sounds], np.float64)
    reference = getattr(plain, kind.name)
    theirs = [reference(sound.samples.mean(axis=0), sound.rate, kind.compat) for sound in sounds]
    bad = np.argwhere(~plain.agrees(ours, np.array(theirs, np.float64)))
    return [f"{sounds[s].name}: {kind.columns[c]}: {ours[s, c]}, {theirs[s][c]}" for s, c in bad]
