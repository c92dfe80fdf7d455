import numpy as np
import pytest

from hitpredict import recipes
from hitpredict.scoring.windows import summary_of, window_at, windows_in_common, windows_of

CUT = {"length": 4, "pad": "zero"}


def test_windows_follow_one_another_and_a_short_rest_is_left_out():
    array = np.arange(18.0)[:, None]
    found = windows_of(array[:17], CUT)
    np.testing.assert_array_equal(found.ravel(), np.arange(16))
    assert len(windows_of(array, CUT)) == 4
    padded = windows_of(array[:15], CUT)
    assert padded[-1].ravel().tolist() == [12, 13, 14, 0]
    assert windows_of(array[:1], CUT)[0].ravel().tolist() == [0, 0, 0, 0]


def test_padding_with_silence():
    array = np.array([[-10.0], [-30.0]])
    assert window_at(array, {"length": 3, "pad": "least"}, 0).ravel().tolist() == [-10, -30, -30]


def test_what_is_not_cut_goes_with_every_window():
    vector, array = np.array([1.0, 2.0]), np.arange(12.0)[:, None]
    vectors, windows = windows_in_common([vector, array], [None, CUT])
    assert windows.shape == (3, 4, 1)
    np.testing.assert_array_equal(vectors, [[1, 2]] * 3)
    short, long = windows_in_common([array[:8], array], [CUT, CUT])
    assert len(short) == len(long) == 2
    assert windows_in_common([vector, vector], [None, None])[0].shape == (1, 2)


@pytest.mark.parametrize("shape", [(5,), (6, 3), (4, 2, 3)])
def test_summaries(shape):
    array = np.random.default_rng(0).random(shape).astype(np.float32)
    flat = array.reshape(len(array), -1)
    expected = array if array.ndim == 1 else np.concatenate([flat.mean(axis=0), flat.std(axis=0)])
    np.testing.assert_allclose(summary_of(array), expected, rtol=1e-5)


def test_a_waveform_is_summarised_by_its_bands():
    time = np.arange(16384) / 16000
    low, high = (summary_of(np.sin(2 * np.pi * hertz * time)) for hertz in (300, 6000))
    assert low.shape == high.shape == (64,)
    assert low[:32].argmax() == 1
    assert high[:32].argmax() == 24


def test_a_number_pads_too():
    assert window_at(np.ones((1, 1)), {"length": 3, "pad": 0.25}, 0).ravel().tolist() == [1, 0.25, 0.25]


@pytest.mark.parametrize(
    ("frames", "place", "first"), [(10, "middle", 3), (11, "middle", 3), (4, "middle", 0), (10, "start", 0)]
)
def test_a_place_leaves_one_window(frames, place, first):
    array = np.arange(float(frames))[:, None]
    (window,) = windows_of(array, {"length": 4, "place": place})
    assert window.ravel().tolist() == [first, first + 1, first + 2, first + 3]


def test_a_short_array_has_no_place():
    (window,) = windows_of(np.array([[5.0], [6.0]]), {"length": 4, "pad": "zero", "place": "middle"})
    assert window.ravel().tolist() == [5, 6, 0, 0]


def test_the_middle_of_the_kkbox_systems():
    """As they trim: from half the frames less half the length, 161 to 323 frames to either side."""
    spec = recipes.load("hsp-cnn").to_json()["scaling"]["windows"][0]
    (window,) = windows_of(np.arange(1000.0)[:, None], spec)
    assert (window[0, 0], window[-1, 0], len(window)) == (339, 661, 323)
