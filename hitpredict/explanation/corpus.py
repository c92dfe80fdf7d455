"""What properties of the sound do to the scores of many songs: the effects that they have in common. NumPy only."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from hitpredict.errors import InputError
from hitpredict.explanation.effects import correlation, discoveries, ranked_by_size, student_tail
from hitpredict.files.arrays import Floats
from hitpredict.scoring.records import CorpusRecord, ModelReference

INTERVAL_LEVEL = 0.95
_RESAMPLES = 2000
_FEWEST = 3
Effect = Mapping[str, Any]
"""An `ExplainRecord` as printed."""


def in_common(records: Iterable[Effect], seed: int = 0) -> list[CorpusRecord]:
    """A record for each parameter of the printed `ExplainRecord`s of several songs, the largest mean effect first.

    Songs of one `group` make one group, or of one artist where they have none; other songs stand for themselves. The
    interval is a percentile bootstrap over groups. The p-value asks whether the mean effect is larger than what noise
    makes of a score: the t-test of a minimum effect (Murphy & Myors 1999) on the groups' means, with the songs' noise
    scale as the effect that means nothing; so more songs do not make an inaudible effect significant. `InputError` for
    less than three songs.
    """
    by_parameter: dict[str, dict[str, Effect]] = {}
    songs = set()
    for record in records:
        songs.add(record["path"])
        by_parameter.setdefault(record["parameter"], {})[record["path"]] = record
    if len(songs) < _FEWEST:
        raise InputError(f"{len(songs)} songs with a score are too few for a corpus; give {_FEWEST} or more")
    parameters = {name: found for name, found in by_parameter.items() if len(found) >= _FEWEST}
    rng = np.random.default_rng(seed)
    p_values = [_p_value(list(found.values())) for found in parameters.values()]
    made = (
        _record(name, parameters, p, significant, rng)
        for name, p, significant in zip(parameters, p_values, discoveries(p_values), strict=True)
    )
    return ranked_by_size(made, lambda each: each.mean_effect, lambda each: each.blind)


def _groups(records: Sequence[Effect]) -> list[Floats]:
    """The effects of each group."""
    groups: dict[tuple[str, str], list[float]] = {}
    for record in records:
        kind = next((kind for kind in ("group", "artist") if record.get(kind)), "path")
        group = kind, record[kind]
        groups.setdefault(group, []).append(record["effect"])
    return [np.array(effects) for effects in groups.values()]


def _noise(records: Sequence[Effect]) -> float:
    return float(np.mean([record["noise"]["scale"] for record in records]))


def _p_value(records: Sequence[Effect]) -> float:
    if all(record["blind"] for record in records):
        return 1.0
    means = np.array([effects.mean() for effects in _groups(records)])
    beyond = abs(float(means.mean())) - _noise(records)
    if len(means) < 2 or beyond <= 0:
        return 1.0
    error = float(means.std(ddof=1)) / math.sqrt(len(means))
    return student_tail(beyond / error, len(means) - 1) if error else 0.0


def _bootstrap(groups: Sequence[Floats], rng: np.random.Generator) -> tuple[float, float]:
    """Ends of the interval of the mean over songs, groups being drawn with replacement."""
    sums, sizes = np.array([each.sum() for each in groups]), np.array([len(each) for each in groups])
    drawn = rng.integers(len(groups), size=(_RESAMPLES, len(groups)))
    means = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - INTERVAL_LEVEL) / 2, (1 + INTERVAL_LEVEL) / 2])
    return float(low), float(high)


def _record(
    name: str,
    parameters: Mapping[str, Mapping[str, Effect]],
    p_value: float,
    significant: bool,
    rng: np.random.Generator,
) -> CorpusRecord:
    own = parameters[name]
    records = list(own.values())
    groups, effects = _groups(records), np.array([record["effect"] for record in records])
    mean, first = float(effects.mean()), records[0]
    related = {}
    for other, found in parameters.items():
        common = [path for path in own if path in found]
        r = correlation([own[path]["effect"] for path in common], [found[path]["effect"] for path in common])
        if other != name and r is not None:
            related[other] = r
    return CorpusRecord(
        parameter=name,
        unit=first["unit"],
        values=tuple(sorted({value for record in records for value in record["values"]})),
        mean_effect=mean,
        towards=first["towards"],
        interval=_bootstrap(groups, rng),
        interval_level=INTERVAL_LEVEL,
        share_same_sign=float(np.mean(np.sign(effects) == np.sign(mean))),
        rank=0,
        p_value=p_value,
        significant=significant,
        blind=all(record["blind"] for record in records),
        songs=len(records),
        groups=len(groups),
        songs_significant=sum(record["significant"] for record in records),
        noise=_noise(records),
        correlations=related,
        quality=first.get("quality"),
        model=ModelReference(**first["model"]),
        device=first["device"],
    )
