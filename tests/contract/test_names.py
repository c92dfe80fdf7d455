"""One name for one thing: what two modules define under one name are two things that a reader takes for one."""

import ast
import tarfile
from collections import defaultdict
from pathlib import Path

import pytest

import hitpredict

PACKAGE = Path(hitpredict.__file__).parent
# What modules beside each other offer in one shape, always named with their module: `deezer.LICENCE`, `lockstep.run`.
SHARED = {
    *("COMMAND", "LICENCE", "OFFICIAL", "SCHEMA", "app", "as_track", "collection", "fetch"),
    *("fit", "load", "main", "made", "run", "section"),
}
# Commands are named as the function that does their work.
COMMANDS = {"evaluate", "mutate", "train"}


def names(tree):
    """The public names that a module defines, but for the type variables, which mean nothing outside it."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found = [node.name]
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            call = getattr(node.value, "func", None)
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            typed = isinstance(call, ast.Name) and call.id == "TypeVar"
            found = [each.id for each in targets if isinstance(each, ast.Name) and not typed]
        else:
            continue
        yield from (name for name in found if not name.startswith("_"))


def twice(package):
    """The names that two modules define, with those modules."""
    where = defaultdict(list)
    for path in sorted(package.rglob("*.py")):
        for name in dict.fromkeys(names(ast.parse(path.read_text(encoding="utf-8")))):
            where[name].append(path.relative_to(package).as_posix())
    return {name: paths for name, paths in where.items() if len(paths) > 1}


def test_no_two_modules_define_one_name():
    assert {name: paths for name, paths in twice(PACKAGE).items() if name not in SHARED | COMMANDS} == {}


def test_what_may_be_there_twice_is():
    assert set(twice(PACKAGE)) >= SHARED | COMMANDS


@pytest.mark.parametrize(
    ("text", "seen"),
    [("class A: ...", True), ("A = 1", True), ("A: int = 1", True), ("A = TypeVar('A')", False), ("_A = 1", False)],
)
def test_a_name_defined_twice_is_seen(tmp_path, text, seen):
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text(text)
    assert bool(twice(tmp_path)) == seen


# With the test that says when it can go.
PRIVATE = {
    ("networks/mp3.py", "torch._higher_order_ops.scan"),  # test_torch_has_no_public_loop_yet
    ("audio/archive.py", "_sparse_structs"),  # test_tarfile_has_no_public_map_of_sparse_members_yet
}


def hidden(name):
    """Whether a name is private: Python's own, such as `__version__` and `os._exit`, are not."""
    return name.startswith("_") and not name.endswith("__") and name != "_exit"


def private(package):
    """The private names that modules take from libraries, or from each other."""
    for path in sorted(package.rglob("*.py")):
        tree, name = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(package).as_posix()
        nodes = list(ast.walk(tree))
        own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
        own |= {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
        own |= {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        for node in nodes:
            if isinstance(node, ast.ImportFrom):
                known = (f"{node.module}.{alias.name}" for alias in node.names)
                taken = [node.module or "" for full in known if any(map(hidden, full.split(".")))]
            else:
                taken = [node.attr] if isinstance(node, ast.Attribute) and hidden(node.attr) else []
            yield from ((name, each) for each in taken if each not in own)


def test_private_names_of_others_are_known():
    assert set(private(PACKAGE)) == PRIVATE


def test_tarfile_has_no_public_map_of_sparse_members_yet():
    """When it has one, the private attribute can go."""
    header = bytearray(tarfile.TarInfo("a").tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[148:156] = b"%06o\0 " % tarfile.calc_chksums(bytes(header))[0]
    member = tarfile.TarInfo.frombuf(bytes(header), "utf-8", "strict")
    assert member._sparse_structs[1] is False
    assert not hasattr(member, "sparse_structs")
