"""Compute all answers anew and freeze them: `python -m tests.golden`. What changed is then to be read in `git diff`."""

import sys
import tempfile
from pathlib import Path

from tests.golden import frozen
from tests.golden.answers import ANSWERS

if __name__ == "__main__":
    for subject in sys.argv[1:] or ANSWERS:
        with tempfile.TemporaryDirectory() as folder:
            frozen.write(subject, ANSWERS[subject](Path(folder)))
