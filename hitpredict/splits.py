"""Ways to hold rows out. NumPy only."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.intp]


def group_folds(groups: ArrayLike, folds: int = 5, seed: int = 0) -> NDArray[np.intp]:
    """Fold number of each row, shape (N,), values 0 to folds - 1; no group is in two folds.

    Groups larger than a fold's share are placed first, the others in random order, each into the fold that has
    the fewest rows, so that the folds are of about equal size unless one group is larger than its share.
    Raises ValueError where there are fewer groups than folds.
    """
    _, inverse, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if folds < 2 or len(sizes) < folds:
        raise ValueError(f"{folds} folds need at least 2 folds and as many groups; there are {len(sizes)} groups")
    order = np.random.default_rng(seed).permutation(len(sizes))
    oversized = sizes[order] > sizes.sum() / folds
    order = np.concatenate([order[oversized], order[~oversized]])
    filled = np.zeros(folds, dtype=np.int64)
    fold_of_group = np.zeros(len(sizes), dtype=np.intp)
    for group in order:
        fold_of_group[group] = np.argmin(filled)
        filled[fold_of_group[group]] += sizes[group]
    return fold_of_group[inverse]


def train_and_held_out(fold_of_row: ArrayLike) -> Iterator[tuple[Indices, Indices]]:
    """For each fold in turn: the row indices outside it and those inside it."""
    folds = np.asarray(fold_of_row)
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
