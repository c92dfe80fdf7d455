"""The job of `hitpredict mutate SONG --pitch … --tempo … | hitpredict score -`, written plainly: one variant after the
other is made with pyrubberband, written to a file, read back with librosa and scored with torch.

python sweep_pyrubberband_librosa_torch.py SONG r2|r3 PITCH,… TEMPO,…
"""

import json
import sys
import tempfile
from itertools import product
from pathlib import Path

import soundfile
from mutate_pyrubberband import changed
from score_librosa_torch import network, score

song, engine, *lists = sys.argv[1:]
pitches, tempi = ([float(value) for value in text.split(",")] for text in lists)
original, rate = soundfile.read(song)
model = network()
with tempfile.TemporaryDirectory() as folder:
    for pitch, tempo in product(pitches, tempi):
        path = Path(folder, f"pitch{pitch:+g}.tempo{tempo:g}.wav")
        variant = changed(changed(original, rate, "pitch", pitch, engine), rate, "tempo", tempo, engine)
        soundfile.write(path, variant, rate)
        print(json.dumps({"path": path.name, "score": score(str(path), model)}))
