"""The errors users meet. Each message says what was wrong, with which input, and what to do.

A parameter's name stands in backticks, alone; the command line shows its option there.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class HitpredictError(Exception):
    """Base of every error that is reported to the user as one line; `exit_code` is the process's answer."""

    exit_code = 1


class InputError(HitpredictError):
    """One input (a file, a stream, an archive member) cannot be used; the run goes on with the others."""


class UsageError(HitpredictError):
    """The command line asks for something that has no meaning (contract: exit code 2)."""

    exit_code = 2


class EnvironmentProblem(HitpredictError):
    """Something outside the input is missing: an extra, a model, a GPU, a program (contract: exit code 3)."""

    exit_code = 3


class TrainingError(HitpredictError):
    """A model could not be fitted: the loss became NaN, or the predictions collapsed to a constant."""


class CheckpointError(UsageError):
    """What a killed training left cannot be taken up; it stays where it is."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message for a name that is not among the known ones: the nearest of them, or all when none is near."""
    from difflib import get_close_matches

    known = list(known)
    near = get_close_matches(name.lower(), known)
    advice = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known) or 'none'}"
    return f"{what} {name}: unknown; {advice}"


@contextmanager
def needs(extra: str, what: str = "", otherwise: str = "") -> Iterator[None]:
    """Turn a missing package into a line that says how to install it.

    what: such as `plots need`. otherwise: what to do instead, such as `, or use the other engine`.
    """
    try:
        yield
    except ImportError as error:
        package = f"the package {(error.name or str(error)).split('.')[0]}"
        missing = f"{what} {package}" if what else f"{package} is missing"
        raise EnvironmentProblem(f"{missing}: pip install 'hitpredict[{extra}]'{otherwise}") from error
