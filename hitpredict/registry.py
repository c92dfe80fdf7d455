"""Things made by name from data: a recipe, a model file or a command names one of them, and its parameters."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from hitpredict.errors import UsageError, unknown

T = TypeVar("T")
_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", NoneType: "none"}


def lookup(what: str, name: object, known: Mapping[str, T]) -> T:
    """What is known by that name. Raises `UsageError`, with the names that are near, where nothing is."""
    check_known(what, [name], known)
    return known[str(name)]


def check_known(what: str, names: Iterable[object], known: Collection[str]) -> None:
    """Raises `UsageError` for the first of the names that is not among the known ones."""
    for name in names:
        if not isinstance(name, str) or name not in known:
            raise UsageError(unknown(what, str(name), known))


def check_parameters(what: str, given: Mapping[str, Any], known: Mapping[str, bool]) -> None:
    """Raises `UsageError` for a parameter that is not known, or is required and not given; known: name to required."""
    check_known(f"{what}, parameter", given, known)
    if missing := [name for name, required in known.items() if required and name not in given]:
        raise UsageError(f"{what}: {missing[0]} is missing")


def made(what: str, maker: Callable[..., T], parameters: Mapping[str, Any], *given: Any) -> T:
    """`maker(*given, **parameters)`: the rest of its parameters, with their types, are those that data may name.

    Raises `UsageError` for a parameter that it does not have, that is missing, or that has a value it cannot have.
    """
    named = list(inspect.signature(maker).parameters.values())[len(given) :]
    if all(each.kind is not each.VAR_KEYWORD for each in named):
        check_parameters(what, parameters, {each.name: each.default is each.empty for each in named})
    hints = get_type_hints(maker.__init__ if inspect.isclass(maker) else maker)
    for name, value in parameters.items():
        if not _fits(value, hints.get(name, Any)):
            raise UsageError(f"{what}: {name} {str(value)[:40]}: must be {_told(hints[name])}")
    try:
        return maker(*given, **parameters)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise UsageError(f"{what}: {error}") from error


def _fits(value: Any, kind: Any) -> bool:
    if isinstance(kind, UnionType):
        return any(_fits(value, each) for each in get_args(kind))
    if get_origin(kind) is Sequence:
        return isinstance(value, list | tuple) and all(_fits(each, get_args(kind)[0]) for each in value)
    if kind in (int, float):
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return isinstance(value, kind) if kind in _NOUNS else True


def _told(kind: Any) -> str:
    if isinstance(kind, UnionType):
        return " or ".join(_told(each) for each in get_args(kind))
    if get_origin(kind) is Sequence:
        return f"a list, each {_told(get_args(kind)[0])}"
    return _NOUNS.get(kind, "something else")
