"""The search finds planted settings, goes on after a kill, and never sees a test song."""

import csv
import json
import re
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from hitpredict import recipes
from hitpredict.cli.app import app
from hitpredict.errors import TrainingError, UsageError
from hitpredict.tables.splits import CALIBRATION, TEST
from hitpredict.training import tune
from hitpredict.training.checks import split_of
from hitpredict.training.ranges import Choices, Interval, parsed_range
from hitpredict.training.tune import Searched, search
from tests.helpers.folders import contents, left
from tests.helpers.planted import run_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0..0.5", Interval(0, 0.5)),
        ("1e-4..1e-2", Interval(1e-4, 1e-2)),
        ("16..256", Interval(16, 256)),
        ("-1..1", Interval(-1, 1)),
        ("adam|sgd", Choices(("adam", "sgd"))),
        ("[64]|[128, 64]", Choices(("[64]", "[128, 64]"))),
        ("5", None),
        ("1.5", None),
        ("relu", None),
    ],
)
def test_ranges_are_read(text, expected):
    assert parsed_range("key", text) == expected


@pytest.mark.parametrize("text", ["1..1", "5..1", "a..b", "1..b", "nan..1", "0..inf", "a|", "a|a", "true..false"])
def test_other_ranges_are_refused(text):
    with pytest.raises(UsageError, match=f"`settings` key={re.escape(text)}: "):
        parsed_range("key", text)


@pytest.mark.parametrize(
    ("low", "high", "by_factors"), [(1, 10, True), (1, 9, False), (0, 100, False), (-1, 50, False)]
)
def test_ranges_over_a_decade_are_drawn_by_factors(low, high, by_factors):
    assert Interval(low, high).by_factors is by_factors


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """150 songs with a driver that a third of sixty columns share: a firm ridge is right, and too firm a one is not."""
    random = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("planted")
    features = random.normal(size=(150, 60))
    driver = random.normal(size=150)
    features[:, :20] += 0.4 * driver[:, None]
    label = driver + 0.5 * random.normal(size=150)
    names = ",".join(f"c{i}" for i in range(60))
    rows = [f"{i},{','.join(f'{v:.5f}' for v in row)}" for i, row in enumerate(features)]
    (folder / "features.csv").write_text("\n".join([f"track_id,{names}", *rows]) + "\n")
    lines = [json.dumps({"track_id": str(i), "popularity": v, "artist": f"a{i}"}) for i, v in enumerate(label)]
    (folder / "labels.jsonl").write_text("\n".join(lines) + "\n")
    return run_of(folder, "linear")


PENALTY = Searched({"estimator.penalty": Interval(0.01, 10**4)}, trials=25)


@pytest.fixture(scope="module")
def found(planted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "s"
    return search(planted, PENALTY, folder), folder


def test_planted_settings_are_found(planted, found):
    """The best of 25 draws is as good as the best of a fine grid, by the same validation songs."""
    result, folder = found
    seen = tune._seen(planted)

    def judged(penalty):
        recipe = planted.recipe.changed({"estimator.penalty": float(penalty)})
        return tune._judged(replace(seen, recipe=recipe), "spearman", None)

    grid = [judged(penalty) for penalty in np.geomspace(0.01, 10**4, 25)]
    best = tomllib.loads((folder / "best.toml").read_text())["estimator"]["penalty"]
    assert judged(best) >= max(grid) - 0.02
    assert max(grid) - min(grid) > 0.05
    assert result.recipe.estimator["penalty"] == best


def test_a_search_ends_in_a_table_and_a_recipe_that_train_takes(planted, found):
    result, folder = found
    assert left(folder) == ["best.toml", "search.json", "study.db", "trials.tsv"]
    with (folder / "trials.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert sorted(int(row["trial"]) for row in rows) == list(range(1, 26))
    values = [float(row["spearman"]) for row in rows if row["state"] == "complete"]
    assert values == sorted(values, reverse=True)
    assert recipes.load(str(folder / "best.toml")).estimator == result.recipe.estimator
    assert "on validation songs" in (folder / "best.toml").read_text().splitlines()[0]


def test_test_songs_are_never_seen(planted, found, tmp_path):
    """With the labels and features of calibration and test songs turned to poison all trials are the same."""
    data = planted.data
    parts = split_of(data, "groups", 0)
    held = np.isin(parts, (TEST, CALIBRATION))
    features = data.inputs[0]
    values = np.where(held[:, None], np.float32(1e30), features.values)
    poisoned = replace(
        data,
        inputs=(replace(features, values=values),),
        labels=np.where(held[:, None], 1e30, data.labels),
    )
    search(replace(planted, data=poisoned), PENALTY, tmp_path / "s")
    assert (tmp_path / "s" / "trials.tsv").read_text() == (found[1] / "trials.tsv").read_text()
    # And those that it may not see are those that training tests on, with an estimator's parts as well.
    np.testing.assert_array_equal(split_of(data, "groups", 0, chooses=False) == TEST, parts == TEST)


def test_a_killed_search_goes_on_as_if_it_had_not_been(planted, found, monkeypatch, tmp_path):
    class Killed(BaseException):
        pass

    judged, calls = tune._judged, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 13:
            raise Killed
        return judged(*arguments)

    monkeypatch.setattr(tune, "_judged", interrupted)
    with pytest.raises(Killed):
        search(planted, PENALTY, tmp_path / "s")
    assert "best.toml" not in left(tmp_path / "s")
    search(planted, PENALTY, tmp_path / "s")
    assert len(calls) == 26
    for name in ("trials.tsv", "best.toml"):
        assert (tmp_path / "s" / name).read_text() == (found[1] / name).read_text()


def test_what_is_there_is_kept(planted, tmp_path):
    few = replace(PENALTY, trials=2)
    search(planted, few, tmp_path / "s")
    before = contents(tmp_path / "s")
    with pytest.raises(UsageError, match="exists already, with 2 trials; ask for more `trials`, or use `force`"):
        search(planted, few, tmp_path / "s")
    with pytest.raises(UsageError, match="holds a search with another recipe"):
        search(replace(planted, seed=1), few, tmp_path / "s")
    assert {k: v for k, v in contents(tmp_path / "s").items() if k != "study.db"} == {
        k: v for k, v in before.items() if k != "study.db"
    }
    search(planted, replace(few, trials=3), tmp_path / "s")
    assert (tmp_path / "s" / "trials.tsv").read_text().count("\n") == 4
    search(planted, few, tmp_path / "s", force=True)
    assert (tmp_path / "s" / "trials.tsv").read_text().count("\n") == 3
    (tmp_path / "s" / "song.mp3").write_text("precious")
    with pytest.raises(UsageError, match=r"also holds song\.mp3"):
        search(planted, few, tmp_path / "s", force=True)


def test_settings_that_cannot_be_fitted_are_told(planted, tmp_path):
    nowhere = Searched({"estimator.penalty": Interval(10**19, 10**20)}, trials=2)
    with pytest.raises(TrainingError, match="of 2 trials none could be fitted; the last one: recipe linear collapsed"):
        search(planted, nowhere, tmp_path / "s")


@pytest.mark.parametrize(
    ("ranges", "complaint"),
    [
        ({}, "name what to search for"),
        ({"nothing": Interval(0, 1)}, "nothing: recipe linear has no such entry"),
        ({"penalty": Choices(("a", "b"))}, "penalty=a: must be a number"),
        ({"task": Choices(("regression", "classification"))}, "search for one of them"),
    ],
)
def test_ranges_that_a_recipe_cannot_have_are_refused_before_anything_is_written(planted, tmp_path, ranges, complaint):
    with pytest.raises(UsageError, match=complaint):
        search(planted, Searched(ranges), tmp_path / "s")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_network_is_pruned_and_its_learning_rate_found(tables, tmp_path):
    """A rate of 1e-6 learns nothing in six epochs; such trials end early, and the best one is far from there."""
    run = run_of(tables, "mlp", epochs=6, hidden=[16], batch_size=32, patience=8)
    rates = Searched({"training.learning_rate": Interval(1e-6, 0.03), "network.dropout": Interval(0.0, 0.5)}, trials=10)
    result = search(run, rates, tmp_path / "s")
    assert result.recipe.training.learning_rate > 1e-4
    states = {row[1] for row in result.table[1]}
    assert states == {"complete", "pruned"}


def test_the_command_tunes(tables, tmp_path):
    (tmp_path / "ranges.toml").write_text('[estimator]\npenalty = "1..100"\n')
    given = ["--features", tables / "features.csv", "--labels", tables / "labels.jsonl", "--group", "artist"]
    asked = ["tune", "-r", "linear", *given, "--target", "popularity", "--ranges", tmp_path / "ranges.toml"]
    result = CliRunner().invoke(app, [str(each) for each in (*asked, "--trials", 2, "-o", tmp_path / "s")])
    assert result.exit_code == 0, result.stderr
    assert result.stdout == ""
    assert "hitpredict: trial 2 of 2: spearman 0." in result.stderr
    again = CliRunner().invoke(app, [str(each) for each in (*asked, "--trials", 2, "-o", tmp_path / "s")])
    assert (again.exit_code, again.stderr.count("\n")) == (2, 3), again.stderr
    assert "ask for more --trials, or use --force" in again.stderr
