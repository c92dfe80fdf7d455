"""What people write into options and files of settings: values, grids, recipes; refused in words, or what works."""

import json
import tomllib

import tomli_w
import typer
from hypothesis import strategies as st

from hitpredict import recipes
from hitpredict.cli.options import _bytes, assigned
from hitpredict.errors import UsageError
from hitpredict.explanation.grid import chosen_parameters
from hitpredict.mutations import STEPS, Chain, parse
from hitpredict.mutations.chain import read_recipes
from hitpredict.mutations.parse import MOST_VALUES
from hitpredict.recipes import Recipe
from hitpredict.scoring.records import variant_of, variant_steps
from tests.helpers.fuzz import altered, anything, file_of, fuzzed, unless_refused

OPS = st.sampled_from(sorted(STEPS))
VALUED = [op for op, step in STEPS.items() if step.metavar]
# Mostly what values are written with, and now and then what they are not.
VALUES = st.text(st.sampled_from("0123456789.,:-+ekK% ") | st.characters(), max_size=30)
GOOD = st.sampled_from([(op, text) for op in VALUED for text in STEPS[op].example.split(" or ")])
KNOWN = {name: recipes.load(name).to_json() for name in recipes.names()}


def steps_of(op, text):
    return unless_refused(lambda: parse(op, text), UsageError) or []


@fuzzed(OPS, VALUES, examples=[("pitch", "9" * 5000), ("gain", "-1e999:1e999:1"), ("crop", "1:" * 2000)])
def test_values_of_steps(op, text):
    steps = steps_of(op, text)
    assert len(steps) <= MOST_VALUES
    for step in steps:
        assert Chain.from_json(json.loads(json.dumps(Chain((step,)).to_json()))).steps == (step,)


@st.composite
def some_steps(draw):
    """A step of any kind, of numbers within its ranges."""
    step = STEPS[draw(OPS)]
    values = {}
    for spec in step.parameters():
        if spec.choices:
            values[spec.name] = draw(st.sampled_from(spec.choices))
        else:
            low, high = max(spec.minimum, -1e6), min(spec.maximum, 1e6)
            number = st.integers(int(low), int(high)) if spec.whole else st.floats(low, high)
            values[spec.name] = draw(number | st.none() if spec.optional else number)
    try:
        return step(**values)
    except UsageError:
        return next(iter(parse("pitch", "+2")))


CHAINS = st.builds(
    Chain, st.lists(some_steps(), max_size=4), quality=st.sampled_from(["best", "draft"]), seed=st.integers(0, 2**32)
)


@fuzzed(CHAINS, CHAINS)
def test_recipes_come_back_from_json_and_have_labels_of_their_own(chain, other):
    written = json.loads(json.dumps(chain.to_json()))
    assert Chain.from_json(written) == chain
    assert (chain.label == other.label) == (chain.steps == other.steps)
    assert len(chain.label) <= 120
    with file_of(json.dumps([written, other.to_json()]), "r.json") as path:
        assert read_recipes(path) == [chain, other]


@fuzzed(some_steps())
def test_labels_of_steps_are_values_that_parse_to_the_same_step(step):
    text = step.label.removeprefix(step.op).replace("_", ":")
    if step.op == "crop":
        # Alone, START is no value.
        text = f"{text or 0}:" if step.end is None else text
    assert parse(step.op, text) == [step]


@fuzzed(CHAINS)
def test_the_steps_in_a_tag_are_those_of_the_chain(chain):
    variant = variant_of(json.dumps(chain.to_json()))
    assert len(variant) == len(chain.steps)
    assert [name.split(".")[0] for name in variant] == [step.op for step in chain.steps]


@fuzzed(
    CHAINS.flatmap(lambda chain: altered(chain.to_json())) | anything,
    examples=[
        ({"schema": "hitpredict.recipe/1", "steps": [{"op": "pitch", "semitones": 10**400, "x": 1}]},),
        ({"schema": "hitpredict.recipe/1", "steps": [{"op": "pitch", "semitones": float("nan")}]},),
    ],
)
def test_tags_that_only_look_like_recipes(data):
    try:
        text = json.dumps(data)
    except ValueError:
        return
    variant = variant_of(text)
    if variant is not None:
        json.dumps(variant, allow_nan=False)
        variant_steps(variant)


@fuzzed(
    CHAINS.flatmap(lambda chain: altered(chain.to_json())).map(json.dumps) | st.text(max_size=50),
    examples=[("[" * 100_000,), ("9" * 5000,), ("9" * 5000 + "\n{}",)],
)
def test_files_of_recipes_of_changes(text):
    with file_of(text, "r.json") as path:
        unless_refused(lambda: read_recipes(path), UsageError)


GRIDS = st.dictionaries(OPS | st.text(max_size=5), VALUES | st.dictionaries(OPS, VALUES, max_size=2), max_size=3)


@fuzzed(
    GRIDS.map(tomli_w.dumps) | GOOD.map(lambda pair: f'x = {{{pair[0]} = "{pair[1]}"}}') | st.text(max_size=40),
    st.none() | st.text(max_size=10) | OPS,
    examples=[("a = " + "[" * 100_000, None), ("a = " + "9" * 5000, None), ("", ","), ("\ufeff", None)],
)
def test_grids(text, names):
    with file_of(text, "g.toml") as path:
        found = unless_refused(lambda: chosen_parameters(names, path), UsageError)
    for each in found or ():
        assert each.values == sorted(each.values)


TOML = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
KEYS = sorted(
    {f"{table}.{key}" for each in KNOWN.values() for table, row in each.items() if isinstance(row, dict) for key in row}
)
SETTINGS = st.tuples(
    st.sampled_from([*KEYS, *(key.partition(".")[2] for key in KEYS), "task", "augment", "inputs"])
    | st.text(max_size=8),
    TOML.map(lambda value: tomli_w.dumps({"v": value}).removeprefix("v = ")) | st.text(max_size=10),
)


@fuzzed(
    st.sampled_from(sorted(KNOWN)),
    st.lists(SETTINGS, max_size=2),
    examples=[
        ("mlp", [("epochs", "9" * 5000)]),
        ("mlp", [("epochs", "[" * 100_000)]),
        ("mlp", [("training", "5")]),
        ("ast", [("compat.network.pooling", "")]),
        ("mlp", [("target.quantiles", "[nan]")]),
    ],
)
def test_settings_of_recipes(name, settings):
    recipe = recipes.load(name)
    changes = {key: recipes.parsed(text) for key, text in settings}
    changed = unless_refused(lambda: recipe.changed(changes), UsageError)
    if changed is not None and "nan" not in str(changes):
        assert Recipe.from_json(changed.to_json()) == changed


def _toml(data):
    """As TOML, which has no null; what it cannot write is left to a line that says so."""
    try:
        return tomli_w.dumps({key: value for key, value in data.items() if value is not None})
    except (TypeError, ValueError, AttributeError):
        return "x = ["


@fuzzed(
    st.sampled_from(sorted(KNOWN)).flatmap(lambda name: altered(KNOWN[name])).map(_toml) | st.text(max_size=60),
    examples=[("a = " + "[" * 100_000,), ("a = " + "9" * 5000,), ("[training]\nepochs = 1e400",)],
)
def test_files_of_recipes(text):
    with file_of(text, "r.toml") as path:
        unless_refused(lambda: recipes.load(str(path)), UsageError)


def test_the_files_that_are_damaged_are_recipes():
    assert all(tomllib.loads(_toml(data)) for data in KNOWN.values())


@fuzzed(st.lists(st.text(max_size=20), max_size=3))
def test_assignments(settings):
    unless_refused(lambda: assigned(settings), UsageError)


@fuzzed(
    st.text(st.sampled_from("0123456789.kKmMgGtTbB -+eE"), max_size=12),
    examples=[("9" * 400,), ("9" * 5000,)],
)
def test_sizes(text):
    try:
        assert 0 <= _bytes(text) < 2**63
    except typer.BadParameter as error:
        assert error.message
