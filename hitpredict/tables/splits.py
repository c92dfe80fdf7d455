"""Ways to hold rows out. NumPy only."""

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Indices = NDArray[np.intp]
_USUAL_FOLDS = 20


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


def usual_folds(groups: ArrayLike) -> NDArray[np.intp]:
    """Fold numbers as `group_folds` gives them, of twenty folds, or of as many as there are groups."""
    return group_folds(groups, min(_USUAL_FOLDS, len(np.unique(np.asarray(groups)))))


def train_and_held_out(fold_of_row: ArrayLike) -> Iterator[tuple[Indices, Indices]]:
    """For each fold in turn: the row indices outside it and those inside it."""
    folds = np.asarray(fold_of_row)
    for fold in np.unique(folds):
        yield np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)


SPLITS = TRAIN, VALIDATION, CALIBRATION, TEST = "train", "validation", "calibration", "test"
Shares = tuple[float, float, float, float]
"""Of all rows, for training, validation, calibration and test; together 1."""
USUAL_SHARES: Shares = (0.6, 0.1, 0.15, 0.15)


def connected_groups(memberships: Sequence[Iterable[Hashable]]) -> NDArray[np.str_]:
    """Groups of rows that share any of their memberships (artist ids, recordings), directly or through others.

    memberships: for each row the names it belongs to. Returns a group name for each row, shape (N,): the number
    of the group's first row.
    """
    parent = list(range(len(memberships)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    first_of: dict[Hashable, int] = {}
    for row, names in enumerate(memberships):
        for name in names:
            first, second = root(first_of.setdefault(name, row)), root(row)
            parent[max(first, second)] = min(first, second)
    return np.array([str(root(row)) for row in range(len(memberships))])


def parsed_shares(text: str) -> Shares:
    """The shares of `80,10,10` (training, validation and calibration half each, test) or `60,10,15,15`, in percent.

    Raises ValueError for anything else.
    """
    try:
        given = [float(part) for part in text.split(",")]
    except ValueError:
        given = []
    if len(given) not in (3, 4) or not all(part > 0 for part in given) or abs(sum(given) - 100) > 1e-6:
        raise ValueError("must be three or four percentages above 0 that add up to 100, such as 80,10,10")
    train, *middle, test = (part / 100 for part in given)
    validation, calibration = middle if len(middle) == 2 else (middle[0] / 2, middle[0] / 2)
    return train, validation, calibration, test


def group_split(
    groups: ArrayLike,
    seed: int = 0,
    splits: Sequence[str] = (VALIDATION, CALIBRATION, TEST),
    shares: Shares = USUAL_SHARES,
) -> NDArray[np.str_]:
    """The split of each row: each of `splits` gets about its share, and training the rest; no group is in two of them.

    Groups larger than a split's share stay in the training split. Raises ValueError with fewer groups than splits.
    """
    _, inverse, sizes = np.unique(np.asarray(groups), return_inverse=True, return_counts=True)
    if len(sizes) < len(splits) + 1:
        raise ValueError(f"a split by groups needs at least {len(splits) + 1} groups; there are {len(sizes)}")
    split = np.full(len(sizes), TRAIN, dtype="U11")
    free = list(np.random.default_rng(seed).permutation(len(sizes)))
    share_of = dict(zip(SPLITS, shares, strict=True))
    # Validation comes last, so that the other two are the same songs without it.
    for name in (name for name in (CALIBRATION, TEST, VALIDATION) if name in splits):
        wanted, filled = share_of[name] * sizes.sum(), 0
        # At least one group each, even if all are large.
        for group in sorted(free, key=lambda g: sizes[g] > wanted):
            if filled and filled + sizes[group] > 1.1 * wanted:
                continue
            if filled >= wanted or len(free) == 1:
                break
            split[group] = name
            filled += sizes[group]
            free.remove(group)
    return split[inverse]


def halved(split: NDArray[np.str_], groups: ArrayLike, seed: int = 0, share: float = 0.5) -> NDArray[np.str_]:
    """The split with about a `share` of its validation rows, half of them by default, by groups, for calibration.

    Raises ValueError where these are a single group.
    """
    found = np.flatnonzero(split == VALIDATION)
    inside = np.asarray(groups)[found]
    result = split.astype("U11")
    if share == 0.5:
        result[found[group_folds(inside, 2, seed) == 1]] = CALIBRATION
        return result
    second = group_split(inside, seed, (CALIBRATION,), (1 - share, 0.0, share, 0.0)) == CALIBRATION
    result[found[second]] = CALIBRATION
    return result


def temporal_split(dates: ArrayLike, shares: Shares = USUAL_SHARES) -> NDArray[np.str_]:
    """The oldest rows train, the newest test, and those between validate; equal dates stay together.

    With the usual shares 70, 15 and 15 %: calibration comes out of validation (see `halved`), and is half of it.
    """
    values = np.asarray(dates)
    order = np.sort(values)
    last = len(order) - 1
    held, tested = (0.3, 0.15) if shares == USUAL_SHARES else (1 - shares[0], shares[3])
    first_test, first_validation = (order[min(last, round((1 - share) * len(order)))] for share in (tested, held))
    return np.where(values >= first_test, TEST, np.where(values >= first_validation, VALIDATION, TRAIN))
