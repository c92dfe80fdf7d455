"""Batches in page-locked memory, with a driver that gives ordinary memory in its place."""

import ctypes

import numpy as np
import pytest

from hitpredict.scoring.pinned import PinnedBatches
from hitpredict.scoring.scorer import Scorer


class Driver:
    """What is used of the CUDA driver. failing: the call that does not work."""

    def __init__(self, failing: str = ""):
        self.failing, self.calls, self.memory, self.current = failing, list[str](), dict[int, ctypes.Array](), 0

    def __getattr__(self, name):
        def call(*given):
            self.calls.append(name)
            return 2 if name == self.failing else getattr(self, f"_{name}")(*given)

        return call

    def _cuInit(self, flags):
        return flags

    def _cuDeviceGet(self, device, number):
        device._obj.value = number
        return 0

    def _cuDevicePrimaryCtxRetain(self, context, device):
        context._obj.value = 7 + device.value
        return 0

    def _cuCtxPushCurrent_v2(self, context):
        self.current = context.value
        return 0

    def _cuCtxPopCurrent_v2(self, context):
        context._obj.value, self.current = self.current, 0
        return 0

    def _cuMemHostAlloc(self, start, size, flags):
        assert (self.current, flags) == (7, 1)
        array = ctypes.create_string_buffer(size.value)
        start._obj.value = ctypes.addressof(array)
        self.memory[start._obj.value] = array
        return 0

    def _cuMemFreeHost(self, start):
        assert self.current == 7
        del self.memory[start.value]
        return 0


def batch(*shape):
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def test_each_input_has_one_place_that_grows():
    driver = Driver()
    batches = PinnedBatches(driver)
    for name, shape, places in (
        ("a", (2, 3), 1),
        ("b", (4,), 2),
        ("a", (1, 3), 2),
        ("a", (5, 2, 2), 2),
        ("b", (4,), 2),
    ):
        given = batch(*shape)
        held = batches.held(name, given[::-1])
        np.testing.assert_array_equal(held, given[::-1])
        assert held.flags.c_contiguous
        assert held.ctypes.data in driver.memory
        assert (len(driver.memory), driver.current) == (places, 0)
    assert driver.calls.count("cuMemHostAlloc") == 3


@pytest.mark.parametrize(
    "driver",
    [
        None,
        *map(Driver, ["cuInit", "cuDeviceGet", "cuDevicePrimaryCtxRetain", "cuCtxPushCurrent_v2", "cuMemHostAlloc"]),
    ],
    ids=lambda driver: driver and driver.failing,
)
def test_without_such_memory_batches_stay_where_they_are(driver):
    batches = PinnedBatches(driver)
    for given in (batch(3, 2), batch(4, 5)):
        assert batches.held("a", given) is given
        turned = batches.held("a", given.T)
        np.testing.assert_array_equal(turned, given.T)
        assert turned.flags.c_contiguous
    if driver:
        assert not driver.memory
        assert driver.current == 0


def test_a_place_that_cannot_grow_is_given_back_and_asked_for_again():
    driver = Driver()
    batches = PinnedBatches(driver)
    batches.held("a", batch(3))
    driver.failing = "cuMemHostAlloc"
    assert batches.held("a", given := batch(9)) is given
    assert not driver.memory
    driver.failing = ""
    assert batches.held("a", batch(9)).ctypes.data in driver.memory


def test_empty_batches_need_no_place():
    driver = Driver()
    assert PinnedBatches(driver).held("a", np.empty((0, 4), np.float32)).shape == (0, 4)
    assert not driver.memory


def test_the_model_reads_the_place_itself():
    """Copied once more on the way, nothing would be gained."""
    session = Scorer(device="cpu").session
    session._batches = PinnedBatches(driver := Driver())
    (shape,) = (each.shape for each in session._session.get_inputs())
    options = session._options()
    for count in (3, 2, 8):
        given = [batch(count, shape[-1])]
        for bound, plain in zip(session._run_bound(given, options), session._run(given, options), strict=True):
            np.testing.assert_array_equal(bound, plain)
    binding, name = session._session.io_binding(), session._inputs[0]
    place = session._batches.held(name, batch(3, shape[-1]))
    binding.bind_cpu_input(name, place)
    binding.bind_output(session.names[0], "cpu")
    np.copyto(place, other := batch(3, shape[-1]) + 1)
    session._session.run_with_iobinding(binding, options)
    np.testing.assert_array_equal(binding.copy_outputs_to_cpu()[0], session._run([other], options)[0])
    assert place.ctypes.data in driver.memory
