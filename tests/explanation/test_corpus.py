"""What many songs have in common."""

import numpy as np
import pytest

from hitpredict.errors import InputError
from hitpredict.explanation.corpus import in_common


def song(number, artist=None, noise=0.5, **effects):
    return [
        {
            "path": f"{number}.wav",
            **({"artist": artist} if artist else {}),
            "parameter": name,
            "unit": "dB",
            "values": [-6, 6],
            "effect": effect,
            "towards": 6,
            "noise": {"scale": noise},
            "blind": name == "gain",
            "significant": abs(effect) > 2,
            "model": {"name": "m", "version": "1", "sha256": "0"},
            "device": "cpu",
        }
        for name, effect in effects.items()
    ]


def corpus(count, draw, artists=None, seed=0):
    random = np.random.default_rng(seed)
    return [each for n in range(count) for each in song(n, artists and f"artist {n % artists}", **draw(random, n))]


def test_common_effects_are_found_and_ranked():
    def draw(random, _):
        strength = random.normal(3, 1)
        return {"pitch": strength, "tempo": -2 * strength, "width": random.normal(0, 1), "gain": 0.0}

    found = {each.parameter: each for each in in_common(corpus(40, draw))}
    assert list(found) == ["tempo", "pitch", "width", "gain"]
    assert [each.rank for each in found.values()] == [1, 2, 3, 4]
    assert [each.significant for each in found.values()] == [True, True, False, False]
    assert found["gain"].blind
    low, high = found["pitch"].interval
    assert low < found["pitch"].mean_effect < high
    assert found["tempo"].share_same_sign == 1
    assert found["pitch"].correlations["tempo"] == pytest.approx(-1)
    assert abs(found["pitch"].correlations["width"]) < 0.5
    assert "gain" not in found["pitch"].correlations
    assert found["pitch"].songs_significant > 20


def test_many_songs_do_not_make_an_inaudible_effect_significant():
    found = in_common(corpus(500, lambda random, _: {"pitch": random.normal(0.2, 0.1)}))
    assert found[0].share_same_sign > 0.95
    assert not found[0].significant


@pytest.mark.slow
def test_unplanted_parameters_are_rarely_significant():
    alarms = 0
    for seed in range(200):
        effects = corpus(20, lambda random, _: {f"p{n}": random.normal(0, 2) for n in range(15)}, seed=seed)
        alarms += any(each.significant for each in in_common(effects))
    assert alarms / 200 <= 0.05


def test_songs_of_an_artist_count_together():
    def draw(random, number):
        return {"pitch": 3 + 2 * ((number % 4) - 1.5) + random.normal(0, 0.1)}

    alone, grouped = (in_common(corpus(40, draw, artists))[0] for artists in (None, 4))
    assert (alone.groups, grouped.groups) == (40, 4)
    assert grouped.p_value > alone.p_value
    assert np.ptp(grouped.interval) > 1.5 * np.ptp(alone.interval)


def test_the_same_songs_give_the_same_interval():
    effects = corpus(10, lambda random, _: {"pitch": random.normal(1, 1)})
    assert in_common(effects) == in_common(effects)


def test_two_songs_are_too_few():
    with pytest.raises(InputError, match="2 songs with a score are too few"):
        in_common(corpus(2, lambda random, _: {"pitch": 1.0}))


def test_groups_go_before_artists_and_songs():
    random = np.random.default_rng(3)
    songs = [song(number, f"artist {number}", pitch=random.normal(3, 1)) for number in range(12)]
    alone = in_common(each for one in songs for each in one)
    albums = [[{**each, "group": f"album {number % 4}"} for each in one] for number, one in enumerate(songs)]
    grouped = in_common(each for one in albums for each in one)
    partly = in_common(each for one in [*albums[:5], *songs[5:]] for each in one)
    assert [found[0].groups for found in (alone, grouped, partly)] == [12, 4, 11]
    assert grouped[0].mean_effect == pytest.approx(alone[0].mean_effect)
