"""What score records say of sound that `mutate` wrote."""

import json

import pytest

from hitpredict.audio.clip import Clip
from hitpredict.mutations import Chain, parse
from hitpredict.scoring.records import flat, variant_of
from hitpredict.scoring.scorer import Scorer
from tests.helpers.sounds import tune


def comment(*steps):
    return json.dumps(Chain([step for op, text in steps for step in parse(op, text)]).to_json())


@pytest.mark.parametrize(
    ("steps", "variant"),
    [
        ((("pitch", "-2"), ("tempo", "0.9")), {"pitch": -2.0, "tempo": 0.9}),
        ((("eq", "1000:3"), ("eq", "200:-1")), {"eq": "1000:3:1", "eq.2": "200:-1:1"}),
        ((("mono", ""), ("gain", "-3")), {"mono": True, "gain": -3.0}),
        ((), {}),
    ],
)
def test_variants_hold_their_steps(steps, variant):
    assert variant_of(comment(*steps)) == variant


@pytest.mark.parametrize(
    "text",
    [
        *(None, "", "a comment", '"hitpredict.recipe/1"', "{hitpredict.recipe/1", '{"schema": "hitpredict.recipe/1"}'),
        '{"schema": "hitpredict.recipe/1", "steps": 3}',
        '{"schema": "hitpredict.recipe/1", "steps": [3]}',
    ],
)
def test_other_comments_are_no_variants(text):
    assert variant_of(text) is None


def test_records_carry_artist_and_variant():
    clip = tune(3)
    tags = {"artist": "Somebody", "comment": comment(("pitch", "-2"), ("tempo", "0.9"), ("mono", ""))}
    plain, tagged = Scorer().score(clip), Scorer().score(Clip(clip.samples, clip.rate, clip.name, tags))
    assert not {"artist", "variant"} & set(plain.to_json())
    assert tagged.to_json()["artist"] == "Somebody"
    assert tagged.to_json()["variant"] == {"pitch": -2.0, "tempo": 0.9, "mono": True}
    row = flat(tagged.to_json())
    assert (row["artist"], row["variant"]) == ("Somebody", ["pitch=-2", "tempo=0.9", "mono"])
    assert (flat(plain.to_json())["artist"], flat(plain.to_json())["variant"]) == ("", [])
