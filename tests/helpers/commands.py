"""The table of commands to which the same promises apply."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """words: how it is called. arguments: what makes it work on inputs. takes_inputs: whether it has INPUT…"""

    words: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    takes_inputs: bool = False

    def __str__(self) -> str:
        return " ".join(self.words)

    def call(self, *arguments: object) -> tuple[str, ...]:
        return (*self.words, *self.arguments, *map(str, arguments))


SCORE = Command(("score",), takes_inputs=True)
MUTATE = Command(("mutate",), ("--gain", "-3"), takes_inputs=True)
FEATURIZE = Command(("featurize",), ("--kind", "mfcc_stats"), takes_inputs=True)
LIST = Command(("models", "list"))
SHOW = Command(("models", "show"))

EVERY = (SCORE, MUTATE, FEATURIZE, LIST, SHOW)
ON_INPUTS = (SCORE, MUTATE, FEATURIZE)
