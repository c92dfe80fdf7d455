"""Which parameters a front-end may have: a model file or a table names them, and memory is allocated by them."""

import math
from collections.abc import Mapping
from types import UnionType
from typing import Any, get_args, get_type_hints

_WHOLE = {
    "sample_rate": (1000, 768_000),
    "frame_length": (2, 2**16),
    "hop_length": (1, 2**16),
    "n_fft": (2, 2**16),
    "patch_frames": (1, 2**12),
    "window": (1, 2**20),
    **dict.fromkeys(("n_mels", "n_mfcc", "height", "width"), (1, 2**12)),
}
_REAL = {
    **dict.fromkeys(("fmin", "fmax"), (0.0, 384_000.0)),
    "top_db": (1e-3, 1e4),
    "amin": (1e-30, 1.0),
    "offset": (1e-12, 1e3),
    "preemphasis": (-1.0, 1.0),
    "mean": (-1e6, 1e6),
    "deviation": (1e-6, 1e6),
}
_BANK_CELLS = 2**22
_NUMBERS_PER_SECOND = 400_000
_WINDOW_NUMBERS = 2**25
_PIXELS = 2**22


def check_ranges(cls: Any, parameters: Mapping[str, Any]) -> None:
    """Raises ValueError for a parameter of the wrong type or out of its range; their names are known already."""
    hints = get_type_hints(cls)
    for key, value in parameters.items():
        kinds = get_args(hints[key]) if isinstance(hints[key], UnionType) else (hints[key],)
        if not any(_fits(key, value, kind) for kind in kinds):
            raise ValueError(f"{key} {str(value)[:40]!r} is not {' or '.join(_told(key, kind) for kind in kinds)}")


def check_sizes(frontend: Any) -> None:
    """Raises ValueError where parameters that are in range by themselves are too much, or senseless, together."""
    n_fft, rate = getattr(frontend, "n_fft", 1), frontend.sample_rate
    frame, hop = getattr(frontend, "frame_length", n_fft), getattr(frontend, "hop_length", 1)
    bands = getattr(frontend, "n_mels", getattr(frontend, "height", 1))
    if frame > n_fft or hop > frame:
        raise ValueError(f"frames of {frame} samples every {hop} do not go with an n_fft of {n_fft}")
    low, high = getattr(frontend, "fmin", 0.0), getattr(frontend, "fmax", None)
    if low >= (rate / 2 if high is None else high):
        raise ValueError(f"there is nothing between fmin {low:g} Hz and fmax")
    if getattr(frontend, "n_mfcc", 1) > bands:
        raise ValueError(f"{frontend.n_mfcc} coefficients of {bands} bands are too many")
    if (n_fft // 2 + 1) * bands > _BANK_CELLS:
        raise ValueError(f"{bands} bands of an n_fft of {n_fft} take too much memory")
    if frontend.frames_per_second * bands > max(_NUMBERS_PER_SECOND, rate):
        raise ValueError(f"{frontend.frames_per_second * bands:.3g} numbers for a second of sound are too many")
    if getattr(frontend, "height", 1) * getattr(frontend, "width", 1) > _PIXELS:
        raise ValueError(f"a picture of {frontend.height} × {frontend.width} pixels takes too much memory")
    if (getattr(frontend, "window", None) or 1) * bands > _WINDOW_NUMBERS:
        raise ValueError(f"a window of {frontend.window} frames takes too much memory")


def _fits(key: str, value: Any, kind: Any) -> bool:
    if kind in (bool, str, type(None)):
        return isinstance(value, kind)
    if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
        return False
    low, high = _range(key, kind)
    return low <= value <= high and math.isfinite(value)


def _range(key: str, kind: Any) -> tuple[float, float]:
    return _WHOLE[key] if kind is int else _REAL[key]


def _told(key: str, kind: Any) -> str:
    if kind in (bool, str, type(None)):
        return {bool: "true or false", str: "text", type(None): "none"}[kind]
    low, high = _range(key, kind)
    return f"a {'whole ' if kind is int else ''}number from {low:g} to {high:g}"
