"""What recipes say of themselves and how they change; whose figures they print, and that each can be told apart."""

import re
from pathlib import Path

import pytest

from hitpredict import recipes
from hitpredict.errors import UsageError
from tests.helpers.processes import in_terminal, run

ROOT = Path(__file__).parents[2]
HMN = {"228", "[0, 1]"}
HIPHOP = {"1,617"}
OTHER_HMN = {"0.086", "0.094", *HMN}
# All figures that a recipe may print: those that its source reports for this very system, and the source's own
# baselines. What is not named here prints none.
FIGURES = {
    "ast": {"0.459"},
    "autoen-chorder": {"919", "1,500", "61.2", "0.5616", "0.22", "0.55", "0.2", "0.6"},
    "cs230-2conv": {"44", "41", "42"},
    "cs230-4conv": {"46", "51"},
    "cs230-4conv-rgb": {"53", "55"},
    "cs230-6conv-rgb": {"59", "63", "61"},
    "hiphop-cnn": {"0.5065", "0.5", *HIPHOP},
    "hiphop-cnn2": {"0.5523", "0.5743", *HIPHOP},
    "hiphop-crnn": {"0.5981", "0.6459", *HIPHOP},
    "hmn": {"0.0817", *HMN},
    "hmn-a": OTHER_HMN,
    "hmn-c": OTHER_HMN,
    "hmn-d": OTHER_HMN,
    "hmn-classify": {"0.835", "0.8375", "9,493", "0.756", "0.819", "0.490", "0.515", "0.012", "0.066", "228"},
    "hmn-vggish": {"228"},
    "hsp-tags": {"0.34", "90,212", "0.27"},
    "linear-ols": {"0.053", "43"},
    "mlp-hiphop": {"0.5065", "0.5", *HIPHOP},
    "wav2vec2": {"-0.1074"},
}
# The sources give these the same result.
ALIKE = [{"hmn-a", "hmn-c", "hmn-d"}, {"hiphop-cnn", "mlp-hiphop"}]
# Names of things, not results.
_NAMES = re.compile(r"R2|fma_\w+|\b0[1-9]\b")
_FIGURE = re.compile(r"\[0, 1\]|-?\d[\d,]*(?:\.\d+)?")


def published(name: str) -> str:
    text = "; ".join(map(str, recipes.load(name).published.values()))
    return _NAMES.sub("", text)


@pytest.mark.parametrize("name", recipes.names())
def test_a_recipe_prints_only_figures_of_its_own_system(name):
    assert set(_FIGURE.findall(published(name))) == FIGURES.get(name, set())


def test_a_result_belongs_to_one_recipe():
    results: dict[str, set[str]] = {}
    for name in recipes.names():
        for text in recipes.load(name).published.values():
            if _FIGURE.search(_NAMES.sub("", str(text))):
                results.setdefault(str(text), set()).add(name)
    assert [names for names in results.values() if len(names) > 1 and names not in ALIKE] == []


@pytest.mark.parametrize("name", ["hmn-vggish", "lossnet", "rnn", "single-autoencoder"])
def test_alternates_that_their_authors_gave_up_say_so(name):
    assert re.match("worse|a dead end|poor|abandoned", recipes.load(name).published["comparison"])


def test_no_two_recipes_describe_themselves_alike():
    summaries = [recipes.load(name).summary for name in recipes.names()]
    assert len(set(summaries)) == len(summaries)


def test_every_recipe_has_one_row_of_the_documentation():
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(rows) == recipes.names()


def test_what_is_said_of_the_systems_side_by_side_is_in_their_table():
    text = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    assert "The constants and `random-normal` aside" in text
    row = re.compile(r"^\| ([\w-]+) \|[^|]*\|[^|]*\| -?[\d.]+ \[(-?[\d.]+), -?[\d.]+\] \| ([\d.]+) \|", re.MULTILINE)
    found = {name: (float(low), float(error)) for name, low, error in row.findall(text)}
    later = re.findall(r"`([\w-]+)`", "".join(re.findall(r"Not measured yet: ([^.]*)\.", text)))
    assert sorted([*found, *later, "chart-curve"]) == recipes.names()
    others = found.keys() - {"constant", "majority", "random-normal"}
    assert [name for name in others if not (found[name][0] > 0 and found[name][1] < 1)] == []


def test_the_list_is_an_aligned_table_on_a_terminal():
    outcome = in_terminal("recipes", env={"NO_COLOR": "1"})
    assert outcome.code == 0
    text = re.sub(r"\x1b\[[\d;]*m", "", outcome.out.decode())
    header, *lines = [line.rstrip() for line in text.splitlines()]
    assert header.split() == ["recipe", "task", "features", "what", "it", "is"]
    assert max(map(len, lines)) <= 100
    starts = [header.index(word) for word in ("task", "features", "what")]
    rows = [line for line in lines if line[0] != " "]
    assert [line.split()[0] for line in rows] == recipes.names()
    assert all(line[start - 1] == " " and line[start] != " " for line in rows for start in starts)


def test_the_list_is_lines_with_tabs_in_a_pipe():
    lines = run("recipes").out.decode().splitlines()
    assert [line.split("\t")[0] for line in lines] == recipes.names()
    assert {line.count("\t") for line in lines} == {4}


def test_settings_of_recipes_are_checked():
    recipe = recipes.load("hmn")
    assert recipe.changed({"training.epochs": 3}).training.epochs == 3
    assert recipe.changed({"epochs": 3}).training.epochs == 3
    with pytest.raises(UsageError, match="no such entry"):
        recipe.changed({"nothing": 1})
    with pytest.raises(UsageError, match="no table"):
        recipe.changed({"nothing.at": 1})
    with pytest.raises(UsageError, match="ambiguous"):
        recipe.changed({"name": 1})


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_says_what_it_is(name):
    recipe = recipes.load(name)
    assert recipe.summary.endswith(".")
    assert recipe.source
    assert bool(recipe.network) != bool(recipe.estimator)
    if recipe.network:
        assert recipe.training.optimizer
        assert recipe.loss["name"]
