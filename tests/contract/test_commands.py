"""Commands parse and print; the work is elsewhere."""

import ast
from pathlib import Path

import pytest

import hitpredict.cli

FOLDER = Path(hitpredict.cli.__file__).parent
MOST_LINES = 35


def bodies(folder):
    """Of each function, where it is, and the lines of what follows its docstring."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                statements = node.body[1:] if ast.get_docstring(node) else node.body
                lines = statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0
                yield f"{path.relative_to(folder)}:{node.name}", lines


def test_no_body_is_long():
    assert [place for place, lines in bodies(FOLDER) if lines > MOST_LINES] == []


@pytest.mark.parametrize("lines", [MOST_LINES, MOST_LINES + 1])
def test_long_bodies_are_seen(tmp_path, lines):
    options = "    first: int,\n" * 3
    (tmp_path / "a.py").write_text(f'def a(\n{options}) -> None:\n    """Text."""\n' + "    pass\n" * lines)
    assert list(bodies(tmp_path)) == [("a.py:a", lines)]
