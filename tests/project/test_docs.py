"""The pages say what the program does: references, links, commands and recipes."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from hitpredict import recipes
from hitpredict.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SEPARATORS = {"|", "&&", "||", ";", ">", "<", ">>"}

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def anchors(page: Path) -> set[str]:
    """The fragments that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of each `hitpredict …` in a page's shell blocks."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            part: list[str] = []
            for token in [*shlex.split(line, comments=True), ";"]:
                if token not in SEPARATORS:
                    part.append(token)
                    continue
                if part and Path(part[0]).name == "hitpredict":
                    yield part[1:]
                part = []


def parse(arguments: list[str]) -> None:
    """Parse a command line as the program does, down to its last subcommand, and run nothing."""
    command, names = typer.main.get_command(app), list(arguments)
    while hasattr(command, "commands"):
        assert names, f"{arguments}: no command"
        name = names.pop(0)
        assert name in command.commands, f"{arguments}: there is no command {name}"
        command = command.commands[name]
    command.make_context(arguments[0], names)


def test_references_are_what_help_prints() -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "docs" / "update.py", "--check"], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert (run.returncode, run.stderr) == (0, "")


def test_every_command_has_a_page() -> None:
    root = typer.main.get_command(app)
    missing = [name for name in root.commands if not (ROOT / "docs" / f"{name}.md").exists()]  # type: ignore[attr-defined]
    assert missing == []


@each_page
def test_local_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for link in links:
        if "://" in link:
            continue
        name, _, fragment = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not fragment or fragment in anchors(target), f"{page.name}: {link}"


@each_page
def test_commands_parse(page: Path) -> None:
    for arguments in commands(page):
        try:
            parse(arguments)
        except Exception as error:
            raise AssertionError(f"{page.name}: hitpredict {shlex.join(arguments)}: {error}") from error


def test_readme_shows_commands() -> None:
    shown = {arguments[0] for arguments in commands(ROOT / "README.md")}
    assert {"score", "mutate", "fetch", "featurize", "train", "evaluate", "export-onnx", "models"} <= shown


def test_unknown_options_do_not_parse() -> None:
    with pytest.raises(Exception, match="--nonsense"):
        parse(["score", "--nonsense", "song.mp3"])


def test_recipes_are_all_described() -> None:
    text = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
    described = re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
    assert sorted(described) == recipes.names()
