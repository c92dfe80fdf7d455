"""The program in this process, for tests of what it does rather than how it is started."""

import io
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import typer

from hitpredict.cli.app import build
from hitpredict.cli.parser import worded


@dataclass(frozen=True)
class Called:
    """What a call ended with. lines: of standard error."""

    code: int
    lines: list[str]


def call(command: str, *arguments: object, cwd: Path) -> Called:
    """Run a command in a folder; what it prints as data is lost."""
    program = worded(typer.main.get_command(build(command)))
    with chdir(cwd), redirect_stderr(io.StringIO()) as err, redirect_stdout(io.StringIO()):
        code = program([command, *map(str, arguments)], prog_name="hitpredict", standalone_mode=False)
    return Called(code or 0, err.getvalue().splitlines())
