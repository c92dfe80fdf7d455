"""VGGish's front-end against the paper's recipe written out step by step."""

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.errors import InputError
from hitpredict.frontends import compute, from_json, to_json
from hitpredict.frontends.store import FrameStore
from hitpredict.frontends.vggish import Vggish
from tests.helpers.sounds import sine, tune


def mel(hz: float) -> float:
    return 1127.0 * np.log(1 + hz / 700.0)


def band_weight(hz: float, band: int) -> float:
    step = (mel(7500) - mel(125)) / 65
    lower, centre, upper = (mel(125) + (band + i) * step for i in range(3))
    return max(0.0, min((mel(hz) - lower) / (centre - lower), (upper - mel(hz)) / (upper - centre)))


def plainly(samples: np.ndarray) -> np.ndarray:
    """Patches of a mono 16 kHz signal in double precision, one frame and one band after the other."""
    window = np.array([0.5 - 0.5 * np.cos(2 * np.pi * n / 400) for n in range(400)])
    weights = np.array([[band_weight(k * 16000 / 512, band) for band in range(64)] for k in range(257)])
    weights[0] = 0
    rows = []
    for start in range(0, len(samples) - 399, 160):
        magnitude = np.abs(np.fft.rfft(samples[start : start + 400].astype(np.float64) * window, 512))
        rows.append(np.log(magnitude @ weights + 0.01))
    whole = len(rows) // 96
    return np.array(rows[: whole * 96]).reshape(whole, 96, 64)


def test_patches_equal_the_recipe_written_plainly():
    clip = tune(2.5, 16000, 2)
    expected = plainly(clip.samples.mean(axis=0))
    patches = compute(Vggish(), clip)
    assert patches.shape == expected.shape == (2, 96, 64)
    assert patches.dtype == np.float32
    np.testing.assert_allclose(patches, expected, atol=1e-4)


def test_a_sine_lights_its_own_band():
    patches = compute(Vggish(), Clip(sine(1000, 3, 44100)[None], 44100))
    assert patches.shape == (3, 96, 64)
    band = int(np.argmax([band_weight(1000, band) for band in range(64)]))
    assert set(patches[:, 5:-5].argmax(axis=2).ravel()) == {band}
    # The peak of a full-scale sine's spectrum is half the window's sum, 100; its neighbours lie in the band too.
    assert np.log(50) < patches[1].max() < np.log(250)


def test_silence_is_the_logarithm_of_the_offset():
    patches = compute(Vggish(), Clip(np.zeros((1, 16000), np.float32), 16000))
    np.testing.assert_allclose(patches, np.log(0.01), rtol=1e-6)


def test_one_patch_takes_15600_samples_and_no_padding():
    clip = tune(1.0, 16000, 1)
    assert Vggish().shortest == 0.975
    assert compute(Vggish(), Clip(clip.samples[:, :15600], 16000)).shape == (1, 96, 64)
    with pytest.raises(InputError, match=r"too short for vggish: one patch takes 0\.975 s"):
        compute(Vggish(), Clip(clip.samples[:, :15599], 16000))


def test_patches_do_not_depend_on_block_edges():
    clip = tune(2.2, 44100, 2)
    cuts = np.cumsum(np.random.default_rng(0).integers(1, 5000, 40))
    blocks = [block for block in np.split(clip.samples, cuts, axis=1) if block.size]
    with FrameStore(Vggish().frames(blocks, clip.rate)) as store:
        np.testing.assert_allclose(Vggish().finish(store.view()), compute(Vggish(), clip), atol=1e-5)


def test_json_round_trip():
    frontend = Vggish(patch_frames=48)
    assert from_json(to_json(frontend)) == frontend
