"""Numbers that no option can mean are refused in one line, before any work."""

import pytest
import typer

from hitpredict.cli import app
from hitpredict.cli.parser import complaint, worded

PROGRAM = worded(typer.main.get_command(app.build()))


def numeric(command, *words):
    for name, inner in getattr(command, "commands", {}).items():
        yield from numeric(inner, *words, name)
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.type_descriptor.annotation in (int, float):
            yield pytest.param(command, parameter.opts[-1], id=" ".join((*words, parameter.opts[-1])))


OPTIONS = list(numeric(PROGRAM))
NONSENSE = ("inf", "-inf", "nan", "-1", "1e308", str(10**30), "", "0x10")
# Scores may be below 0, and so may what they are cut at.
SIGNED = ("evaluate --threshold",)


def test_there_are_such_options():
    assert {"score --segments", "mutate --max-bytes", "fetch synth --seed"} < {each.id for each in OPTIONS}


@pytest.mark.parametrize(
    ("command", "option", "text"),
    [
        pytest.param(*each.values, text, id=f"{each.id} {text}")
        for each in OPTIONS
        for text in NONSENSE
        if not (each.id in SIGNED and text == "-1")
    ],
)
def test_numbers_out_of_range_are_refused(command, option, text):
    with pytest.raises(typer.BadParameter) as caught:
        command.make_context("x", [f"{option}={text}"])
    told = complaint(caught.value)
    assert option in told
    assert "\n" not in told
    assert len(told) < 200
