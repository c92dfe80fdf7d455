"""Cutting arrays of any length into the windows that a model takes at once. NumPy only."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import InputError
from hitpredict.files.arrays import BLOCK_VALUES, AnyArray, blocks_of

_LONGEST_VECTOR = 8192
"""Longer one-dimensional inputs are waveforms."""
_FRAME, _BANDS = 1024, 32
_LARGEST = 2**25


def window_at(array: AnyArray, spec: Mapping[str, Any], start: int) -> NDArray[np.float32]:
    """`spec["length"]` entries of the first axis from `start`, padded at the end: with the array's least value
    (`pad` "least", as silence in decibels), with zeros ("zero"), or with a number."""
    length = int(spec["length"])
    cut = np.asarray(array[start : start + length], np.float32)
    missing = length - len(cut)
    if not missing:
        return cut
    if length * math.prod(cut.shape[1:]) > _LARGEST:
        raise InputError(f"a window of {length} entries of {cut.shape[1:]} numbers takes too much memory")
    pad = spec.get("pad", "zero")
    value = {"least": cut.min() if cut.size else 0.0, "zero": 0.0}[pad] if isinstance(pad, str) else pad
    return np.pad(cut, ((0, missing), *((0, 0) for _ in cut.shape[1:])), constant_values=value)


def placed(array: AnyArray, spec: Mapping[str, Any] | None) -> AnyArray:
    """The part of an array that windows are cut from: at most `length` entries from the `place` that spec names,
    "start" or "middle"; all of it where it names none."""
    if spec is None or "place" not in spec:
        return array
    length = int(spec["length"])
    start = max(0, len(array) // 2 - length // 2) if spec["place"] == "middle" else 0
    return array[start : start + length]


def windows_of(array: AnyArray, spec: Mapping[str, Any] | None) -> NDArray[np.float32]:
    """All windows of an array, one behind the other: (windows, length, …).

    A last window of less than half its length is left out unless it is the only one. With a `place` there is
    one window, from there. spec None: the array itself.
    """
    return windows_in_common([array], [spec])[0]


def windows_in_common(
    inputs: Sequence[AnyArray], specs: Sequence[Mapping[str, Any] | None]
) -> list[NDArray[np.float32]]:
    """The windows of one track's inputs, as many of each: an input that is not cut goes with every window of the
    others, and of inputs that are cut into different numbers the first ones serve."""
    (batch,) = batches_in_common(inputs, specs)
    return batch


def batches_in_common(
    inputs: Sequence[AnyArray], specs: Sequence[Mapping[str, Any] | None], values: int | None = None
) -> Iterator[list[NDArray[np.float32]]]:
    """The same in batches of about so many `values` an input, so that arrays in files are never held whole."""
    arrays = [placed(array, spec) for array, spec in zip(inputs, specs, strict=True)]
    cut = [(array, int(spec["length"])) for array, spec in zip(arrays, specs, strict=True) if spec is not None]
    count = min((max(1, round(len(array) / length)) for array, length in cut), default=1)
    largest = max((length * array.size // max(1, len(array)) for array, length in cut), default=1)
    together = count if values is None else max(1, values // max(1, largest))
    for first in range(0, count, together):
        numbers = range(first, min(first + together, count))
        yield [_windows(array, spec, numbers) for array, spec in zip(arrays, specs, strict=True)]


def together(
    windows: Iterable[tuple[int, list[NDArray[np.float32]]]], values: int
) -> Iterator[tuple[NDArray[np.intp], list[NDArray[np.float32]]]]:
    """Batches of one place each, joined with those that follow and have windows of the same shapes, up to so many
    `values` an input: the place of each window, and the batch."""
    held: list[tuple[int, list[NDArray[np.float32]]]] = []
    size = 0
    for place, batch in windows:
        more = max(array.size for array in batch)
        alike = not held or all(a.shape[1:] == b.shape[1:] for a, b in zip(held[0][1], batch, strict=True))
        if held and not (alike and size + more <= values):
            yield _joined(held)
            held, size = [], 0
        held.append((place, batch))
        size += more
    if held:
        yield _joined(held)


def _joined(
    held: Sequence[tuple[int, list[NDArray[np.float32]]]],
) -> tuple[NDArray[np.intp], list[NDArray[np.float32]]]:
    places = np.repeat([place for place, _ in held], [len(batch[0]) for _, batch in held])
    batches = [batch for _, batch in held]
    return places, batches[0] if len(batches) == 1 else [
        np.concatenate(arrays) for arrays in zip(*batches, strict=True)
    ]


def _windows(array: AnyArray, spec: Mapping[str, Any] | None, numbers: range) -> NDArray[np.float32]:
    if spec is None:
        whole = np.asarray(array, np.float32)
        return np.broadcast_to(whole, (len(numbers), *whole.shape))
    return np.stack([window_at(array, spec, number * int(spec["length"])) for number in numbers])


def summary_of(array: AnyArray) -> NDArray[np.float32]:
    """One vector for an input: a vector as it is, of an array the means and deviations over its first axis, of a
    waveform those of its log power in 32 bands."""
    if array.ndim == 1 and len(array) <= _LONGEST_VECTOR:
        return np.asarray(array, np.float32)
    total, squares, count = np.zeros(1), np.zeros(1), 0
    for rows in _rows(array):
        total, count = total + rows.sum(axis=0, dtype=np.float64), count + len(rows)
    mean = total / count
    for rows in _rows(array):
        squares = squares + np.square(rows - mean).sum(axis=0)
    variance = squares / count
    return np.concatenate([mean, np.sqrt(variance)]).astype(np.float32)


def _rows(array: AnyArray) -> Iterator[NDArray[np.float32]]:
    """What is summarised, (n, D), some at a time."""
    if array.ndim > 1:
        yield from (np.asarray(block, np.float32).reshape(len(block), -1) for block in blocks_of(array))
        return
    for block in blocks_of(array, BLOCK_VALUES // _FRAME * _FRAME):
        frames = np.asarray(block[: len(block) // _FRAME * _FRAME], np.float32).reshape(-1, _FRAME)
        power = np.abs(np.fft.rfft(frames)[:, :-1]) ** 2
        yield np.log(power.reshape(len(frames), _BANDS, -1).mean(axis=2) + 1e-9).astype(np.float32)
