"""Recipes as data: JSON, labels, purity, determinism, the Python function `mutate`."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.sound import Sound
from hitpredict.errors import InputError, UsageError
from hitpredict.mutations import STEPS, Chain, mutate, parse, product
from hitpredict.mutations.chain import applied, divided
from hitpredict.scoring.records import RECIPE_SCHEMA as SCHEMA

EVERY = {op: step.example.split(",")[0] for op, step in STEPS.items()} | {
    "gain": "-6",
    "lowpass": "3000",
    "crop": "0:0.5",
    "fade": "0.1:0.1",
    "eq": "1000:3:1.4",
}


def clip(channels: int = 2, frames: int = 12000, rate: int = 16000) -> Clip:
    samples = np.random.default_rng(0).standard_normal((channels, frames)).astype(np.float32) * 0.1
    return Clip(samples, rate, "song", {"title": "Song"})


def recipe(*options: str, **shared: object) -> Chain:
    return Chain(tuple(parse(*option.split("=", 1))[0] for option in options), **shared)


@pytest.mark.parametrize("op", STEPS)
def test_every_step_is_pure_and_gives_the_same_bits_twice(op: str) -> None:
    sound = clip()
    before = sound.samples.copy()
    step = recipe(f"{op}={EVERY[op]}" if EVERY[op] else op)
    first, second = step.apply(sound), step.apply(sound)
    assert np.array_equal(first.samples, second.samples)
    assert np.array_equal(sound.samples, before)
    assert first.samples.dtype == np.float32
    assert np.isfinite(first.samples).all()
    assert (first.rate, first.name, first.tags) == (sound.rate, sound.name, sound.tags)


@pytest.mark.parametrize("op", STEPS)
def test_every_step_round_trips_through_json(op: str) -> None:
    steps = parse(op, EVERY[op])
    original = Chain(tuple(steps), "rubberband", "draft", 7)
    data = json.loads(json.dumps(original.to_json()))
    assert data["schema"] == SCHEMA == "hitpredict.recipe/1"
    assert data["steps"][0]["op"] == op
    assert Chain.from_json(data) == original
    assert hash(Chain.from_json(data)) == hash(original)


@pytest.mark.parametrize("op", STEPS)
@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 10), (2, 10), (5, 5), (8, 8), (8, 3000)])
def test_short_clips_and_many_channels_work_or_are_refused(op: str, shape: tuple[int, int]) -> None:
    sound = Clip(np.full(shape, 0.25, dtype=np.float32), 8000)
    try:
        changed = Chain(tuple(parse(op, EVERY[op]))).apply(sound)
    except InputError as error:
        assert str(error)
    else:
        assert changed.frames >= 1
        assert np.isfinite(changed.samples).all()


@pytest.mark.parametrize("rate", [8000, 192000])
@pytest.mark.parametrize("op", [op for op in STEPS if op not in ("pitch", "tempo", "mp3")])
def test_every_rate_works(op: str, rate: int) -> None:
    changed = recipe(f"{op}={EVERY[op]}" if EVERY[op] else op).apply(clip(2, rate, rate))
    assert changed.rate == rate
    assert changed.samples.any()


def test_the_json_form() -> None:
    assert recipe("pitch=2", "noise=20:pink", "crop=30:").to_json() == {
        "schema": "hitpredict.recipe/1",
        "steps": [
            {"op": "pitch", "semitones": 2.0},
            {"op": "noise", "snr_db": 20.0, "colour": "pink"},
            {"op": "crop", "start": 30.0},
        ],
        "engine": "pedalboard",
        "quality": "best",
        "seed": 0,
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": "hitpredict.recipe/2"}, '"schema": "hitpredict.recipe/1"'),
        ({"speed": 2}, "recipe, field speed: unknown"),
        ({"steps": "pitch"}, '"steps" must be a list'),
        ({"steps": [["pitch", 2]]}, 'every step must be an object with an "op"'),
        ({"steps": [{"op": "wobble"}]}, "recipe: op wobble: unknown; there are pitch"),
        ({"steps": [{"op": "pitch", "cents": 2}]}, "recipe, op pitch, parameter cents: unknown"),
        ({"steps": [{"op": "pitch"}]}, "recipe, op pitch: semitones is missing"),
        ({"steps": [{"op": "pitch", "semitones": 99}]}, "`pitch` 99: must be between -24 and 24 semitones"),
        ({"steps": [{"op": "pitch", "semitones": 10**400}]}, "`pitch` inf: must be between"),
        ({"steps": [{"op": "pitch", "semitones": "2"}]}, "`pitch` 2: must be a number"),
        ({"steps": [{"op": "pitch", "semitones": True}]}, "`pitch` True: must be a number"),
        ({"steps": [{"op": "pitch", "semitones": None}]}, "`pitch` None: must be a number"),
        ({"steps": [{"op": "pitch", "semitones": float("nan")}]}, "`pitch` nan: must be between"),
        ({"steps": [{"op": "noise", "snr_db": 2, "colour": ["pink"]}]}, "must be white, pink or brown"),
        ({"engine": "sox"}, "`engine` sox: must be pedalboard or rubberband"),
        ({"quality": ["best"]}, "`quality` .*: must be best or draft"),
        ({"seed": -1}, "`seed` -1: must be a whole number, 0 or above"),
        ({"seed": 1.5}, "`seed` 1.5: must be a whole number"),
    ],
)
def test_a_malformed_recipe_is_told_in_one_line(change: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        Chain.from_json({"schema": SCHEMA, "steps": []} | change)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, [], "pitch", {}])
def test_what_is_no_recipe_at_all(data: object) -> None:
    with pytest.raises(UsageError, match="a recipe must be a JSON object"):
        Chain.from_json(data)


def test_no_steps_are_the_original() -> None:
    sound = clip()
    assert Chain().apply(sound) is sound
    assert Chain().label == "original"
    assert Chain.from_json(Chain().to_json()) == Chain()


def test_labels_are_safe_and_differ_when_recipes_do() -> None:
    options = {
        "pitch": "-0.1,0,0.1,1,10",
        "noise": "1,1:pink,10,0.1",
        "eq": "100:3,100:-3,1003:1,100:3:2,100:3:0.2",
        "crop": "0:1,0:,1:,0:1.00001",
    }
    labels = [each.label for each in product([parse(op, text) for op, text in options.items()])]
    assert len(set(labels)) == len(labels) == 5 * 4 * 5 * 4
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+._-]*", label) for label in labels)


def test_long_labels_fit_a_file_name_and_still_differ() -> None:
    steps = tuple(parse("gain", "0.001:0.2:0.001"))
    labels = {Chain(steps[:count]).label for count in range(100, 200)}
    assert len(labels) == 100
    assert max(map(len, labels)) <= 120


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(bad: float) -> None:
    sound = clip()
    sound.samples[1, 5] = bad
    with pytest.raises(InputError, match="NaN or infinite"):
        recipe("gain=1").apply(sound)


def test_a_clip_without_samples_is_refused() -> None:
    with pytest.raises(InputError, match="no samples"):
        recipe("gain=1").apply(Clip(np.zeros((2, 0), dtype=np.float32), 8000))


def test_steps_are_applied_in_their_order() -> None:
    sound = clip()
    clipped_first = recipe("distortion=20", "gain=-20").apply(sound).samples
    clipped_last = mutate(sound, gain=-20, distortion=20).samples
    assert np.abs(clipped_first).max() <= 0.1 < np.abs(clipped_last).max()


def test_mutate_takes_numbers_tuples_text_and_flags() -> None:
    sound = clip()
    expected = recipe("gain=-6", "eq=1000:3", "noise=20:pink", "mono", seed=5).apply(sound)
    changed = mutate(sound, gain=-6, eq=(1000, 3), noise="20:pink", mono=True, reverse=False, seed=5)
    assert np.array_equal(changed.samples, expected.samples)
    assert mutate(sound, pitch=None) is sound


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"wobble": 1}, "mutation wobble: unknown"),
        ({"pitch": "1,2"}, "one value is needed here, not 2"),
        ({"eq": 1000}, r"expected FREQ:GAIN\[:Q\]"),
        ({"pitch": (1, 2)}, "expected SEMITONES"),
        ({"mono": 3}, "`mono` 3: expected True"),
        ({"pitch": 99}, "between -24 and 24 semitones"),
    ],
)
def test_mutate_refuses_what_has_no_meaning(steps: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        mutate(clip(), **steps)


def test_importing_costs_numpy_alone() -> None:
    script = (
        "import sys, hitpredict.mutations; "
        "print(*{name.split('.')[0] for name in sys.modules} & "
        "{'pedalboard', 'soundfile', 'soxr', 'scipy', 'pyrubberband', 'torch', 'librosa'})"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""


@pytest.mark.parametrize("quality", ["best", "draft"])
@pytest.mark.parametrize(
    "options",
    [
        [],
        ["gain=-3", "lowpass=3000"],
        ["pitch=2", "gain=-3", "lowpass=3000"],
        ["gain=-3", "mono", "pitch=2", "tempo=0.9", "noise=20"],
        ["reverb=0.3", "tempo=1.1", "gain=-3"],
        ["tempo=1.1", "loudness=-14", "reverse", "gain=-3"],
        ["loudness=-14", "pitch=-5", "fade=0.1:0.1"],
    ],
    ids=" ".join,
)
def test_the_two_parts_of_a_plan_do_what_it_does(options: list[str], quality: str) -> None:
    sound = Sound.of(clip())
    plan = recipe(*options, quality=quality).plan
    first, rest = divided(plan, sound)
    assert not any(step.whole for step, _ in rest)
    together = applied(plan, sound).clip()
    np.testing.assert_array_equal(applied(rest, applied(first, sound)).clip().samples, together.samples)


def test_mono_comes_before_what_treats_all_channels_alike_and_no_earlier() -> None:
    plan = recipe("mono", "reverb=0.3", "gain=-3", "lowpass=3000", "mono", "reverse").plan
    assert [step.op for step, _ in plan] == ["mono", "reverb", "mono", "gain", "lowpass", "reverse"]
    assert [step.op for step, _ in recipe("gain=-3", "mono").plan] == ["mono", "gain"]


@pytest.mark.parametrize(
    ("option", "label"),
    [
        ("gain=0.5", "gain+0.5"),
        ("gain=-0.5", "gain-0.5"),
        ("gain=0", "gain0"),
        ("tempo=0.5", "tempo0.5"),
        ("mono", "mono"),
        ("noise=20", "noise20"),
        ("noise=20:pink", "noise20_pink"),
        ("crop=1:", "crop1"),
    ],
)
def test_labels_say_what_is_asked_and_signs_where_zero_changes_nothing(option: str, label: str) -> None:
    assert recipe(option).label == label
