"""Arrays in files that tests make for themselves."""

from hitpredict.files.arrays import StoredArray


def stored(folder, array):
    """The array in a file, after six other bytes."""
    path = folder / "array"
    path.write_bytes(b"before" + array.tobytes())
    return StoredArray(path, 6, array.shape, array.dtype)
