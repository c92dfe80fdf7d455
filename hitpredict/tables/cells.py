"""Text from outside on its way to people and their programs: nothing in it drives a terminal or a spreadsheet."""

import json
import re
from collections.abc import Mapping
from typing import Any

# C0, DEL and C1: escapes, cursor moves, and what 8-bit terminals take for escapes.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_CONTROLS_IN_LINES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_JSON_CONTROLS = re.compile(r"[\x7f-\x9f]")
# What spreadsheets begin formulas with, also in their wide forms; none begins with `-/`, as members of streams do.
_FORMULA = re.compile(r"(?!-/)[=+\-@＝＋－＠].")
_DEFUSED = re.compile(rf"'{_FORMULA.pattern}")


def shown(text: str, lines: bool = False) -> str:
    """`text` with control characters as escapes. lines: line feeds and tabs stay."""
    controls = _CONTROLS_IN_LINES if lines else _CONTROLS
    return controls.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def escaped(text: str) -> str:
    """`text` with what is not Unicode, such as bytes of file names, as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def cell(text: str, one_line: bool) -> str:
    """`text` as a cell of CSV, or (one_line) of TSV, whose readers know no quotes.

    Control characters are written as escapes, line feeds and tabs in CSV apart; an apostrophe goes before what a
    spreadsheet would take for a formula.
    """
    plain = shown(escaped(text), lines=not one_line)
    return f"'{plain}" if _FORMULA.match(plain) else plain


def any_cell(value: object, one_line: bool) -> object:
    """A value as `cell` has it: texts of a list one after the other, other lists as JSON, numbers as they are."""
    if isinstance(value, list):
        simple = all(isinstance(item, str) for item in value)
        value = "; ".join(value) if simple else json.dumps(value)
    return cell(value, one_line) if isinstance(value, str) else value


def original(text: str) -> str:
    """The text that `cell` put an apostrophe before."""
    return text[1:] if _DEFUSED.match(text) else text


def json_text(text: str) -> str:
    """JSON with the controls that it may hold bare (DEL and C1) as escapes; it means the same."""
    return _JSON_CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def json_line(record: Mapping[str, Any]) -> str:
    """A record as one line of JSON, with its line end."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False)
    # File names that are not UTF-8 have no other form in JSON than escapes.
    return f"{json_text(text) if _encodable(text) else json.dumps(record, allow_nan=False)}\n"


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
