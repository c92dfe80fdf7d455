"""Do inputs that lie in files score as those in memory do?"""

import numpy as np
import pytest

from hitpredict.features.kinds import make_kind
from hitpredict.files import arrays
from hitpredict.files.arrays import ArrayStore
from hitpredict.scoring.inputs import FromDescriptor, FromFrontend
from hitpredict.scoring.windows import batches_in_common, summary_of, windows_in_common
from tests.helpers.arrays import stored
from tests.helpers.sounds import tune


def test_windows_and_summaries_of_arrays_in_files(tmp_path):
    array = np.random.default_rng(0).normal(5, 2, size=(4321, 32)).astype(np.float32)
    vector, cut, found = np.arange(3, dtype=np.float32), {"length": 50, "pad": "zero"}, stored(tmp_path, array)
    for spec in (cut, {**cut, "place": "middle"}, None):
        whole = windows_in_common([array, vector], [spec, None])
        batches = [*batches_in_common([found, vector], [spec, None], 8000)]
        assert len(batches) == (18 if spec is cut else 1)
        for number, expected in enumerate(whole):
            np.testing.assert_array_equal(np.concatenate([batch[number] for batch in batches]), expected)
    np.testing.assert_allclose(summary_of(found), np.concatenate([array.mean(axis=0), array.std(axis=0)]), rtol=1e-5)
    sound = array.ravel()
    frames = np.abs(np.fft.rfft(sound[: len(sound) // 1024 * 1024].reshape(-1, 1024))[:, :-1]) ** 2
    levels = np.log(frames.reshape(len(frames), 32, -1).mean(axis=2) + 1e-9)
    expected = np.concatenate([levels.mean(axis=0), levels.std(axis=0)])
    np.testing.assert_allclose(summary_of(stored(tmp_path, sound)), expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["logmel", "fma518"])
def test_segments_of_inputs_in_files_are_those_in_memory(monkeypatch, kind):
    clip = tune(5.3)

    class Reader:
        rate, frames_read = clip.rate, clip.frames

    made = make_kind(kind, {})
    maker = FromFrontend(made.frontend) if kind == "logmel" else FromDescriptor({"name": kind})
    results = []
    for room in (2**30, 0):
        monkeypatch.setattr(arrays, "_IN_MEMORY", room)
        with ArrayStore() as store:
            results.append([np.array(each) for each in maker.arrays([clip.samples], Reader, 2.0, store)])
    assert len(results[0]) == 4
    for memory, file in zip(*results, strict=True):
        np.testing.assert_array_equal(memory, file)
