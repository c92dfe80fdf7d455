"""Figures by region, year or genre: planted differences are found, and chance is not called one."""

import numpy as np
import pytest

from hitpredict.errors import UsageError
from hitpredict.evaluation.breakdown import NONE, OTHERS, broken_down, column_values
from hitpredict.evaluation.metrics import mae, spearman

SONGS, GROUPS = 600, 120


def songs(seed, strength=0.0):
    """Truth, score, groups and a genre each; within `rock` the error is larger by `strength`. Errors of a group go
    together, as those of an artist's songs do."""
    random = np.random.default_rng(seed)
    groups = random.integers(0, GROUPS, SONGS)
    genre = np.array(["rock", "pop", "jazz", "folk"], object)[random.integers(0, 4, GROUPS)][groups]
    truth = random.normal(size=SONGS)
    noise = random.normal(size=SONGS) + random.normal(size=GROUPS)[groups]
    return truth, truth + noise * np.where(genre == "rock", 1 + strength, 1.0), groups, genre


def statistics(truth, score):
    return {
        "mae": lambda rows: mae(truth[rows], score[rows]),
        "spearman": lambda rows: spearman(truth[rows], score[rows]),
    }


def test_a_planted_difference_is_found():
    truth, score, groups, genre = songs(0, strength=8)
    found = broken_down(genre, "genre", statistics(truth, score), groups)
    assert found["column"] == "genre"
    parts = {part["value"]: part for part in found["values"]}
    assert set(parts) == {"rock", "pop", "jazz", "folk"}
    rock = parts["rock"]
    inside = genre == "rock"
    assert rock["rows"] == inside.sum()
    assert rock["groups"] == len(set(groups[inside]))
    assert rock["metrics"]["mae"]["value"] == pytest.approx(mae(truth[inside], score[inside]), abs=1e-5)
    rest = mae(truth[~inside], score[~inside])
    assert rock["differences"]["mae"]["value"] == pytest.approx(rock["metrics"]["mae"]["value"] - rest, abs=2e-5)
    assert rock["differences"]["mae"]["verdict"] == "higher"
    assert rock["differences"]["spearman"]["verdict"] == "lower"
    assert rock["differences"]["mae"]["q"] >= rock["differences"]["mae"]["p"]


@pytest.mark.slow
def test_chance_is_rarely_called_a_difference():
    """Where no genre differs, at most about one table in twenty may hold any difference that is called clear."""
    alarms = 0
    for seed in range(1000, 1080):
        truth, score, groups, genre = songs(seed)
        found = broken_down(genre, "genre", {"mae": statistics(truth, score)["mae"]}, groups)
        alarms += any(
            each["verdict"] != "no clear difference" for v in found["values"] for each in v["differences"].values()
        )
    # Four are expected of 80 tables, and ten or more come up in one run of a hundred.
    assert alarms <= 9


def test_rare_values_are_pooled():
    truth, score, groups, genre = songs(0)
    genre[:20] = "polka"
    genre[20:35] = ""
    found = broken_down(genre, "genre", statistics(truth, score), groups)
    names = [part["value"] for part in found["values"]]
    assert names[-1] == OTHERS
    assert not {"polka", NONE} & set(names)
    assert sum(part["rows"] for part in found["values"]) == SONGS
    assert found["values"][-1]["rows"] == 35
    genre[:] = "rock"
    with pytest.raises(UsageError, match="no two of its values have 30 songs of 10 groups"):
        broken_down(genre, "genre", statistics(truth, score), groups)


def test_what_depends_on_the_number_of_songs_or_never_varies_is_not_tested():
    truth, score, groups, genre = songs(0)
    always = {
        "recall@100": statistics(truth, score)["mae"],
        "precision": lambda rows: float(np.any(genre[rows] == "pop")),
    }
    for part in broken_down(genre, "genre", always, groups)["values"]:
        assert set(part["metrics"]) == {"recall@100", "precision"}
        assert part["differences"] == {}


def test_numbers_are_cut_into_fifths_and_dates_into_years():
    numbers = np.array([*range(100)], object)
    assert sorted(set(column_values(numbers))) == ["0 to 19", "20 to 39", "40 to 59", "60 to 79", "80 to 99"]
    dates = np.array([f"20{10 + i % 3}-0{1 + i % 9}-0{1 + i % 7}" for i in range(100)] + [None], object)
    assert sorted(set(column_values(dates))) == [NONE, "2010", "2011", "2012"]
    years = np.array([2010, 2011.0, float("nan"), 2010], object)
    assert column_values(years).tolist() == ["2010", "2011.0", NONE, "2010"]
