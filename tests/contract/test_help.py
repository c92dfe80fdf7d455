"""Promises 1, 19 and 21: help at once, every option explained, completion, one spelling for one meaning."""

import json
import re
import subprocess

import click
import pytest
import typer
from commands import EVERY, MUTATE, ON_INPUTS, SCORE, Command
from processes import measured, python, run
from sounds import saved

from hitpredict import __version__
from hitpredict.cli.app import app

NEVER = {"torch", "librosa", "scipy", "sklearn", "pandas"}
IMPORTED = """
import json, sys
from hitpredict.cli.app import main
try:
    main()
except SystemExit as ended:
    code = ended.code
sys.__stderr__.write("")
sys.stderr.write("\\n" + json.dumps([code, sorted({name.split(".")[0] for name in sys.modules})]) + "\\n")
"""
COMMANDS = pytest.mark.parametrize("command", EVERY, ids=str)


def imported(*arguments: object) -> set[str]:
    """The packages a command has imported by its end, which must be a good one."""
    outcome = python(IMPORTED, *arguments)
    code, modules = json.loads(outcome.complaints[-1])
    assert not code, outcome.err
    return set(modules)


def parameters(command: Command) -> list[click.Parameter]:
    found: click.Command = typer.main.get_command(app)
    for word in command.words:
        found = found.commands[word]  # type: ignore[attr-defined]
    return found.params


def spellings(command: Command) -> dict[str, set[str]]:
    return {option: {*p.opts, *p.secondary_opts} for p in parameters(command) for option in p.opts}


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), *((*c.words, "--help") for c in EVERY)], ids=str)
def test_help_imports_no_more_than_it_needs(arguments):
    assert not imported(*arguments) & {*NEVER, "onnxruntime", "soundfile", "pedalboard"}


def test_commands_stay_in_the_scoring_world(tmp_path):
    song = saved(tmp_path)
    for command in EVERY:
        target = (song, "-o", tmp_path / f"{command}") if command.takes_inputs else ()
        modules = imported(*command.call(*target))
        assert not modules & NEVER, command
        assert ("onnxruntime" in modules) == (command.words in (("score",), ("models", "show"))), command


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_answers_at_once(option):
    # Processor time, because others may be using the machine.
    assert min(measured(option)[1].seconds for _ in range(3)) < 1.0


def test_version():
    assert run("--version").out.decode() == f"hitpredict {__version__}\n"


@COMMANDS
def test_every_option_is_explained(command):
    shown = run(*command.words, "--help")
    assert shown.code == 0
    assert not shown.err
    for parameter in parameters(command):
        assert parameter.help, f"{command}: {parameter.name}"  # type: ignore[attr-defined]
        assert not parameter.hidden  # type: ignore[attr-defined]
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert option in shown.out.decode()


@COMMANDS
def test_help_has_a_short_form(command):
    assert run(*command.words, "-h").out == run(*command.words, "--help").out


def test_each_command_has_an_example_in_its_help():
    for command in ON_INPUTS:
        text = " ".join(run(*command.words, "--help").out.decode().split())
        assert re.search(rf"Examples?: .*hitpredict {command} [^·]*song\.mp3", text)


def test_completion_script_for_bash():
    script = run(env={"_HITPREDICT_COMPLETE": "source_bash"})
    assert script.code == 0
    assert subprocess.run(["bash", "-n"], input=script.out, check=False).returncode == 0
    assert b"complete " in script.out


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", {"score", "mutate", "models"}),
        ("models ", {"list", "show"}),
        ("score --f", {"--format", "--files-from", "--failures", "--force"}),
        ("score --format ", {"pretty", "jsonl", "tsv", "csv", "parquet"}),
        ("mutate --qu", {"--quality", "--quiet"}),
    ],
)
def test_completion_knows(line, expected):
    words = f"hitpredict {line}"
    variables = {"_HITPREDICT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    assert expected <= set(run(env=variables).out.decode().split())


@pytest.mark.parametrize(
    ("meaning", "commands"),
    [
        ({"-o", "--output"}, ON_INPUTS),
        ({"-f", "--format"}, ON_INPUTS),
        ({"-j", "--jobs"}, ON_INPUTS),
        ({"-0", "--null"}, ON_INPUTS),
        ({"--files-from"}, ON_INPUTS),
        ({"--failures"}, ON_INPUTS),
        ({"--force"}, ON_INPUTS),
        ({"--skip-existing"}, ON_INPUTS),
        ({"-m", "--model"}, (SCORE,)),
        ({"-n", "--dry-run"}, (MUTATE,)),
        ({"--seed"}, (MUTATE,)),
        ({"-q", "--quiet"}, EVERY),
        ({"-v", "--verbose"}, EVERY),
    ],
    ids=lambda value: "/".join(sorted(value)) if isinstance(value, set) else "",
)
def test_one_meaning_has_one_spelling(meaning, commands):
    for command in EVERY:
        spelled = spellings(command)
        used = [spelled[option] for option in meaning if option in spelled]
        assert all(names == meaning for names in used), command
        assert bool(used) == (command in commands), command


@pytest.mark.parametrize(
    "typed", [("--pitch", "-2"), ("--pitch=-2",), ("--pitch", "+2"), ("--pitch", "-2,0,+2"), ("--pitch", "-2:2:1")]
)
def test_signed_values_parse(typed):
    recipes = run("mutate", *typed, "-n").records
    wanted = {"-2": [-2], "+2": [2], "-2,0,+2": [-2, 0, 2], "-2:2:1": [-2, -1, 0, 1, 2]}
    assert [r["steps"][0]["semitones"] for r in recipes] == wanted[typed[-1].removeprefix("--pitch=")]
