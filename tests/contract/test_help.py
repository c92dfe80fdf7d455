"""Promises 1, 19 and 21: help at once, every option explained, completion, one spelling for one meaning."""

import subprocess

import pytest
import typer

from hitpredict import __version__
from hitpredict.cli.app import build, outlined
from hitpredict.cli.parser import worded
from tests.helpers.commands import EVERY, JARGON, MUTATE, ON_INPUTS, SCORE
from tests.helpers.processes import measured, python, run
from tests.helpers.sounds import saved


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_answers_at_once(option):
    # Processor time, because others may be using the machine.
    assert min(measured(option)[1].seconds for _ in range(3)) < 1.0


COUNTED = """
import sys
from pathlib import Path
from hitpredict.__main__ import main
counted = Path(sys.argv.pop(1))
try:
    main()
finally:
    counted.write_text("\\n".join(sys.modules))
"""


@pytest.mark.parametrize(
    ("arguments", "most"),
    [(("--help",), 200), (("--version",), 200), (("score", "tune.wav"), 520)],
    ids=["help", "version", "score"],
)
def test_few_modules_are_loaded(tmp_path, arguments, most):
    saved(tmp_path)
    outcome = python(COUNTED, tmp_path / "modules", *arguments, cwd=tmp_path)
    modules = (tmp_path / "modules").read_text().splitlines()
    assert outcome.code == 0
    assert len(modules) <= most
    assert ("numpy" in modules) == (arguments[0] == "score")


def test_the_list_of_commands_is_the_same_without_the_commands():
    lists = [worded(typer.main.get_command(made())) for made in (build, outlined)]
    helps = [each.get_help(each.make_context("hitpredict", [], resilient_parsing=True)) for each in lists]
    assert helps[0] == helps[1]
    assert "doctor" in helps[1]


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(option):
    assert run(option).out.decode() == f"hitpredict {__version__}\n"


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
        ("score --model ", {"zalo2019-mfcc"}),
        ("models show ", {"zalo2019-mfcc"}),
        ("evaluate ", {"zalo2019-mfcc"}),
        ("score --sort ", {"score", "name"}),
        ("score --device ", {"auto", "cpu", "cuda"}),
        ("train --device ", {"auto", "cpu", "cuda"}),
        ("train --recipe hm", {"hmn", "hmn-a"}),
        ("recipes hm", {"hmn", "hmn-a"}),
        ("featurize --kind ", {"fma518", "hmn207", "logmel"}),
        ("fetch weights ", {"vggish", "wav2vec2"}),
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
        spelled = {p.opts[-1]: {*p.opts} for p in command.parameters}
        assert spelled.get(max(meaning, key=len), meaning) == meaning, command
        assert command not in commands or max(meaning, key=len) in spelled, command


@pytest.mark.parametrize(
    "typed", [("--pitch", "-2"), ("--pitch=-2",), ("--pitch", "+2"), ("--pitch", "-2,0,+2"), ("--pitch", "-2:2:1")]
)
def test_signed_values_parse(typed):
    recipes = run("mutate", *typed, "-n").records
    wanted = {"-2": [-2], "+2": [2], "-2,0,+2": [-2, 0, 2], "-2:2:1": [-2, -1, 0, 1, 2]}
    assert [r["steps"][0]["semitones"] for r in recipes] == wanted[typed[-1].removeprefix("--pitch=")]


TRAIN = ("train", "-r", "hmn", "--labels", "l.csv", "--target", "t", "-o", "model")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("score", "--jobs", "x"), "--jobs x: must be a whole number from 1"),
        (("score", "--jobs", "0"), "--jobs 0: must be a whole number from 1"),
        (("score", "--jobs", "1.5"), "--jobs 1.5: must be a whole number from 1"),
        (("score", "--segments", "x"), "--segments x: must be a number from 1"),
        (("score", "-f", "xml"), "--format xml: must be pretty, jsonl, tsv, csv or parquet"),
        (("score", "--device", "tpu"), "--device tpu: must be auto, cpu or cuda"),
        (("mutate", "--bits", "12"), "--bits 12: must be 16, 24 or float"),
        (("mutate", "--seed", "-1"), "--seed -1: must be a whole number from 0"),
        (("train", "--devices", "two"), "--devices two: must be a whole number from 1"),
        (("fetch", "synth", "-o", "x", "--seconds", "1"), "--seconds 1: must be a number from 2 to 600"),
        (("fetch", "deezer", "--limit", "few"), "--limit few: must be a whole number from 1"),
        (("featurize", "-k", "logmel", "--set", "n_mels=x", "a.wav"), "--set n_mels=x: must be a whole number"),
        (("featurize", "-k", "fma51", "a.wav"), "kind fma51: unknown; did you mean fma518?"),
        (("featurize", "-k", "logmel", "--set", "n_mel=1", "a.wav"), "--set n_mel: unknown; did you mean n_mels?"),
        ((*TRAIN, "--set", "epochs=x"), "--set epochs=x: must be a number, such as 100"),
        (("recipes", "hmm"), "recipe hmm: unknown; did you mean hmn"),
        (("fetch", "weights", "vgish"), "weights vgish: unknown; did you mean vggish"),
        (("score", "-m", "zalo2019-mfc", "a.wav"), "model zalo2019-mfc: unknown; did you mean zalo2019-mfcc?"),
        (("scor",), "no such command 'scor'. Did you mean 'score'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_values_are_told_in_words_for_people(arguments, message):
    outcome = run(*arguments)
    assert outcome.code in (2, 3)
    assert outcome.err.startswith(f"hitpredict: {message}")
    assert not JARGON.search(outcome.err)
