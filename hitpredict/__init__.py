"""hitpredict: predict how popular a song will be from its sound alone, and say how sure that is.

    >>> from hitpredict import Scorer, mutate, read_audio          # doctest: +SKIP
    >>> clip = read_audio("song.mp3")                              # doctest: +SKIP
    >>> scorer = Scorer()                                          # doctest: +SKIP
    >>> scorer.score(mutate(clip, pitch=2)).score - scorer.score(clip).score  # doctest: +SKIP

Names are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hitpredict.audio.clip import Clip
    from hitpredict.audio.read import read_audio
    from hitpredict.audio.write import write_audio
    from hitpredict.mutations import mutate
    from hitpredict.scoring.scorer import Scorer

__version__ = "0.1.0"
__all__ = ["Clip", "Scorer", "__version__", "mutate", "read_audio", "write_audio"]

_HOMES = {
    "Clip": "hitpredict.audio.clip",
    "Scorer": "hitpredict.scoring.scorer",
    "mutate": "hitpredict.mutations",
    "read_audio": "hitpredict.audio.read",
    "write_audio": "hitpredict.audio.write",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hitpredict' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
