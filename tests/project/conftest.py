"""What the tests of scripts share."""

import os
import sys

import pytest


@pytest.fixture
def path_with_program(tmp_path):
    """A PATH whose `hitpredict` is this interpreter's, with the rest of PATH behind it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, words in (("hitpredict", "-m hitpredict"), ("python3", "")):
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words} "$@"\n')
        program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
