"""Plugins run block by block, as over the whole."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pedalboard
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import BLOCK_FRAMES, Sound
from hitpredict.mutations.effects import through_plugins

RATE = 22050
CLIP = Clip(np.random.default_rng(0).normal(scale=0.1, size=(2, 2 * BLOCK_FRAMES + 9)).astype(np.float32), RATE)


@pytest.mark.parametrize(
    "make",
    [
        lambda board: [board.Reverb(room_size=0.7)],
        lambda board: [board.Delay(delay_seconds=0.3, feedback=0.4)],
        lambda board: [board.Compressor(threshold_db=-30, ratio=4)],
        lambda board: [board.PeakFilter(400, 6, 0.7), board.Gain(-3)],
    ],
    ids=["reverb", "delay", "compressor", "filter and gain"],
)
@pytest.mark.parametrize("apart", [False, True], ids=["together", "apart"])
def test_blocks_are_treated_as_the_whole_and_every_reading_is_the_first(
    make: Callable[[Any], list[Any]], apart: bool
) -> None:
    parts = [CLIP.samples[:1], CLIP.samples[1:]] if apart else [CLIP.samples]
    whole = []
    for part in parts:
        samples = part
        for plugin in make(pedalboard):
            samples = plugin.process(samples, RATE)
        whole.append(samples)
    changed = through_plugins(Sound.of(CLIP), make, apart=apart)
    assert len(list(changed.blocks())) == 3
    for _ in range(2):
        np.testing.assert_allclose(changed.clip().samples, np.concatenate(whole), atol=1e-5)
