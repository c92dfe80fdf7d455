"""What every command of the tree promises alike; a command that is not in the table of tests/helpers/commands fails."""

import json
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pytest
from typer.core import TyperOption

from hitpredict.frontends.mfcc_stats import MfccStats
from tests.helpers.commands import EVERY, JARGON, LIST, ON_INPUTS, SHOW, Command, leaves
from tests.helpers.marks import few_by_default
from tests.helpers.processes import Forked, forked
from tests.helpers.sounds import saved, tune

NEVER = {"torch", "librosa", "scipy", "sklearn", "pandas"}
MODELS = {"onnxruntime", "soundfile", "pedalboard"}
LIGHT = tuple(command for command in EVERY if not command.heavy)
COLUMNS, ROWS = 80, 90
ALL = pytest.mark.parametrize("command", EVERY, ids=str)
WHOLE = pytest.mark.parametrize(
    "command", [pytest.param(each, marks=[pytest.mark.slow] * each.heavy) for each in EVERY], ids=str
)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """What the whole calls of the table work on."""
    folder = tmp_path_factory.mktemp("workshop")
    saved(folder, "song.wav", tune(1))
    random, names = np.random.default_rng(0), MfccStats().columns
    rows = random.normal(size=(ROWS, len(names)))
    numbers = [",".join(map(str, (n, *row))) for n, row in enumerate(rows)]
    (folder / "features.csv").write_text("\n".join([",".join(("track_id", *names)), *numbers]) + "\n")
    labels = [f"{n},{row[0] + row[1]},artist {n}" for n, row in enumerate(rows)]
    (folder / "labels.csv").write_text("\n".join(["track_id,rank,artist", *labels]) + "\n")
    record = {"schema": "hitpredict.score/1", "path": "song.wav", "name": "song", "score": 50, "interval": [20, 80]}
    (folder / "records.jsonl").write_text(json.dumps(record) + "\n")
    places = [{"song": f"Song {n}", "artist": "X", "this_week": n} for n in (1, 2)]
    (folder / "chart.json").write_text(json.dumps({"date": "2020-01-04", "data": places}))
    return folder


def called(commands: Iterable[Command], folder: Path, stdout: str = "file") -> dict[Command, Forked]:
    """Each command's whole call with `-q`."""
    commands = list(commands)
    asked = [(*command.call(*command.work), "-q") for command in commands]
    env = {"HITPREDICT_CACHE": str(folder / "cache"), "SPOTIFY_CLIENT_ID": "me", "SPOTIFY_CLIENT_SECRET": "hush"}
    return dict(zip(commands, forked(asked, folder, stdout, **env), strict=True))


@pytest.fixture(scope="module")
def whole(workshop):
    """What the whole call of a command gave; those that may import torch are called when one of them is asked for."""

    @cache
    def world(heavy: bool) -> dict[Command, Forked]:
        return called([command for command in EVERY if command.heavy == heavy], workshop)

    return lambda command: world(command.heavy)[command]


@lru_cache
def helped(option: str) -> dict[Command, Forked]:
    return dict(zip(EVERY, forked([(*each.words, option) for each in EVERY], Path()), strict=True))


def test_the_table_has_every_command():
    assert sorted(command.words for command in EVERY) == sorted(leaves())


@ALL
def test_help_says_everything_in_words_for_people(command):
    shown = helped("--help")[command]
    text = shown.out.decode()
    assert (shown.code, shown.err) == (0, "")
    assert helped("-h")[command].out == shown.out
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert not JARGON.search(text)
    for parameter in command.parameters:
        assert parameter.help, parameter.name
        assert not parameter.hidden
        for option in parameter.opts if isinstance(parameter, TyperOption) else ():
            assert option in text
    assert re.search(rf"Examples?: .*hitpredict {command}\b", " ".join(text.split()))


@ALL
def test_help_imports_no_more_than_it_needs(command):
    assert not helped("--help")[command].modules & (NEVER | MODELS)


@lru_cache
def misused() -> dict[Command, tuple[Forked, Forked]]:
    asked = [(*each.words, word) for each in EVERY for word in ("--no-such-option", "-q")]
    found = forked(asked, Path())
    return {each: (found[2 * n], found[2 * n + 1]) for n, each in enumerate(EVERY)}


@ALL
def test_usage_errors_are_one_line_that_names_the_command(command):
    unknown, nothing = misused()[command]
    required = [each for each in command.parameters if each.required]
    for outcome in (unknown, nothing) if required else (unknown,):
        assert (outcome.code, outcome.out, len(outcome.complaints)) == (2, b"", 1)
        assert outcome.err.startswith("hitpredict: ")
        assert outcome.err.endswith(f"see hitpredict {command} --help\n")
        assert not JARGON.search(outcome.err)
    assert "--no-such-option" in unknown.err


@WHOLE
def test_a_call_keeps_its_streams_apart(whole, command):
    outcome = whole(command)
    assert (outcome.code, len(outcome.complaints)) == (command.code, bool(command.code)), outcome.err
    assert bool(outcome.out) == (not outcome.code and "-o" not in command.work)


@pytest.mark.parametrize("command", LIGHT, ids=str)
def test_commands_stay_in_the_scoring_world(whole, command):
    modules = whole(command).modules
    # pyarrow looks for pandas by itself.
    assert not modules & (NEVER - {"pandas"} if "pyarrow" in modules else NEVER)
    assert ("onnxruntime" in modules) == (str(command) in ("score", "compare", "explain", "models show", "doctor"))


@pytest.mark.parametrize(
    ("stdout", "code", "complaint"),
    few_by_default(
        [
            ("gone", 141, ""),
            ("full", 3, "hitpredict: No space left on device\n"),
            ("closed", 3, "hitpredict: Bad file descriptor\n"),
        ],
        2,
    ),
)
def test_what_cannot_be_written_is_told_in_a_line(whole, workshop, stdout, code, complaint):
    writing = [command for command in LIGHT if whole(command).out]
    assert {*ON_INPUTS, LIST, SHOW} < {*writing}
    for command, outcome in called(writing, workshop, stdout).items():
        assert (outcome.code, outcome.err) == (code, complaint), command
