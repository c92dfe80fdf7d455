"""What may import what: read from the text of the modules, so that an import inside a function counts as well."""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import hitpredict

PACKAGE = Path(hitpredict.__file__).parent
LIGHT = {"audio", "engines", "explanation", "files", "frontends", "models", "mutations", "scoring"}
DOORS = {("scoring.inputs", "features.kinds")}
FOR_PEOPLE = {"typer", "rich", "click"}


def modules(package):
    """Each module's name below the package, and its syntax tree."""
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__"), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree, known):
    """The modules of the package, and the first words of others, that a module imports anywhere."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            own, _, below = name.partition(".")
            if own != "hitpredict":
                yield own
            while own == "hitpredict" and below:
                if below in known:
                    yield f"hitpredict.{below}"
                    break
                below = below.rpartition(".")[0]


def complaints(package):
    """What breaks the rules in a package, a line each."""
    trees = dict(modules(package))
    folders = {name.rpartition(".")[0] for name in trees} | {name for name in trees if (package / name).is_dir()}

    def folder(name):
        while name not in folders:
            name = name.rpartition(".")[0]
        return name.replace(".", "/")

    edges = {}
    for module, tree in trees.items():
        home = folder(module)
        for found in imported(tree, trees):
            name = found.removeprefix("hitpredict.")
            if found == name:
                if name in FOR_PEOPLE and home.split("/")[0] != "cli":
                    yield f"{module} imports {name}, which cli alone knows"
                continue
            other = folder(name)
            top, other_top = home.split("/")[0], other.split("/")[0]
            if other_top == "cli" and top not in ("cli", ""):
                yield f"{module} imports {name}, of the command line"
            if not other or not home or home == other:
                continue
            if top in LIGHT and other_top not in LIGHT:
                if (module, name) not in DOORS:
                    yield f"{module} of the light world imports {name} of the training world"
                continue
            edges.setdefault(home, set()).add(other)
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        yield f"folders import each other: {' <- '.join(error.args[1])}"


def test_no_module_comes_back_to_itself():
    """What is imported for types alone does not count."""
    trees = dict(modules(PACKAGE))
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                node.body = []
    edges = {
        name: {found.removeprefix("hitpredict.") for found in imported(tree, trees)} - {name}
        for name, tree in trees.items()
    }
    TopologicalSorter(edges).prepare()


def test_the_borders_hold():
    assert list(complaints(PACKAGE)) == []


def test_the_doors_are_used():
    trees = dict(modules(PACKAGE))
    for module, name in DOORS:
        assert f"hitpredict.{name}" in imported(trees[module], trees)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "def late():\n    from hitpredict.tables.join import load",
            "scoring.a of the light world imports",
        ),
        ("from hitpredict.report import page", "scoring.a of the light world imports report.page"),
        ("import rich.table", "scoring.a imports rich, which cli alone knows"),
        ("from hitpredict.cli import messages", "scoring.a imports cli.messages, of the command line"),
        ("from hitpredict.audio import read", "folders import each other: "),
        ("from hitpredict.errors import InputError\nimport numpy", None),
    ],
)
def test_a_broken_border_is_seen(tmp_path, text, complaint):
    others = {"audio/read": "from hitpredict.scoring.a import x", "tables/join": "", "cli/messages": "", "errors": ""}
    others["report/page"] = ""
    for name, content in {**others, "scoring/a": text}.items():
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.with_name("__init__.py").touch()
        path.write_text(content)
    found = list(complaints(tmp_path))
    assert (found == []) if complaint is None else any(each.startswith(complaint) for each in found), found
