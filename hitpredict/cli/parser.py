"""The argument parser in this program's words: what its help calls values, and what it says of bad ones."""

from typing import Any

_METAVARS = {int: "N", float: "NUMBER"}
_NOUNS = {int: "a whole number", float: "a number"}


def worded(command: Any) -> Any:
    """A command, with its sub-commands, whose help names values and their ranges as people do."""
    for each in getattr(command, "commands", {}).values():
        worded(each)
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            # What an argument is, its help says.
            parameter.display_type_rich = lambda ctx: ""
            continue
        parameter.metavar = parameter.metavar or _METAVARS.get(parameter.type_descriptor.annotation)
        if limits := _limits(parameter):
            parameter.help = f"{parameter.help} F{limits[1:]}."
            parameter.min = parameter.max = None
    return command


def complaint(error: Any) -> str:
    """What is wrong with the command line, in one line without a full stop."""
    found: list[Any] = getattr(error.__cause__, "errors", list)()
    if found and getattr(error, "param", None) is not None:
        return f"{_spelled(error.param)} {found[0]['input']}: must be {_wanted(error.param)}"
    message = str(error.format_message()).rstrip(".")
    return message[:1].lower() + message[1:]


def _spelled(parameter: Any) -> str:
    """The long form of an option, or the name of an argument."""
    return str(parameter.opts[-1]) if parameter.param_type_name == "option" else str(parameter.display_name_raw)


def _wanted(parameter: Any) -> str:
    kind = parameter.type_descriptor
    if kind.choices:
        *most, last = map(str, kind.choices)
        return f"{', '.join(most)} or {last}" if most else last
    noun, limits = _NOUNS.get(kind.annotation, "something else"), _limits(parameter)
    return f"{noun} {limits}" if limits else noun


def _limits(parameter: Any) -> str:
    settings = parameter.type_descriptor.parameter_info
    return "" if settings.min is None else f"from {settings.min:,} to {settings.max:,}"
