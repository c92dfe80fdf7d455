"""Several rows of one track: its clips, such as alternate previews, and variants of them that `mutate` made.

Rows that share a track id are clips. A variant bears the name that `mutate` gives its file, the track's id and the
steps (`12345.pitch+2.tempo1.1`), so that the table names what was done; of `12345.original` nothing was.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from hitpredict.mutations.registry import STEPS
from hitpredict.tables.read import canonical_id

_ORIGINAL = "original"


def rows_by_track(ids: Sequence[str], known: Collection[str]) -> dict[str, tuple[list[int], list[int]]]:
    """Of each track in a feature table the rows of its clips, and those of its variants by the name of their steps.

    ids: of the rows. known: ids that have labels.
    """
    clips: dict[str, list[int]] = {}
    variants: dict[str, list[tuple[str, int]]] = {}
    for row, given in enumerate(ids):
        track, steps = (given, "") if given in known else _variant(given, known)
        clips.setdefault(track, [])
        if steps in ("", _ORIGINAL):
            clips[track].append(row)
        else:
            variants.setdefault(track, []).append((steps, row))
    return {track: (rows, [row for _, row in sorted(variants.get(track, []))]) for track, rows in clips.items()}


def _variant(given: str, known: Collection[str]) -> tuple[str, str]:
    """The track that a name is a variant of, and the steps; the name itself and no steps where it is none."""
    place = given.rfind(".")
    while place > 0:
        track, steps = canonical_id(given[:place]), given[place + 1 :]
        if track in known and steps.startswith((_ORIGINAL, *STEPS)):
            return track, steps
        place = given.rfind(".", 0, place)
    return given, ""


def paired(
    tables: Sequence[Mapping[str, tuple[list[int], list[int]]]], tracks: Sequence[str]
) -> tuple[tuple[NDArray[np.intp], ...], NDArray[np.intp]] | None:
    """Rows of every clip and then of every variant of each track, (K, inputs) each; and how many of them are clips.

    An input with fewer clips, or fewer variants, than another one repeats its own. None where no track has two rows.
    """
    found = [[table[track] for table in tables] for track in tracks]
    if not any(len(clips) + len(variants) > 1 for each in found for clips, variants in each):
        return None
    rows, counts = [], []
    for each in found:
        clips = max(len(own) for own, _ in each)
        extra = max(len(variants) for _, variants in each)
        columns = [
            [own[i % len(own)] for i in range(clips)]
            + [(variants or own)[i % len(variants or own)] for i in range(extra)]
            for own, variants in each
        ]
        rows.append(np.array(columns, np.intp).T)
        counts.append(clips)
    return tuple(rows), np.array(counts, np.intp)
