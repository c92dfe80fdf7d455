"""`hitpredict doctor`: what is there on this machine, what is missing, and what mends it."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

import typer

from hitpredict.cli import options
from hitpredict.cli.formats import Format, Table, chosen_format, stream_to_stdout
from hitpredict.cli.messages import Messages, in_options, say
from hitpredict.diagnosis.examine import findings
from hitpredict.diagnosis.finding import FINDING_COLUMNS, Finding, State

COMMAND: dict[str, Any] = {
    "help": "Look at this machine: versions, codecs, folders, extras, CUDA, whether scoring works, and what mends it.",
    "epilog": "Examples: hitpredict doctor · hitpredict doctor -f jsonl > for-a-bug-report.jsonl",
}


@options.spread
def doctor(
    *,
    form: Annotated[
        Format | None, typer.Option("-f", "--format", help="[default: pretty on a terminal, else jsonl]")
    ] = None,
    messages: Messages,
) -> int:
    """Print what is found; the exit code says whether `score` works."""
    form, broken = chosen_format(form, None), list[Finding]()
    if form is Format.pretty:
        from hitpredict.cli.pretty_doctor import FindingPrinter

        _told(FindingPrinter(sys.stdout).line, broken)
    else:
        with stream_to_stdout(form, Table(FINDING_COLUMNS, _row)) as write:
            _told(lambda finding: write(finding.to_json()), broken)
    for each in broken:
        say(f"{each.name}: {each.found}; {each.advice}")
    return 3 if broken else 0


def _told(write: Callable[[Finding], None], broken: list[Finding]) -> None:
    """Write each finding in the words of the command line, and keep those without which `score` does not work."""
    for each in findings():
        write(replace(each, found=in_options(each.found), advice=in_options(each.advice)))
        if each.state is State.broken:
            broken.append(each)


def _row(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: record[name] for name in FINDING_COLUMNS}
