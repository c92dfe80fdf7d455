"""One stream, several consumers: each gets all of it, in memory that is reused."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from hitpredict import Scorer
from hitpredict.audio import read
from hitpredict.audio.source import Source
from hitpredict.engines import lockstep
from hitpredict.errors import InputError
from hitpredict.features.descriptors import Hmn207
from hitpredict.files.arrays import ArrayStore
from hitpredict.frontends import LogMel, MfccStats
from hitpredict.scoring.inputs import model_inputs
from tests.frontends.test_frontends import overwritten
from tests.helpers.sounds import encoded, tune


def test_each_is_given_every_block_before_the_next_is_made():
    samples = np.random.default_rng(0).random((2, 1000)).astype(np.float32)
    consumers = [lambda blocks: np.concatenate([block.copy() for block in blocks], axis=1)] * 3
    for found in lockstep.run(overwritten(samples, 7), consumers):
        np.testing.assert_array_equal(found, samples)
    assert lockstep.run(iter(()), [list, list]) == [[], []]


def test_one_may_stop_early_and_what_fails_ends_all():
    assert lockstep.run(range(100), [sum, next, list, lambda blocks: list(islice(blocks, 5))]) == [
        sum(range(100)),
        0,
        list(range(100)),
        list(range(5)),
    ]

    def refuse(blocks):
        next(blocks)
        raise InputError("too short")

    def damaged():
        yield from range(3)
        raise InputError("damaged")

    with pytest.raises(InputError, match="too short"):
        lockstep.run(range(100), [sum, refuse, list])
    with pytest.raises(InputError, match="damaged"):
        lockstep.run(damaged(), [sum, list])


@pytest.mark.parametrize("segments", [None, 1.0])
def test_a_model_of_several_inputs_decodes_once(monkeypatch, tmp_path, segments):
    scorer, clip = Scorer(device="cpu"), tune(3.0, 44100)
    kinds = [{"name": "mfcc_stats"}, {"name": "logmel", "window": 64}, {"name": "hmn207"}]
    seen = []
    monkeypatch.setattr(scorer, "inputs", model_inputs(kinds))
    monkeypatch.setattr(scorer, "judged", lambda song, seconds, beside: seen.append(song))
    opened, decoder = [], read._decoder
    monkeypatch.setattr(read, "_decoder", lambda *given: opened.append(given) or decoder(*given))
    monkeypatch.setattr(read, "BLOCK_SAMPLES", 10_000)
    spooled = tmp_path / "spooled.wav"
    spooled.write_bytes(encoded(clip, "WAV", "FLOAT"))
    scorer.score(Source("-", file=str(spooled), temporary=True), segments)
    assert len(opened) == 1
    assert not spooled.exists()
    arrays = seen[0].arrays
    assert seen[0].duration == clip.frames / clip.rate
    reader = SimpleNamespace(rate=clip.rate, frames_read=clip.frames)
    for each, found in zip((MfccStats(), LogMel(window=64)), arrays, strict=False):
        alone = model_inputs({"name": each.name, **({"window": 64} if each.name == "logmel" else {})})[0]
        expected = alone.arrays([clip.samples], reader, segments, ArrayStore())
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)
    seconds = np.split(clip.samples, [clip.rate, 2 * clip.rate], axis=1) if segments else []
    for part, found in zip([clip.samples, *seconds], arrays[2], strict=True):
        np.testing.assert_allclose(found, Hmn207()([part], clip.rate), rtol=1e-4, equal_nan=True)
    assert {len(found) for found in arrays} == {1 if segments is None else 4}


def test_a_sound_too_short_for_one_of_the_inputs_is_refused(monkeypatch):
    scorer = Scorer(device="cpu")
    monkeypatch.setattr(scorer, "inputs", model_inputs([{"name": "mfcc_stats"}, {"name": "fbank"}]))
    with pytest.raises(InputError, match="too short for this model"):
        scorer.score(tune(0.01))
