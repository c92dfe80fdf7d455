"""Streaming: every step gives the same sound, whatever the blocks it comes in."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from hitpredict.audio import sound as sounds
from hitpredict.audio.clip import Clip, Samples
from hitpredict.audio.sound import Sound, reblocked
from hitpredict.errors import InputError
from hitpredict.mutations import STEPS, Chain, parse

RATE = 22050
EVERY = {op: step.example.split(",")[0] for op, step in STEPS.items()} | {
    "gain": "-6",
    "crop": "0.1:2.9",
    "fade": "0.5:0.7",
    "limit": "-12",
    "delay": "0.25:0.4",
}
# The limiter adds up its reductions, MP3 and resampling get other pieces: all below the last bit of 16.
TOLERANCE = {"limit": 2e-7, "noise": 1e-6}


def music(channels: int = 2, seconds: float = 3.01) -> Clip:
    generator = np.random.default_rng(3)
    noise = generator.standard_normal((channels, round(seconds * RATE))) * 0.1
    noise[:, RATE : RATE + 200] *= 30
    return Clip(noise.astype(np.float32), RATE, "song")


def streamed(clip: Clip) -> Sound:
    """The clip in pieces of odd sizes, some of them empty, in the layout decoders give."""

    def parts() -> list[Samples]:
        edges = [0, 0, 1, 7, 5000, 5000, 20011, clip.frames]
        return [clip.samples.T[a:b].copy().T for a, b in pairwise(edges)]

    return Sound(clip.rate, clip.channels, clip.frames, parts, clip.name)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("op", STEPS)
def test_a_streamed_sound_changes_as_one_in_memory(monkeypatch: pytest.MonkeyPatch, op: str, channels: int) -> None:
    if op == "width" and channels == 1:
        pytest.skip("needs stereo")
    clip, recipe = music(channels), Chain(tuple(parse(op, EVERY[op])[:1]), quality="draft")
    whole = recipe.apply(clip)
    assert np.array_equal(recipe.stream(streamed(clip)).clip().samples, whole.samples)
    monkeypatch.setattr(sounds, "BLOCK_FRAMES", 3001)
    changed = recipe.stream(streamed(clip))
    blocks = list(changed.blocks())
    assert {block.shape[1] for block in blocks[:-1]} == {3001}
    assert np.abs(np.concatenate(blocks, axis=1) - whole.samples).max() <= TOLERANCE.get(op, 0)
    assert (changed.frames, changed.channels) == (whole.frames, whole.channels)


@pytest.mark.parametrize("op", STEPS)
def test_a_sound_can_be_read_again(op: str) -> None:
    changed = Chain(tuple(parse(op, EVERY[op])[:1]), quality="draft").stream(streamed(music()))
    first, second = (np.concatenate(list(changed.blocks()), axis=1) for _ in range(2))
    assert np.array_equal(first, second)


def test_only_stretching_and_reversing_need_the_whole_sound() -> None:
    assert {op for op, step in STEPS.items() if step.whole} == {"pitch", "tempo", "reverse"}


@pytest.mark.parametrize("op", [op for op, step in STEPS.items() if not step.whole])
def test_a_step_that_is_block_wise_reads_no_further_than_it_must(op: str) -> None:
    clip, taken = music(), 0

    def counted() -> list[Samples]:
        nonlocal taken
        for part in reblocked([clip.samples], 1000):
            taken += 1000
            yield part

    changed = Chain(tuple(parse(op, EVERY[op])[:1])).stream(
        Sound(clip.rate, clip.channels, clip.frames, counted, clip.name)
    )
    taken = 0
    next(iter(changed.blocks()))
    # MP3 is encoded to the end before it is decoded; the roll begins with the end.
    assert taken <= sounds.BLOCK_FRAMES + 8000 or op in ("mp3", "roll")


def test_a_mono_step_comes_before_what_treats_channels_alike() -> None:
    steps = tuple(parse(op, EVERY[op])[0] for op in ("distortion", "eq", "pitch", "gain", "tempo", "mono"))
    plan = [step.op for step, _ in Chain(steps).plan]
    assert plan == ["distortion", "mono", "eq", "pitch", "gain", "tempo"]
    assert Chain(steps).label.endswith(".mono")


@pytest.mark.parametrize("op", [op for op, step in STEPS.items() if step.per_channel and not step.whole])
def test_averaging_channels_early_changes_nothing(op: str) -> None:
    clip, step, mono = music(), parse(op, EVERY[op])[0], parse("mono")[0]
    late = Chain((mono,)).apply(Chain((step,)).apply(clip))
    assert np.abs(Chain((step, mono)).apply(clip).samples - late.samples).max() < 2e-6


def test_a_file_that_changes_meanwhile_is_an_error() -> None:
    clip = music()
    with pytest.raises(InputError, match="changed while it was read"):
        list(Sound(clip.rate, 2, clip.frames + 1, lambda: [clip.samples], "song").blocks())


def test_all_of_a_sound_in_parts_is_made_once() -> None:
    clip, begun = music(), []

    def parts():
        begun.append(1)
        yield from streamed(clip).parts()

    assert np.array_equal(replace(streamed(clip), parts=parts).clip().samples, clip.samples)
    assert len(begun) == 1
