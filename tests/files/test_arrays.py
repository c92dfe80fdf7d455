"""Does an array store hold what it is given, and leave nothing behind?"""

import numpy as np

from hitpredict.files.arrays import ArrayStore, StoredArray, blocks_of


def test_a_store_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with ArrayStore() as store:
        small, large, after = (store.put(np.ones((n, 2), np.float32) for _ in range(3)) for n in (1, 10**6, 1))
        assert isinstance(small, np.ndarray)
        assert isinstance(large, StoredArray)
        assert large.shape == (3 * 10**6, 2)
        assert [block.shape[0] for block in blocks_of(large, 10**6, 5, 2 * 10**6)] == [10**6, 10**6 - 5]
        assert isinstance(after, np.ndarray)
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
