"""Decode every file of a folder in so many processes and do nothing with it: the floor of any scorer of a catalogue.

python decode_pool.py FOLDER JOBS
"""

import sys
from multiprocessing import Pool
from pathlib import Path

import soundfile


def decode(path: Path) -> None:
    """Read one file."""
    soundfile.read(path, dtype="float32")


if __name__ == "__main__":
    with Pool(int(sys.argv[2])) as pool:
        for _ in pool.imap(decode, sorted(Path(sys.argv[1]).iterdir()), chunksize=8):
            pass
