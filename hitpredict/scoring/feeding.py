"""One model that judges the songs of many processes: they read and listen, and batches run over the borders of songs.

What a GPU needs to be busy. Scores differ from those of songs judged alone by what rounding in batches of another size
does (1e-5 of a scale).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from hitpredict.audio.source import Source
from hitpredict.engines import local
from hitpredict.engines.limits import UNLIMITED, Limits
from hitpredict.errors import InputError
from hitpredict.files.owned import scratch_folder
from hitpredict.scoring.hearing import HeardSound, hearing
from hitpredict.scoring.records import ScoreRecord
from hitpredict.scoring.scorer import Beside, Scorer, beside_of

_SONGS, _VALUES = 64, 2**24
"""Songs that are judged together at most, and numbers of an input that go to the model together: 64 MiB."""

FedRow = tuple[Source, ScoreRecord | InputError]


def run(
    found: Iterable[Source],
    scorer: Scorer,
    segments: float | None,
    beside: Mapping[str, Beside] | None,
    jobs: int | None,
    limits: Limits = UNLIMITED,
) -> Iterator[FedRow]:
    """Yield (source, record) for each source, in order; what failed comes as an `InputError` in its place.

    See `engines.local.run` for jobs and limits, which are those of listening.
    """
    with scratch_folder() as folder:
        given = (scorer.session.json("frontend"), segments, Path(folder))
        with closing(local.run(hearing, given, found, jobs, limits=limits)) as results:
            group: list[tuple[Source, HeardSound | InputError]] = []
            for source, song in results:
                group.append((source, song))
                size = sum(each.size for _, each in group if isinstance(each, HeardSound))
                if len(group) == _SONGS or size >= _VALUES:
                    yield from _judged(group, scorer, segments, beside)
                    group = []
            yield from _judged(group, scorer, segments, beside)


def _judged(
    group: Sequence[tuple[Source, HeardSound | InputError]],
    scorer: Scorer,
    segments: float | None,
    beside: Mapping[str, Beside] | None,
) -> Iterator[FedRow]:
    """What is said of some songs, of which some may have failed."""
    songs = [(source, song) for source, song in group if isinstance(song, HeardSound)]

    def alone(pair: tuple[Source, HeardSound]) -> ScoreRecord:
        return scorer.judged(pair[1], segments, beside_of(beside, pair[0]))

    judged: Iterable[ScoreRecord | InputError]
    try:
        pieces = [scorer.pieces(song, beside_of(beside, source)) for source, song in songs]
        answers = iter(scorer.answers([piece for each in pieces for piece in each], _VALUES))
        judged = [
            scorer.record(song, [next(answers) for _ in each], segments)
            for (_, song), each in zip(songs, pieces, strict=True)
        ]
    except InputError:
        # One song cannot be judged, or all of them take more memory than the device has: each for itself.
        judged = [local.attempt(alone, pair, lambda each: each[0].path) for pair in songs]
    finally:
        for _, song in songs:
            song.remove()
    found = iter(judged)
    for source, outcome in group:
        yield source, outcome if isinstance(outcome, InputError) else next(found)
