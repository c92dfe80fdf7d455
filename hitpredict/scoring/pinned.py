"""Batches in page-locked memory, which a GPU copies from by itself and at full speed."""

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

_PORTABLE = 1  # locked for every context, whichever ONNX Runtime works in


class PinnedBatches:
    """A place for the batches of each input, as large as the largest so far.

    driver: the CUDA driver's library (cuda.h; its calls give 0 where all went well), None where there is none. Without
    it, and where it gives no such memory, batches stay where they are: that is slower, and the same.
    """

    def __init__(self, driver: Any):
        self._driver, self._context = driver, ctypes.c_void_p()
        self._places: dict[str, NDArray[np.float32]] = {}
        device = ctypes.c_int()
        if driver and (
            driver.cuInit(0)
            or driver.cuDeviceGet(ctypes.byref(device), 0)
            or driver.cuDevicePrimaryCtxRetain(ctypes.byref(self._context), device)
        ):
            self._driver = None

    def held(self, name: str, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """The batch of an input, contiguous, in the input's place; good until the next one of this name."""
        place = self._places.get(name)
        if place is None or place.size < batch.size:
            place = self._larger(name, batch.size)
        if place is None:
            return np.ascontiguousarray(batch)
        held = place[: batch.size].reshape(batch.shape)
        np.copyto(held, batch)
        return held

    def _larger(self, name: str, size: int) -> NDArray[np.float32] | None:
        if not self._driver or not size:
            return None
        start, old = ctypes.c_void_p(), ctypes.c_void_p()
        if self._driver.cuCtxPushCurrent_v2(self._context):
            return None
        try:
            if (before := self._places.pop(name, None)) is not None:
                self._driver.cuMemFreeHost(ctypes.c_void_p(before.ctypes.data))
            if self._driver.cuMemHostAlloc(ctypes.byref(start), ctypes.c_size_t(4 * size), _PORTABLE):
                return None
        finally:
            self._driver.cuCtxPopCurrent_v2(ctypes.byref(old))
        numbers = ctypes.cast(start, ctypes.POINTER(ctypes.c_float))
        self._places[name] = np.ctypeslib.as_array(numbers, (size,))
        return self._places[name]
