"""Spectrogram images: what is where in the picture, and that resizing keeps what it should."""

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.errors import UsageError
from hitpredict.frontends import compute, from_json, to_json
from hitpredict.frontends.image import SpectrogramImage
from hitpredict.frontends.store import FrameStore
from tests.helpers.sounds import sine, tune

RATE = 22050


def picture(samples: np.ndarray, **options) -> np.ndarray:
    return compute(SpectrogramImage(**options), Clip(np.atleast_2d(samples), RATE))


def brightness(decibels: np.ndarray, **options) -> np.ndarray:
    """The picture of given frames (n, height), each a level of one band in dB."""
    image = SpectrogramImage(height=decibels.shape[1], **options)
    with FrameStore([decibels.astype(np.float32)]) as store:
        return image.finish(store.view())


@pytest.mark.parametrize(("colour", "shape"), [("gray", (102, 159)), ("rgb", (102, 159, 3))])
@pytest.mark.parametrize("scale", ["mel", "linear"])
def test_the_published_size_in_both_number_types(colour, shape, scale):
    clip = tune(6)
    numbers = compute(SpectrogramImage(colour=colour, scale=scale), clip)
    levels = compute(SpectrogramImage(colour=colour, scale=scale, dtype="uint8"), clip)
    assert numbers.shape == levels.shape == shape
    assert (numbers.dtype, levels.dtype) == (np.float32, np.uint8)
    np.testing.assert_array_equal(numbers, levels.astype(np.float32) / 255)
    assert len(np.unique(levels)) > 100


@pytest.mark.parametrize("hz", [300.0, 2000.0, 9000.0])
def test_a_tone_is_a_line_at_its_height(hz):
    rows = picture(sine(hz, 8, RATE, 0.5), scale="linear")[:, 40:120].mean(axis=1)
    assert abs((101 - rows.argmax()) - int(hz / (RATE / 2) * 102)) <= 1
    assert rows.max() > 0.95


def test_mel_puts_low_notes_below_high_ones():
    low, high = (picture(sine(hz, 8, RATE, 0.5))[:, 80].argmax() for hz in (200.0, 4000.0))
    assert low > high


def test_time_runs_from_left_to_right():
    columns = picture(np.concatenate([np.zeros(RATE * 5, np.float32), sine(1000, 5, RATE, 0.5)])).max(axis=0)
    assert columns[:70].max() < 0.05
    assert columns[90:].min() > 0.9


def test_decibels_become_brightness():
    levels = np.tile(np.array([0.0, -20.0, -40.0, -80.0, -200.0]), (318, 1))
    expected = np.array([0, 0, 0.5, 0.75, 1.0])
    np.testing.assert_allclose(brightness(levels)[:, 0], expected, atol=1 / 255)


def test_more_frames_than_columns_are_averaged():
    levels = -80 * np.random.default_rng(0).random((159 * 4, 6))
    levels[10, 2] = 0
    expected = (1 + levels / 80).reshape(159, 4, 6).mean(axis=1).T[::-1]
    np.testing.assert_allclose(brightness(levels), expected, atol=0.51 / 255)


def test_a_whole_number_of_frames_a_column_is_not_needed():
    levels = -80 * np.random.default_rng(1).random((401, 3))
    levels[0, 0] = 0
    result = brightness(levels)
    fine = np.repeat(1 + levels / 80, 159, axis=0).reshape(159, 401, 3).mean(axis=1)
    np.testing.assert_allclose(result, fine.T[::-1], atol=0.51 / 255)


def test_fewer_frames_than_columns_are_interpolated():
    result = brightness(np.array([[-80.0], [0.0], [-40.0]]))[0]
    centres = (np.arange(159) + 0.5) * 3 / 159 - 0.5
    np.testing.assert_allclose(result, np.interp(centres, [0, 1, 2], [0, 1, 0.5]), atol=0.51 / 255)
    assert brightness(np.array([[0.0]])).tolist() == [[1.0] * 159]


def test_the_picture_does_not_depend_on_how_frames_are_stored(monkeypatch):
    levels = -80 * np.random.default_rng(2).random((700, 4))
    whole = brightness(levels)
    monkeypatch.setattr("hitpredict.frontends.store._READ_FRAMES", 13)
    np.testing.assert_allclose(brightness(levels), whole, atol=1.01 / 255)


def test_colours_are_viridis():
    levels = np.tile(np.array([0.0, -40.0, -80.0]), (159, 1))
    colours = brightness(levels, colour="rgb", dtype="uint8")[:, 0]
    assert ["".join(f"{value:02x}" for value in colour) for colour in colours] == ["440154", "21908c", "fde725"]
    ramp = brightness(np.linspace(-80, 0, 159)[:, None], colour="rgb")[0]
    assert (np.diff(ramp @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_silence_is_dark_and_level_does_not_matter():
    assert not picture(np.zeros(RATE, np.float32)).any()
    clip = tune(4, RATE, 1)
    np.testing.assert_allclose(picture(clip.samples), picture(clip.samples / 4), atol=1.01 / 255)


@pytest.mark.parametrize("options", [{"colour": "red"}, {"dtype": "float64"}, {"scale": "log"}, {"width": 0}])
def test_unknown_choices_are_refused(options):
    with pytest.raises(UsageError, match="spectrogram_image: "):
        SpectrogramImage(**options)


def test_json_round_trip():
    image = SpectrogramImage(colour="rgb", dtype="uint8", height=64)
    assert from_json(to_json(image)) == image
