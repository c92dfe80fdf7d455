import subprocess
import sys
import tomllib

import numpy as np
import pytest
import torch
from numpy.random import default_rng

from hitpredict.errors import UsageError
from hitpredict.training.augment import (
    TRANSFORMS,
    Compose,
    FrequencyMask,
    RandomCrop,
    RandomGain,
    RandomNoise,
    RandomPitch,
    RandomRoll,
    RandomTempo,
    RandomTimbre,
    TimeMask,
    Transform,
    excerpt,
    from_config,
)
from tests.helpers.sounds import sine, tune

RATE = 16000


def spectrogram(frames: int = 50, bins: int = 20) -> np.ndarray:
    return default_rng(7).normal(-30, 10, (frames, bins)).astype(np.float32)


def waveform(seconds: float = 0.5) -> np.ndarray:
    return tune(seconds, RATE, 1).samples[0]


def loudest_hz(samples: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(samples * np.hanning(samples.size))).argmax() * RATE / samples.size)


ALL: list[Transform] = [
    *(TimeMask(), FrequencyMask(fill="zero"), RandomRoll(), RandomGain(scale=1), RandomNoise(), RandomCrop(30)),
    *(RandomPitch(RATE), RandomTempo(RATE), RandomTimbre(RATE, filtered=1)),
]


def sample_for(transform: Transform) -> np.ndarray:
    return spectrogram() if 2 in transform.dimensions else waveform()


def test_every_transform_is_among_these():
    assert [type(each) for each in ALL] == list(TRANSFORMS.values())


@pytest.mark.parametrize("transform", ALL, ids=lambda each: each.name)
def test_pure_and_repeatable(transform):
    sample = sample_for(transform)
    before = sample.copy()
    first, again, other = (transform(sample, default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(sample, before)
    np.testing.assert_array_equal(first, again)
    assert first.shape == ((30, 20) if transform.name == "crop" else sample.shape)
    assert first.dtype == np.float32
    assert not np.array_equal(first, other)
    assert np.isfinite(first).all()


@pytest.mark.parametrize("transform", ALL, ids=lambda each: each.name)
def test_tensors_are_changed_as_arrays_are(transform):
    sample = torch.from_numpy(sample_for(transform))
    before = sample.clone()
    changed = transform(sample, default_rng(1))
    assert isinstance(changed, torch.Tensor)
    assert changed.dtype == torch.float32
    torch.testing.assert_close(sample, before, rtol=0, atol=0)
    np.testing.assert_array_equal(changed.numpy(), transform(sample.numpy(), default_rng(1)))


@pytest.mark.parametrize("transform", [each for each in ALL if each.name != "crop"], ids=lambda each: each.name)
def test_probability(transform):
    sample = sample_for(transform)
    values = {spec.name: getattr(transform, spec.name) for spec in transform.parameters()}
    never = type(transform)(**{**values, "probability": 0})
    result = never(sample, default_rng(0))
    np.testing.assert_array_equal(result, sample)
    assert not np.shares_memory(result, sample)


def test_probability_is_that_of_being_done():
    often = RandomGain(probability=0.75)
    generator = default_rng(0)
    done = [bool((often(np.ones(3), generator) != 1).any()) for _ in range(400)]
    assert 0.68 < np.mean(done) < 0.82


@pytest.mark.parametrize(("fill", "value"), [("mean", None), ("least", None), ("zero", 0.0)])
@pytest.mark.parametrize(("mask", "axis"), [(TimeMask, 0), (FrequencyMask, 1)])
def test_masks_overwrite_one_run(mask, axis, fill, value):
    sample = spectrogram()
    value = {"mean": sample.mean(), "least": sample.min()}.get(fill, value)
    lengths = set()
    for seed in range(100):
        changed = np.moveaxis(mask(share=0.3, fill=fill)(sample, default_rng(seed)), axis, 0)
        (rows,) = np.nonzero((changed != np.moveaxis(sample, axis, 0)).any(axis=1))
        lengths.add(len(rows))
        if len(rows):
            assert rows[-1] - rows[0] + 1 == len(rows)
            np.testing.assert_allclose(changed[rows], value, rtol=1e-6)
    assert (min(lengths), max(lengths)) == (0, int(0.3 * sample.shape[axis]))


def test_several_masks_and_images():
    image = default_rng(0).uniform(0, 1, (20, 40, 3)).astype(np.float32)
    changed = TimeMask(share=0.2, count=4, axis=1, fill="least")(image, default_rng(3))
    columns = (changed != image).any(axis=(0, 2))
    assert 8 < columns.sum() <= 32
    assert (changed[:, columns] == image.min()).all()


def test_roll_turns_within_its_share():
    ramp = np.arange(100.0)
    shifts = [int(RandomRoll(share=0.1)(ramp, default_rng(seed)).argmin()) for seed in range(200)]
    signed = {(shift + 50) % 100 - 50 for shift in shifts}
    assert signed == set(range(-10, 11))
    image = np.arange(12.0).reshape(3, 4)
    turned = RandomRoll(share=0.5, axis=1)(image, default_rng(1))
    assert (np.sort(turned, axis=1) == image).all()


def test_gain_multiplies_sound_and_shifts_decibels():
    wave, decibels = waveform(), spectrogram()
    louder = np.array([RandomGain(db=12)(wave, default_rng(seed))[100] / wave[100] for seed in range(200)])
    in_db = RandomGain(db=12, scale=1)
    shift = np.array([(in_db(decibels, default_rng(seed)) - decibels).mean() for seed in range(200)])
    np.testing.assert_allclose(20 * np.log10(louder), shift, atol=1e-3)
    assert -12 <= shift.min() < -11 < 11 < shift.max() <= 12
    assert np.ptp(in_db(decibels, default_rng(0)) - decibels) < 1e-4
    natural = RandomGain(db=12, scale=np.log(10) / 10)(np.log(10 ** (decibels / 10)), default_rng(5))
    np.testing.assert_allclose(10 * np.log10(np.exp(natural)), in_db(decibels, default_rng(5)), atol=1e-3)


@pytest.mark.parametrize("sample", [waveform(), spectrogram(400)])
def test_noise_is_below_the_sound_by_its_range(sample):
    ratios = []
    for seed in range(50):
        added = RandomNoise(quietest_db=20, loudest_db=10)(sample, default_rng(seed)) - sample
        ratios.append(20 * np.log10(sample.std() / added.std()))
    assert 9.5 < min(ratios) < 11.5
    assert 18.5 < max(ratios) < 20.5


def test_noise_leaves_silence_silent():
    assert not RandomNoise()(np.zeros(100), default_rng(0)).any()


def test_crop_takes_any_excerpt():
    ramp = np.arange(20.0)
    starts = set()
    for seed in range(200):
        kept = RandomCrop(15)(ramp, default_rng(seed))
        np.testing.assert_array_equal(kept, kept[0] + np.arange(15))
        starts.add(int(kept[0]))
    assert starts == set(range(6))
    assert RandomCrop(5, axis=1)(np.ones((7, 9, 3)), default_rng(0)).shape == (7, 5, 3)


def test_crop_pads_what_is_short():
    np.testing.assert_array_equal(RandomCrop(4)(np.ones(2), default_rng(0)), [1, 1, 0, 0])
    padded = RandomCrop(60)(spectrogram(50), default_rng(0))
    np.testing.assert_array_equal(padded[:50], spectrogram(50))
    assert (padded[50:] == spectrogram(50).min()).all()


def test_excerpts_by_place():
    ramp = np.arange(10.0)
    assert [excerpt(ramp, 4, place)[0] for place in (0, 0.5, 1)] == [0, 3, 6]
    np.testing.assert_array_equal(excerpt(ramp, 10), ramp)


def test_pitch_moves_the_pitch_within_its_range():
    semitones = [
        12 * np.log2(loudest_hz(RandomPitch(RATE, 4)(sine(880, 1, RATE, 0.3), default_rng(seed))) / 880)
        for seed in range(8)
    ]
    assert -4.1 < min(semitones) < -1 < 1 < max(semitones) < 4.1


def test_tempo_keeps_pitch_and_length():
    clicks = np.zeros(2 * RATE, np.float32)
    clicks[:: RATE // 4] = 0.9
    beats = []
    for seed in range(6):
        tone = RandomTempo(RATE, 1.5)(sine(880, 1, RATE, 0.3), default_rng(seed))
        assert tone.shape == (RATE,)
        assert loudest_hz(tone) == pytest.approx(880, abs=4)
        energy = np.square(RandomTempo(RATE, 1.5)(clicks, default_rng(seed))).reshape(-1, 160).sum(axis=1)[:125]
        spectrum = np.abs(np.fft.rfft((energy - energy.mean()) * np.hanning(125), 4000))
        beats.append((80 + spectrum[80:280].argmax()) / 40)  # per second, 4 as recorded
    assert 4 / 1.5 - 0.2 < min(beats) < 3.7
    assert 4.3 < max(beats) < 4 * 1.5 + 0.2


def test_timbre_changes_bands_within_its_range():
    noise = 0.1 * default_rng(1).standard_normal(RATE).astype(np.float32)
    before = np.abs(np.fft.rfft(noise))
    for seed in range(10):
        after = np.abs(np.fft.rfft(RandomTimbre(RATE, db=6, bands=1, filtered=0)(noise, default_rng(seed))))
        change = 20 * np.log10(np.median((after / before)[:-1].reshape(100, -1), axis=1))
        assert np.abs(change).max() < 6.2
        assert np.ptp(change) > 0.1


def test_timbre_filters():
    noise = 0.1 * default_rng(1).standard_normal(RATE).astype(np.float32)
    before = np.abs(np.fft.rfft(noise))
    lost = []
    for seed in range(12):
        after = np.abs(np.fft.rfft(RandomTimbre(RATE, db=0, filtered=1)(noise, default_rng(seed))))
        ratio = after / before
        lost.append((np.median(ratio[:30]) < 0.5, np.median(ratio[7500:7990]) < 0.7))
    assert {(True, False), (False, True)} <= set(lost)


def test_a_recipe_lists_them():
    toml = """
    [[augment]]
    name = "frequency_mask"
    share = 0.375
    fill = "zero"
    [[augment]]
    name = "crop"
    length = 32
    """
    chain = from_config(tomllib.loads(toml)["augment"])
    assert chain == Compose((FrequencyMask(share=0.375, fill="zero"), RandomCrop(32)))


def test_a_chain_is_its_transforms_in_order():
    sample, generator = spectrogram(), default_rng(1)
    chain = from_config([{"name": "roll", "share": 0.5}, {"name": "crop", "length": 20}, {"name": "gain", "scale": 1}])
    step = sample
    for transform in chain.transforms:
        step = transform(step, generator)
    np.testing.assert_array_equal(chain(sample, default_rng(1)), step)
    empty = from_config([])(sample, default_rng(0))
    np.testing.assert_array_equal(empty, sample)
    assert not np.shares_memory(empty, sample)


@pytest.mark.parametrize("transform", ALL, ids=lambda each: each.name)
def test_config_round_trip(transform):
    values = {spec.name: getattr(transform, spec.name) for spec in transform.parameters()}
    assert from_config([{"name": transform.name, **values}]).transforms == (transform,)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"name": "echo"}, "augmentation echo: unknown; there are time_mask, frequency_mask"),
        ({"share": 0.1}, "augmentation None: unknown"),
        ("roll", "augmentation roll: must be a table with a name"),
        ({"name": "roll", "far": 1}, "augmentation roll, parameter far: unknown; there are share, axis, probability"),
        ({"name": "crop"}, "crop: length is missing"),
        ({"name": "roll", "share": 1.5}, "roll: share 1.5: must be between 0 and 1"),
        ({"name": "time_mask", "count": 1.5}, "count 1.5: must be a whole number"),
        ({"name": "time_mask", "fill": "noise"}, "fill noise: must be mean, least or zero"),
        ({"name": "gain", "db": "loud"}, "db loud: must be a number"),
        ({"name": "noise", "loudest_db": 50}, "loudest_db must not be above quietest_db"),
    ],
)
def test_malformed_configs(config, message):
    with pytest.raises(UsageError, match=message):
        from_config([config])


@pytest.mark.parametrize(
    ("transform", "shape"), [(RandomPitch(RATE), (4, 8)), (TimeMask(), (8,)), (RandomGain(), ()), (RandomNoise(), ())]
)
def test_layouts_without_meaning(transform, shape):
    with pytest.raises(UsageError, match="has no meaning for an array of shape"):
        transform(np.ones(shape), default_rng(0))


def test_empty_arrays_stay_empty():
    assert Compose((RandomRoll(), RandomNoise(), RandomGain()))(np.zeros((0, 8)), default_rng(0)).shape == (0, 8)


def test_the_module_itself_needs_no_torch():
    code = "import sys, hitpredict.training.augment; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
