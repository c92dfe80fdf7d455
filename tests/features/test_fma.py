"""FMA's table against plain librosa, and its promises about names, blocks, odd sounds and memory."""

import itertools
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from hitpredict.errors import InputError
from hitpredict.features.descriptors import DESCRIPTORS, Fma518, fma
from tests.helpers.descriptor_reference import disagreeing
from tests.helpers.descriptor_sounds import strained
from tests.helpers.processes import environment
from tests.helpers.sounds import tune


def test_columns_are_the_published_ones_in_their_order():
    kind = Fma518()
    assert len(kind.levels) == len(set(kind.columns)) == 518
    assert list(kind.levels) == sorted(kind.levels)
    assert kind.levels[0] == ("chroma_cens", "kurtosis", "01")
    assert kind.levels[-1] == ("zcr", "std", "01")
    assert kind.columns[252 + 40] == "mfcc_mean_01"
    assert DESCRIPTORS["fma518"] is Fma518


@pytest.mark.parametrize("compat", [False, True])
def test_music_equals_plain_librosa(compat):
    assert disagreeing(Fma518(compat=compat), strained()[3:4]) == []


@pytest.mark.slow
def test_equals_plain_librosa():
    assert disagreeing(Fma518(), strained()) == []


@pytest.mark.slow
def test_compat_equals_librosa_called_without_the_rate():
    assert disagreeing(Fma518(compat=True), strained()) == []


def test_compat_differs_in_what_takes_the_rate_from_the_call_and_only_there():
    clip = tune(1, 44100)
    right, quirky = (kind([clip.samples], clip.rate) for kind in (Fma518(), Fma518(compat=True)))
    changed = {feature for (feature, *_), a, b in zip(Fma518().levels, right, quirky, strict=True) if a != b}
    assert changed == {
        "chroma_stft",
        "spectral_bandwidth",
        "spectral_centroid",
        "spectral_contrast",
        "spectral_rolloff",
    }
    clip = tune(1, 22050)
    np.testing.assert_array_equal(*(kind([clip.samples], 22050) for kind in (Fma518(), Fma518(compat=True))))


@pytest.mark.parametrize("sizes", [(1000,), (7, 50_001, 1, 300)])
def test_does_not_depend_on_the_blocks(sizes):
    clip = tune(2, 44100)
    edges = np.concatenate([[0], np.cumsum(np.resize(sizes, 2000))])
    edges = [*edges[edges < clip.frames], clip.frames]
    blocks = [clip.samples[:, a:b] for a, b in itertools.pairwise(edges)]
    np.testing.assert_array_equal(Fma518()(blocks, 44100), Fma518()([clip.samples], 44100))


def test_does_not_depend_on_what_fits_in_memory(monkeypatch):
    clip = tune(2, 44100)
    expected = Fma518()([clip.samples], 44100)
    for name in ("fma._POWER_MEMORY", "fma._MEL_MEMORY", "mono._MEMORY", "tuning._MEMORY"):
        monkeypatch.setattr(f"hitpredict.features.descriptors.{name}", 1)
    np.testing.assert_array_equal(Fma518()([clip.samples], 44100), expected)


@pytest.mark.parametrize("rate", [4000, 8000, 11025, 12800, 44100, 192000, 768000])
@pytest.mark.parametrize("samples", [1, 2, 511, 1000, 5000])
@pytest.mark.parametrize("level", [0.0, 0.25])
def test_odd_sounds_give_numbers_or_documented_nans(rate, samples, level):
    kind = Fma518()
    vector = kind([np.full((2, samples), level, np.float32)], rate)
    assert vector.shape == (518,)
    assert not np.isinf(vector).any()
    lacking = {
        feature
        for (feature, how, _), value in zip(kind.levels, vector, strict=True)
        if np.isnan(value) and how not in ("kurtosis", "skew")
    }
    expected = set()
    if rate <= 12800 or rate > 409600:
        expected.add("spectral_contrast")
    if rate < 8255 or samples < {44100: 2, 192000: 8, 768000: 8}.get(rate, 1):
        expected |= {"chroma_cens", "chroma_cqt", "tonnetz"}
    assert lacking == expected


def test_silence_has_levels_but_no_shape():
    kind = Fma518()
    values = dict(zip(kind.columns, kind([np.zeros((1, 44100), np.float32)], 44100), strict=True))
    assert values["rmse_mean_01"] == values["zcr_max_01"] == values["spectral_centroid_mean_01"] == 0
    assert values["mfcc_mean_01"] == pytest.approx(-100 * 128**0.5)
    assert np.isnan(values["rmse_skew_01"])


def test_no_samples_is_an_input_error():
    with pytest.raises(InputError, match="holds no samples"):
        Fma518()([np.empty((2, 0), np.float32)], 44100)


def test_a_copied_channel_changes_nothing():
    clip = tune(1, 32000, channels=1)
    twice = np.concatenate([clip.samples, clip.samples])
    np.testing.assert_array_equal(Fma518()([twice], 32000), Fma518()([clip.samples], 32000))


def test_never_imports_the_training_world():
    program = """
        import sys
        import numpy as np
        from hitpredict.features.descriptors import Fma518, Hmn207
        for kind in (Fma518(), Hmn207()):
            kind([np.ones((1, 5000), np.float32)], 44100)
        assert not {"librosa", "numba", "torch", "scipy", "sklearn", "pandas", "pyarrow"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], env=environment(), check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["Fma518", "Hmn207"])
def test_two_hours_take_less_than_300_mb(kind):
    program = f"""
        import numpy as np
        from hitpredict.features.descriptors import {kind}
        random = np.random.default_rng(0)
        blocks = (0.1 * random.standard_normal((2, 2**17), dtype=np.float32) for _ in range(7200 * 44100 >> 17))
        assert np.isfinite({kind}()(blocks, 44100)).all()
        # Not getrusage, whose peak a process inherits from the one that started it.
        peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
        print(int(peak.split()[1]) / 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env=environment(OPENBLAS_NUM_THREADS="1"),
        check=True,
        stdout=subprocess.PIPE,
    )
    assert float(done.stdout) < 300


def test_kept_spectra_stay_in_order():
    kept = fma._Kept()
    for size in (2**20, 2**22, 2**20, 2**22, 16):
        kept.append(np.zeros((1, size), np.float32))
    assert [batch.size for batch in kept.batches] == [2**20, 2**22, 2**20]
