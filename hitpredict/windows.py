"""Cutting arrays of any length into the windows that a model takes at once. NumPy only."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hitpredict.errors import InputError

_LONGEST_VECTOR = 8192
"""Longer one-dimensional inputs are waveforms."""
_FRAME, _BANDS = 1024, 32
_LARGEST = 2**25


def window_at(array: NDArray[Any], spec: Mapping[str, Any], start: int) -> NDArray[np.float32]:
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


def placed(array: NDArray[Any], spec: Mapping[str, Any] | None) -> NDArray[Any]:
    """The part of an array that windows are cut from: at most `length` entries from the `place` that spec names,
    "start" or "middle"; all of it where it names none."""
    if spec is None or "place" not in spec:
        return array
    length = int(spec["length"])
    start = max(0, len(array) // 2 - length // 2) if spec["place"] == "middle" else 0
    return array[start : start + length]


def windows_of(array: NDArray[Any], spec: Mapping[str, Any] | None) -> NDArray[np.float32]:
    """All windows of an array, one behind the other: (windows, length, …).

    A last window of less than half its length is left out unless it is the only one. With a `place` there is
    one window, from there. spec None: the array itself.
    """
    if spec is None:
        return np.asarray(array, np.float32)[None]
    array, length = placed(array, spec), int(spec["length"])
    count = max(1, round(len(array) / length))
    return np.stack([window_at(array, spec, number * length) for number in range(count)])


def windows_in_common(
    inputs: Sequence[NDArray[Any]], specs: Sequence[Mapping[str, Any] | None]
) -> list[NDArray[np.float32]]:
    """The windows of one track's inputs, as many of each: an input that is not cut goes with every window of the
    others, and of inputs that are cut into different numbers the first ones serve."""
    cut = [windows_of(array, spec) for array, spec in zip(inputs, specs, strict=True)]
    count = min((len(windows) for windows, spec in zip(cut, specs, strict=True) if spec is not None), default=1)
    return [
        windows[:count] if spec is not None else np.repeat(windows, count, axis=0)
        for windows, spec in zip(cut, specs, strict=True)
    ]


def summary_of(array: NDArray[Any]) -> NDArray[np.float32]:
    """One vector for an input: a vector as it is, of an array the means and deviations over its first axis, of a
    waveform those of its log power in 32 bands."""
    array = np.asarray(array, np.float32)
    if array.ndim == 1 and len(array) <= _LONGEST_VECTOR:
        return array
    if array.ndim == 1:
        frames = array[: len(array) // _FRAME * _FRAME].reshape(-1, _FRAME)
        power = np.abs(np.fft.rfft(frames)[:, :-1]) ** 2
        array = np.log(power.reshape(len(frames), _BANDS, -1).mean(axis=2) + 1e-9).astype(np.float32)
    flat = array.reshape(len(array), -1)
    return np.concatenate([flat.mean(axis=0), flat.std(axis=0)])
