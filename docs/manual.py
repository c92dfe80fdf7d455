"""Manual pages in the format of man(7), made of what `--help` is made of."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import typer

from hitpredict import __version__
from hitpredict.cli.app import build
from hitpredict.cli.parser import worded

EXIT_STATUS = {
    "0": "All inputs are done.",
    "1": "At least one input failed; each has a line on standard error.",
    "2": "Wrong usage.",
    "3": "Something is missing on this machine: an extra, a model, a GPU asked for, a writable place.",
    "130": "Interrupted.",
    "141": "The reader closed the pipe.",
}
_NAME = "hitpredict"


def manual() -> dict[str, str]:
    """The text of each page by its name: of the program, of its groups, and of each command."""
    root = worded(typer.main.get_command(build()))
    commands = {tuple(words): command for words, command in _walked(root, [_NAME])}
    return {"-".join(words): _page(words, commands) for words in commands}


def _walked(command: Any, words: list[str]) -> Iterator[tuple[list[str], Any]]:
    yield words, command
    for name, each in getattr(command, "commands", {}).items():
        yield from _walked(each, [*words, name])


def _page(words: tuple[str, ...], commands: dict[tuple[str, ...], Any]) -> str:
    command = commands[words]
    context = command.make_context(" ".join(words), [], resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    below = [each for each in commands if each[:-1] == words]
    above = [words[:end] for end in range(1, len(words))]
    records: dict[str, list[tuple[str, str]]] = {"argument": [], "option": []}
    for each in command.get_params(context):
        if not each.hidden:
            records[each.param_type_name].append(each.get_help_record(context))
    lines = [
        '.\\" Written by docs/update.py.',
        f'.TH {"-".join(words).upper()} 1 "" "{_NAME} {__version__}" "{_NAME}"',
        ".SH NAME",
        f"{_text('-'.join(words))} \\- {_text(_summary(words, command).rstrip('.'))}",
        ".SH SYNOPSIS",
        f".B {_text(' '.join(words))}",
        _text(usage),
        ".SH DESCRIPTION",
        _text(command.help),
        *_section("COMMANDS", [(" ".join(each[1:]), _summary(each, commands[each])) for each in below]),
        *_section("ARGUMENTS", records["argument"]),
        *_section("OPTIONS", records["option"]),
        *_examples(command.epilog),
        *_section("EXIT STATUS", EXIT_STATUS.items()),
        ".SH SEE ALSO",
        _seen(above + below),
    ]
    return "\n".join(lines) + "\n"


def _summary(words: tuple[str, ...], command: Any) -> str:
    """One line: of commands what the list of commands says, of others the first sentence of their help."""
    return str((len(words) == 2 and command.short_help) or command.help.split(". ")[0])


def _section(title: str, entries: Iterable[tuple[str, str]]) -> list[str]:
    """Terms and what they mean; nothing without any."""
    lines = [line for term, meaning in entries for line in (".TP", _term(term), _text(meaning))]
    return [f".SH {title}", *lines] if lines else []


def _examples(epilog: str | None) -> list[str]:
    _, _, examples = (epilog or "").partition(": ")
    lines = [f".EX\n{_text(each)}\n.EE" for each in examples.split(" · ") if each]
    return [".SH EXAMPLES", "\n.PP\n".join(lines)] if lines else []


def _seen(pages: Iterable[tuple[str, ...]]) -> str:
    return ",\n".join(f"{_term('-'.join(each))}(1)" for each in pages)


def _term(text: str) -> str:
    """What is typed as it stands in bold: the names of an option, or all of another term."""
    plain = _text(text)
    names = re.sub(r"(?<![\w-])(\\-{1}(?:\\-)?\w[\w\\-]*)", r"\\fB\1\\fR", plain)
    return names if text.lstrip().startswith("-") else f"\\fB{plain}\\fR"


def _text(text: str) -> str:
    """Text for troff: in one line, with escapes for what it would take for its own."""
    plain = " ".join(text.split()).replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", plain)
