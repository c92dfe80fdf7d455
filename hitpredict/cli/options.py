"""Options that several commands share, spelled and explained once, and what the shell completes in them."""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import is_dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from hitpredict.cli.formats import Format
from hitpredict.errors import UsageError

T = TypeVar("T")


def spread(command: Callable[..., T]) -> Callable[..., T]:
    """A command with an option for each field of those of its parameters that are dataclasses, in their places."""
    parameters = inspect.signature(command).parameters
    signature = inspect.Signature(list(_flat(parameters)))

    @wraps(command)
    def run(*arguments: Any, **named: Any) -> T:
        given = signature.bind(*arguments, **named)
        given.apply_defaults()
        return command(**_gathered(parameters, given.arguments))

    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: each.annotation for name, each in signature.parameters.items()}
    return run


Parameters = Mapping[str, inspect.Parameter]


def _fields(parameter: inspect.Parameter) -> Parameters | None:
    group = parameter.annotation
    return inspect.signature(group).parameters if isinstance(group, type) and is_dataclass(group) else None


def _flat(parameters: Parameters) -> Iterator[inspect.Parameter]:
    for each in parameters.values():
        if (inner := _fields(each)) is None:
            yield each
        else:
            yield from (field.replace(kind=field.KEYWORD_ONLY) for field in _flat(inner))


def _gathered(parameters: Parameters, given: Mapping[str, Any]) -> dict[str, Any]:
    groups = {name: _fields(each) for name, each in parameters.items()}
    return {
        name: given[name] if inner is None else parameters[name].annotation(**_gathered(inner, given))
        for name, inner in groups.items()
    }


class Device(StrEnum):
    """Where a model runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def bundled_models() -> list[str]:
    """The names that `--model` knows."""
    from hitpredict.scoring.session import bundled

    return list(bundled())


def kinds() -> list[str]:
    """The kinds of features."""
    from hitpredict.features.kinds import KINDS

    return list(KINDS)


def recipe_names() -> list[str]:
    """The recipes of `train`."""
    from hitpredict import recipes

    return recipes.names()


LAST_SEED = 2**32 - 1
"""The largest seed that every library takes."""
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def _bytes(text: str | int) -> int:
    """`500M`, `2GB` or a plain number."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([KMGT]?)B?", str(text).strip().upper())
    if not match:
        raise typer.BadParameter(f"{text}: expected a number of bytes, such as 500M or 20G")
    size = float(match[1]) * _UNITS[match[2]]
    if size >= 2**63:
        raise typer.BadParameter(f"{text}: must be less than 9,000,000T")
    return int(size)


def unless_stdout(output: Path | None) -> Path | None:
    """None for standard output, which `-` is as well."""
    return None if str(output) == "-" else output


def assigned(settings: list[str] | None) -> dict[str, str]:
    """What the `--set KEY=VALUE` of a command line say. Raises `UsageError`."""
    found = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals:
            raise UsageError(f"--set {setting}: expected KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT",
        help="Audio files, folders, tar archives, WebDataset shards, manifests (tracks.jsonl), URLs, or - for stdin.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", metavar="FILE", callback=unless_stdout, help="Write to FILE instead of standard output."
    ),
]
InParts = Annotated[
    int | None,
    typer.Option(
        "--parts",
        min=1,
        max=10**9,
        metavar="N",
        help="Write a folder of Parquet files, each of N inputs, with a manifest.json; -o names it.",
    ),
]
RecordFormat = Annotated[
    Format | None,
    typer.Option("-f", "--format", help="[default: by the output's suffix; pretty on a terminal, else jsonl]"),
]
ScoredOn = Annotated[Device | None, typer.Option("--device", help="Where the model runs [default: auto].")]
MaxBytes = Annotated[
    int | None,
    typer.Option(
        "--max-bytes",
        metavar="SIZE",
        parser=_bytes,
        show_default=False,
        help="Give up on a sound from a stream or URL that has more bytes [default: 10G; from a URL 2G].",
    ),
]
TIMEOUT = 3600.0
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=0.1,
        max=10**7,
        metavar="SECONDS",
        show_default=False,
        help="Give up on an input that takes longer, and go on [default: 3600].",
    ),
]
Memory = Annotated[
    int | None,
    typer.Option(
        "--memory",
        metavar="SIZE",
        parser=_bytes,
        help="Addresses that a process may have on Linux; an input that needs more fails [default: no limit].",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option("-j", "--jobs", min=1, max=4096, help="Work on this many inputs at a time [default: all cores]."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace output that is already there.")]
SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave output that is already there as it is, without an error.")
]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Say nothing but failures.")]
Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", help="Say more: what was passed over, tracebacks, libraries' own words.")
]
FilesFrom = Annotated[
    str | None,
    typer.Option("--files-from", metavar="FILE", help="Also take the inputs listed in FILE, one a line (- for stdin)."),
]
Null = Annotated[
    bool, typer.Option("-0", "--null", help="Names in --files-from and --failures end in NUL, not in a line end.")
]
Failures = Annotated[
    Path | None,
    typer.Option("--failures", metavar="FILE", help="Write the failed inputs to FILE, to retry with --files-from."),
]
Model = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        help="A bundled model's name, an .onnx file, or a model folder [default: bundled].",
        autocompletion=bundled_models,
    ),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "-m",
        "--model",
        metavar="MODEL",
        help="A bundled model's name, an .onnx file, or a model folder; --suggest takes several [default: bundled].",
        autocompletion=bundled_models,
    ),
]
