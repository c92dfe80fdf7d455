"""The shell commands of the pages run as they stand, on made songs and tables.

A comment before a block, `<!-- only parsed: WORD WORD (reason) -->`, keeps those of its lines that hold one of the
words from being run; without words, all of them. test_docs parses every line.
"""

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.helpers.processes import shell
from tests.helpers.studio import furnish

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"((?:^<!--[^\n]*-->\n)*)^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
ONLY_PARSED = re.compile(r"<!-- only parsed:(.*?)\((.+)\) -->")
# What makes a command take less time, and changes nothing else in it.
QUICKER = {
    "synth -n 200": "synth -n 60 --seconds 4",
    "tune --recipe": "tune --trials 2 --recipe",
    "--trials 100 ": "",
    "--recipe mlp ": "--recipe mlp --set epochs=3 ",
    "--recipe search/best.toml ": "--recipe search/best.toml --set epochs=3 ",
    "-r rnn ": "-r rnn --set epochs=2 --set autoencoder_epochs=2 ",
}


def lines(page):
    """Of each command line of a page its text, and whether it is to be run."""
    for comments, block in BLOCK.findall(page.read_text(encoding="utf-8")):
        found = ONLY_PARSED.search(comments)
        words = found[1].split() if found else None
        for line in block.replace("\\\n", " ").splitlines():
            yield line, words is None or (words != [] and not any(word in line for word in words))


def runnable(page):
    return [line for line, run in lines(page) if run]


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    return furnish(tmp_path_factory.mktemp("studio"))


def provide(studio, folder, line):
    """Copy what a line names and no line before it has made; what it writes it makes itself."""
    tokens = shlex.split(line, comments=True)
    written = {tokens[place + 1] for place, token in enumerate(tokens[:-1]) if token in ("-o", ">", "--plots", "--png")}
    for token in tokens:
        name = token.split("/")[0]
        if not name.strip("."):
            continue
        for source in studio.glob(f"{name.split('{')[0]}*" if "{" in name else name):
            if token not in written and not (folder / source.name).exists():
                (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / source.name)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if runnable(page)], ids=lambda page: page.stem)
def test_the_commands_of_a_page_run(studio, tmp_path, page):
    for line in runnable(page):
        provide(studio, tmp_path, line)
        for long, short in QUICKER.items():
            line = line.replace(long, short)  # noqa: PLW2901 - the same line
        outcome = shell(f"set -eo pipefail\n{line}", tmp_path)
        assert outcome.code == 0, f"{line}\n{outcome.err}"


def test_most_commands_run():
    ran = {name for page in PAGES for line in runnable(page) for name in re.findall(r"\bhitpredict ([a-z-]+)", line)}
    learnt = {"featurize", "train", "tune", "evaluate", "export-onnx"}
    assert {"score", "mutate", "explain", "compare", "report", *learnt} <= ran


def test_what_is_only_parsed_says_why_and_which():
    for page in PAGES:
        for comments, block in BLOCK.findall(page.read_text(encoding="utf-8")):
            for words, _ in ONLY_PARSED.findall(comments):
                assert [word for word in words.split() if word not in block] == [], page
