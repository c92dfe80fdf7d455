"""Running a pedalboard plugin over a clip."""

from collections.abc import Callable
from typing import Any

import numpy as np

from hitpredict.audio.clip import Clip, Samples
from hitpredict.mutations.step import with_samples

_SHORTEST = 64  # frames; pedalboard cannot tell channels from frames in a square array


def through_plugins(clip: Clip, make: Callable[[Any], list[Any]], *, apart: bool = False) -> Clip:
    """`clip` after the plugins of `make(pedalboard)`, run one after the other, each new and without history.

    The length stays: what would sound on after the end is cut. `apart` runs each channel on its own, for
    plugins that know no more than two channels.
    """
    import pedalboard

    samples = np.pad(clip.samples, ((0, 0), (0, max(0, _SHORTEST - clip.frames))))
    parts = [samples[i : i + 1] for i in range(clip.channels)] if apart else [samples]
    processed = [_run(make(pedalboard), part, clip.rate) for part in parts]
    return with_samples(clip, np.concatenate(processed)[:, : clip.frames])


def _run(plugins: list[Any], samples: Samples, rate: int) -> Samples:
    for plugin in plugins:
        samples = plugin.process(samples, rate, reset=True)
    return samples
