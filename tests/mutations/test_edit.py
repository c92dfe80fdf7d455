"""Reverse, crop and roll."""

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.errors import InputError, UsageError
from hitpredict.mutations import mutate

CLIP = Clip(np.arange(2000, dtype=np.float32).reshape(2, 1000) / 2000, 1000)


def test_reverse() -> None:
    assert np.array_equal(mutate(CLIP, reverse=True).samples, CLIP.samples[:, ::-1])


@pytest.mark.parametrize(
    ("text", "part"), [("0.1:0.3", slice(100, 300)), ("0.9:", slice(900, 1000)), (":0.2", slice(0, 200))]
)
def test_crop(text: str, part: slice) -> None:
    cropped = mutate(CLIP, crop=text).samples
    assert np.array_equal(cropped, CLIP.samples[:, part])
    assert cropped.flags.c_contiguous


@pytest.mark.parametrize("text", ["0.5:1.5", "1:", "2:3", "0.1:0.1001"])
def test_crop_outside_the_clip(text: str) -> None:
    with pytest.raises(InputError, match=rf"`crop` {text} .* the clip of 1\.000 seconds"):
        mutate(CLIP, crop=text)


def test_crop_that_ends_before_it_starts() -> None:
    for end in (2, 3):
        with pytest.raises(UsageError, match=f"`crop` 3:{end}: the end must come after the start"):
            mutate(CLIP, crop=(3, end))


@pytest.mark.parametrize(("seconds", "frames"), [(0.25, 250), (-0.25, -250), (2.1, 100)])
def test_roll_is_a_circle(seconds: float, frames: int) -> None:
    assert np.array_equal(mutate(CLIP, roll=seconds).samples, np.roll(CLIP.samples, frames, axis=1))
