"""What services answer: JSON within bounds, pages that end, and one line when its form is not the known one."""

import json
import math
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from hitpredict.errors import InputError

LARGEST = 16 * 2**20
"""Bytes of an answer, unpacked."""
MOST_PAGES, MOST_ENTRIES = 1000, 100_000
_DEEPEST = 32


def brief(text: object, most: int = 200) -> str:
    """A text from outside, cut to what fits a line for people."""
    words = str(text)
    return words if len(words) <= most else f"{words[:most]}…"


@contextmanager
def expected(what: object) -> Iterator[None]:
    """Turn what goes wrong when an answer is taken apart into an `InputError` about `what`."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        raise InputError(
            f"{brief(what)}: the answer is not as it was ({brief(repr(error))}); the service's format has changed"
        ) from error


def unpacked(what: str, chunks: Iterable[bytes], encoding: str, most: int = LARGEST) -> bytes:
    """The content of an answer that comes as it is or as gzip. Raises `InputError` beyond `most` bytes."""
    if encoding not in ("", "identity", "gzip"):
        raise InputError(f"{what}: the answer is packed as {brief(encoding)!r}, which was not asked for")
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16) if encoding == "gzip" else None
    body = bytearray()
    try:
        for chunk in chunks:
            body += unpacker.decompress(chunk, most + 1 - len(body)) if unpacker else chunk
            if len(body) > most:
                raise InputError(f"{what}: the answer is larger than {most:,} bytes; refused")
    except zlib.error as error:
        raise InputError(f"{what}: the answer is damaged gzip ({error})") from error
    if unpacker and not unpacker.eof:
        raise InputError(f"{what}: the answer is gzip that ends too early")
    return bytes(body)


def parsed_answer(what: str, body: bytes) -> Any:
    """The value of a JSON text. Raises `InputError` for anything else, for numbers without value, and for depth."""
    try:
        value = json.loads(body, parse_constant=_refused, parse_float=_finite)
    except RecursionError as error:
        raise InputError(f"{what}: the answer is nested too deep; the service has changed or is not the one") from error
    except ValueError as error:
        raise InputError(f"{what}: the answer is not JSON; the service has changed or is not the one") from error
    if _depth(value) > _DEEPEST:
        raise InputError(f"{what}: the answer is nested too deep; the service has changed or is not the one")
    return value


def _refused(text: str) -> Any:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _refused(text)


def _depth(value: Any) -> int:
    """Levels of lists and objects, counted no further than one beyond the deepest allowed."""
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        depth += 1
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, dict | list)
        ]
    return depth


def pages(first: str, ask: Callable[[str], Any], key: str, addresses: tuple[str, str]) -> Iterator[list[Any]]:
    """The lists `key` of an answer and of those that its `next` leads to, which stay at the service.

    addresses: of the service and of its official place. Raises `InputError` for another form, for a circle, and for
    more pages or entries than any list has.
    """
    base, official = addresses
    url, seen, entries = first, {first}, 0
    while len(seen) <= MOST_PAGES:
        page = ask(url)
        found = page.get(key) if isinstance(page, dict) else None
        if not isinstance(found, list):
            raise InputError(f"{brief(url)}: holds no list `{key}`; the service's format has changed")
        entries += len(found)
        if entries > MOST_ENTRIES:
            break
        yield found
        following = page.get("next") if found else None
        if not following:
            return
        path = str(following).removeprefix(official).removeprefix(base)
        # What follows a host's name could make another host of it.
        if not path.startswith("/") or base + path in seen:
            raise InputError(f"{brief(url)}: its next page is {brief(following)!r}, which leads nowhere new")
        url = base + path
        seen.add(url)
    raise InputError(f"{brief(first)}: the list does not end; refused after {len(seen):,} pages, {entries:,} entries")
