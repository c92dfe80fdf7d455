"""Commands that are stopped while they write."""

import os
from pathlib import Path

from tests.helpers.processes import run, start, until

COMMANDS = [("score",), ("featurize", "--kind", "mfcc_stats")]
OUTPUT, JOURNAL = "out.csv", ".out.csv.partial"


def waiting(folder: Path, *asked: object, records: int, stdin: int = -3):
    """A run in a folder that has done what was asked for, and waits for a pipe that nobody writes into."""
    pipe, journal = folder / "pipe", folder / JOURNAL
    if not pipe.exists():
        os.mkfifo(pipe)
    process = start(*asked, pipe.name, "-j", "1", "-o", OUTPUT, cwd=folder, stdin=stdin)
    until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > records, process)
    return process


def fresh(folder: Path, *asked: object, stdin: bytes = b"") -> bytes:
    """What the same command writes where nothing was before."""
    outcome = run(*asked, "-o", "fresh.csv", "--force", cwd=folder, stdin=stdin)
    assert outcome.code == 0
    return (folder / "fresh.csv").read_bytes()
