"""What a shell finds after an installation: manual pages, and completion. test_docs compares them with `--help`."""

import shutil
import subprocess
from pathlib import Path

import pytest
from typer.core import TyperOption

from tests.helpers.commands import EVERY, leaves
from tests.helpers.processes import environment, shell

SHARE = Path(__file__).parents[2] / "share"
PAGES = sorted((SHARE / "man" / "man1").glob("*.1"))


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


def shown(page, width="80"):
    """A manual page as it is read, and what the formatter says of it."""
    env = environment(MANWIDTH=width, LC_ALL="C.UTF-8", MAN_KEEP_FORMATTING="")
    return subprocess.run(
        ["man", "--warnings", "-l", page], capture_output=True, text=True, check=True, env=env, stdin=subprocess.DEVNULL
    )


def test_every_command_has_a_page():
    words = {part[:end] for part in leaves() for end in range(len(part) + 1)}
    assert {page.stem for page in PAGES} == {"-".join(("hitpredict", *each)) for each in words}


@needs("man")
@pytest.mark.parametrize("name", ["hitpredict", "hitpredict-mutate", "hitpredict-fetch-synth"])
def test_pages_are_formatted_without_a_word(name):
    page = shown(SHARE / "man" / "man1" / f"{name}.1")
    assert page.stderr == ""
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES", "EXIT STATUS", "SEE ALSO"):
        assert f"\n{heading}\n" in page.stdout
    assert max(map(len, page.stdout.splitlines())) <= 80


@needs("man")
@pytest.mark.slow
def test_pages_tell_every_option_as_it_is_typed():
    for command in EVERY:
        page = shown(SHARE / "man" / "man1" / f"{'-'.join(('hitpredict', *command.words))}.1", width="1000")
        assert page.stderr == ""
        text = " ".join(page.stdout.split())
        assert f"SYNOPSIS hitpredict {command} " in text
        for parameter in command.parameters:
            assert " ".join(parameter.help.split()) in text
            for option in parameter.opts if isinstance(parameter, TyperOption) else ():
                assert option in text


def test_bash_completes_with_the_file(tmp_path):
    file = SHARE / "bash-completion" / "completions" / "hitpredict"
    asked = "COMP_WORDS=(hitpredict sc); COMP_CWORD=1; _hitpredict_completion hitpredict sc hitpredict"
    outcome = shell(f'source {file}; {asked}; echo "${{COMPREPLY[@]}}"; complete -p hitpredict', tmp_path)
    assert outcome.out.decode().splitlines()[0] == "score"
    assert outcome.err == ""


def test_zsh_finds_the_file():
    first, *_, last = (SHARE / "zsh" / "site-functions" / "_hitpredict").read_text().splitlines()
    assert first == "#compdef hitpredict"
    assert last.endswith('_hitpredict_completion "$@"')


@needs("fish")
def test_fish_completes_with_the_file(tmp_path):
    file = SHARE / "fish" / "vendor_completions.d" / "hitpredict.fish"
    outcome = shell(f"fish --no-config -c 'source {file}; complete -C \"hitpredict sc\"'", tmp_path, HOME=str(tmp_path))
    assert outcome.out.decode().startswith("score\t")
