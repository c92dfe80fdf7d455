"""The table of commands: what each needs to be called; tests/contract/test_every_command.py finds what is missing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer

from hitpredict.cli.app import app
from hitpredict.cli.parser import worded

TREE: Any = worded(typer.main.get_command(app))


def leaves(command: Any = TREE, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """How each command is called that does something."""
    for name, each in getattr(command, "commands", {}).items():
        yield from leaves(each, (*words, name)) if hasattr(each, "commands") else [(*words, name)]


@dataclass(frozen=True)
class Command:
    """words: how it is called. arguments: what it needs besides INPUT. takes_inputs: whether it has INPUT…

    work: what makes it a whole call, in the order of the table, which ends with `code`. heavy: whether it may import
    what the scoring world never does.
    """

    words: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    takes_inputs: bool = False
    work: tuple[str, ...] = ()
    code: int = 0
    heavy: bool = False

    def __str__(self) -> str:
        return " ".join(self.words)

    def call(self, *arguments: object) -> tuple[str, ...]:
        return (*self.words, *self.arguments, *map(str, arguments))

    @property
    def parameters(self) -> list[Any]:
        """As typer knows them."""
        found = TREE
        for word in self.words:
            found = found.commands[word]
        return list(found.params)


def _fetched(source: str, *arguments: str) -> Command:
    """A source of `fetch`, which has nothing in its cache and may not go to the network."""
    return Command(("fetch", source), (*arguments, "--offline"), work=("-o", f"{source}.d"), code=3)


SCORE = Command(("score",), takes_inputs=True, work=("song.wav",))
MUTATE = Command(("mutate",), ("--gain", "-3"), takes_inputs=True, work=("song.wav",))
EXPLAIN = Command(("explain",), ("--params", "gain"), takes_inputs=True, work=("song.wav",))
FEATURIZE = Command(("featurize",), ("--kind", "mfcc_stats"), takes_inputs=True, work=("song.wav",))
LIST = Command(("models", "list"))
SHOW = Command(("models", "show"))
_TABLES = ("--features", "features.csv", "--labels", "labels.csv")

EVERY = (
    SCORE,
    MUTATE,
    EXPLAIN,
    FEATURIZE,
    LIST,
    SHOW,
    Command(("compare",), work=("song.wav", "song.wav")),
    Command(("report",), work=("records.jsonl",)),
    Command(("recipes",)),
    Command(("doctor",)),
    _fetched("fma"),
    _fetched("spotgentrack"),
    _fetched("zalo2019"),
    _fetched("deezer", "--chart"),
    _fetched("spotify", "0" * 22),
    _fetched("kworb", "us"),
    Command(("fetch", "charts"), work=("chart.json", "-o", "charts")),
    Command(("fetch", "weights"), ("--list",)),
    Command(("fetch", "synth"), ("-n", "2", "--seconds", "2"), work=("-o", "synth")),
    Command(("train",), ("-r", "linear", "--target", "rank", *_TABLES), work=("-o", "model"), heavy=True),
    Command(
        ("tune",),
        ("-r", "linear", "--target", "rank", *_TABLES, "--set", "penalty=1..100", "--trials", "2"),
        work=("-o", "search"),
        heavy=True,
    ),
    Command(("evaluate",), _TABLES, work=("--all", "model"), heavy=True),
    Command(("export-onnx",), work=("model", "-o", "model.onnx"), heavy=True),
)
ON_INPUTS = tuple(command for command in EVERY if command.takes_inputs)
# What typer, click and pydantic call things.
JARGON = re.compile(
    r"<(list\W|str>|int\W|float[> ]|path>|file>|text>)|(int|float|integer) range|INTEGER|FLOAT RANGE|<=|>="
    r"|Input should|Value error|unable to|expected an? (int|float|str|list|dict)|valid (integer|number|string)"
)
