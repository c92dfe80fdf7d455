"""HitMusicNet's table against plain librosa, and its names."""

import numpy as np
import pytest

from hitpredict.features.descriptors import DESCRIPTORS, Hmn207
from tests.helpers.descriptor_reference import disagreeing
from tests.helpers.descriptor_sounds import strained
from tests.helpers.sounds import tune


def test_columns_are_the_published_ones():
    columns = Hmn207().columns
    assert len(columns) == len(set(columns)) == 207
    assert columns[0] == "MEL_1"
    assert columns[128] == "MFCC_1"
    assert columns[-7:] == (
        "Tonnetz_6",
        "ZCR",
        "spectral_bandwith",
        "spectral_centroid",
        "spectral_rollOff_min",
        "spectral_rollOff_max",
        "entropy_energy",
    )
    assert DESCRIPTORS["hmn207"] is Hmn207


def test_equals_plain_librosa():
    assert disagreeing(Hmn207(), strained()) == []


def test_compat_takes_the_centroid_of_the_first_frame_and_differs_nowhere_else():
    sounds = [clip for clip in strained() if "music" in clip.name]
    assert disagreeing(Hmn207(compat=True), sounds) == []
    clip = sounds[0]
    right, quirky = (kind([clip.samples], clip.rate) for kind in (Hmn207(), Hmn207(compat=True)))
    assert [Hmn207().columns[i] for i in np.flatnonzero(right != quirky)] == ["spectral_centroid"]


def test_does_not_depend_on_the_blocks():
    clip = tune(2, 44100)
    blocks = np.array_split(clip.samples, 13, axis=1)
    np.testing.assert_array_equal(Hmn207()(blocks, 44100), Hmn207()([clip.samples], 44100))


@pytest.mark.parametrize("rate", [4000, 8000, 44100, 768000])
@pytest.mark.parametrize("samples", [1, 1000])
@pytest.mark.parametrize("level", [0.0, 0.25])
def test_odd_sounds_give_numbers_or_documented_nans(rate, samples, level):
    kind = Hmn207()
    vector = kind([np.full((1, samples), level, np.float32)], rate)
    lacking = {name.split("_")[0] for name, value in zip(kind.columns, vector, strict=True) if np.isnan(value)}
    expected = set()
    if rate <= 12800 or rate > 409600:
        expected.add("Spectral")
    if rate < 8335 or samples < {44100: 2, 768000: 8}.get(rate, 1):
        expected |= {"Chroma", "Tonnetz"}
    assert lacking == expected


def test_steady_level_has_no_energy_entropy():
    vector = Hmn207()([np.zeros((1, 44100), np.float32)], 44100)
    assert vector[-1] == 0
