"""The job of `hitpredict explain SONG --grid GRID`, written plainly: one variant after the other is made with
pyrubberband (its finer engine) or pedalboard, written to a file, read back with librosa and scored with torch. What
should not matter, and is the measure of noise, is not tried.

python explain_plain.py SONG GRID
"""

import json
import sys
import tempfile
import tomllib
from pathlib import Path

import numpy as np
import pedalboard
import soundfile
from mutate_pyrubberband import changed
from score_librosa_torch import network, score

PLUGINS = {
    "gain": lambda value: pedalboard.Gain(float(value)),
    "compress": lambda value: pedalboard.Compressor(float(value), 4),
    "lowpass": lambda value: pedalboard.LowpassFilter(float(value)),
    "highpass": lambda value: pedalboard.HighpassFilter(float(value)),
    "eq": lambda value: pedalboard.PeakFilter(*map(float, value.split(":")), 1.0),
    "reverb": lambda value: pedalboard.Reverb(wet_level=float(value)),
    "distortion": lambda value: pedalboard.Distortion(float(value)),
    "mp3": lambda value: pedalboard.MP3Compressor(0.0 if float(value) > 200 else 5.0),
}


def variant(samples: np.ndarray, rate: int, op: str, value: str) -> np.ndarray:
    """Samples (frames, channels), changed."""
    if op in ("pitch", "tempo"):
        return changed(samples, rate, op, float(value), "r3")
    return pedalboard.Pedalboard([PLUGINS[op](value)])(samples.T.astype(np.float32), rate).T


song, grid = sys.argv[1:]
original, sample_rate = soundfile.read(song)
model = network()
with tempfile.TemporaryDirectory() as folder:
    for name, entry in tomllib.loads(Path(grid).read_text("utf-8")).items():
        ((step, values),) = entry.items() if isinstance(entry, dict) else [(name, entry)]
        for text in values.split(","):
            path = Path(folder, f"{name}.wav")
            soundfile.write(path, variant(original, sample_rate, step, text), sample_rate)
            print(json.dumps({"parameter": name, "value": text, "score": score(str(path), model)}))
