"""Streams of rows (frames or samples) gathered into what a network takes at once."""

from collections.abc import Iterable, Iterator

import numpy as np

from hitpredict.frontends.store import Rows


def pieces(blocks: Iterable[Rows], size: int, least: int = 0) -> Iterator[Rows]:
    """Consecutive pieces of `size` rows, then the rest: at least `least` rows and fewer than size + least.

    Only a stream of fewer than `least` rows gives a shorter piece; an empty stream gives nothing.
    """
    held: list[Rows] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count < size + least:
            continue
        rows = np.concatenate(held)
        whole = (count - least) // size * size
        yield from (rows[start : start + size] for start in range(0, whole, size))
        held, count = [rows[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def windows(blocks: Iterable[Rows], size: int, step: int) -> Iterator[Rows]:
    """Windows of `size` rows that start `step` apart (at most `size`), and one more that ends with the stream.

    Only a stream shorter than one window gives a shorter window; an empty stream gives nothing.
    """
    passed: list[Rows] = []
    rest: Rows | None = None
    for block in blocks:
        rest = block if rest is None else np.concatenate([rest, block])
        while len(rest) >= size:
            yield rest[:size]
            passed, rest = [rest[:step]], rest[step:]
    if rest is not None and (len(rest) > size - step if passed else len(rest)):
        yield np.concatenate([*passed, rest])[-size:]


def mean_of_rows(blocks: Iterable[Rows]) -> Rows:
    """Mean over all rows of blocks (n, D), of which there must be at least one: (D,) float32."""
    total, count = np.zeros(1), 0
    for block in blocks:
        total, count = total + block.sum(axis=0, dtype=np.float64), count + len(block)
    return np.asarray(total / count, np.float32)
