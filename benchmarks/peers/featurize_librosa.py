"""The job of `hitpredict featurize --kind fma518 FOLDER -o OUT.csv` (or hmn207), written plainly with librosa.

python featurize_librosa.py KIND FOLDER OUT
"""

import csv
import sys
from pathlib import Path

import features_librosa
import librosa

kind, folder, target = sys.argv[1:]
describe = getattr(features_librosa, kind)
with Path(target).open("w", newline="") as file:
    table = csv.writer(file)
    for path in sorted(Path(folder).iterdir()):
        samples, rate = librosa.load(path, sr=None)
        table.writerow([path, *describe(samples, rate)])
