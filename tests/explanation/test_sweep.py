"""Response curves: what is tried, on how many channels, and what is said of it."""

from dataclasses import replace

import numpy as np
import pytest

from hitpredict.audio.clip import Clip
from hitpredict.audio.read import read_audio
from hitpredict.audio.source import Source
from hitpredict.errors import InputError
from hitpredict.explanation.grid import DEFAULT, SweptParameter, chosen_parameters
from hitpredict.explanation.sweep import NULL, STRETCHED, Sweep, run
from hitpredict.frontends import FRONTENDS, compute
from hitpredict.mutations import mutate
from hitpredict.mutations.space import Mono
from hitpredict.scoring.records import ScoreRecord
from hitpredict.scoring.scorer import Scorer
from tests.helpers.sounds import saved, tune

SECONDS = 4


@pytest.fixture(scope="module")
def scorer():
    return Scorer()


def swept(path, names, scorer, quality="draft", jobs=2, notes=None):
    sweep = Sweep(tuple(chosen_parameters(names, None)), quality)
    ((source, tried),) = run([Source(str(path), str(path))], sweep, scorer, jobs, 3600, (notes or []).append)
    return sweep, {each.parameter: each for each in sweep.explained(source.path, tried, scorer)}, tried


@pytest.mark.parametrize("name", sorted(FRONTENDS))
def test_front_ends_hear_the_mean_of_the_channels_alone(name):
    """What mixing to one channel first rests on."""
    clip = tune(6, 44100)
    mono = replace(clip, samples=clip.samples.mean(axis=0, keepdims=True))
    stereo, single = (compute(FRONTENDS[name](), each) for each in (clip, mono))
    np.testing.assert_allclose(stereo, single, atol=0.02 * np.abs(stereo).max())
    narrow = replace(clip, samples=np.stack([mono.samples[0]] * 2))
    np.testing.assert_allclose(compute(FRONTENDS[name](), narrow), single, atol=1e-4 * np.abs(single).max())


def test_variants_are_of_one_channel_where_that_is_the_same():
    sweep = Sweep(tuple(chosen_parameters(None, None)))
    for each in sweep.parameters:
        for step in each.steps:
            assert (Mono() in sweep.chain(step).steps) == step.per_channel
    assert sweep.chains[0].steps == ()
    assert len(sweep.chains) == len(set(sweep.chains))


@pytest.mark.parametrize(
    "name", [name for name in DEFAULT if SweptParameter.of(name, *DEFAULT[name]).steps[0].per_channel]
)
def test_one_channel_first_gives_the_same_change(name, scorer, tmp_path):
    clip = tune(SECONDS, 44100)
    step = SweptParameter.of(name, *DEFAULT[name]).steps[0]
    sweep = Sweep((), "draft")
    one = scorer.score(sweep.chain(step).apply(clip)).score
    all_of_them = scorer.score(replace(sweep.chain(), steps=(step,)).apply(clip)).score
    assert one == pytest.approx(all_of_them, abs=0.02)


def test_scores_are_those_of_mutate(scorer, tmp_path):
    song = saved(tmp_path, "a.wav", tune(SECONDS, 44100))
    _, found, _ = swept(song, "noise-white,pitch", scorer)
    record, kept = found["noise-white"], read_audio(song)
    assert record.base_score == pytest.approx(scorer.score(kept).score, abs=1e-4)
    assert record.scores[0] == pytest.approx(scorer.score(mutate(kept, noise=record.values[0])).score, abs=1e-3)
    stretched = mutate(kept, quality="draft", pitch=found["pitch"].values[0])
    assert found["pitch"].scores[0] == pytest.approx(scorer.score(stretched).score, abs=0.02)


def test_a_level_invariant_model_is_blind_to_gain_and_width_of_stereo(scorer, tmp_path):
    _, found, _ = swept(saved(tmp_path, "a.wav", tune(SECONDS)), "gain,width,noise-white", scorer)
    assert [found[name].blind for name in ("gain", "width", "noise-white")] == [True, True, False]
    assert not found["gain"].significant
    assert found["gain"].p_value == 1
    assert found["gain"].rank > found["noise-white"].rank


def explained(parameter, scores, scorer, null=0.0, base=50.0):
    sweep = Sweep((parameter,))
    tried: dict = {chain: null_of(scorer, base, null, number) for number, chain in enumerate(sweep.chains)}
    tried[sweep.chain()] = scored(scorer, base)
    for step, score in zip(parameter.steps, scores, strict=True):
        tried[sweep.chain(step)] = score if isinstance(score, InputError) else scored(scorer, score)
    return sweep.explained("song", tried, scorer), sweep.failed(tried)


def scored(scorer, score) -> ScoreRecord:
    record = scorer.score(tune(1))
    return replace(record, score=score, warnings=())


def null_of(scorer, base, null, number):
    return scored(scorer, base + (null if number % 2 else -null))


@pytest.fixture(scope="module")
def floorless():
    """A model that says nothing of its noise."""
    scorer = Scorer()
    scorer.noise_floor = None
    return scorer


def test_curves_are_described(floorless):
    pitch = SweptParameter.of("pitch", "pitch", "-2,-1,1,2")
    (record,), _ = explained(pitch, [44, 47, 53, 56], floorless, 0.1)
    assert (record.slope, record.effect, record.monotonicity) == (pytest.approx(3), pytest.approx(12), 1)
    assert (abs(record.largest_change), abs(record.largest_change_at)) == (6, 2)
    assert record.significant
    assert record.quality == "draft"
    noise = SweptParameter.of("noise", "noise", "10:30:10")
    (record,), _ = explained(noise, [40, 46, 49], floorless, 0.1)
    assert record.slope == pytest.approx(0.45)
    assert (record.effect, record.towards, record.quality) == (-10, 10, None)


def test_what_inaudible_changes_do_as_well_is_no_effect(floorless):
    pitch = SweptParameter.of("pitch", "pitch", "-2,-1,1,2")
    (record,), _ = explained(pitch, [44, 47, 53, 56], floorless, 3.0)
    assert not record.significant
    assert not record.blind


def test_stretching_is_noise_for_what_is_stretched_alone(scorer, tmp_path):
    sweep, found, _ = swept(saved(tmp_path, "a.wav", tune(SECONDS)), "pitch,reverb", scorer)
    assert found["pitch"].noise["changes"] == found["reverb"].noise["changes"] + 4
    assert set(sweep.null) == {*NULL, *STRETCHED}
    assert set(Sweep(tuple(chosen_parameters("reverb", None))).null) == {*NULL}


def test_pitches_and_tempos_of_the_same_ratio_share_a_stretch(scorer, tmp_path, monkeypatch):
    import pedalboard

    stretch, asked = pedalboard.time_stretch, []

    def counted(samples, rate, ratio, semitones, **options):
        asked.append((ratio, semitones))
        return stretch(samples, rate, ratio, semitones, **options)

    monkeypatch.setattr(pedalboard, "time_stretch", counted)
    _, found, _ = swept(saved(tmp_path, "a.wav", tune(SECONDS)), "pitch,tempo", scorer)
    assert len(found["pitch"].values) + len(found["tempo"].values) == 8
    assert len(asked) == 4 + len(STRETCHED["stretching"])
    assert {semitones for _, semitones in asked} == {0}


def test_the_end_of_the_scale_is_no_blindness(floorless):
    (record,), _ = explained(SweptParameter.of("pitch", "pitch", "-1,1"), [100, 100], floorless, 0.0, 100)
    assert not record.blind
    assert not record.significant


def test_what_cannot_be_tried_leaves_the_rest(floorless):
    low = SweptParameter.of("lowpass", "lowpass", "1k,2k,16k")
    (record,), failed = explained(low, [40, 45, InputError("too high")], floorless, 0.1)
    assert (record.values, record.scores) == ((1000, 2000), (40, 45))
    assert list(failed) == ["lowpass16000"]
    with pytest.raises(InputError, match=r"song: nothing of what is asked for .*too high"):
        explained(low, [InputError("too high")] * 3, floorless)


def test_silence_has_one_answer(scorer, tmp_path):
    silent = Clip(np.zeros((2, 3 * 22050), np.float32), 22050)
    with pytest.raises(InputError, match=r"silent\.wav: is silent"):
        swept(saved(tmp_path, "silent.wav", silent), "gain,noise-white", scorer)


def test_one_second_is_explained_with_a_warning(scorer, tmp_path):
    _, found, _ = swept(saved(tmp_path, "a.wav", tune(1)), "pitch,mp3,lowpass", scorer)
    assert set(found) == {"pitch", "mp3", "lowpass"}
    assert any(warning.startswith("short: ") for warning in found["pitch"].warnings)


def test_the_number_of_threads_changes_nothing(scorer, tmp_path):
    song = saved(tmp_path, "a.wav", tune(1))
    one, four = (swept(song, "noise,tempo", scorer, jobs=jobs)[1] for jobs in (1, 4))
    assert one == four


def test_sounds_and_clips_score_alike(scorer):
    from hitpredict.audio.sound import Sound

    clip = tune(8, 44100)
    assert scorer.score(Sound.of(clip)) == scorer.score(clip)
