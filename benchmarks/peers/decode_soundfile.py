"""Decode every file of a folder and do nothing with it: the floor of any scorer.

python decode_soundfile.py FOLDER
"""

import sys
from pathlib import Path

import soundfile

for path in sorted(Path(sys.argv[1]).iterdir()):
    soundfile.read(path, dtype="float32")
