"""Each limit on docs/limits.md is the program's, and each message one that it prints."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hitpredict.cli.messages import in_options
from tests.helpers.processes import run

ROOT = Path(__file__).parents[2]
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
    for line in (ROOT / "docs" / "limits.md").read_text().splitlines()
    if line.startswith("| ") and line.count(" | ") == 3 and "`" in line
]


def patterns(module: str) -> Iterator[str]:
    """What the texts in a module can become, without the input that they begin with."""
    tree = ast.parse(Path(importlib.import_module(f"hitpredict.{module}").__file__).read_text())
    for node in ast.walk(tree):
        pieces = node.values if isinstance(node, ast.JoinedStr) else [node]
        text = "".join(str(each.value) if isinstance(each, ast.Constant) else "\0" for each in pieces)
        if isinstance(node, ast.JoinedStr | ast.Constant) and len(text) > 20:
            told = re.sub(r"^[^\0]*\0: ", "", in_options(text))
            yield ".+".join(map(re.escape, told.split("\0")))


def test_there_are_rows():
    assert len(ROWS) == 16


@pytest.mark.parametrize(("of", "limit", "message", "constant"), ROWS, ids=lambda each: each[:30])
def test_limits_and_messages_are_those_of_the_program(of, limit, message, constant):
    module, _, name = constant.rpartition(".")
    assert getattr(importlib.import_module(f"hitpredict.{module}"), name) == int(limit)
    places = (module, "audio.remote", "engines.limits")
    assert any(re.fullmatch(pattern, message) for place in places for pattern in patterns(place))


def test_two_of_them_as_printed():
    told = {message for _, _, message, _ in ROWS}
    variants = run("mutate", "x", "--gain=-20:0:0.1", "--pitch=-12:12:0.1", "-n").complaints[0]
    name = run("score", "--files-from", "-", stdin=b"a" * 9000).complaints[0]
    assert variants.removeprefix("hitpredict: ") in told
    assert name.split("…: ")[1] in told
