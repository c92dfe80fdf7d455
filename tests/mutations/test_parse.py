"""The command line's syntax of values, and every message about a wrong one."""

import pytest

from hitpredict.errors import UsageError
from hitpredict.mutations import STEPS, Chain, parse, product


def values(op: str, text: str) -> list[tuple[object, ...]]:
    return [step.values for step in parse(op, text)]


@pytest.mark.parametrize(
    ("op", "text", "expected"),
    [
        ("pitch", "2", [(2,)]),
        ("pitch", "+2", [(2,)]),
        ("pitch", "-2,0,2", [(-2,), (0,), (2,)]),
        ("pitch", "-4:4:2", [(-4,), (-2,), (0,), (2,), (4,)]),
        ("pitch", "4:0:-2", [(4,), (2,), (0,)]),
        ("pitch", "1:1:1", [(1,)]),
        ("pitch", "0:1:0.4", [(0,), (0.4,), (0.8,)]),
        ("pitch", "-1:1:1,12", [(-1,), (0,), (1,), (12,)]),
        ("pitch", "2, 2,+2.0", [(2,)]),
        ("tempo", "0.9:1.1:0.1", [(0.9,), (1.0,), (1.1,)]),
        ("tempo", "0.7:1.3:0.1", [(0.7,), (0.8,), (0.9,), (1.0,), (1.1,), (1.2,), (1.3,)]),
        ("noise", "20", [(20, "white")]),
        ("noise", "20:pink,10:brown", [(20, "pink"), (10, "brown")]),
        ("noise", "0:20:10", [(0, "white"), (10, "white"), (20, "white")]),
        ("noise", "0:20:10:pink", [(0, "pink"), (10, "pink"), (20, "pink")]),
        ("compress", "-20:8", [(-20, 8)]),
        ("compress", "-30:-10:10:2", [(-30, 2), (-20, 2), (-10, 2)]),
        ("eq", "1000:3", [(1000, 3, 1)]),
        ("eq", "1000:3:2,50:-6", [(1000, 3, 2), (50, -6, 1)]),
        ("crop", "30:60,60:", [(30, 60), (60, None)]),
        ("fade", "1:2", [(1, 2)]),
        ("mp3", "64,128", [(64,), (128,)]),
        ("bitcrush", "4:12:4", [(4,), (8,), (12,)]),
        ("mono", "", [()]),
        ("crop", "1:00-1:30,90-,1:02:30-1:02:31.5", [(60, 90), (90, None), (3750, 3751.5)]),
        ("crop", "1:30", [(1, 30)]),
        ("fade", "0:02-0:05", [(2, 5)]),
        ("roll", "1:30,-1:00.5,80", [(90,), (-60.5,), (80,)]),
        ("eq", "3k:4,2.5k:-3:2", [(3000, 4, 1), (2500, -3, 2)]),
        ("eq", "1k:-6:6:6", [(1000, -6, 1), (1000, 0, 1), (1000, 6, 1)]),
        ("eq", "1000:-3:3:3:2", [(1000, -3, 2), (1000, 0, 2), (1000, 3, 2)]),
        ("lowpass", "4k:8k:2k", [(4000,), (6000,), (8000,)]),
        ("mp3", "64k,128K", [(64,), (128,)]),
        ("tempo", "90%,110%", [(0.9,), (1.1,)]),
        ("tempo", "90%:110%:10%", [(0.9,), (1.0,), (1.1,)]),
        ("reverb", "30%:70%", [(0.3, 0.7)]),
    ],
)
def test_values(op: str, text: str, expected: list[tuple[object, ...]]) -> None:
    assert values(op, text) == expected


@pytest.mark.parametrize(
    ("op", "text", "message"),
    [
        ("pitch", "99", "`pitch` 99: must be between -24 and 24 semitones"),
        ("pitch", "0:99:1", "`pitch` 25: must be between -24 and 24 semitones"),
        ("tempo", "0", "`tempo` 0: must be between 0.25 and 4 times the speed"),
        ("eq", "1000:99", "`eq`: db 99: must be between -40 and 40 dB"),
        ("noise", "20:blue", "`noise`: colour blue: must be white, pink or brown"),
        (
            "mp3",
            "100",
            "`mp3` 100: must be 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256 or 320 kbit/s",
        ),
        ("bitcrush", "7.5", "`bitcrush` 7.5: must be a whole number, between 1 and 24 bits"),
        ("pitch", "nan", "`pitch` nan: expected SEMITONES, such as -2,0,2"),
        ("pitch", "inf", "`pitch` inf: expected SEMITONES, such as -2,0,2"),
        ("pitch", "1e999", "`pitch` inf: must be between -24 and 24 semitones"),
        ("pitch", "", "`pitch` : expected SEMITONES, such as -2,0,2"),
        ("pitch", "2,", "`pitch` 2,: expected SEMITONES, such as -2,0,2"),
        ("pitch", "1_0", "`pitch` 1_0: expected SEMITONES, such as -2,0,2"),
        ("pitch", "1:2", "`pitch` 1:2: expected SEMITONES, such as -2,0,2"),
        ("eq", "1000", "`eq` 1000: expected FREQ:GAIN[:Q], such as 3000:4:1.4"),
        ("eq", "1:2:3:4:5:6", "`eq` 1:2:3:4:5:6: expected FREQ:GAIN[:Q], such as 3000:4:1.4"),
        ("crop", "30", "`crop` 30: expected START:[END]|START-[END], such as 30:60"),
        ("fade", "1:2:1", "`fade` 1:2:1: expected IN[:OUT], such as 0.5:2"),
        ("pitch", "0:4:0", "`pitch` 0:4:0: the step of a range cannot be 0"),
        ("pitch", "4:0:1", "`pitch` 4:0:1: a step of 1 never gets from 4 to 0"),
        ("pitch", "0:4:1e-9", "`pitch` 0:4:1e-9: a range of more than 1000 values"),
        ("pitch", "0:1e308:1e-308", "`pitch` 0:1e308:1e-308: a range of more than 1000 values"),
        ("pitch", "1e999:1e999:1", "`pitch` 1e999:1e999:1: a range of more than 1000 values"),
        ("mono", "1", "`mono` 1: takes no value"),
        ("gain", "3k", "`gain` 3k: expected DB, such as -6:6:3"),
        ("pitch", "90%", "`pitch` 90%: expected SEMITONES, such as -2,0,2"),
        ("crop", "1:30-1:00", "`crop` 90:60: the end must come after the start"),
        ("eq", "1000:3:1:1", "`eq` 1000:3:1:1: a step of 1 never gets from 3 to 1"),
    ],
)
def test_messages(op: str, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(op, text)
    assert str(caught.value) == message


def test_an_unknown_option_and_too_many_values() -> None:
    with pytest.raises(UsageError, match="mutation wobble: unknown; there are pitch, tempo"):
        parse("wobble", "1")
    with pytest.raises(UsageError, match="more than 1000 values"):
        parse("gain", "0:9.99:0.01,-9.99:0:0.01")


def test_a_range_does_not_miss_its_end_by_rounding() -> None:
    for count in range(1, 200):
        assert len(parse("gain", f"0:{count / 10}:0.1")) == count + 1


def test_product_is_in_order_and_its_labels_differ() -> None:
    recipes = product([parse("pitch", "-2,0,2"), parse("tempo", "0.9,1.1")], quality="draft", seed=3)
    assert [recipe.label for recipe in recipes] == [
        "pitch-2.tempo0.9",
        "pitch-2.tempo1.1",
        "pitch0.tempo0.9",
        "pitch0.tempo1.1",
        "pitch+2.tempo0.9",
        "pitch+2.tempo1.1",
    ]
    assert all((recipe.quality, recipe.seed) == ("draft", 3) for recipe in recipes)
    assert product([]) == [Chain()]


def test_a_product_has_a_bound() -> None:
    with pytest.raises(UsageError, match="1000000 variants; at most 10000"):
        product([parse("gain", "0:9.99:0.01")] * 2)
    most = [parse("gain", "0:9.9:0.1"), parse("tempo", "0.5:1.49:0.01")]
    assert len(product(most)) == 10_000
    with pytest.raises(UsageError, match="20000 variants; at most 10000"):
        product([*most, parse("pitch", "1,2")])


def test_a_range_has_a_bound() -> None:
    assert len(parse("gain", "0:9.99:0.01")) == 1000
    with pytest.raises(UsageError, match="more than 1000 values"):
        parse("gain", "0:10:0.01")


@pytest.mark.parametrize("op", STEPS)
def test_every_option_describes_itself(op: str) -> None:
    step = STEPS[op]
    assert step.op == op
    assert step.family
    assert step.help_text().endswith(".")
    assert bool(step.metavar) == bool(step.parameters())
    assert parse(op, step.example)
    for spec in step.parameters():
        assert spec.range_text.replace("inf", "") in spec.range_text
