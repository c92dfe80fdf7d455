"""Running pedalboard plugins over a sound."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from hitpredict.audio.clip import Samples
from hitpredict.audio.sound import Sound

_SHORTEST = 64  # frames; pedalboard cannot tell channels from frames in a square array


def through_plugins(sound: Sound, make: Callable[[Any], list[Any]], *, apart: bool = False) -> Sound:
    """`sound` after the plugins of `make(pedalboard)`, run one after the other, each new and without history.

    The length stays: what would sound on after the end is cut. `apart` runs each channel on its own, for
    plugins that know no more than two channels.
    """

    def process(blocks: Iterator[Samples]) -> Iterator[Samples]:
        import pedalboard

        chains = [make(pedalboard) for _ in range(sound.channels if apart else 1)]
        for number, block in enumerate(blocks):
            padded = np.pad(block, ((0, 0), (0, max(0, _SHORTEST - block.shape[1]))))
            parts = np.split(padded, len(chains))
            done = [_run(chain, part, sound.rate, number == 0) for chain, part in zip(chains, parts, strict=True)]
            yield np.concatenate(done)[:, : block.shape[1]]

    return sound.through(process)


def _run(plugins: list[Any], samples: Samples, rate: int, reset: bool) -> Samples:
    for plugin in plugins:
        samples = plugin.process(samples, rate, reset=reset)
    return samples
