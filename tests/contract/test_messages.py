"""The library's messages name parameters, and the command line alone writes them as options."""

import ast
import re
from pathlib import Path

import pytest

import hitpredict
from hitpredict.cli.messages import in_options
from tests.helpers.commands import EVERY

PACKAGE = Path(hitpredict.__file__).parent
OPTION = re.compile(r"(?<![\w-])--[a-z]")
PARAMETER = re.compile(r"(?<![^\s(])`[a-z][a-z0-9_]*`(?![^\s:;,.)])")
# What Rubber Band's own program is told, and what the reader of TOML says.
OTHERS = {"--fine", "--fast", "--tempo", "--pitch", "`key`"}


def strings(tree):
    """The text of a module, with an x for what is filled in, and without what stands alone: docstrings."""
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    inner |= {id(each) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for each in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "x" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            yield node.value


def library():
    for path in sorted(PACKAGE.rglob("*.py")):
        if "cli" not in path.relative_to(PACKAGE).parts:
            for text in strings(ast.parse(path.read_text(encoding="utf-8"))):
                if text not in OTHERS:
                    yield f"{path.relative_to(PACKAGE)}: {text}", text


def test_the_library_names_no_options():
    assert [place for place, text in library() if OPTION.search(text)] == []


def test_what_it_names_are_options():
    options = {option for command in EVERY for parameter in command.parameters for option in parameter.opts}
    named = {in_options(name) for _, text in library() for name in PARAMETER.findall(text)} - {"--x"}
    assert {"--seed", "--files-from", "--set"} < named
    assert named - options == set()


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("`seed` -1: must be 0 or above", "--seed -1: must be 0 or above"),
        ("it is not there; a mirror may have it (`mirror`)", "it is not there; a mirror may have it (--mirror)"),
        ("more than 2 GB; `max_bytes` allows more", "more than 2 GB; --max-bytes allows more"),
        ("`settings` n_mel: unknown", "--set n_mel: unknown"),
        ("see `hitpredict recipes` and x`seed`.wav", "see `hitpredict recipes` and x`seed`.wav"),
    ],
)
def test_parameters_are_shown_as_options(message, shown):
    assert in_options(message) == shown
